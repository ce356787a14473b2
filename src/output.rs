//! Outputs: what sends chunks to a destination.
//!
//! An output offers one way to be driven: [`Buffered`], where returning [`Outcome::Delivered`] is
//! the commit, or [`Deferred`], where the output keeps the [`Delivery`] and resolves it later.
//! The engine owns retries, back-off and time-outs; an output tries once and says what happened.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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

pub use crate::flush::{Failure, FailureScope, Outcome, RangeSet};

/// A future without a name, as object-safe traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
