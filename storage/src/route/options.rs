//! What a route is opened with, what is appended to it, what it holds.

use crate::id::ChunkId;
use crate::observer::Phase;
use crate::receipt::Receipt;

/// When an append counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// When it is synced: it survives a power cut.
    Disk,
    /// When it is written: it survives a killed process.
    Memory,
}

/// How a route stores its events.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteOptions {
    /// Who must confirm each chunk; at most [`crate::MAX_DESTINATIONS`].
    pub destinations: Vec<String>,
    /// When an append counts as stored.
    pub durability: Durability,
    /// Most payload bytes of a chunk.
    pub chunk_limit_bytes: u64,
    /// Events at which a chunk is sealed.
    pub chunk_limit_events: Option<u64>,
    /// The share of the limits, from 0 to 1, at which a chunk is sealed after an append.
    pub chunk_full_threshold: f64,
    /// Most bytes of all the route's chunk files, preallocated space included.
    pub total_limit_bytes: u64,
}

impl RouteOptions {
    /// Whether a chunk that was opened with these takes the appends of a route with `others`.
    pub(crate) fn suit(&self, others: &RouteOptions) -> bool {
        RouteOptions {
            total_limit_bytes: others.total_limit_bytes,
            ..self.clone()
        } == *others
    }

    pub(crate) fn full_bytes(&self) -> u64 {
        share_of(self.chunk_limit_bytes, self.chunk_full_threshold)
    }

    pub(crate) fn full_events(&self) -> Option<u64> {
        self.chunk_limit_events
            .map(|limit| share_of(limit, self.chunk_full_threshold))
    }
}

// A chunk limit is far below 2^53, and a rounding error of one byte seals a byte earlier.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn share_of(limit: u64, threshold: f64) -> u64 {
    ((limit as f64 * threshold.clamp(0.0, 1.0)).ceil() as u64).max(1)
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The events' tag; empty if the chunk key has it. At most 65,535 bytes.
    pub tag: &'a str,
    /// The sender's id for the batch; empty if it gave none. At most 65,535 bytes.
    pub batch_id: &'a [u8],
    /// The events as MessagePack, not empty.
    pub payload: &'a [u8],
    /// How many events the payload has.
    pub event_count: u32,
    /// The earliest event's time, Unix nanoseconds.
    pub time_min_ns: i64,
    /// The latest event's time, Unix nanoseconds.
    pub time_max_ns: i64,
}

/// What an append gives back.
#[derive(Debug)]
pub struct Appended {
    /// Resolves when the append is durable.
    pub receipt: Receipt,
    /// The chunk that holds it.
    pub chunk: ChunkId,
}

/// What an append of several gives back.
#[derive(Debug)]
pub struct AppendedRun {
    /// Resolves when all that was appended is durable.
    pub receipt: Receipt,
    /// The chunk that holds it.
    pub chunk: ChunkId,
    /// How many were appended: the first so many, one at least.
    pub count: usize,
}

/// What a route holds, in flight included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTotals {
    /// Chunks that take appends.
    pub staged_chunks: u64,
    /// Events in them.
    pub staged_events: u64,
    /// Payload bytes in them.
    pub staged_bytes: u64,
    /// Chunks that are sealed and not purged.
    pub sealed_chunks: u64,
    /// Events in them.
    pub sealed_events: u64,
    /// Payload bytes in them.
    pub sealed_bytes: u64,
    /// Bytes of all files, preallocated space and files about to be removed included.
    pub file_bytes: u64,
    /// The limit of `file_bytes`.
    pub limit_bytes: u64,
    /// When the oldest chunk was created, Unix nanoseconds; `None` if there is none.
    pub oldest_created_ns: Option<i64>,
}

impl RouteTotals {
    pub(crate) fn add(&mut self, created_ns: i64, phase: Phase, events: u64, bytes: u64) {
        let oldest = self.oldest_created_ns.unwrap_or(i64::MAX);
        self.oldest_created_ns = Some(oldest.min(created_ns));
        let (chunks, events_here, bytes_here) = match phase {
            Phase::Staged => (
                &mut self.staged_chunks,
                &mut self.staged_events,
                &mut self.staged_bytes,
            ),
            Phase::Sealed | Phase::Queued | Phase::Purged => (
                &mut self.sealed_chunks,
                &mut self.sealed_events,
                &mut self.sealed_bytes,
            ),
        };
        *chunks += 1;
        *events_here += events;
        *bytes_here += bytes;
    }
}
