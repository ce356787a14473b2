//! Opening a file for this writer alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How often a file that somebody replaces while it is opened is opened anew.
const ATTEMPTS_MAX: u32 = 8;

/// Opens `path` for appending, makes it if it is not there, and locks it (`flock`) against other
/// processes and other outputs. The lock ends when the file is closed.
///
/// # Errors
/// The system's; `WouldBlock` if somebody else holds the lock or keeps replacing the file.
pub(super) fn open_alone(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS_MAX {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        lock(&file)?;
        if is_at(&file, path)? {
            return Ok(file);
        }
    }
    Err(io::Error::new(
        ErrorKind::WouldBlock,
        "somebody else keeps replacing the file",
    ))
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            ErrorKind::WouldBlock,
            "somebody else has locked the file",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `path` still names `file`: between opening and locking it may have been renamed, by a
/// log rotation or by the writer that held the lock before.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
