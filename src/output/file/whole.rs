//! Writing a chunk as a file of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::directories;
use super::open::open_alone;

/// Extensions that stand behind another one, as in `events.ndjson.gz`.
const PACKED_EXTENSIONS: [&str; 2] = ["gz", "zst"];

/// Puts a file with what `write` writes at `path`, all at once: it is written under a hidden name
/// beside it, synced, and renamed, so that a reader sees the whole file or none, and so that a
/// second attempt at the same chunk replaces the first.
///
/// When this returns `Ok`, the file and its entry in its directory are durable. A crash may leave
/// the hidden file; the next attempt at the chunk takes it over.
///
/// # Errors
/// What `write` says, or the system's.
pub(super) fn write_whole<E>(
    path: &Path,
    write: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<io::Error>,
{
    let hidden = hidden_name(path);
    let file = open_alone(&hidden)?;
    let result = fill(&file, write).and_then(|()| Ok(fs::rename(&hidden, path)?));
    if let Err(error) = result {
        // It would do no harm: the lock is ours, and the next attempt begins by emptying it.
        let _stays_for_the_next_attempt = fs::remove_file(&hidden);
        return Err(error);
    }
    Ok(directories::sync(super::directory_of(path))?)
}

fn fill<E>(file: &File, write: impl FnOnce(&File) -> Result<(), E>) -> Result<(), E>
where
    E: From<io::Error>,
{
    file.set_len(0)?;
    write(file)?;
    Ok(file.sync_data()?)
}

/// The path with the chunk's id before its extension: `app.ndjson.gz` becomes
/// `app.<id>.ndjson.gz`.
pub(super) fn with_id(path: &Path, id: &str) -> PathBuf {
    let mut stem = path.to_owned();
    let mut extensions = OsString::new();
    if PACKED_EXTENSIONS
        .iter()
        .any(|packed| stem.extension() == Some(OsStr::new(packed)))
    {
        extensions = move_extension(&mut stem, &extensions);
    }
    extensions = move_extension(&mut stem, &extensions);
    let mut name = stem.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(id);
    name.push(extensions);
    path.with_file_name(name)
}

/// Takes the extension from `stem` and gives it with its dot, followed by `behind`.
fn move_extension(stem: &mut PathBuf, behind: &OsStr) -> OsString {
    let mut extensions = OsString::new();
    if let Some(extension) = stem.extension() {
        extensions.push(".");
        extensions.push(extension);
    }
    extensions.push(behind);
    stem.set_extension("");
    extensions
}

fn hidden_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stands_before_the_extensions() {
        let cases = [
            ("a/app.ndjson", "a/app.7f.ndjson"),
            ("a/app.ndjson.gz", "a/app.7f.ndjson.gz"),
            ("a/app.csv.zst", "a/app.7f.csv.zst"),
            ("a/app.gz", "a/app.7f.gz"),
            ("a.b/app", "a.b/app.7f"),
            ("app.web.log", "app.web.7f.log"),
            (".hidden", ".hidden.7f"),
        ];
        for (path, expected) in cases {
            assert_eq!(with_id(Path::new(path), "7f"), Path::new(expected));
        }
    }
}
