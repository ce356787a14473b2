//! An output as the engine drives it.
//!
//! Whoever holds an [`Instance`] can deliver to it; closing takes it. It keeps the order of
//! [`Stage`], counts what is in flight, and gives away neither the output nor its traits.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use forebay_storage::ChunkKey;

use super::lifecycle::{LifecycleEvent, Stage, Step};
use super::{BoxFuture, Delivery, Direct, Events, Failure, FailureScope, NoWay};
use super::{Outcome, Output, Preference, Ready, Way};

/// An opened output from its first delivery to its end.
pub struct Instance {
    output: Output,
    stage: Mutex<Stage>,
    /// Deliveries that are not resolved.
    in_flight: TaskTracker,
}

impl Instance {
    /// An output that has been given nothing yet.
    #[must_use]
    pub fn new(output: Output) -> Self {
        let in_flight = TaskTracker::new();
        in_flight.close();
        Self {
            output,
            stage: Mutex::new(Stage::Open),
            in_flight,
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn stage(&self) -> Stage {
        *self.lock()
    }

    /// How many deliveries are not resolved.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// How it is driven in a route with or without a `buffer` section.
    ///
    /// # Errors
    /// [`NoWay`].
    pub fn way(&self, has_buffer_section: bool) -> Result<Way, NoWay> {
        self.output.way(has_buffer_section)
    }

    /// What it prefers.
    #[must_use]
    pub fn preference(&self) -> Preference {
        self.output.preference()
    }

    /// Whether a chunk of `key` may come now.
    #[must_use]
    pub fn ready(&self, key: &ChunkKey) -> Ready {
        self.output.life.ready(key)
    }

    /// Starts a delivery in that way; the future is to be driven to its end. If the output is past
    /// taking deliveries, or does not offer the way, the delivery is rolled back.
    #[must_use = "nothing is delivered unless it is polled"]
    pub fn deliver(&self, way: Way, mut delivery: Delivery) -> BoxFuture<'static, ()> {
        if !self.may(Step::Deliver) {
            delivery.roll_back(Failure::new(
                FailureScope::Destination,
                "the output is about to close",
            ));
            return Box::pin(std::future::ready(()));
        }
        delivery.count_in(self.in_flight.token());
        let output = &self.output;
        match (way, &output.buffered, &output.deferred) {
            (Way::Deferred, _, Some(output)) => {
                let output = output.clone();
                Box::pin(async move { output.try_write(delivery).await })
            }
            // If this panics, the delivery is dropped, which rolls the chunk back.
            (Way::Buffered, Some(output), _) => {
                let output = output.clone();
                Box::pin(async move {
                    let outcome = output.write(delivery.chunk()).await;
                    delivery.resolve(outcome);
                })
            }
            _ => {
                delivery.roll_back(Failure::new(
                    FailureScope::Destination,
                    "the output takes no chunks",
                ));
                Box::pin(std::future::ready(()))
            }
        }
    }

    /// Has a batch sent at once; `None` if the output does not offer that or is past it.
    #[must_use]
    pub fn process(&self, events: Events) -> Option<BoxFuture<'static, Outcome>> {
        let output: std::sync::Arc<dyn Direct> = self.output.direct.clone()?;
        if !self.may(Step::Deliver) {
            return None;
        }
        let token = self.in_flight.token();
        Some(Box::pin(async move {
            let outcome = output.process(&events).await;
            drop(token);
            outcome
        }))
    }

    /// Tells the output; nothing happens if that may not come now.
    pub fn tell(&self, event: LifecycleEvent) {
        if self.may(event.step()) {
            self.output.life.on(event);
        }
    }

    /// Ends its life: drains until `deadline`, then closes it. Whatever has not ended then is
    /// rolled back by its drop, and stays where it was.
    pub async fn close(self, deadline: Instant) {
        if self.stage() <= Stage::Running {
            self.tell(LifecycleEvent::Urgent { deadline });
        }
        self.tell(LifecycleEvent::Drain { deadline });
        let _ = timeout_at(deadline, self.in_flight.wait()).await;
        if self.may(Step::Stop) && self.may(Step::Close) {
            self.output.life.close().await;
        }
    }

    /// Does the step if it may happen now.
    fn may(&self, step: Step) -> bool {
        let mut stage = self.lock();
        match stage.after(step) {
            Some(next) => *stage = next,
            None => return false,
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
