//! What is counted for one route and one of its destinations; read by the metrics and the status
//! page.
//!
//! Every attempt ends in exactly one of: delivered, failed, rejected, timed out. Counters only
//! grow and start at zero with the process.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::time::Duration;

use crate::buffer::Latencies;

/// What is counted for one route and one of its destinations.
#[derive(Debug, Default)]
pub struct DestinationStats {
    /// Chunks the destination has confirmed.
    pub chunks_delivered: AtomicU64,
    /// Events in those chunks.
    pub events_delivered: AtomicU64,
    /// Bytes of payload in those chunks.
    pub bytes_delivered: AtomicU64,
    /// Deliveries started.
    pub attempts: AtomicU64,
    /// Those of them that were not a chunk's first.
    pub retries: AtomicU64,
    /// Those of them that were for a part of a chunk only.
    pub part_attempts: AtomicU64,
    /// Attempts that failed, by whom the failure speaks about.
    pub failures: FailureCounts,
    /// Attempts taken back because the destination did not answer in time.
    pub timed_out: AtomicU64,
    /// Commits that came after the chunk had been taken back: harmless, it may be sent twice.
    pub late_commits: AtomicU64,
    /// Chunks given up: rejected by the destination, or out of retries.
    pub chunks_rejected: AtomicU64,
    /// Events in those chunks.
    pub events_rejected: AtomicU64,
    /// Whether the breaker is open at this moment: the destination is probed with one chunk.
    pub breaker_is_open: AtomicBool,
    /// How long confirmed deliveries took.
    pub latency: Latencies,
    in_flight: AtomicU64,
    last_success_unix_ns: AtomicI64,
    last_failure_unix_ns: AtomicI64,
}

/// Failed attempts, by whom the failure speaks about.
#[derive(Debug, Default)]
pub struct FailureCounts {
    /// No connection could be made.
    pub unreachable: AtomicU64,
    /// The destination as a whole.
    pub destination: AtomicU64,
    /// Perhaps only the chunk.
    pub chunk: AtomicU64,
}

impl DestinationStats {
    /// Counts the start of a delivery; `attempt` is 1 for a chunk's first.
    pub fn started(&self, attempt: u32) {
        self.attempts.fetch_add(1, Relaxed);
        if attempt > 1 {
            self.retries.fetch_add(1, Relaxed);
        }
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// Counts the end of a delivery, whatever it was; once for each [`started`](Self::started).
    pub fn ended(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Counts a confirmed chunk, or a part of one, that took `latency`; whether the chunk is done
    /// the caller counts.
    pub fn delivered(&self, event_count: u64, byte_count: u64, latency: Duration, unix_ns: i64) {
        self.events_delivered.fetch_add(event_count, Relaxed);
        self.bytes_delivered.fetch_add(byte_count, Relaxed);
        self.latency.observe(latency);
        self.last_success_unix_ns.store(unix_ns, Relaxed);
    }

    /// Notes the moment of a failure or time-out; the caller counts its kind.
    pub fn failed(&self, unix_ns: i64) {
        self.last_failure_unix_ns.store(unix_ns, Relaxed);
    }

    /// Counts a chunk that was given up.
    pub fn rejected(&self, event_count: u64) {
        self.chunks_rejected.fetch_add(1, Relaxed);
        self.events_rejected.fetch_add(event_count, Relaxed);
    }

    /// Deliveries in flight at this moment.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// When a chunk was last confirmed, in Unix nanoseconds; `None`: not since the start.
    #[must_use]
    pub fn last_success_unix_ns(&self) -> Option<i64> {
        Some(self.last_success_unix_ns.load(Relaxed)).filter(|at| *at != 0)
    }

    /// When an attempt last failed, in Unix nanoseconds; `None`: not since the start.
    #[must_use]
    pub fn last_failure_unix_ns(&self) -> Option<i64> {
        Some(self.last_failure_unix_ns.load(Relaxed)).filter(|at| *at != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_attempts_after_the_first_are_retries() {
        let stats = DestinationStats::default();
        for attempt in 1..=3 {
            stats.started(attempt);
            stats.ended();
        }
        stats.started(1);
        assert_eq!(stats.attempts.load(Relaxed), 4);
        assert_eq!(stats.retries.load(Relaxed), 2);
        assert_eq!(stats.in_flight(), 1);
    }

    #[test]
    fn a_moment_is_unknown_until_something_happened() {
        let stats = DestinationStats::default();
        assert_eq!(stats.last_success_unix_ns(), None);
        assert_eq!(stats.last_failure_unix_ns(), None);
        stats.delivered(3, 100, Duration::from_millis(2), 17);
        stats.failed(18);
        assert_eq!(stats.last_success_unix_ns(), Some(17));
        assert_eq!(stats.last_failure_unix_ns(), Some(18));
    }
}
