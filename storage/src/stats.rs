//! The store's counters.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::fs::mapped_bytes;

/// What the store has done since it was opened, and what it holds open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Calls that sync: files, directories, whole file system.
    pub syncs: u64,
    /// Syncs, and writes of seal records, that failed. Not 0: an operator must look at the disk.
    pub sync_failures: u64,
    /// Rounds of group commit.
    pub rounds: u64,
    /// Appends resolved by them; divided by `rounds` the mean size of a group.
    pub appends_resolved: u64,
    /// Nanoseconds all rounds' syncs took; 0 without a clock.
    pub sync_ns_sum: u64,
    /// Nanoseconds the last round's syncs took; 0 without a clock.
    pub sync_ns_last: u64,
    /// Files of purged chunks that could not be removed.
    pub removal_failures: u64,
    /// Chunk files open now.
    pub open_files: u64,
    /// Bytes of address space that chunk files are mapped into, by all stores of the process.
    pub mapped_bytes: u64,
    /// Bytes set aside since the store was opened.
    pub quarantined_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    syncs: AtomicU64,
    failures: AtomicU64,
    rounds: AtomicU64,
    appends_resolved: AtomicU64,
    sync_ns_sum: AtomicU64,
    sync_ns_last: AtomicU64,
    removal_failures: AtomicU64,
}

impl Counters {
    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn removal_failed(&self) {
        self.removal_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn round(&self, took_ns: u64) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.sync_ns_sum.fetch_add(took_ns, Ordering::Relaxed);
        self.sync_ns_last.store(took_ns, Ordering::Relaxed);
    }

    pub(crate) fn resolved(&self, appends: u64) {
        self.appends_resolved.fetch_add(appends, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, open_files: usize, quarantined_bytes: u64) -> StoreStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            syncs: read(&self.syncs),
            sync_failures: read(&self.failures),
            rounds: read(&self.rounds),
            appends_resolved: read(&self.appends_resolved),
            sync_ns_sum: read(&self.sync_ns_sum),
            sync_ns_last: read(&self.sync_ns_last),
            removal_failures: read(&self.removal_failures),
            open_files: open_files as u64,
            mapped_bytes: mapped_bytes(),
            quarantined_bytes,
        }
    }
}
