//! Where damaged bytes and unreadable files are set aside, under names that say where they were.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::StoreIoError;
use crate::fs::Fs;
use crate::id::ChunkId;

/// One route's part of the quarantine directory.
#[derive(Clone, Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    /// What its files are named after.
    route: String,
    /// Bytes copied or moved here since the store was opened; shared by all routes.
    bytes: Arc<AtomicU64>,
}

impl Quarantine {
    pub(crate) fn new(dir: &Path, route: &str, bytes: Arc<AtomicU64>) -> Quarantine {
        Quarantine {
            dir: dir.to_owned(),
            route: route.to_owned(),
            bytes,
        }
    }

    /// Copies damaged bytes that were at `offset` of a chunk, durably; `None` if that was done
    /// before.
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
        let file = match fs.create_new(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        let written = file
            .write_all_at(&mut [IoSlice::new(bytes)], 0)
            .and_then(|()| file.sync_data())
            .and_then(|()| fs.sync_dir(&self.dir));
        if let Err(error) = written {
            // Half a copy must not pass for a whole one when the damage is met again.
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
            .open(path, crate::fs::Access::Read)
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
