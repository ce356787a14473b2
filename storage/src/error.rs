//! What can go wrong, by operation. Texts carry path and place; sources are linked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A call to the file system failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct StoreIoError {
    /// What was tried, e.g. `create`.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl StoreIoError {
    /// For `map_err`: `.map_err(StoreIoError::on("open", path))`.
    pub(crate) fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreIoError {
        move |source| StoreIoError {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// The store or one of its routes cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has the directory open.
    #[error("{} is in use by process {pid}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote into it: its process id.
        pid: String,
    },
    /// The name cannot be a directory's name, or too many destinations were given.
    #[error("route {name:?}: {why}")]
    InvalidRoute {
        /// The route's name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The route is open already.
    #[error("route {0:?} is open already")]
    AlreadyOpen(String),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] StoreIoError),
    /// The committer thread could not be started.
    #[error("cannot start the committer thread")]
    Thread(#[source] io::Error),
}

/// An append was not taken. Nothing of it will be delivered.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The payload alone is larger than a chunk may be. Splitting it helps, retrying does not.
    #[error("a payload of {payload_len} bytes does not fit a chunk of {limit_bytes}")]
    TooLarge {
        /// The payload's bytes.
        payload_len: u64,
        /// The chunk limit in bytes.
        limit_bytes: u64,
    },
    /// What no chunk can hold: an empty payload, a tag or batch id above 65,535 bytes, a key
    /// above 1 MiB. Retrying does not help.
    #[error("cannot be stored: {0}")]
    Invalid(&'static str),
    /// The route has reached its total limit. Retry after [`crate::Observer::freed`].
    #[error("the route's files have reached their limit of {limit_bytes} bytes")]
    Full {
        /// The total limit in bytes.
        limit_bytes: u64,
    },
    /// The disk or the quota is full. Retry when there is space.
    #[error("the disk is full")]
    DiskFull(#[source] StoreIoError),
    /// There is no descriptor to open the file with. Retry when some have been closed.
    #[error("no descriptor is left")]
    OutOfFiles(#[source] StoreIoError),
    /// The file system failed. A retry goes to another file.
    #[error(transparent)]
    Io(StoreIoError),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl AppendError {
    /// Whether the route or the disk has no room for it now: deleting helps.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, AppendError::Full { .. } | AppendError::DiskFull(_))
    }

    /// Whether the same append may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.is_full() || matches!(self, AppendError::OutOfFiles(_))
    }
}

/// An append did not become durable and will not be: it has to be sent again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// Syncing the file or its directory failed.
    #[error("{} could not be synced", path.display())]
    Failed {
        /// The chunk's file.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// The store was closed before the append was synced.
    #[error("the store is closed")]
    Closed,
}

/// A chunk cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is no such chunk, or it has no such destination.
    #[error("no such chunk or destination")]
    Unknown,
    /// It still takes appends, or its seal is not durable yet.
    #[error("the chunk is not sealed")]
    NotSealed,
    /// Somebody holds the claim.
    #[error("the chunk is being delivered to this destination")]
    AlreadyClaimed,
    /// The destination has it already.
    #[error("the chunk is settled for this destination")]
    AlreadyCommitted,
}

/// A chunk cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such chunk (any more).
    #[error("no such chunk")]
    Unknown,
    /// The file has no readable header.
    #[error("{}: {why}", path.display())]
    Header {
        /// The chunk's file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The file, or the frame at `offset`, was written by a newer version.
    #[error("{} at {offset}: written by a newer version", path.display())]
    Newer {
        /// The chunk's file.
        path: PathBuf,
        /// Where; 0 for the whole file.
        offset: u64,
    },
    /// The device did not give the bytes from `offset` on.
    #[error("{} at {offset}: unreadable", path.display())]
    Unreadable {
        /// The chunk's file.
        path: PathBuf,
        /// Where reading failed.
        offset: u64,
        /// What the system answered.
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error(transparent)]
    Io(#[from] StoreIoError),
}
