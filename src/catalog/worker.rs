//! The thread that alone talks to sled.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::record::{RetryKey, RetryRecord};
use super::{Catalog, UPDATES_WAITING_MAX};

/// One thing to do.
pub(super) enum Update {
    Put(RetryKey, RetryRecord),
    Remove(RetryKey),
}

/// What the catalogue counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogStats {
    /// Whether updates are kept at all.
    pub is_enabled: bool,
    /// Updates kept.
    pub updates: u64,
    /// Updates dropped because too many were waiting, or because sled has failed.
    pub updates_dropped: u64,
}

/// [`CatalogStats`] as they are counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    is_enabled: AtomicBool,
    updates: AtomicU64,
    updates_dropped: AtomicU64,
}

impl Counters {
    pub(super) fn count_dropped(&self) {
        self.updates_dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn snapshot(&self) -> CatalogStats {
        CatalogStats {
            is_enabled: self.is_enabled.load(Relaxed),
            updates: self.updates.load(Relaxed),
            updates_dropped: self.updates_dropped.load(Relaxed),
        }
    }
}

/// Starts the thread; it ends when the catalogue is closed or dropped, or at sled's first error.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn start(database: sled::Db) -> io::Result<Catalog> {
    let (sender, updates) = mpsc::sync_channel(UPDATES_WAITING_MAX);
    let (alive, ended) = mpsc::channel::<()>();
    let counters = Arc::new(Counters::default());
    counters.is_enabled.store(true, Relaxed);
    let counted = Arc::clone(&counters);
    let work = move || {
        run(database, updates, &counted);
        counted.is_enabled.store(false, Relaxed);
        drop(alive);
    };
    let builder = thread::Builder::new().name("catalog".to_owned());
    builder.spawn(work)?;
    Ok(Catalog::new(Some(sender), ended, counters))
}

fn run(database: sled::Db, updates: Receiver<Update>, counters: &Counters) {
    for update in updates {
        if let Err(reason) = caught(|| apply(&database, update)) {
            counters.count_dropped();
            tracing::warn!(reason, "catalogue failed and keeps nothing from here on");
            break;
        }
        counters.updates.fetch_add(1, Relaxed);
    }
    let flushed = caught(move || {
        database.flush()?;
        drop(database);
        Ok(())
    });
    if let Err(reason) = flushed {
        tracing::warn!(reason, "catalogue was not flushed");
    }
}

fn apply(database: &sled::Db, update: Update) -> sled::Result<()> {
    match update {
        Update::Put(key, record) => {
            let key = key.to_bytes();
            if let Some(value) = record.to_bytes(&key) {
                database.insert(key, value)?;
            }
        }
        Update::Remove(key) => {
            database.remove(key.to_bytes())?;
        }
    }
    Ok(())
}

/// sled panics on some kinds of damage.
fn caught(work: impl FnOnce() -> sled::Result<()>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".to_owned()),
    }
}
