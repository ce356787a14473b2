//! Where damaged bytes and unreadable files are set aside, under names that say where they were.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreIoError;
use crate::fs::{Access, Fs};
use crate::id::ChunkId;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// One route's part of the quarantine directory.
#[derive(Clone, Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    /// What its files are named after.
    route: String,
    /// Bytes copied or moved here since the store was opened; shared by all routes.
    bytes: Arc<AtomicU64>,
    /// Held while a copy is made: two readers may meet the same damage.
    copying: Arc<Mutex<()>>,
}

impl Quarantine {
    pub(crate) fn new(dir: &Path, route: &str, bytes: Arc<AtomicU64>) -> Quarantine {
        Quarantine {
            dir: dir.to_owned(),
            route: route.to_owned(),
            bytes,
            copying: Arc::default(),
        }
    }

    /// Copies damaged bytes that were at `offset` of a chunk, durably; `None` if that was done
    /// before.
    ///
    /// The copy gets its name when it is whole and synced: what a crash leaves half-made must not
    /// pass for a copy when the damage is met again.
    pub(crate) fn copy(
        &self,
        fs: &dyn Fs,
        chunk: ChunkId,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<Option<PathBuf>> {
        let path = self
            .dir
            .join(format!("{}-{chunk}-{offset}.bytes", self.route));
        let _turn = lock(&self.copying);
        if fs.open(&path, Access::Read).is_ok() {
            return Ok(None);
        }
        let part = path.with_extension("part");
        let made = write_part(fs, &part, bytes).and_then(|()| {
            fs.rename(&part, &path)?;
            fs.sync_dir(&self.dir)
        });
        if let Err(error) = made {
            // One of the two exists, or neither.
            let _ = fs.remove_file(&part);
            let _ = fs.remove_file(&path);
            return Err(error);
        }
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Some(path))
    }

    /// Moves a whole chunk file here; needs no disk space.
    pub(crate) fn take_file(
        &self,
        fs: &dyn Fs,
        path: &Path,
        chunk: ChunkId,
    ) -> Result<PathBuf, StoreIoError> {
        let (to, _) = self.take(fs, path, &format!("{chunk}.chunk"))?;
        Ok(to)
    }

    /// Moves a file here under its own name, prefixed with the route's; returns where it is now
    /// and its bytes.
    pub(crate) fn take(
        &self,
        fs: &dyn Fs,
        path: &Path,
        name: &str,
    ) -> Result<(PathBuf, u64), StoreIoError> {
        let to = self.dir.join(format!("{}-{name}", self.route));
        let len = fs
            .open(path, Access::Read)
            .and_then(|file| file.len())
            .unwrap_or(0);
        fs.rename(path, &to)
            .map_err(StoreIoError::on("quarantine", path))?;
        // If the move is lost in a power cut, the next recovery repeats it.
        let _ = fs.sync_dir(&self.dir);
        self.bytes.fetch_add(len, Ordering::Relaxed);
        Ok((to, len))
    }
}

/// How much stands in the quarantine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// Files: copies of damaged bytes, and chunk files moved there as a whole.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Quarantined {
    pub(crate) fn count(fs: &dyn Fs, dir: &Path) -> io::Result<Quarantined> {
        let mut counted = Quarantined::default();
        for entry in fs.read_dir(dir)?.iter().filter(|entry| !entry.is_dir) {
            match fs
                .open(&dir.join(&entry.name), Access::Read)
                .and_then(|file| file.len())
            {
                Ok(len) => {
                    counted.files += 1;
                    counted.bytes += len;
                }
                // Somebody took it away since the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(counted)
    }
}

/// Writes and syncs a new file, in the place of what an earlier run may have left there.
fn write_part(fs: &dyn Fs, part: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs.remove_file(part);
    let file = fs.create_new(part)?;
    file.write_all_at(&mut [IoSlice::new(bytes)], 0)?;
    file.sync_data()
}
