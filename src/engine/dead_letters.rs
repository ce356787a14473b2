//! Dead letters: which there are, delivering them after all, deleting them.
//!
//! A dead letter is a chunk in `DATA/dead/<route>/` whose note says why it was given up. Listing
//! reads files only, also beside a running daemon ([`list`]). Changing needs the store: offline
//! [`Offline`] opens it, which takes the directory's lock; [`replay`] and [`delete`] work on open
//! routes, whoever has opened them.
//!
//! A replay never moves anything: it stores the events again, as a chunk of the route owed to one
//! output, waits until that is durable, and deletes the dead letter then. A crash in between
//! leaves both, so that events may be delivered twice, and none is lost. At most one dead letter
//! is between the two at a time.

use forebay_storage::recovery::{ChunkReport, FileReport};
use forebay_storage::{
    AppendError, ChunkId, ChunkInfo, ChunkKey, DEAD_DIR, DeadNote, Fs, ReadError, StoreIoError,
    SyncError, inspect_dir,
};

mod change;
mod offline;
mod selection;
#[cfg(test)]
mod tests;

pub(super) use change::copy;
pub use change::{Changed, Destinations, delete, replay};
pub(super) use offline::options as unbounded;
pub use offline::{Offline, Totals};
pub use selection::Selection;

/// What is known of a dead letter without reading its events.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its id.
    pub id: ChunkId,
    /// The route it was given up by.
    pub route: String,
    /// What its events have in common.
    pub key: ChunkKey,
    /// Why it was given up.
    pub note: Option<DeadNote>,
    /// When it became a dead letter, Unix nanoseconds.
    pub created_ns: i64,
    /// Its events.
    pub event_count: u64,
    /// Bytes of their payload.
    pub payload_bytes: u64,
}

/// Why a dead letter could not be changed. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[from] ReadError),
    /// Its events, or those that are to stay, cannot be stored.
    #[error("cannot be stored again")]
    Append(#[from] AppendError),
    /// They could not be made durable.
    #[error("could not be synced")]
    Sync(#[from] SyncError),
    /// It is not known to whom its events are owed.
    #[error("it never got as far as an output, and the route has no chunk: name an output")]
    NoOutput,
    /// The route has no directory.
    #[error("there is no route `{0}` in this data directory")]
    NoRoute(String),
}

impl DeadLetter {
    fn of_report(route: &str, report: &ChunkReport) -> Self {
        Self {
            id: report.id,
            route: route.to_owned(),
            key: report.meta.key.clone(),
            note: report.meta.note.as_deref().cloned(),
            created_ns: report.created_ns,
            event_count: report.event_count,
            payload_bytes: report.payload_bytes,
        }
    }

    pub(super) fn of_info(info: &ChunkInfo) -> Self {
        Self {
            id: info.id,
            route: info.meta.route.to_string(),
            key: info.key().clone(),
            note: info.note().cloned(),
            created_ns: info.created_ns,
            event_count: info.event_count,
            payload_bytes: info.payload_bytes,
        }
    }

    /// Since when its events have been failing: the first failure, or else when it was made.
    #[must_use]
    pub fn since_ns(&self) -> i64 {
        let first = self.note.as_ref().map_or(0, |note| note.first_failure_ns);
        if first == 0 { self.created_ns } else { first }
    }
}

/// The dead letters under `data_dir` that `selection` may have, oldest first in each route, with
/// their files; without any if there is no such directory. Writes nothing and takes no lock.
///
/// Whether a dead letter of several tags has the selection's is not looked at.
///
/// # Errors
/// A directory cannot be listed.
pub fn list(
    fs: &dyn Fs,
    data_dir: &std::path::Path,
    selection: &Selection,
    now_ns: i64,
) -> Result<Vec<(DeadLetter, std::path::PathBuf)>, StoreIoError> {
    let mut letters = Vec::new();
    for route in offline::folders(fs, &data_dir.join(DEAD_DIR))? {
        for file in inspect_dir(fs, &data_dir.join(DEAD_DIR).join(&route))? {
            let FileReport::Chunk(report) = file else {
                continue;
            };
            let letter = DeadLetter::of_report(&route, &report);
            if selection.has(&letter, now_ns) {
                letters.push((letter, report.path));
            }
        }
    }
    Ok(letters)
}
