//! Where a data directory keeps its chunks.

use std::io;
use std::path::{Path, PathBuf};

use forebay_storage::recovery::FileReport;
use forebay_storage::{DEAD_DIR, Fs, ROUTES_DIR, StoreIoError, inspect_dir};

use super::Error;

/// What a directory of chunks is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Area {
    /// Chunks on their way.
    Route,
    /// Dead letters.
    Dead,
}

impl Area {
    fn dir_name(self) -> &'static str {
        match self {
            Self::Route => ROUTES_DIR,
            Self::Dead => DEAD_DIR,
        }
    }
}

/// One directory of chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ChunkDir {
    pub(in crate::cli) area: Area,
    /// The route's name.
    pub(in crate::cli) route: String,
    pub(in crate::cli) path: PathBuf,
}

impl ChunkDir {
    /// The files in it, by name, which is by age.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub(super) fn inspect(&self, fs: &dyn Fs) -> Result<Vec<FileReport>, Error> {
        Ok(inspect_dir(fs, &self.path)?)
    }
}

/// All directories of chunks under `data_dir`: routes by name, then their dead letters.
///
/// # Errors
/// If `data_dir` holds no store or cannot be listed.
pub(in crate::cli) fn chunk_dirs(fs: &dyn Fs, data_dir: &Path) -> Result<Vec<ChunkDir>, Error> {
    let not_a_data_dir = || Error::NotADataDir {
        path: data_dir.to_owned(),
    };
    let top = list(fs, data_dir).map_err(|error| match error.source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => not_a_data_dir(),
        _ => error.into(),
    })?;
    if !top.iter().any(|name| name == ROUTES_DIR) {
        return Err(not_a_data_dir());
    }
    let mut dirs = Vec::new();
    for area in [Area::Route, Area::Dead] {
        if !top.iter().any(|name| name == area.dir_name()) {
            continue;
        }
        let area_dir = data_dir.join(area.dir_name());
        for route in list(fs, &area_dir)? {
            let path = area_dir.join(&route);
            dirs.push(ChunkDir { area, route, path });
        }
    }
    Ok(dirs)
}

/// The directories in `dir`, by name.
fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>, StoreIoError> {
    let entries = fs.read_dir(dir).map_err(|source| StoreIoError {
        action: "list",
        path: dir.to_owned(),
        source,
    })?;
    let mut names: Vec<_> = entries
        .into_iter()
        .filter(|entry| entry.is_dir)
        .map(|entry| entry.name)
        .collect();
    names.sort();
    Ok(names)
}
