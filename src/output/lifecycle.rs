//! What the engine tells an output of its life, and the order in which it does.
//!
//! ```text
//!  open ─► running ─┬─ Reload ──────────► ┐
//!                   └─ Urgent{deadline} ─► ┴─ Drain{deadline} ─► stopped ─► close ─► closed
//! ```
//!
//! Deliveries come while it is running, and still after `Reload` or `Urgent`; none is started
//! after `Drain`. When those in flight have ended, or their time is over, comes
//! [`close`](Lifecycle::close), the last call of all. What is not delivered by then stays on disk.
//!
//! [`Stage`] is that order as a state machine without anything else; [`super::Instance`] keeps to
//! it, and closing takes the instance away, so that nothing can be delivered to it afterwards.

use forebay_storage::ChunkKey;
use tokio::time::Instant;

use super::{BoxFuture, Ready};

/// What every output has, however it is driven. All of it has defaults.
pub trait Lifecycle: Send + Sync + 'static {
    /// Whether a chunk of `key` may come now, asked before each delivery. Must not block.
    ///
    /// The answer is a reservation: a [`Permit`](super::Permit) travels with the chunk and is
    /// dropped when its delivery has ended. A key that is not ready holds up no other key, and a
    /// destination that is not ready no other destination. By default there is always room.
    fn ready(&self, key: &ChunkKey) -> Ready {
        let _ = key;
        Ready::now()
    }

    /// Told when a stage of its life begins. Must not block.
    fn on(&self, event: LifecycleEvent) {
        let _ = event;
    }

    /// The last call: sends what is held, resolves or drops what is in flight, closes what is
    /// open.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What an output is told of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// A successor takes over; the process goes on. What is not delivered goes to the successor.
    Reload,
    /// The process ends. Deliveries may still come: what makes room for them quickly is welcome.
    Urgent {
        /// When the process ends at the latest.
        deadline: Instant,
    },
    /// No delivery is started any more; those in flight should end.
    Drain {
        /// When those that have not are taken back.
        deadline: Instant,
    },
}

/// Where an output is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Opened, and given nothing yet.
    Open,
    /// Given deliveries.
    Running,
    /// Told that a successor takes over.
    Reloading,
    /// Told that the process ends.
    Urgent,
    /// Given nothing more; deliveries in flight end.
    Draining,
    /// Nothing is in flight.
    Stopped,
    /// Closed.
    Closed,
}

/// What may happen to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A delivery is started.
    Deliver,
    /// [`LifecycleEvent::Reload`].
    Reload,
    /// [`LifecycleEvent::Urgent`].
    Urge,
    /// [`LifecycleEvent::Drain`].
    Drain,
    /// The last delivery has ended, or its time is over.
    Stop,
    /// [`Lifecycle::close`].
    Close,
}

impl Stage {
    /// Where `step` leads from here; `None` if it may not happen here.
    #[must_use]
    pub const fn after(self, step: Step) -> Option<Self> {
        use Stage::{Closed, Draining, Open, Reloading, Running, Stopped, Urgent};
        Some(match (self, step) {
            (Open | Running, Step::Deliver) => Running,
            (Reloading, Step::Deliver) | (Open | Running, Step::Reload) => Reloading,
            // A reload under way does not keep the process from ending.
            (Urgent, Step::Deliver) | (Open | Running | Reloading, Step::Urge) => Urgent,
            (Reloading | Urgent, Step::Drain) => Draining,
            (Draining, Step::Stop) => Stopped,
            (Stopped, Step::Close) => Closed,
            _ => return None,
        })
    }
}

impl LifecycleEvent {
    /// The step that it is.
    pub(super) const fn step(self) -> Step {
        match self {
            Self::Reload => Step::Reload,
            Self::Urgent { .. } => Step::Urge,
            Self::Drain { .. } => Step::Drain,
        }
    }
}

#[cfg(test)]
mod tests;
