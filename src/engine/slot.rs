//! Where the instance of an output is while the engine runs.
//!
//! All routes that lead to an output share its slot, and with it its connections. The slot can be
//! given a successor, which takes over what has not been delivered; and it is emptied once, at the
//! end: what is taken out is closed, and nobody can deliver to an empty slot.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use forebay_storage::ChunkKey;

use crate::output::{
    BoxFuture, Delivery, Events, Failure, FailureScope, Instance, LifecycleEvent, Outcome, Output,
    Ready, Way,
};

/// How long an output may take to close when its time is over already.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// The place of an output's instance.
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    instance: RwLock<Option<Instance>>,
}

impl Slot {
    pub(super) fn new(name: &str, output: Output) -> Self {
        Self {
            name: name.into(),
            instance: RwLock::new(Some(Instance::new(output))),
        }
    }

    /// Whether a chunk of `key` may come now.
    pub(super) fn ready(&self, key: &ChunkKey) -> Ready {
        self.with(|instance| instance.ready(key))
            .unwrap_or_else(Ready::now)
    }

    /// Starts a delivery; without an instance it is rolled back.
    pub(super) fn deliver(&self, way: Way, delivery: Delivery) -> BoxFuture<'static, ()> {
        let nobody = || Box::pin(std::future::ready(())) as BoxFuture<'static, ()>;
        self.with(|instance| instance.deliver(way, delivery))
            .unwrap_or_else(nobody)
    }

    /// Sends a batch at once.
    pub(super) async fn process(&self, events: Events) -> Outcome {
        let sending = self.with(|instance| instance.process(events)).flatten();
        match sending {
            Some(sending) => sending.await,
            None => Outcome::Retry(Failure::new(
                FailureScope::Destination,
                "the output is about to close",
            )),
        }
    }

    /// Tells the output of its life.
    pub(super) fn tell(&self, event: LifecycleEvent) {
        self.with(|instance| instance.tell(event));
    }

    /// Has `successor` take over at once. What is in flight ends in the old instance until `deadline`,
    /// which is what the future waits for, and goes to the successor after that.
    pub(super) fn swap(
        self: &Arc<Self>,
        successor: Output,
        deadline: Instant,
    ) -> impl Future<Output = ()> + use<> {
        self.tell(LifecycleEvent::Reload);
        let before = self.put(Some(Instance::new(successor)));
        let slot = Arc::clone(self);
        async move { slot.close_instance(before, deadline).await }
    }

    /// Empties the slot, and closes what was in it.
    pub(super) async fn close(&self, deadline: Instant) {
        let last = self.put(None);
        self.close_instance(last, deadline).await;
    }

    async fn close_instance(&self, instance: Option<Instance>, deadline: Instant) {
        let Some(instance) = instance else {
            return;
        };
        let by = deadline.max(Instant::now() + CLOSE_GRACE);
        if timeout_at(by, instance.close(deadline)).await.is_err() {
            tracing::warn!(output = %self.name, "output did not close in time");
        }
    }

    fn put(&self, instance: Option<Instance>) -> Option<Instance> {
        let mut place = self
            .instance
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, instance)
    }

    fn with<T>(&self, action: impl FnOnce(&Instance) -> T) -> Option<T> {
        let place = self.instance.read().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().map(action)
    }
}

#[cfg(test)]
mod tests;
