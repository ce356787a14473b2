//! What goes into the scheduler and what comes out.

use std::time::Duration;

use forebay_storage::{ChunkId, SealReason};

use super::lanes::Lane;
use super::ranges::RangeSet;
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
    /// Whether the records that a destination does not take are looked for.
    pub bisect: bool,
    /// The share of a chunk's time for retries after which it goes to the secondary output.
    pub secondary_threshold: f64,
    /// How long a sealed chunk may wait for its destinations; `None`: for ever.
    pub max_age: Option<Duration>,
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
    /// How many events it has.
    pub event_count: u64,
    /// When it was sealed, in nanoseconds since the Unix epoch.
    pub sealed_ns: i64,
    /// Chunks with the same number are delivered one after the other, oldest first.
    pub lane: Option<Lane>,
    /// The destinations that it is owed to.
    pub owed: Vec<Owed>,
}

/// A destination that a chunk is owed to.
#[derive(Clone, Debug)]
pub struct Owed {
    /// Its index.
    pub destination: usize,
    /// What is known of earlier attempts.
    pub retry: Option<RetryState>,
}

/// What is known of a chunk's failed attempts at one destination. Times are Unix nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryState {
    /// Attempts that failed.
    pub failure_count: u32,
    /// When the first of them failed.
    pub first_failure_ns: i64,
    /// When the last of them failed.
    pub last_failure_ns: i64,
    /// When the next attempt may be made.
    pub next_attempt_ns: i64,
    /// What the last of them ended with.
    pub last_reason: String,
    /// The records that are still owed; `None`: all of them.
    pub left: Option<RangeSet>,
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
        /// To the destination's output, or in its place.
        via: Via,
        /// The records to deliver; `None`: the whole chunk.
        records: Option<RangeSet>,
    },
    /// A chunk has waited too long: bury it.
    Expire(Burial),
    /// The time of a delivery is over: whatever it still says is too late.
    TakeBack {
        /// The delivery.
        delivery: DeliveryId,
        /// Index of the destination.
        destination: usize,
        /// Which output it went to.
        via: Via,
        /// What becomes of its chunk.
        then: Resolved,
    },
}

/// Which output a delivery goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The destination's own.
    Primary,
    /// The route's secondary one.
    Secondary,
}

/// What became of a chunk when its delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// The delivery had been taken back, or its chunk purged: nothing changes.
    Late,
    /// Nothing of the chunk is owed to that destination any more.
    Delivered {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// What the attempt delivered.
        taken: Taken,
        /// Attempts that failed before.
        failure_count: u32,
    },
    /// What is left is offered next, without a wait.
    Advanced {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// What the attempt delivered, if anything.
        taken: Option<Taken>,
        /// Its history, for the catalogue.
        retry: RetryState,
    },
    /// It, or what is left of it, will be tried again.
    Retrying {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// What the attempt delivered, if anything.
        taken: Option<Taken>,
        /// Its history, for the catalogue.
        retry: RetryState,
    },
    /// Some or all of it will not be tried again.
    Bury {
        /// What to bury.
        burial: Burial,
        /// What the attempt delivered, if anything.
        taken: Option<Taken>,
    },
}

/// What an attempt delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When the attempt began, by the monotonic clock.
    pub began: Duration,
    /// How many events were confirmed.
    pub event_count: u64,
    /// By which output.
    pub via: Via,
}

/// Records to copy to the dead letters, or to drop; then say [`Scheduler::buried`] or
/// [`Scheduler::not_buried`].
///
/// [`Scheduler::buried`]: super::Scheduler::buried
/// [`Scheduler::not_buried`]: super::Scheduler::not_buried
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burial {
    /// The chunk.
    pub chunk: ChunkId,
    /// Index of the destination.
    pub destination: usize,
    /// Which records; `None`: the whole chunk.
    pub records: Option<RangeSet>,
    /// Why it is given up.
    pub cause: Cause,
    /// The history, with the last answer.
    pub retry: RetryState,
}

/// What is to be done after a burial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterBurial {
    /// Nothing of the chunk is owed to that destination any more.
    Settled,
    /// The chunk was purged meanwhile.
    Gone,
    /// Other records are to be buried, for another reason.
    Next(Burial),
    /// The rest is still owed: give the claim back, then say [`Scheduler::resume`].
    ///
    /// [`Scheduler::resume`]: super::Scheduler::resume
    Open(RetryState),
}

/// Why records are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The destination said that it will never take them.
    Rejected,
    /// The retries, or the time for them, are spent.
    Exhausted,
    /// They have waited longer than `max_age`.
    Expired,
    /// The operator said so.
    Operator,
}

impl RetryState {
    /// No failed attempt.
    pub(super) fn none(now_ns: i64) -> Self {
        Self {
            failure_count: 0,
            first_failure_ns: now_ns,
            last_failure_ns: now_ns,
            next_attempt_ns: now_ns,
            last_reason: String::new(),
            left: None,
        }
    }
}

/// When the engine has to look again if nothing happens before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// At this monotonic time.
    pub monotonic: Option<Duration>,
    /// At this wall-clock time, in nanoseconds since the Unix epoch.
    pub unix_ns: Option<i64>,
}
