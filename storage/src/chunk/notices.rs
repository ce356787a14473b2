//! Telling the observer about one chunk: in order, one call at a time, without locks held.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::observer::{ChunkInfo, Observer};
use crate::sync::{Mutex, lock};

/// What the observer will be told.
#[derive(Debug)]
pub(crate) enum Notice {
    Staged(ChunkInfo),
    Queued(ChunkInfo),
    Purged(ChunkInfo),
    SyncFailed(Arc<io::Error>),
}

/// Notices of one chunk that have not been given yet. There may be very many chunks, and few that
/// are told of at a time.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<Option<Box<Pending>>>);

#[derive(Debug, Default)]
struct Pending {
    notices: VecDeque<Notice>,
    is_giving: bool,
}

impl Notices {
    /// Adds a notice; to be called in the step that makes it true, to keep the order.
    pub(crate) fn post(&self, notice: Notice) {
        let mut pending = lock(&self.0);
        pending.get_or_insert_default().notices.push_back(notice);
    }

    /// Gives what is pending. If another thread is at it, that one will give ours too.
    pub(crate) fn give(&self, observer: &dyn Observer, path: impl Fn() -> PathBuf) {
        let mut pending = lock(&self.0);
        match pending.as_mut() {
            Some(pending) if !pending.is_giving => pending.is_giving = true,
            _ => return,
        }
        while let Some(notice) = pending.as_mut().and_then(|all| all.notices.pop_front()) {
            drop(pending);
            tell(observer, &path, &notice);
            pending = lock(&self.0);
        }
        *pending = None;
    }
}

fn tell(observer: &dyn Observer, path: &impl Fn() -> PathBuf, notice: &Notice) {
    match notice {
        Notice::Staged(chunk) => observer.staged(chunk),
        Notice::Queued(chunk) => observer.queued(chunk),
        Notice::Purged(chunk) => observer.purged(chunk),
        Notice::SyncFailed(error) => observer.sync_failed(&path(), error),
    }
}
