//! The store's counters.

use crate::fs::{mapped_bytes, mapping_count};
use crate::histogram::{Distribution, Histogram};
use crate::sync::atomic::{AtomicU64, Ordering};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;

/// Bounds of the buckets of [`StoreStats::sync_ns`]: from a disk with a safe cache to one that is
/// about to fail.
const SYNC_NS: [u64; 15] = [
    100 * US,
    250 * US,
    500 * US,
    MS,
    2_500 * US,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    S,
    2_500 * MS,
    10 * S,
];

/// Bounds of the buckets of [`StoreStats::group_appends`].
const GROUP_APPENDS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// What the store has done since it was opened, and what it holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStats {
    /// Calls that sync: files, directories, whole file system.
    pub syncs: u64,
    /// Syncs, and writes of seal records, that failed. Not 0: an operator must look at the disk.
    pub sync_failures: u64,
    /// Nanoseconds that the syncs of each round of group commit took; 0 without a clock.
    pub sync_ns: Distribution<15>,
    /// Appends that each round made durable, of rounds that made any.
    pub group_appends: Distribution<12>,
    /// Files of purged chunks that could not be removed.
    pub removal_failures: u64,
    /// Chunk files open now.
    pub open_files: u64,
    /// Mappings of chunk files, by all stores of the process.
    pub mappings: u64,
    /// Bytes of address space in them.
    pub mapped_bytes: u64,
    /// Bytes set aside since the store was opened.
    pub quarantined_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Counters {
    syncs: AtomicU64,
    failures: AtomicU64,
    sync_ns: Histogram<15>,
    group_appends: Histogram<12>,
    removal_failures: AtomicU64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            syncs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            sync_ns: Histogram::new(&SYNC_NS),
            group_appends: Histogram::new(&GROUP_APPENDS),
            removal_failures: AtomicU64::new(0),
        }
    }
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
        self.sync_ns.observe(took_ns);
    }

    pub(crate) fn resolved(&self, appends: u64) {
        // A round that only seals, or whose syncs failed, is no group of appends.
        if appends > 0 {
            self.group_appends.observe(appends);
        }
    }

    pub(crate) fn stats(&self, open_files: usize, quarantined_bytes: u64) -> StoreStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            syncs: read(&self.syncs),
            sync_failures: read(&self.failures),
            sync_ns: self.sync_ns.distribution(),
            group_appends: self.group_appends.distribution(),
            removal_failures: read(&self.removal_failures),
            open_files: open_files as u64,
            mappings: mapping_count(),
            mapped_bytes: mapped_bytes(),
            quarantined_bytes,
        }
    }
}
