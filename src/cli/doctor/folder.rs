//! The folder in which the doctor tries things: removed at the end, whatever happens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Finding, Level};

/// A folder of our own; nothing is left of it when it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    is_removed: bool,
}

impl Folder {
    /// Creates it under a name that nobody has.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub(super) fn create_in(dir: &Path) -> io::Result<Self> {
        let name = format!(".forebay-doctor-{:016x}", crate::clock::random_u64());
        let path = dir.join(name);
        fs::create_dir(&path)?;
        Ok(Self {
            path,
            is_removed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it; says so if that fails.
    pub(super) fn remove(mut self) -> Option<Finding> {
        self.is_removed = true;
        let error = fs::remove_dir_all(&self.path).err()?;
        let text = format!("{} could not be removed: {error}", self.path.display());
        Some(Finding::new(Level::Degraded, "removing", text).advise("remove it by hand"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_removed {
            // We are on the way out of a panic; there is nobody to tell.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
