//! Flushing: when a chunk is sealed, who gets it next, and when it is tried again.
//!
//! The [`Scheduler`] is a pure state machine, one for each route: what happened goes in, decisions
//! come out, the clock is a parameter. It does no I/O, holds no lock and never sleeps; the engine
//! drives it. Every decision costs at most the logarithm of the number of chunks.
//!
//! What must hold:
//! - a chunk is in flight to a destination at most once at a time;
//! - a destination has at most `max_concurrent` chunks in flight, and one while its breaker is open;
//! - a chunk leaves a destination's queue only delivered, rejected, given up or purged;
//! - with `ordered`, a destination has at most one chunk of each chunk key in flight, the oldest.
//!
//! What is left of a chunk after a destination took part of it is known here and in the catalogue,
//! not in the chunk: the chunk's slot says owed until nothing is left. Losing it repeats deliveries
//! and skips none, so that it needs no room in the file format and no order between two files. (The
//! other way, to append the rest as a new chunk before the old one is settled, would write every
//! record of a bad chunk again, need room in a full route, and break its order.)
//!
//! The last resorts of what a destination does not take, in their order: the search for the
//! records that it does not take (`remainder`), the secondary output, the dead letters or a drop.

mod backoff;
mod breaker;
mod decision;
mod lanes;
mod outcome;
mod queue;
mod ranges;
mod remainder;
mod scheduler;
mod stats;
mod timers;

pub use backoff::Backoff;
pub use decision::{
    AfterBurial, Burial, Cause, Decision, DeliveryId, DestinationPolicy, FlushPolicy, Owed, Queued,
    Resolved, RetryState, Staged, Taken, Via, Wakeup,
};
pub use outcome::{Failure, FailureScope, Outcome, Rejection};
pub use ranges::RangeSet;
pub use scheduler::{Scheduler, Unburied};
pub use stats::{DestinationStats, FailureCounts};
