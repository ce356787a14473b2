//! Recovery: `scan -> plan -> apply`.
//!
//! Scanning reads and never writes. The plan is data: start-up applies it, and a tool can print
//! it. What is done with each file:
//!
//! | found | step |
//! |---|---|
//! | sealed, owed to somebody (or without destinations) | keep |
//! | every destination served | remove |
//! | unsealed, zeros behind the last frame | resume |
//! | unsealed, torn or damaged | copy the damage to the quarantine, seal |
//! | header or metadata damaged, a copy of them intact | copy the damage to the quarantine, restore |
//! | header intact, never a frame, only zeros | remove |
//! | only zeros, or empty | remove |
//! | no readable header and no copy of it | move to the quarantine |
//! | written by a newer version, or unreadable by an I/O error | leave, report |
//! | not a chunk's name | leave, report |

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{OpenError, StoreIoError};
use crate::fs::{DirEntry, Fs};
use crate::id::ChunkId;
use crate::observer::ChunkInfo;
use crate::route::RouteInner;

mod ahead;
mod apply;
mod plan;
mod scan;

pub use plan::plan;
pub use scan::{ChunkReport, FileReport, Tail};

use scan::{Bytes, Scan};

/// What recovery does, or did, with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file.
    pub path: PathBuf,
    /// What is done with it.
    pub action: Action,
    /// Why, in plain words.
    pub reason: String,
}

/// What is done with one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is sealed and waits for delivery.
    Keep,
    /// It goes on taking appends.
    Resume,
    /// Its damaged bytes are copied to the quarantine and it is sealed.
    Seal,
    /// Its header and metadata are damaged: they are copied to the quarantine and written again
    /// from their copy. A chunk that was not sealed is.
    Restore,
    /// It is removed: nothing in it is owed.
    Remove,
    /// It is moved to the quarantine as it is.
    Quarantine,
    /// It is not touched.
    Leave,
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            Action::Keep => "keep",
            Action::Resume => "resume",
            Action::Seal => "seal",
            Action::Restore => "restore",
            Action::Remove => "remove",
            Action::Quarantine => "move to the quarantine",
            Action::Leave => "leave",
        };
        write!(out, "{verb} {}: {}", self.path.display(), self.reason)
    }
}

/// What recovery found and did in one route.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What was done, or not done, with files that were not just as they should be: all steps but
    /// [`Action::Keep`] and [`Action::Resume`], in the order of the names.
    pub steps: Vec<Step>,
    /// The chunks the route begins with, oldest first. One that recovery sealed is still
    /// [`Phase::Sealed`](crate::Phase); `Observer::queued` follows when that is durable, perhaps
    /// before this is returned.
    pub chunks: Vec<ChunkInfo>,
    /// Steps that could not be applied; their files are as they were.
    pub failures: Vec<StoreIoError>,
}

/// Examines the chunk files of one route's directory, by name. Needs no lock and writes nothing;
/// while a store has the directory open, the answer may be out of date at once.
///
/// # Errors
/// The directory cannot be listed. Whatever is wrong with a file is in its report.
pub fn inspect_dir(fs: &dyn Fs, dir: &Path) -> Result<Vec<FileReport>, StoreIoError> {
    let entries = list(fs, dir)?;
    let opened = fs.open_dir(dir).map_err(StoreIoError::on("open", dir))?;
    let scan = Scan {
        dir,
        opened: &*opened,
        common: None,
        bytes: Bytes::Forget,
    };
    let mut reports = Vec::with_capacity(entries.len());
    scan.newest_first(&entries, |report| reports.push(report));
    reports.reverse();
    Ok(reports)
}

/// What is in a directory: there may be very many chunks, which need no more than this.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// A file with a chunk's name.
    Chunk(ChunkId),
    /// Anything else, by its name.
    Other(String),
}

impl Entry {
    fn of(entry: DirEntry) -> Entry {
        match ChunkId::of_file_name(&entry.name) {
            Some(id) if !entry.is_dir => Entry::Chunk(id),
            _ => Entry::Other(entry.name),
        }
    }

    /// By name; ids are in the order of their names.
    fn order(&self, other: &Entry) -> Ordering {
        match (self, other) {
            (Entry::Chunk(one), Entry::Chunk(other)) => one.cmp(other),
            (Entry::Other(one), Entry::Other(other)) => one.cmp(other),
            (Entry::Chunk(one), Entry::Other(other)) => one.file_name().as_str().cmp(other),
            (Entry::Other(one), Entry::Chunk(other)) => {
                one.as_str().cmp(other.file_name().as_str())
            }
        }
    }
}

/// What is in the directory, by name.
fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<Entry>, StoreIoError> {
    let entries = fs.read_dir(dir).map_err(StoreIoError::on("list", dir))?;
    let mut entries: Vec<_> = entries.into_iter().map(Entry::of).collect();
    entries.sort_unstable_by(Entry::order);
    Ok(entries)
}

/// Recovers a route that is being opened.
pub(crate) fn recover(route: &Arc<RouteInner>) -> Result<Recovered, OpenError> {
    let fs = &*route.shared.fs;
    let entries = list(fs, &route.dir)?;
    let opened = fs.open_dir(&route.dir);
    let opened = opened.map_err(StoreIoError::on("open", &route.dir))?;
    let scan = Scan {
        dir: &route.dir,
        opened: &*opened,
        common: Some(&route.common_meta()),
        bytes: Bytes::Keep,
    };
    let recovered = apply::recover(route, &scan, &entries);
    // A killed process may have left entries that were never synced: what is appended to such a
    // file must not be acknowledged before its entry is durable.
    fs.sync_dir(&route.dir)
        .map_err(StoreIoError::on("sync", &route.dir))?;
    Ok(recovered)
}

#[cfg(test)]
mod tests;
