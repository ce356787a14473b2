//! A file system in memory that can lose power, run full and fail, for tests.
//!
//! Two images: what programs see, and what the medium has for certain. A power cut keeps the
//! second and of the difference any part: each 512-byte sector (in any of the states it was in),
//! each change of a directory and each file's length survives or does not, as [`Survivors`]
//! says. Renames are atomic.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Access, Dir, DirEntry, File, Fs, LockGuard, LockOutcome, Mapping, Volume};
use crate::layout::to_usize;
use crate::sync::{Mutex, lock};

mod disk;
mod faults;
mod gate;
mod inode;
mod survivors;

use disk::{Disk, InodeId};
pub use faults::{Calls, Faults};
use gate::Gate;
pub use gate::HeldSyncs;
pub use survivors::Survivors;

/// A simulated file system; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct SimFs(Arc<Mutex<Disk>>, Arc<Gate>);

/// One changing operation, in the order they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file was created.
    Create(PathBuf),
    /// Directories were created.
    CreateDirs(PathBuf),
    /// Bytes were written to the file, from offset to end.
    Write(PathBuf, u64, u64),
    /// The file's length was set, growing or shrinking it.
    SetLen(PathBuf, u64),
    /// The file's data was synced.
    SyncData(PathBuf),
    /// The directory was synced.
    SyncDir(PathBuf),
    /// Everything was synced.
    SyncAll,
    /// The file was moved.
    Rename(PathBuf, PathBuf),
    /// The file was removed.
    Remove(PathBuf),
    /// What a test noted, to compare its place with the operations'.
    Note(String),
}

impl SimFs {
    /// An empty file system without faults.
    pub fn new() -> SimFs {
        SimFs::default()
    }

    /// Sets what will go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.0).set_faults(faults);
    }

    /// Makes every call that syncs a file's data wait until the guard is dropped.
    pub fn hold_syncs(&self) -> HeldSyncs {
        HeldSyncs::new(&self.1)
    }

    /// Syncs of directories so far, failed ones included.
    pub fn dir_sync_count(&self) -> u64 {
        self.1.dir_syncs()
    }

    /// Waits until directories have been synced so often; `false` if nothing is synced for `patience`.
    pub fn wait_for_dir_syncs(&self, count: u64, patience: Duration) -> bool {
        self.1.wait_for_dir_syncs(count, patience)
    }

    /// Changing operations made so far; the measure of [`Faults::power_off_after`].
    pub fn op_count(&self) -> u64 {
        lock(&self.0).op_count
    }

    /// Whether the next changing operation will still find the power on.
    pub fn has_power(&self) -> bool {
        lock(&self.0).check_power().is_ok()
    }

    /// Whether a write, a sync or a move has failed since the last power cut: what it was to make
    /// durable may never be.
    pub fn has_failed(&self) -> bool {
        lock(&self.0).has_failed
    }

    /// Everything done so far.
    pub fn log(&self) -> Vec<Op> {
        lock(&self.0).log.clone()
    }

    /// Puts a note into the log.
    pub fn note(&self, text: impl Into<String>) {
        lock(&self.0).log.push(Op::Note(text.into()));
    }

    /// What a power cut at this moment may leave; another seed, another outcome.
    pub fn after_power_cut(&self, seed: u64) -> SimFs {
        self.after_power_cut_leaving(Survivors::Random(seed))
    }

    /// What a power cut at this moment leaves if these changes survive.
    pub fn after_power_cut_leaving(&self, survivors: Survivors) -> SimFs {
        let disk = lock(&self.0).after_power_cut(survivors);
        SimFs(Arc::new(Mutex::new(disk)), Arc::default())
    }

    /// What a killed process leaves: everything it wrote.
    pub fn after_kill(&self) -> SimFs {
        let disk = lock(&self.0).after_kill();
        SimFs(Arc::new(Mutex::new(disk)), Arc::default())
    }

    /// A file's bytes as programs see them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        lock(&self.0).bytes(path)
    }

    /// Replaces a file's bytes on the medium, as damage does; creates it if needed.
    pub fn set_bytes(&self, path: &Path, bytes: Vec<u8>) {
        lock(&self.0).set_bytes(path, bytes);
    }

    /// Flips one bit of a file on the medium; `false` if the file has no such byte.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> bool {
        let flip = |bytes: &mut [u8]| {
            if let Some(byte) = bytes.first_mut() {
                *byte ^= 1 << (bit & 7);
            }
        };
        lock(&self.0).damage(path, offset, flip)
    }

    /// Puts the block of 4096 bytes that was written to `from` where `to` is instead, and leaves
    /// at `from` what a new block holds; `false` if either file has no such bytes.
    pub fn misdirect(&self, from: (&Path, u64), to: (&Path, u64)) -> bool {
        lock(&self.0).misdirect(from, to)
    }

    /// Bytes that all files take, in blocks of 4096.
    pub fn used_bytes(&self) -> u64 {
        lock(&self.0).used_bytes()
    }

    /// Every file, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.0).files()
    }

    /// Files open now (handles that exist).
    pub fn open_count(&self) -> usize {
        lock(&self.0).open_count
    }

    fn handle(&self, inode: InodeId, path: &Path) -> Arc<dyn File> {
        lock(&self.0).open_count += 1;
        Arc::new(SimFile {
            fs: self.clone(),
            inode,
            path: path.to_owned(),
        })
    }
}

impl Fs for SimFs {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = lock(&self.0).create_new(path)?;
        Ok(self.handle(inode, path))
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<Arc<dyn File>> {
        let inode = lock(&self.0).open(path)?;
        Ok(self.handle(inode, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.0).rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).remove_file(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn Dir>> {
        Ok(Box::new(SimDir {
            fs: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        lock(&self.0).read_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let synced = lock(&self.0).sync_dir(path);
        self.1.dir_synced();
        synced
    }

    fn open_volume(&self, _: &Path) -> io::Result<Box<dyn Volume>> {
        Ok(Box::new(self.clone()))
    }

    fn volume_id(&self, dir: &Path) -> io::Result<u64> {
        Ok(lock(&self.0).is_on_other_volume(dir).into())
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(lock(&self.0).free_space())
    }

    fn try_lock(&self, path: &Path, owner: &[u8]) -> io::Result<LockOutcome> {
        let taken = lock(&self.0).try_lock(path, owner);
        Ok(match taken {
            Ok(()) => LockOutcome::Taken(Box::new(SimLock {
                fs: self.clone(),
                path: path.to_owned(),
            })),
            Err(owner) => LockOutcome::HeldBy(owner),
        })
    }
}

#[derive(Debug)]
struct SimDir {
    fs: SimFs,
    path: PathBuf,
}

impl Dir for SimDir {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.fs.open(&self.path.join(name), Access::Read)
    }
}

impl Volume for SimFs {
    fn sync_all(&self) -> io::Result<()> {
        lock(&self.0).sync_all()
    }
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    path: PathBuf,
}

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.fs.0).unlock(&self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    inode: InodeId,
    path: PathBuf,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        lock(&self.fs.0).open_count -= 1;
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        lock(&self.fs.0).read_at(self.inode, buffer, offset)
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        lock(&self.fs.0).write(self.inode, &self.path, &bytes, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        lock(&self.fs.0).allocate(self.inode, &self.path, len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        lock(&self.fs.0).truncate(self.inode, &self.path, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.1.pass();
        lock(&self.fs.0).sync_data(self.inode, &self.path)
    }

    fn check_alive(&self) -> io::Result<()> {
        lock(&self.fs.0).check_power()
    }

    fn len(&self) -> io::Result<u64> {
        lock(&self.fs.0).len(self.inode)
    }

    fn map(&self, len: u64) -> io::Result<Mapping> {
        if self.len()? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut disk = lock(&self.fs.0);
        let (mut bytes, unreadable) = disk.map(self.inode);
        bytes.truncate(to_usize(len));
        if disk.is_populate_unsupported() {
            return Ok(Mapping::unpopulatable(bytes));
        }
        Ok(Mapping::of_bytes(bytes, unreadable))
    }
}

#[cfg(test)]
mod tests;
