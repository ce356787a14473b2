//! The way of a batch to an output that is driven direct.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use forebay_storage::ChunkKey;

use super::route::Destination;
use super::slot::Slot;
use crate::buffer::{PassOn, Passing, Refused};
use crate::clock::Clock;
use crate::flush::DestinationStats;
use crate::output::{Events, Failure, FailureScope, Outcome, Permit, Ready};

/// When a sender that was refused should try again, if the destination does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One direct output of a route.
#[derive(Clone)]
pub(super) struct DirectWay {
    route: Arc<str>,
    slot: Arc<Slot>,
    stats: Arc<DestinationStats>,
    last_error: super::route::LastError,
    clock: Clock,
}

impl DirectWay {
    pub(super) fn new(route: &str, to: &Destination, clock: Clock) -> Self {
        Self {
            route: route.into(),
            slot: Arc::clone(&to.slot),
            stats: Arc::clone(&to.stats),
            last_error: Arc::clone(&to.last_error),
            clock,
        }
    }

    async fn send(self, events: Events) -> Result<(), Refused> {
        let permit = self.room(events.tag()).await;
        let (event_count, size) = (events.event_count(), events.payload_len() as u64);
        let began = self.clock.now().monotonic;
        self.stats.started(1);
        let outcome = self.slot.process(events).await;
        drop(permit);
        self.stats.ended();
        let now = self.clock.now();
        if outcome == Outcome::Delivered {
            let latency = now.monotonic.saturating_sub(began);
            self.stats
                .delivered(event_count, size, latency, now.unix_ns);
            self.note(None);
            return Ok(());
        }
        self.stats.failed(now.unix_ns);
        Err(self.refusal(outcome))
    }

    /// Waits until the output has room for a batch of `tag`.
    async fn room(&self, tag: &str) -> Permit {
        let key = ChunkKey {
            tag: Some(tag.to_owned()),
            ..ChunkKey::default()
        };
        loop {
            match self.slot.ready(&key) {
                Ready::Now(permit) => return permit,
                Ready::NotUntil(at) => tokio::time::sleep_until(at).await,
                Ready::Notify(room) => room.await,
            }
        }
    }

    /// What the sender is told.
    fn refusal(&self, outcome: Outcome) -> Refused {
        let (reason, retry_after) = match outcome {
            Outcome::Retry(Failure {
                reason,
                scope,
                not_before,
            }) => {
                self.count(scope);
                (reason, Some(not_before.unwrap_or(RETRY_AFTER)))
            }
            Outcome::Reject { reason } => (reason, None),
            other => (format!("{other:?}"), Some(RETRY_AFTER)),
        };
        tracing::debug!(
            route = %self.route, output = %self.slot.name, reason, "batch refused to its sender"
        );
        self.note(Some(reason.clone()));
        Refused::NotTaken {
            route: self.route.to_string(),
            output: self.slot.name.to_string(),
            reason,
            retry_after,
        }
    }

    fn count(&self, scope: FailureScope) {
        let counter = match scope {
            FailureScope::Unreachable => &self.stats.failures.unreachable,
            FailureScope::Destination => &self.stats.failures.destination,
            FailureScope::Chunk => &self.stats.failures.chunk,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn note(&self, error: Option<String>) {
        *super::route::lock(&self.last_error) = error;
    }
}

impl PassOn for DirectWay {
    fn pass_on(&self, tag: &str, payload: Bytes, event_count: u64) -> Passing {
        let events = Events::new(tag, payload, event_count);
        Box::pin(self.clone().send(events))
    }
}
