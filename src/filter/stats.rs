//! What is counted of a filter; read by the metrics and the status page.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counters of one filter; they only grow.
#[derive(Debug, Default)]
pub struct FilterStats {
    /// Events that came to it.
    pub events: AtomicU64,
    /// Events that it blocked.
    pub blocked: AtomicU64,
    /// Events that it failed on and that went on unchanged.
    pub failed_kept: AtomicU64,
    /// Events that it failed on and that went on with another tag.
    pub failed_tagged: AtomicU64,
    /// Events that it failed on and that went to the dead letters.
    pub failed_dead: AtomicU64,
    /// Ticks, or the last call, that failed.
    pub failed_ticks: AtomicU64,
    /// Events that it injected.
    pub injected: AtomicU64,
    /// Events that it was not allowed to inject.
    pub injections_refused: AtomicU64,
    /// Injected events that could not be stored before the daemon stopped, or for which there was
    /// no room to wait.
    pub injected_lost: AtomicU64,
    /// Routes that it named and that are not there.
    pub unknown_routes: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}
