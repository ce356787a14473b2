//! Telling the observer about one chunk: in order, one call at a time, without locks held.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
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

/// Notices of one chunk that have not been given yet.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    notices: VecDeque<Notice>,
    is_giving: bool,
}

impl Notices {
    /// Adds a notice; to be called in the step that makes it true, to keep the order.
    pub(crate) fn post(&self, notice: Notice) {
        lock(&self.0).notices.push_back(notice);
    }

    /// Gives what is pending. If another thread is at it, that one will give ours too.
    pub(crate) fn give(&self, observer: &dyn Observer, path: &Path) {
        let mut pending = lock(&self.0);
        if pending.is_giving {
            return;
        }
        pending.is_giving = true;
        while let Some(notice) = pending.notices.pop_front() {
            drop(pending);
            tell(observer, path, &notice);
            pending = lock(&self.0);
        }
        pending.is_giving = false;
    }
}

fn tell(observer: &dyn Observer, path: &Path, notice: &Notice) {
    match notice {
        Notice::Staged(chunk) => observer.staged(chunk),
        Notice::Queued(chunk) => observer.queued(chunk),
        Notice::Purged(chunk) => observer.purged(chunk),
        Notice::SyncFailed(error) => observer.sync_failed(path, error),
    }
}
