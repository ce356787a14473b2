//! Adding a chunk to the end of a file.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::directories;
use super::open::open_alone;

/// Adds what `write` writes to the end of the file at `path`, and syncs it.
///
/// When this returns `Ok`, the bytes and the file's entry in its directory are durable. When it
/// fails, the file is cut back to the length it had, so that the next attempt does not follow
/// half a chunk; only if that fails too (which is logged), or if the process dies in between, half
/// a chunk may stay.
///
/// With `lines`, a last line without its end, as a crash leaves it, is ended first: it stays one
/// broken line, and the first of ours is whole.
///
/// # Errors
/// What `write` says, or the system's. Special files are written to, but neither synced nor cut.
pub(super) fn append<E>(
    path: &Path,
    lines: bool,
    write: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<io::Error>,
{
    let file = open_alone(path)?;
    let before = file.metadata()?;
    if before.len() == 0 {
        // Before the first byte: a file with content is one whose entry is durable.
        directories::sync(super::directory_of(path))?;
    }
    let result = add(&file, &before, lines, write);
    if result.is_err() && before.is_file() {
        cut(&file, before.len(), path);
    }
    result
}

fn add<E>(
    file: &File,
    before: &Metadata,
    lines: bool,
    write: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<io::Error>,
{
    if lines && is_torn(file, before)? {
        let mut end = file;
        end.write_all(b"\n")?;
    }
    write(file)?;
    if before.is_file() {
        file.sync_data()?;
    }
    if file.metadata()?.nlink() == 0 {
        return Err(io::Error::other("the file was removed while it was written").into());
    }
    Ok(())
}

/// Whether the file's last line has no end.
fn is_torn(file: &File, before: &Metadata) -> io::Result<bool> {
    let Some(last_offset) = before.len().checked_sub(1) else {
        return Ok(false);
    };
    let mut last = [0];
    file.read_exact_at(&mut last, last_offset)?;
    Ok(last != *b"\n")
}

fn cut(file: &File, len: u64, path: &Path) {
    if let Err(error) = file.set_len(len) {
        tracing::warn!(path = %path.display(), len, %error, "half a chunk stays in a file");
    }
}
