//! The catalogue: what is nice to know after a restart, kept in sled.
//!
//! It holds the retry history of chunks: how often and why a destination failed, and when the
//! chunk is due. It is a view that can be deleted at any time. The files of the store are the
//! truth, and a lost or wrong entry costs no event, only history. Hence:
//!
//! - sled runs on a thread of its own, behind a bounded channel. A writer never waits: when the
//!   channel is full the update is dropped and counted.
//! - Opening has a deadline, and a panic in it is caught. On any doubt the database is set aside
//!   and a new one is made; if that fails too, the daemon works without.
//! - Nothing waits for sled's flush, except, for a while, an orderly stop.
//! - Every value carries a schema version and a checksum, which is compared before decoding.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod folder;
mod open;
mod record;
#[cfg(test)]
mod tests;
mod worker;

pub use record::{RetryKey, RetryRecord};
pub use worker::CatalogStats;

use worker::{Counters, Update};

/// How long opening may take before the database is set aside.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Updates that wait for sled at most; more are dropped.
const UPDATES_WAITING_MAX: usize = 4_096;

/// A handle to the catalogue. Cheap to clone, never blocks.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

/// What opening the catalogue gave.
pub struct Opened {
    /// The catalogue; perhaps a disabled one.
    pub catalog: Catalog,
    /// The retry history of the chunks that still exist.
    pub retries: Vec<(RetryKey, RetryRecord)>,
    /// Why a database was set aside, or why there is none; empty if all is well.
    pub problems: Vec<String>,
}

struct Inner {
    /// `None` once closed, or when disabled.
    updates: Mutex<Option<SyncSender<Update>>>,
    /// Disconnected when the worker has ended.
    ended: Mutex<Receiver<()>>,
    counters: Arc<Counters>,
}

impl Catalog {
    /// Opens the catalogue in the folder `dir`, which is made if it is absent, and reads the
    /// history of the chunks that `is_known`, forgetting all other. Takes at most twice
    /// [`OPEN_TIMEOUT`] and never fails: in the worst case the catalogue is disabled.
    pub fn open(
        dir: &Path,
        is_known: impl Fn(&[u8; 16]) -> bool + Clone + Send + 'static,
    ) -> Opened {
        open::open_within(dir, OPEN_TIMEOUT, is_known)
    }

    /// A catalogue that keeps nothing.
    #[must_use]
    pub fn disabled() -> Self {
        let (_, ended) = std::sync::mpsc::channel();
        Self::new(None, ended, Arc::new(Counters::default()))
    }

    fn new(
        updates: Option<SyncSender<Update>>,
        ended: Receiver<()>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                updates: Mutex::new(updates),
                ended: Mutex::new(ended),
                counters,
            }),
        }
    }

    /// Keeps a chunk's history at one destination, soon.
    pub fn put(&self, key: RetryKey, record: RetryRecord) {
        self.send(Update::Put(key, record));
    }

    /// Forgets a chunk's history at one destination, soon.
    pub fn remove(&self, key: RetryKey) {
        self.send(Update::Remove(key));
    }

    /// What the catalogue counts.
    #[must_use]
    pub fn stats(&self) -> CatalogStats {
        self.inner.counters.snapshot()
    }

    /// Takes no more updates and waits until those under way are on the disk, at most for
    /// `timeout`. Returns whether they are.
    pub fn close(&self, timeout: Duration) -> bool {
        let lock = &self.inner.updates;
        drop(lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = &self.inner.ended;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The worker never sends; it hangs up when it ends.
        ended.recv_timeout(timeout) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    }

    fn send(&self, update: Update) {
        let updates = &self.inner.updates;
        let updates = updates.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(updates) = updates.as_ref() else {
            return;
        };
        match updates.try_send(update) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.inner.counters.count_dropped();
            }
        }
    }
}
