//! What happens in the engine, told to whoever listens at the moment.
//!
//! Nobody is waited for: as long as nobody listens, telling costs one atomic load; a listener that
//! is too slow misses the oldest of what it has not heard, and is told how many. What waits is
//! bounded by [`WAITING_MAX`] for all listeners together.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

use super::status::Moment;
use crate::clock::Clock;

/// Happenings that a listener may be behind.
const WAITING_MAX: usize = 1_024;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "fields that all kinds share say what they are by their names"
)]
pub enum What {
    /// A chunk was opened by its first append.
    ChunkStaged { route: String, chunk: String },
    /// A chunk is sealed, durable, and waits for its deliveries.
    ChunkQueued {
        route: String,
        chunk: String,
        events: u64,
        bytes: u64,
        /// Why it was sealed.
        reason: String,
    },
    /// A chunk is gone: settled by all its outputs, or deleted.
    ChunkGone { route: String, chunk: String },
    /// A delivery has begun.
    DeliveryStarted {
        route: String,
        output: String,
        chunk: String,
        /// 1 for the first.
        attempt: u32,
    },
    /// A destination has confirmed a chunk, or the rest of it.
    DeliveryCommitted {
        route: String,
        output: String,
        chunk: String,
        events: u64,
    },
    /// A delivery has failed; it is tried again.
    DeliveryFailed {
        route: String,
        output: String,
        chunk: String,
        reason: String,
        /// Attempts that have failed.
        failures: u32,
        next_attempt: Moment,
    },
    /// A destination counts as down.
    BreakerOpened {
        route: String,
        output: String,
        reason: String,
    },
    /// A destination is back.
    BreakerClosed { route: String, output: String },
    /// A chunk, or records of it, became a dead letter.
    ChunkBuried {
        route: String,
        output: String,
        chunk: String,
        events: u64,
        /// Why.
        reason: String,
        /// What the destination, or the operator, said.
        answer: String,
    },
    /// A chunk, or records of it, was deleted undelivered.
    ChunkDropped {
        route: String,
        chunk: String,
        events: u64,
        /// Why.
        reason: String,
    },
    /// Senders are held back.
    RouteFull { route: String },
    /// No sender is held back any more.
    RouteFree { route: String },
    /// The operator holds a chunk.
    ChunkHeld { route: String, chunk: String },
    /// The operator has released a chunk.
    ChunkReleased { route: String, chunk: String },
    /// The operator has stopped a route, or one of its outputs.
    Paused {
        route: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// The operator has started a route, or one of its outputs, again.
    Resumed {
        route: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// A replay has got on, or has ended.
    Replayed {
        route: String,
        replay: u64,
        /// Dead letters that it has looked at, and has to look at.
        done: u64,
        total: u64,
        is_running: bool,
    },
    /// Damaged bytes were met, and set aside.
    DamageFound {
        route: String,
        chunk: String,
        bytes: u64,
    },
    /// The configuration was read again and is in force.
    Reloaded,
}

/// Where happenings come together.
#[derive(Debug)]
pub(crate) struct Hub {
    /// How many listen; looked at whenever something happens.
    listening: AtomicUsize,
    missed: AtomicU64,
    sender: broadcast::Sender<Arc<Happening>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            listening: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            sender: broadcast::Sender::new(WAITING_MAX),
        }
    }
}

impl Hub {
    /// Tells what has happened now, if anybody listens.
    pub(crate) fn tell(&self, clock: Clock, what: impl FnOnce() -> What) {
        if self.listening.load(Relaxed) == 0 {
            return;
        }
        let happening = Happening {
            at: Moment(clock.now().unix_ns),
            what: what(),
        };
        // Nobody may listen any more.
        let _ = self.sender.send(Arc::new(happening));
    }

    /// Hears what happens from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        let receiver = self.sender.subscribe();
        self.listening.fetch_add(1, Relaxed);
        Listener {
            hub: Arc::clone(self),
            receiver,
        }
    }

    /// Happenings that listeners were too slow for, since the start.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }
}

/// Hears what happens, as long as it lives.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    receiver: broadcast::Receiver<Arc<Happening>>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something has happened.
    Happening(Arc<Happening>),
    /// It was too slow for so many.
    Missed(u64),
}

impl Listener {
    /// The next thing that happens, or `None` when nothing will any more.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.receiver.recv().await {
            Ok(happening) => Some(Heard::Happening(happening)),
            Err(RecvError::Lagged(count)) => {
                self.hub.missed.fetch_add(count, Relaxed);
                Some(Heard::Missed(count))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.listening.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(number: usize) -> What {
        What::RouteFull {
            route: number.to_string(),
        }
    }

    #[tokio::test]
    async fn nothing_is_made_for_nobody() {
        let hub = Arc::new(Hub::default());
        let clock = Clock::at(7);
        hub.tell(clock, || panic!("nobody listens"));
        let mut listener = hub.listen();
        hub.tell(clock, || full(1));
        let Some(Heard::Happening(heard)) = listener.next().await else {
            panic!("heard nothing");
        };
        let text = serde_json::to_string(&*heard).unwrap();
        assert!(
            text.contains(r#""kind":"route_full","route":"1""#),
            "{text}"
        );
        drop(listener);
        hub.tell(clock, || panic!("nobody listens any more"));
    }

    #[tokio::test]
    async fn a_slow_listener_holds_up_nobody_and_hears_how_many_it_missed() {
        let hub = Arc::new(Hub::default());
        let mut listener = hub.listen();
        for number in 0..WAITING_MAX + 10 {
            hub.tell(Clock::at(7), || full(number));
        }
        assert_eq!(listener.next().await, Some(Heard::Missed(10)));
        let Some(Heard::Happening(heard)) = listener.next().await else {
            panic!("heard nothing");
        };
        assert_eq!(heard.what, full(10));
        assert_eq!(hub.missed(), 10);
    }
}
