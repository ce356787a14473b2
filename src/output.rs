//! Outputs: what sends chunks to a destination.
//!
//! An output offers one way to be driven: [`Buffered`], where returning [`Outcome::Delivered`] is
//! the commit, or [`Deferred`], where the output keeps the [`Delivery`] and resolves it later.
//! The engine owns retries, back-off and time-outs; an output tries once and says what happened.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod chunk;
mod delivery;
mod encode;
pub mod file;
pub mod forward;
pub mod http;
pub mod null;
mod reason;
pub mod stdout;
#[cfg(test)]
mod testing;

pub use chunk::{Chunk, ChunkReader, Frame, OpenChunk, Window};
pub use delivery::{Delivery, Resolve};

/// A future without a name, as object-safe traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What became of one attempt to deliver a chunk.
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

/// An output whose attempt ends when its call returns.
pub trait Buffered: Send + Sync + 'static {
    /// Sends the whole chunk once. Called for several chunks at a time.
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome>;

    /// The last call: sends what is held, closes what is open.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// An output that starts to send and resolves the delivery later.
pub trait Deferred: Send + Sync + 'static {
    /// Starts to send the chunk. Returning says nothing; the delivery is resolved by its own
    /// calls, or rolled back when it is dropped or its time is over.
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()>;

    /// The last call: resolves or drops what is in flight, closes what is open.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// An opened output with the way it is driven.
#[derive(Clone)]
pub enum Output {
    /// Returning is the commit.
    Buffered(Arc<dyn Buffered>),
    /// The output commits later.
    Deferred(Arc<dyn Deferred>),
}
