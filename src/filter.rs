//! Filters: what edits events, drops them, chooses their routes and makes new ones, between the
//! inputs and the router.
//!
//! # The way of an event
//!
//! Filters stand in an order, that of the configuration. An event passes all that match the tag that
//! it has when it comes to them, and a filter says of it [`Verdict::Keep`] or [`Verdict::Block`]. A
//! blocked event reaches no later filter and no route. What is kept goes to the route that its tag
//! leads to, or to those that its [`RouteSet`] names.
//!
//! A batch whose tag no filter matches is handed on as it came: nothing is decoded or copied. An
//! event that passes filters and is not edited leaves as the bytes it came as.
//!
//! # What must hold
//!
//! - **Acknowledged means durable.** A batch is acknowledged only when all that came of it is durable:
//!   its events that were kept, copies in the dead letters, and events injected on its account.
//! - **Nothing goes silently.** What a filter fails on goes on as it was, goes on with a tag that
//!   says so, or to the dead letters ([`OnError`]), and is counted. A panic is a failure like any other.
//! - **Injection ends.** What a filter injects goes through all filters from the first, but never
//!   through the one that injected it; it is refused, counted, beyond [`GENERATION_MAX`] steps from
//!   an event that came from outside, and beyond [`INJECTED_MAX`] events for each batch or tick. There
//!   is no pool to wait for, so it cannot wait for itself.
//!
//! # Repeats
//!
//! A batch that its sender repeats passes the filters again, before any route looks whether it knows
//! the batch (`deduplicate`). Routes compare what came *out* of the filters. Filters that give the
//! same for the same events change nothing: the repeat is recognised. If something else comes out
//! this time, it is another batch, and stored: rather twice than never. Filters that count see a
//! repeated event twice. Injected events have no batch id and are never taken for a repeat.
//!
//! # Writing one
//!
//! ```
//! use forebay::event::Event;
//! use forebay::filter::{Context, Failure, Filter, Verdict};
//!
//! /// Drops what has no field `message`, and shouts the rest.
//! struct Shout;
//!
//! impl Filter for Shout {
//!     fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
//!         let Some(message) = event.record().get("message") else {
//!             return Ok(Verdict::Block);
//!         };
//!         let loud = message.as_str().ok_or(Failure::new("message is no text"))?.to_uppercase();
//!         event.record_mut().insert("message", loud);
//!         Ok(Verdict::Keep)
//!     }
//! }
//! ```

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::Now;
use crate::event::{EmptyTag, Event};

mod chain;
mod injector;
mod open;
mod routes;
mod stats;
mod strain;
mod window;

pub mod counter;
pub mod grep;
pub mod heartbeat_watch;
pub mod parser;
pub mod record_transformer;
pub mod rewrite_tag;
pub mod rollup;
pub mod route;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use crate::config::plan::OnError;
pub use chain::{Chain, Link};
pub use injector::{GENERATION_MAX, INJECTED_MAX, InjectError, Injector};
pub use open::open;
pub use routes::{RouteSet, UnknownRoute};
pub use stats::FilterStats;
pub use strain::Strain;

/// What an event goes through.
///
/// All senders share one instance, and call it at the same time: state stands in a `Mutex`, held for
/// no longer than a call. Nothing here may block.
pub trait Filter: Send + Sync + 'static {
    /// Looks at one event, and edits it, its routes, or makes new events of it.
    ///
    /// # Errors
    /// [`Failure`]: the event is again what it was before the call, what was injected during the
    /// call is not, and the event goes the way of the filter's [`OnError`].
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure>;

    /// When [`tick`](Self::tick) wants to be called, by the monotonic clock; asked after every batch
    /// and every tick. `None`: not at all.
    fn next_tick(&self) -> Option<Duration> {
        None
    }

    /// The moment of [`next_tick`](Self::next_tick) has come: for what is told by time and not by an
    /// event. Not called again before all that it injects is stored.
    ///
    /// # Errors
    /// [`Failure`] is logged and counted.
    fn tick(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        let _ = (now, injector);
        Ok(())
    }

    /// The last call: all inputs have stopped, and what is injected now is still stored.
    ///
    /// # Errors
    /// [`Failure`] is logged and counted.
    fn close(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        let _ = (now, injector);
        Ok(())
    }
}

/// What surrounds an event.
pub struct Context<'a> {
    /// The moment at which its batch came.
    pub now: Now,
    /// Where the event will go.
    pub routes: &'a mut RouteSet,
    /// Takes new events.
    pub injector: &'a mut Injector,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It goes on.
    Keep,
    /// It leaves at once: no later filter and no output sees it. It is counted.
    Block,
}

/// Why a filter can do nothing with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    why: Cow<'static, str>,
}

impl Failure {
    /// A failure for the reason `why`: few words that hold for many events, and nothing of the
    /// event itself. Dead letters with the same reason share their chunks.
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into() }
    }
}

impl From<EmptyTag> for Failure {
    fn from(_: EmptyTag) -> Self {
        Self::new("a tag must not be empty")
    }
}

impl From<UnknownRoute> for Failure {
    fn from(unknown: UnknownRoute) -> Self {
        Self::new(unknown.to_string())
    }
}

impl From<InjectError> for Failure {
    fn from(error: InjectError) -> Self {
        Self::new(error.to_string())
    }
}
