//! A folder that goes away.

use std::io;
use std::path::{Path, PathBuf};

use crate::clock::random_u64;

/// A new folder among the system's temporary ones; deleted with all that is in it by its drop.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("forebay-testing-{:016x}", random_u64());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system, which cleans that place up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
