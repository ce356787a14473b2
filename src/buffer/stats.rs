//! What the intake counts; read by the metrics and the status page.
//!
//! Counters only grow. They start at zero with the process: what is on disk is counted by the
//! store, from the files.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use super::tap::Taps;

use super::latencies::Latencies;

/// What the intake counts for one route.
#[derive(Debug, Default)]
pub struct RouteStats {
    /// Batches, or parts of batches, stored.
    pub batches_stored: AtomicU64,
    /// Events stored.
    pub events_stored: AtomicU64,
    /// Bytes of payload stored.
    pub bytes_stored: AtomicU64,
    /// Entries put aside as dead letters because they are no event (not an array of a time and a
    /// map).
    pub set_aside_malformed: AtomicU64,
    /// Events put aside as dead letters because no chunk can hold them.
    pub set_aside_too_large: AtomicU64,
    /// Chunks deleted by `overflow: drop_oldest_chunk`.
    pub chunks_dropped: AtomicU64,
    /// Events in those chunks.
    pub events_dropped: AtomicU64,
    /// Bytes of payload in those chunks.
    pub bytes_dropped: AtomicU64,
    /// Chunks, or parts of them, deleted by `on_exhausted: drop`.
    pub dropped_exhausted: DropCounts,
    /// Chunks, or parts of them, deleted by `on_expired: drop`.
    pub dropped_expired: DropCounts,
    /// Chunks deleted because the operator said so.
    pub dropped_by_operator: DropCounts,
    /// Dead letters deleted because the operator said so.
    pub dead_dropped_by_operator: DropCounts,
    /// Dead letters deleted by `dead_letter_overflow: drop_oldest`.
    pub dead_dropped_for_room: DropCounts,
    /// Dead letters deleted because of `dead_letter_max_age`.
    pub dead_dropped_for_age: DropCounts,
    /// Events given up because the destination will never take them.
    pub events_rejected: AtomicU64,
    /// Events given up because their retries were spent.
    pub events_exhausted: AtomicU64,
    /// Events given up because they were older than `max_age`.
    pub events_expired: AtomicU64,
    /// Events given up because the operator said so.
    pub events_buried_by_operator: AtomicU64,
    /// Deliveries that the secondary output has confirmed.
    pub secondary_deliveries: AtomicU64,
    /// Events in them.
    pub secondary_events: AtomicU64,
    /// How long it took until what was offered together was durable, the wait for room included.
    pub append_latency: Latencies,
    /// Appends refused to the sender because the route was full.
    pub refused_full: AtomicU64,
    /// Appends refused to the sender because the bytes could not be written.
    pub refused_unwritten: AtomicU64,
    /// Appends refused to the sender because the bytes could not be synced.
    pub refused_unsynced: AtomicU64,
    /// Batches recognised as repeats, and not stored again.
    pub batches_repeated: AtomicU64,
    /// Events in them, and in known pieces of batches that were completed.
    pub events_repeated: AtomicU64,
    /// Batches remembered at this moment.
    pub batches_remembered: AtomicU64,
    /// Events of dead letters that were stored again.
    pub events_replayed: AtomicU64,
    /// Senders held back at this moment; kept by [`RouteStats::hold_back`].
    senders_waiting: AtomicU64,
    on_full: OnFull,
}

/// Who is told that a route is full.
#[derive(Default)]
struct OnFull(OnceLock<Box<dyn Fn(bool) + Send + Sync>>);

impl OnFull {
    fn tell(&self, is_full: bool) {
        if let Some(told) = self.0.get() {
            told(is_full);
        }
    }
}

impl fmt::Debug for OnFull {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OnFull")
    }
}

/// Chunks, or parts of them, that were deleted undelivered.
#[derive(Debug, Default)]
pub struct DropCounts {
    /// How often that was.
    pub chunks: AtomicU64,
    /// Their events.
    pub events: AtomicU64,
    /// Bytes of their payload.
    pub bytes: AtomicU64,
}

impl DropCounts {
    /// Counts one.
    pub fn count(&self, event_count: u64, byte_count: u64) {
        self.count_many(1, event_count, byte_count);
    }

    /// Counts several.
    pub fn count_many(&self, chunk_count: u64, event_count: u64, byte_count: u64) {
        self.chunks.fetch_add(chunk_count, Relaxed);
        self.events.fetch_add(event_count, Relaxed);
        self.bytes.fetch_add(byte_count, Relaxed);
    }
}

/// What the intake counts for no route in particular.
#[derive(Debug, Default)]
pub struct IntakeStats {
    /// Events whose tag no route matches: acknowledged, and gone.
    pub events_unmatched: AtomicU64,
    /// Who looks at what passes.
    pub taps: Arc<Taps>,
}

/// A sender is held back as long as this lives.
#[must_use = "dropping it says that the sender goes on"]
#[derive(Debug)]
pub struct HeldBack<'a> {
    stats: &'a RouteStats,
}

impl RouteStats {
    /// Counts a stored batch, or the part of it that went to this route.
    pub fn stored(&self, event_count: u64, byte_count: u64) {
        self.stored_run(1, event_count, byte_count);
    }

    /// Counts several batches that were stored together.
    pub fn stored_run(&self, batch_count: u64, event_count: u64, byte_count: u64) {
        self.batches_stored.fetch_add(batch_count, Relaxed);
        self.events_stored.fetch_add(event_count, Relaxed);
        self.bytes_stored.fetch_add(byte_count, Relaxed);
    }

    /// Counts what was not stored because it is stored already.
    pub fn repeated(&self, batch_count: u64, event_count: u64) {
        self.batches_repeated.fetch_add(batch_count, Relaxed);
        self.events_repeated.fetch_add(event_count, Relaxed);
    }

    /// Counts a chunk that was deleted to make room.
    pub fn dropped_chunk(&self, event_count: u64, byte_count: u64) {
        self.chunks_dropped.fetch_add(1, Relaxed);
        self.events_dropped.fetch_add(event_count, Relaxed);
        self.bytes_dropped.fetch_add(byte_count, Relaxed);
    }

    /// Counts a sender as waiting until the returned value is dropped, also when its future is.
    pub fn hold_back(&self) -> HeldBack<'_> {
        if self.senders_waiting.fetch_add(1, Relaxed) == 0 {
            self.on_full.tell(true);
        }
        HeldBack { stats: self }
    }

    /// Has `told` called when the first sender is held back (with true), and when the last of them
    /// goes on. Once for each route.
    pub fn watch_full(&self, told: impl Fn(bool) + Send + Sync + 'static) {
        // The first stays.
        let _ = self.on_full.0.set(Box::new(told));
    }

    /// Senders held back at this moment.
    #[must_use]
    pub fn senders_waiting(&self) -> u64 {
        self.senders_waiting.load(Relaxed)
    }
}

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        if self.stats.senders_waiting.fetch_sub(1, Relaxed) == 1 {
            self.stats.on_full.tell(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_counts_as_waiting_until_its_guard_is_dropped() {
        let stats = RouteStats::default();
        let first = stats.hold_back();
        let second = stats.hold_back();
        assert_eq!(stats.senders_waiting(), 2);
        drop(first);
        assert_eq!(stats.senders_waiting(), 1);
        drop(second);
        assert_eq!(stats.senders_waiting(), 0);
    }

    #[test]
    fn a_dropped_chunk_counts_with_what_was_in_it() {
        let stats = RouteStats::default();
        stats.stored(10, 2_000);
        stats.dropped_chunk(7, 1_500);
        assert_eq!(stats.events_stored.load(Relaxed), 10);
        assert_eq!(stats.chunks_dropped.load(Relaxed), 1);
        assert_eq!(stats.events_dropped.load(Relaxed), 7);
        assert_eq!(stats.bytes_dropped.load(Relaxed), 1_500);
    }
}
