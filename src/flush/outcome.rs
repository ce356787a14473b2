//! What an output says of one attempt, and what that means for the next.

use std::time::Duration;

use super::ranges::RangeSet;

/// What became of one attempt to deliver a chunk, or a part of one: to the output they are alike.
///
/// Every delivery has one, and nobody can pass over it by mistake (H16, Heka trap e):
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// fn fire_and_forget(send: impl Fn() -> forebay::output::Outcome) {
///     send();
/// }
/// ```
#[must_use = "an outcome that nobody reads is a chunk that nobody commits"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has confirmed the whole chunk.
    Delivered,
    /// It did not work this time; the chunk stays and is tried again.
    Retry(Failure),
    /// It will never work: the chunk goes to the dead letters.
    Reject {
        /// The destination's answer, in one line.
        reason: String,
    },
    /// The destination has answered for some of the records. Those that are neither `done` nor
    /// `rejected` are tried again, without the others.
    ///
    /// Places count from 0, in the order in which the chunk that was given is read.
    Partial {
        /// Confirmed by the destination.
        done: RangeSet,
        /// Will never work: they go to the dead letters. A record that is also `done` is done.
        rejected: Vec<Rejection>,
    },
}

/// Records that a destination will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Their places.
    pub records: RangeSet,
    /// The destination's answer, in one line.
    pub reason: String,
}

/// Why an attempt failed, and what that says about the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In one line, for logs and the chunk's history.
    pub reason: String,
    /// Whom the failure speaks about.
    pub scope: FailureScope,
    /// The destination asked not to be tried again before this much time has passed.
    pub not_before: Option<Duration>,
}

/// Whom a failure speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureScope {
    /// The connection could not be made at all (refused, no route, name not found): cheap to try.
    Unreachable,
    /// The destination as a whole: time-out, connection lost, overloaded, not authorised.
    Destination,
    /// Perhaps only this chunk: the destination answered, and the answer was a failure.
    Chunk,
}

impl Failure {
    /// A failure of the given scope, without a wish for when to try again.
    pub fn new(scope: FailureScope, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            scope,
            not_before: None,
        }
    }

    /// The same failure, not to be tried again before `wait` has passed.
    #[must_use]
    pub fn not_before(mut self, wait: Duration) -> Self {
        self.not_before = Some(wait);
        self
    }
}
