//! Where the database lies: `DIR/<generation>`, the greatest number being the one in use.
//!
//! A database that is set aside keeps its number and gets `.aside` behind it; the next one gets
//! the next number. So a thread that hangs inside sled with the old one, and writes by path when
//! it wakes up, can do nothing to the new one. Only the last one set aside is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ASIDE: &str = ".aside";

/// The folder of all generations.
pub(super) struct Folder {
    dir: PathBuf,
    generation: u64,
}

impl Folder {
    /// Finds the generation in use; makes `dir` if it is absent.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let names = names(dir)?;
        let generation = names.iter().filter_map(|name| name.parse().ok()).max();
        Ok(Self {
            dir: dir.to_owned(),
            generation: generation.unwrap_or(1),
        })
    }

    /// The path of the database in use.
    pub(super) fn database(&self) -> PathBuf {
        self.dir.join(self.generation.to_string())
    }

    /// Sets the database in use aside and goes to the next generation.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn set_aside(&mut self) -> io::Result<()> {
        for name in names(&self.dir)? {
            if name.ends_with(ASIDE) {
                remove(&self.dir.join(name))?;
            }
        }
        let aside = self.dir.join(format!("{}{ASIDE}", self.generation));
        match fs::rename(self.database(), aside) {
            Ok(()) => {}
            // Opening failed before anything was made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.generation = self.generation.saturating_add(1);
        Ok(())
    }
}

/// Removes a folder, or what stands in the place of one.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// The names in `dir` that are UTF-8; ours are.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
