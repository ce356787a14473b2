//! Intake: from a batch to chunks.
//!
//! Inputs hand batches to [`Intake::accept`]; it validates, routes, groups and appends them, and
//! gives back a [`Pending`] that resolves when every byte of the batch is durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::msgpack;

mod dead_letters;
mod direct;
mod latencies;
mod lead;
mod ready;
mod repeats;
mod room;
mod route_buffer;
mod router;
mod split;
mod stats;
mod tap;

pub use dead_letters::DeadLetterBounds;
pub use direct::{Direct, PassOn, Passing};
pub use latencies::Latencies;
use lead::Lead;
pub use lead::Left;
pub use ready::READY_SIZE_MAX;
pub use repeats::Repeats;
pub use room::Room;
pub(crate) use route_buffer::unhurried;
pub use route_buffer::{Evict, RouteBuffer};
pub use router::Router;
pub use stats::{DropCounts, HeldBack, IntakeStats, RouteStats};
pub use tap::{PER_SECOND_MAX, Passed, TAPS_MAX, TapError, TapFilter, Tapped, Taps};

/// A batch as an input has it: events of one tag.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The events' tag; never empty.
    pub tag: &'a str,
    /// MessagePack entries back to back, each `[time, record]`; not yet validated.
    pub payload: &'a [u8],
    /// What the sender calls the batch (forward's `chunk`, HTTP's `Idempotency-Key`), at most
    /// 65,535 bytes; empty if it gave nothing.
    pub batch_id: &'a [u8],
    /// How long the sender may be held back while a buffer is full; `None`: until there is room.
    pub patience: Option<Duration>,
}

/// Events that are given up before they are stored.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// The events' tag; never empty.
    pub tag: &'a str,
    /// MessagePack entries back to back.
    pub payload: &'a [u8],
    /// How many there are.
    pub event_count: u64,
    /// Why, in few words that are the same for many events: each reason has chunks of its own.
    pub reason: &'a str,
    /// More about the reason, of which the same holds.
    pub detail: &'a str,
    /// As in [`Incoming`].
    pub patience: Option<Duration>,
}

/// What the intake made of a batch that it took.
#[must_use = "a batch may be acknowledged only when its receipts have resolved"]
pub struct Pending {
    /// Events that will be stored.
    pub event_count: u64,
    /// Entries that can never be stored; they go to the dead letters with the batch.
    pub set_aside_count: u64,
    durable: Durable,
}

/// What the intake made of batches that it took together.
#[must_use = "the batches may be acknowledged only when their receipts have resolved"]
pub struct Ready {
    /// How many it took, from the first on; never 0.
    pub batch_count: usize,
    /// What it made of them: one receipt, the sum of their events.
    pub pending: Pending,
}

/// Resolves when every event of a batch is durable, and taken by every output that is driven direct.
pub type Durable = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;

/// Why a batch was not taken. Nothing of it is acknowledged; part of it may be stored already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The payload is not MessagePack, so that no event of it can be told from the next.
    #[error("malformed MessagePack at byte {offset} of the batch: {reason}")]
    Malformed {
        /// Byte offset in the payload.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A buffer is full and the sender's patience is over, or the route refuses instead of waiting.
    #[error("route {route} is full: {reason}")]
    HeldBack {
        /// The route that has no room.
        route: String,
        /// Which limit was reached.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The bytes could not be written or synced.
    #[error("route {route} could not store the batch: {reason}")]
    NotStored {
        /// The route that failed.
        route: String,
        /// The store's error.
        reason: String,
    },
    /// An output that the sender waits for did not take the batch.
    #[error("route {route}: output {output} did not take the batch: {reason}")]
    NotTaken {
        /// The route that the output is in.
        route: String,
        /// The output.
        output: String,
        /// What its destination says.
        reason: String,
        /// When to try again; `None`: it will never take it.
        retry_after: Option<Duration>,
    },
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// Takes batches for somebody: the real one is the engine's, tests of inputs bring their own.
pub trait Accept: Send + Sync + 'static {
    /// See [`Intake::accept`].
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>>;

    /// See [`Intake::accept_ready`]; who has no short way takes none.
    fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<Ready> {
        let _ = batches;
        None
    }
}

/// The way in, shared by all inputs. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    lead: Arc<Lead>,
    /// The input that it is for, and who looks at what comes by it.
    tapped: Option<(Arc<str>, Arc<Taps>)>,
}

impl Intake {
    /// An intake that hands its batches to `accept`.
    #[must_use]
    pub fn new(accept: Arc<dyn Accept>) -> Self {
        let lead = Arc::new(Lead::to(accept));
        Self { lead, tapped: None }
    }

    /// Hands its batches, and those of its clones, to `accept` from now on. Batches that are on their
    /// way go there to their end.
    pub fn lead_to(&self, accept: Arc<dyn Accept>) -> Left {
        self.lead.turn_to(accept)
    }

    /// The same way in for the input called `input`, at which `taps` can look.
    #[must_use]
    pub fn of_input(&self, input: &Arc<str>, taps: &Arc<Taps>) -> Self {
        Self {
            lead: Arc::clone(&self.lead),
            tapped: Some((Arc::clone(input), Arc::clone(taps))),
        }
    }

    fn show(&self, batches: &[Incoming<'_>]) {
        if let Some((input, taps)) = &self.tapped
            && taps.is_on()
        {
            taps.came(input, batches);
        }
    }

    /// Takes one batch in. When this returns `Ok`, all of it is appended (but perhaps not yet
    /// durable); a tag that no route matches is counted and taken.
    ///
    /// Waits while a matching route is full, at most for the batch's patience. Dropping the future
    /// may leave part of the batch stored; the sender was not acknowledged and sends it again.
    ///
    /// # Errors
    /// [`Refused`]: the batch must not be acknowledged.
    pub async fn accept(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        loop {
            let way = self.lead.now();
            match way.accept.accept(batch).await {
                // Its route is gone, but the daemon is not: there is another way now.
                Err(Refused::Stopping) if !self.lead.is(&way) => {}
                done => {
                    if done.is_ok() {
                        self.show(&[batch]);
                    }
                    return done;
                }
            }
        }
    }

    /// Takes the first of `batches` at once, and as many of those behind it as go the same way:
    /// what each costs beyond its bytes is shared by all. What is taken is as durable, and in the
    /// same order, as if it had been [accepted](Self::accept) one by one.
    ///
    /// `None` says nothing about the first batch: it is larger than [`READY_SIZE_MAX`], unusual,
    /// malformed, a repeat, or there is no room. [`Self::accept`] finds out.
    #[must_use]
    pub fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<Ready> {
        let ready = self.lead.now().accept.accept_ready(batches)?;
        self.show(&batches[..ready.batch_count]);
        Some(ready)
    }
}

impl Pending {
    /// A batch that `durable` speaks for.
    pub fn new(event_count: u64, set_aside_count: u64, durable: Durable) -> Self {
        Self {
            event_count,
            set_aside_count,
            durable,
        }
    }

    /// Resolves when every event of the batch is durable, and taken by every output that is driven
    /// direct.
    ///
    /// # Errors
    /// [`Refused::NotStored`] if a sync failed, [`Refused::NotTaken`] if such an output failed: the
    /// batch must not be acknowledged.
    pub async fn durable(self) -> Result<(), Refused> {
        self.durable.await
    }
}

pub(crate) fn malformed(error: &msgpack::Error, payload: &[u8]) -> Refused {
    let offset = match *error {
        msgpack::Error::Incomplete { .. } => payload.len(),
        msgpack::Error::Malformed { offset, .. } | msgpack::Error::TooDeep { offset } => offset,
    };
    Refused::Malformed {
        offset,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
