//! Outputs: what sends chunks to a destination.
//!
//! An output implements [`Lifecycle`] and any of three ways to be driven:
//!
//! | way | its call | what it means |
//! |---|---|---|
//! | [`Direct`] | `process` | a batch as it comes in; the sender waits, and a failure is its refusal |
//! | [`Buffered`] | `write` | a chunk; returning [`Outcome::Delivered`] is the commit |
//! | [`Deferred`] | `try_write` | a chunk; the output keeps the [`Delivery`] and resolves it later |
//!
//! It says which it offers when it is opened, by [`Output::of`], and the engine chooses among them
//! ([`choose`]). The engine owns retries, back-off and time-outs; an output tries once and says
//! what happened.

use std::future::Future;
use std::pin::Pin;

mod build;
mod choice;
mod chunk;
mod delivery;
mod encode;
mod events;
pub mod file;
pub mod forward;
pub mod http;
mod instance;
mod lifecycle;
pub mod null;
mod ready;
pub mod runner;
pub mod stdout;
#[cfg(test)]
pub(crate) mod testing;

pub use build::{Builder, Output};
pub use choice::{NoWay, Offers, Preference, Way, choose};
pub use chunk::{
    ByteReader, Chunk, ChunkError, ChunkReader, Custom, Form, Format, Frame, Metadata, OpenChunk,
    Records, Standard, Window,
};
pub use delivery::{Delivery, Resolve};
pub use events::{EventRef, Events, OwnedEvent};
pub use instance::Instance;
pub use lifecycle::{Lifecycle, LifecycleEvent, Stage, Step};
pub use ready::{Permit, Ready};

pub use crate::flush::{Failure, FailureScope, Outcome, RangeSet, Rejection};

/// A future without a name, as object-safe traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An output that is given batches as they come in.
pub trait Direct: Lifecycle {
    /// Sends a batch once. Its sender is acknowledged when this says [`Outcome::Delivered`], and
    /// refused when it says anything else. Called for several batches at a time.
    fn process<'a>(&'a self, events: &'a Events) -> BoxFuture<'a, Outcome>;
}

/// An output whose attempt ends when its call returns. `F` is the format that chunks have for it.
pub trait Buffered<F: Form = Standard>: Lifecycle {
    /// Sends the whole chunk once. Called for several chunks at a time.
    fn write<'a>(&'a self, chunk: &'a Chunk<F>) -> BoxFuture<'a, Outcome>;
}

/// An output that starts to send and resolves the delivery later. `F` is the format that chunks
/// have for it.
pub trait Deferred<F: Form = Standard>: Lifecycle {
    /// Starts to send the chunk. Returning says nothing; the delivery is resolved by its own
    /// calls, or rolled back when it is dropped or its time is over.
    fn try_write(&self, delivery: Delivery<F>) -> BoxFuture<'_, ()>;
}
