//! The file system as the store needs it: the only way to the disk.
//!
//! [`RealFs`] is the operating system's; the `sim` feature (and the crate's own tests) has one in
//! memory with power cuts, full disks and failing calls. Whatever returns an `io::Error` keeps
//! the operating system's error code, so that [`is_disk_full`] and [`is_out_of_files`] can tell.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

mod mapping;
mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

pub use mapping::{Mapping, mapped_bytes, mapping_count};
pub use real::RealFs;

/// A file system.
pub trait Fs: Send + Sync + Debug {
    /// Creates a file that must not exist, for reading and writing.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file; for writing too if `access` says so.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;
    /// Moves a file; what was at `to` is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's directory entry.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// A directory, to open many of its files.
    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn Dir>>;
    /// What is in a directory, in no particular order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Creates a directory and those above it, where they do not exist.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The volume that holds the directory.
    fn open_volume(&self, dir: &Path) -> io::Result<Box<dyn Volume>>;
    /// A number that no two directories share unless one volume holds them.
    fn volume_id(&self, dir: &Path) -> io::Result<u64>;
    /// Bytes that can still be written by this process.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Takes an exclusive lock on the file at `path` (created if needed) and writes `owner` into
    /// it, or returns what the holder wrote.
    fn try_lock(&self, path: &Path, owner: &[u8]) -> io::Result<LockOutcome>;
}

/// An open directory.
pub trait Dir: Send + Sync + Debug {
    /// Opens an existing file of the directory for reading; its path need not be walked for that.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
}

/// An open file. Positions and lengths are in bytes.
pub trait File: Send + Sync + Debug {
    /// Reads at `offset`; fewer bytes than asked only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all parts one after the other at `offset`, or returns an error, after which any of
    /// the bytes may have been written.
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes the file at least `len` bytes long, with zeros, and reserves the space for them
    /// where the file system can.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes the data and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Whether the file system still takes requests. It is asked after syncs: one that goes down
    /// may let those under way succeed without having carried them out, and answers nothing
    /// afterwards. (ext4 whose journal is aborted: a sync that looks for its transaction finds it
    /// gone, and takes that for committed.)
    fn check_alive(&self) -> io::Result<()>;
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Maps the first `len` bytes for reading; the file must be at least that long.
    fn map(&self, len: u64) -> io::Result<Mapping>;
}

/// A whole file system, to sync it at once.
///
/// To be opened before the first write it is to sync and kept: Linux reports a failed write-back
/// to handles that were open then, and to a later one only if nobody else has heard of it.
pub trait Volume: Send + Sync + Debug {
    /// Makes the data of all files durable. An error may concern any file. `Unsupported` where
    /// the system has no such call, or (Linux before 5.8) one that tells no errors.
    fn sync_all(&self) -> io::Result<()>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The entry's name, without its directory; what is not UTF-8 is replaced.
    pub name: String,
    /// Whether it is a directory (not a link to one).
    pub is_dir: bool,
}

/// What came of trying to lock.
#[derive(Debug)]
pub enum LockOutcome {
    /// It is ours until the guard is dropped.
    Taken(Box<dyn LockGuard>),
    /// Somebody holds it and wrote this.
    HeldBy(Vec<u8>),
}

/// Releases the lock when dropped.
pub trait LockGuard: Send + Sync + Debug {}

/// Whether the error means that there is no space, or no quota, left.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether the error means that the process, or the system, has no descriptor left. Nothing has
/// been done then, and it can be tried again.
pub fn is_out_of_files(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&code)
}

/// Reads until `buffer` is full or the file ends; returns the bytes read.
pub(crate) fn read_full_at(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
