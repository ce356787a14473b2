//! Directories that survive a power cut.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How many directories are remembered; beyond it, all are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// Makes directories, and remembers which of them are durable.
///
/// That a directory is there does not mean that its entry has been synced: whoever made it may
/// have been killed in between. So each is synced once in the life of the process.
#[derive(Debug, Default)]
pub(super) struct Directories {
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Makes `directory` with all above it, if they are not there, and syncs their entries.
    ///
    /// # Errors
    /// The system's. Something in the way that is no directory is found by who opens a file in it.
    pub(super) fn create(&self, directory: &Path) -> io::Result<()> {
        if self.is_remembered(directory) {
            return Ok(());
        }
        if let Some(parent) = directory.parent() {
            self.create(parent)?;
            make(directory)?;
            sync(parent)?;
        }
        self.remember(directory);
        Ok(())
    }

    /// Forgets everything: somebody else removes directories.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn is_remembered(&self, directory: &Path) -> bool {
        self.lock().contains(directory)
    }

    fn remember(&self, directory: &Path) {
        let mut durable = self.lock();
        if durable.len() >= REMEMBERED_MAX {
            durable.clear();
        }
        durable.insert(directory.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Syncs the entries of a directory; the empty path is the working directory.
///
/// A directory that may be entered but not read cannot be synced; it is not one of ours, so its
/// entries are not our doing.
///
/// # Errors
/// The system's.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    let opened = match directory.as_os_str().is_empty() {
        true => File::open("."),
        false => File::open(directory),
    };
    match opened {
        Ok(directory) => directory.sync_all(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
