//! What the committer has to do, and who waits for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::sync::{Condvar, Mutex, lock, wait};

/// Unbounded by itself; each chunk is in it at most once per list.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    work: Mutex<Work>,
    /// Told when there is something to do.
    filled: Condvar,
    /// Told when a round is done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    dirty: Vec<Arc<Chunk>>,
    purged: Vec<Arc<Chunk>>,
    /// Directories from which files were removed; nobody waits for them.
    stale_dirs: Vec<PathBuf>,
    /// Rounds asked for and rounds done; a round serves every request made before it began.
    asked: u64,
    served: u64,
    is_closing: bool,
    is_closed: bool,
}

/// One round's work.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) dirty: Vec<Arc<Chunk>>,
    pub(crate) purged: Vec<Arc<Chunk>>,
    /// Only given when there is nothing else to do.
    pub(crate) stale_dirs: Vec<PathBuf>,
    asked: u64,
}

impl Queue {
    /// A chunk has something to sync. After closing, its appends are refused instead.
    pub(crate) fn push_dirty(&self, chunk: Arc<Chunk>) {
        let mut work = lock(&self.work);
        if work.is_closed {
            drop(work);
            let mut woken = Vec::new();
            chunk.refuse(&mut woken);
            woken.into_iter().for_each(std::task::Waker::wake);
            return;
        }
        work.dirty.push(chunk);
        drop(work);
        self.filled.notify_one();
    }

    /// A chunk's file is to be removed.
    pub(crate) fn push_purged(&self, chunk: Arc<Chunk>) {
        lock(&self.work).purged.push(chunk);
        self.filled.notify_one();
    }

    /// A directory's removals are to be made durable when there is time.
    pub(crate) fn push_stale_dirs(&self, dirs: impl IntoIterator<Item = PathBuf>) {
        let mut work = lock(&self.work);
        for dir in dirs {
            if !work.stale_dirs.contains(&dir) {
                work.stale_dirs.push(dir);
            }
        }
    }

    /// Asks for a round without waiting for it.
    pub(crate) fn force(&self) {
        lock(&self.work).asked += 1;
        self.filled.notify_one();
    }

    /// Waits until everything pushed before this call has been dealt with.
    pub(crate) fn flush(&self) {
        let mut work = lock(&self.work);
        work.asked += 1;
        let ticket = work.asked;
        self.filled.notify_one();
        while work.served < ticket && !work.is_closed {
            work = wait(&self.done, work);
        }
    }

    /// Ends the committer after a last round.
    pub(crate) fn close(&self) {
        lock(&self.work).is_closing = true;
        self.filled.notify_one();
    }

    /// The committer's next round; `None` when it is to end.
    pub(crate) fn next(&self) -> Option<Round> {
        let mut work = lock(&self.work);
        loop {
            if !(work.dirty.is_empty() && work.purged.is_empty() && work.asked == work.served) {
                return Some(work.take());
            }
            if work.is_closing {
                return None;
            }
            if !work.stale_dirs.is_empty() {
                let stale_dirs = std::mem::take(&mut work.stale_dirs);
                return Some(Round {
                    stale_dirs,
                    asked: work.asked,
                    ..Round::default()
                });
            }
            work = wait(&self.filled, work);
        }
    }

    /// There is no committer any more; returns the chunks it leaves unsynced.
    pub(crate) fn end(&self) -> Vec<Arc<Chunk>> {
        let mut work = lock(&self.work);
        work.is_closed = true;
        self.done.notify_all();
        std::mem::take(&mut work.dirty)
    }

    /// The round is dealt with.
    pub(crate) fn finish(&self, round: &Round) {
        lock(&self.work).served = round.asked;
        self.done.notify_all();
    }
}

impl Work {
    fn take(&mut self) -> Round {
        Round {
            dirty: std::mem::take(&mut self.dirty),
            purged: std::mem::take(&mut self.purged),
            stale_dirs: Vec::new(),
            asked: self.asked,
        }
    }
}
