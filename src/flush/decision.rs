//! What goes into the scheduler and what comes out.

use std::time::Duration;

use forebay_storage::{ChunkId, SealReason};

use crate::config::plan::{FlushMode, RetryPlan};

/// When a route's chunks are sealed and tried again.
#[derive(Clone, Debug)]
pub struct FlushPolicy {
    /// When chunks are sealed.
    pub mode: FlushMode,
    /// The age at which a chunk is sealed in interval mode.
    pub interval: Duration,
    /// How long after its end a time window still takes late events.
    pub window_wait: Duration,
    /// When a failed delivery is tried again, and when a chunk is given up.
    pub retry: RetryPlan,
}

/// How a route's chunks are sent to one destination.
#[derive(Clone, Copy, Debug)]
pub struct DestinationPolicy {
    /// Deliveries in flight at a time; at least 1.
    pub max_concurrent: usize,
    /// A delivery that has not been resolved for so long is taken back; `None`: never.
    pub take_back_after: Option<Duration>,
}

/// Names one attempt to deliver one chunk to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(pub(super) u64);

/// A chunk that takes appends.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    /// The chunk.
    pub chunk: ChunkId,
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// The end of its time window, in nanoseconds since the Unix epoch.
    pub window_end_ns: Option<i64>,
}

/// A chunk that is sealed and durable.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The chunk.
    pub chunk: ChunkId,
    /// Indices of the destinations it is owed to, with what is known of earlier attempts.
    pub owed: Vec<(usize, Option<RetryState>)>,
}

/// What is known of a chunk's failed attempts at one destination. Times are Unix nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryState {
    /// Attempts that failed; at least 1.
    pub failure_count: u32,
    /// When the first of them failed.
    pub first_failure_ns: i64,
    /// When the last of them failed.
    pub last_failure_ns: i64,
    /// When the next attempt may be made.
    pub next_attempt_ns: i64,
    /// What the last of them ended with.
    pub last_reason: String,
}

/// What the engine has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Seal a staged chunk.
    Seal {
        /// The chunk.
        chunk: ChunkId,
        /// Why now.
        reason: SealReason,
    },
    /// Start a delivery.
    Deliver {
        /// Its name, by which it is resolved.
        delivery: DeliveryId,
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Attempts of this chunk at this destination that failed before.
        failure_count: u32,
    },
    /// The time of a delivery is over: whatever it still says is too late.
    TakeBack {
        /// The delivery.
        delivery: DeliveryId,
        /// Index of the destination.
        destination: usize,
        /// What becomes of its chunk.
        then: Resolved,
    },
}

/// What became of a chunk when its delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// The delivery had been taken back, or its chunk purged: nothing changes.
    Late,
    /// The destination has confirmed the chunk.
    Delivered {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// When the attempt began, by the monotonic clock.
        began: Duration,
        /// Attempts that failed before.
        failure_count: u32,
    },
    /// It will be tried again.
    Retrying {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Its history, for the catalogue.
        retry: RetryState,
    },
    /// It will not be tried again: copy it to the dead letters, then say
    /// [`Scheduler::buried`] or [`Scheduler::not_buried`].
    Bury {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Its history with the last answer.
        retry: RetryState,
        /// Why it is given up.
        cause: Cause,
    },
}

/// Why a chunk is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The destination said that it will never take it.
    Rejected,
    /// Its retries, or its time for them, are spent.
    Exhausted,
}

/// When the engine has to look again if nothing happens before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// At this monotonic time.
    pub monotonic: Option<Duration>,
    /// At this wall-clock time, in nanoseconds since the Unix epoch.
    pub unix_ns: Option<i64>,
}
