//! What the committer has to do, and who waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::chunk::Chunk;
use crate::removals::Removals;
use crate::store::MonotonicClock;
use crate::sync::{Condvar, Mutex, lock, wait, wait_at_most};

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
    removals: Removals,
    /// Rounds asked for and rounds done; a round serves every request made before it began.
    asked: u64,
    served: u64,
    /// The last of `asked` that waits for removals, too.
    flush: u64,
    is_closing: bool,
    is_closed: bool,
}

/// One round's work.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) dirty: Vec<Arc<Chunk>>,
    pub(crate) purged: Vec<Arc<Chunk>>,
    asked: u64,
    /// Somebody waits for it to leave no removal unsynced.
    is_flush: bool,
}

impl Queue {
    /// A chunk has something to sync. After closing, its appends are refused instead.
    pub(crate) fn push_dirty(&self, chunk: Arc<Chunk>) {
        let mut work = lock(&self.work);
        if work.is_closed {
            drop(work);
            let mut woken = Vec::new();
            chunk.refuse(&mut woken);
            woken.into_iter().for_each(Waker::wake);
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

    /// Files were removed from these directories.
    pub(crate) fn removed_from(&self, dirs: impl Iterator<Item = PathBuf>, now_ns: Option<u64>) {
        let mut work = lock(&self.work);
        dirs.for_each(|dir| work.removals.add(dir, now_ns));
    }

    /// A sync of the directory has covered what was removed from it before.
    pub(crate) fn dir_synced(&self, dir: &PathBuf) {
        lock(&self.work).removals.forget(dir);
    }

    /// The directories whose removals are to be synced in this round.
    pub(crate) fn due_removals(&self, round: &Round, now_ns: Option<u64>) -> Vec<PathBuf> {
        let mut work = lock(&self.work);
        let is_due = round.is_flush || work.patience(now_ns).is_some_and(|left| left.is_zero());
        if is_due {
            work.removals.take()
        } else {
            Vec::new()
        }
    }

    /// A sync of removals took so long.
    pub(crate) fn removals_took(&self, took_ns: u64) {
        lock(&self.work).removals.took(took_ns);
    }

    /// Asks for a round without waiting for it.
    pub(crate) fn force(&self) {
        lock(&self.work).asked += 1;
        self.filled.notify_one();
    }

    /// Waits until everything pushed before this call has been dealt with, and is durable.
    pub(crate) fn flush(&self) {
        let mut work = lock(&self.work);
        work.asked += 1;
        let ticket = work.asked;
        work.flush = ticket;
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
    pub(crate) fn next(&self, clock: Option<&MonotonicClock>) -> Option<Round> {
        let mut work = lock(&self.work);
        loop {
            let patience = work.patience(clock.map(|clock| clock()));
            let is_due = patience.is_some_and(|left| left.is_zero());
            if is_due || work.is_there() {
                return Some(work.take());
            }
            if work.is_closing {
                return None;
            }
            work = match patience {
                None => wait(&self.filled, work),
                Some(left) => {
                    let (mut work, is_over) = wait_at_most(&self.filled, work, left);
                    if is_over {
                        work.removals.hurry();
                    }
                    work
                }
            };
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
    fn is_there(&self) -> bool {
        !self.dirty.is_empty() || !self.purged.is_empty() || self.asked != self.served
    }

    /// How long removals may stay unsynced; `None` if there are none.
    fn patience(&self, now_ns: Option<u64>) -> Option<Duration> {
        let left = self.removals.patience(now_ns)?;
        Some(if self.is_closing {
            Duration::ZERO
        } else {
            left
        })
    }

    fn take(&mut self) -> Round {
        Round {
            dirty: std::mem::take(&mut self.dirty),
            purged: std::mem::take(&mut self.purged),
            asked: self.asked,
            is_flush: self.flush > self.served,
        }
    }
}
