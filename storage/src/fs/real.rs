//! The operating system's file system.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::retry_on_intr;

use super::{Access, Dir, DirEntry, File, Fs, LockGuard, LockOutcome, Mapping, Volume};
use crate::layout::to_usize;

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

#[derive(Debug)]
struct RealFile(fs::File);

#[derive(Debug)]
struct RealDir(fs::File);

#[derive(Debug)]
struct RealVolume(#[cfg_attr(not(target_os = "linux"), allow(dead_code))] fs::File);

#[derive(Debug)]
struct FileLock(#[allow(dead_code)] fs::File);

impl LockGuard for FileLock {}

impl Fs for RealFs {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let is_writable = access == Access::ReadWrite;
        Ok(Arc::new(RealFile(
            fs::OpenOptions::new()
                .read(true)
                .write(is_writable)
                .open(path)?,
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn Dir>> {
        Ok(Box::new(RealDir(fs::File::open(path)?)))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok(DirEntry {
                    name,
                    is_dir: entry.file_type()?.is_dir(),
                })
            })
            .collect()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn open_volume(&self, dir: &Path) -> io::Result<Box<dyn Volume>> {
        Ok(Box::new(RealVolume(fs::File::open(dir)?)))
    }

    fn volume_id(&self, dir: &Path) -> io::Result<u64> {
        Ok(fs::metadata(dir)?.dev())
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn try_lock(&self, path: &Path, owner: &[u8]) -> io::Result<LockOutcome> {
        // Not truncated on opening: the text belongs to whoever holds the lock.
        let mut options = fs::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all_at(owner, 0)?;
                Ok(LockOutcome::Taken(Box::new(FileLock(file))))
            }
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = [0; 64];
                let read = file.read_at(&mut text, 0)?;
                Ok(LockOutcome::HeldBy(text[..read].to_vec()))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Dir for RealDir {
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = retry_on_intr(|| openat(&self.0, name, flags, Mode::empty()))?;
        Ok(Arc::new(RealFile(file.into())))
    }
}

impl Volume for RealVolume {
    #[cfg(target_os = "linux")]
    fn sync_all(&self) -> io::Result<()> {
        if !tells_errors() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_all(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether `syncfs` reports failed write-backs: Linux 5.8 and later.
#[cfg(target_os = "linux")]
fn tells_errors() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let (mut parts, mut offset) = (parts, offset);
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match rustix::io::pwritev(&self.0, parts, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut parts, written);
                    offset += written as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            // Without the call a full disk shows at the write, which reports it just as well.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => extend(&self.0, len),
            allocated => Ok(allocated?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, len: u64) -> io::Result<()> {
        extend(&self.0, len)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn check_alive(&self) -> io::Result<()> {
        // Reading fails where the file system was shut down, and writing, be it nothing, also
        // where it has become read-only.
        rustix::io::pread(&self.0, &mut [0_u8; 1], 0)?;
        rustix::io::pwrite(&self.0, &[], 0)?;
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn map(&self, len: u64) -> io::Result<Mapping> {
        if self.len()? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Mapping::of_file(&self.0, to_usize(len))
    }
}

fn extend(file: &fs::File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() < len {
        file.set_len(len)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
