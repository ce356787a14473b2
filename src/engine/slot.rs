//! Where the instance of an output is while the engine runs.
//!
//! All routes that lead to an output share its slot, and with it its connections. It is
//! emptied once, at the end: what is taken out is closed, and nobody can deliver to an empty slot.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::output::{BoxFuture, Delivery, Instance, LifecycleEvent, Output, Way};

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

    /// Starts a delivery; without an instance it is rolled back.
    pub(super) fn deliver(&self, way: Way, delivery: Delivery) -> BoxFuture<'static, ()> {
        let nobody = || Box::pin(std::future::ready(())) as BoxFuture<'static, ()>;
        self.with(|instance| instance.deliver(way, delivery))
            .unwrap_or_else(nobody)
    }

    /// Tells the output of its life.
    pub(super) fn tell(&self, event: LifecycleEvent) {
        self.with(|instance| instance.tell(event));
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
