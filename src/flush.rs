//! Flushing: when a chunk is sealed, who gets it next, and when it is tried again.
//!
//! The [`Scheduler`] is a pure state machine, one for each route: what happened goes in, decisions
//! come out, the clock is a parameter. It does no I/O, holds no lock and never sleeps; the engine
//! drives it. Every decision costs at most the logarithm of the number of chunks.
//!
//! What must hold:
//! - a chunk is in flight to a destination at most once at a time;
//! - a destination has at most `max_concurrent` chunks in flight, and one while its breaker is open;
//! - a chunk leaves a destination's queue only delivered, rejected, given up or purged.

mod backoff;
mod breaker;
mod decision;
mod outcome;
mod queue;
mod ranges;
mod scheduler;
mod stats;
mod timers;

pub use backoff::Backoff;
pub use decision::{
    Cause, Decision, DeliveryId, DestinationPolicy, FlushPolicy, Queued, Resolved, RetryState,
    Staged, Wakeup,
};
pub use outcome::{Failure, FailureScope, Outcome};
pub use ranges::RangeSet;
pub use scheduler::Scheduler;
pub use stats::{DestinationStats, FailureCounts, LatencyHistogram, LatencySnapshot};
