use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::Slot;
use crate::output::testing::{chunk, numbered};
use crate::output::{
    BoxFuture, Deferred, Delivery, Direct, Events, Lifecycle, LifecycleEvent, Outcome, Output, Way,
};

/// Keeps its deliveries, and notes what it is told.
#[derive(Default)]
struct Keeping {
    kept: Mutex<Vec<Delivery>>,
    calls: Mutex<Vec<String>>,
}

impl Keeping {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Lifecycle for Keeping {
    fn on(&self, event: LifecycleEvent) {
        self.note(match event {
            LifecycleEvent::Reload => "reload",
            LifecycleEvent::Urgent { .. } => "urgent",
            LifecycleEvent::Drain { .. } => "drain",
        });
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.note("close");
        self.kept.lock().unwrap().clear();
        Box::pin(std::future::ready(()))
    }
}

impl Deferred for Keeping {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        self.note("try_write");
        self.kept.lock().unwrap().push(delivery);
        Box::pin(std::future::ready(()))
    }
}

impl Direct for Keeping {
    fn process<'a>(&'a self, _: &'a Events) -> BoxFuture<'a, Outcome> {
        self.note("process");
        Box::pin(std::future::ready(Outcome::Delivered))
    }
}

fn output(keeping: &Arc<Keeping>) -> Output {
    Output::of(Arc::clone(keeping)).direct().deferred().into()
}

/// Delivers a chunk, and says where its outcome will be.
async fn deliver(slot: &Slot) -> Arc<Mutex<Option<Outcome>>> {
    let ended = Arc::new(Mutex::new(None));
    let told = Arc::clone(&ended);
    let resolve = move |outcome| *told.lock().unwrap() = Some(outcome);
    let delivery = Delivery::new(chunk(&[("t", numbered(1, 0))]), Box::new(resolve));
    slot.deliver(Way::Deferred, delivery).await;
    ended
}

fn in_a_second() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn g08_i05_i06_i07_a_stop_warns_drains_and_closes_in_that_order() {
    let keeping = Arc::new(Keeping::default());
    let slot = Slot::new("o", output(&keeping));
    let first = deliver(&slot).await;
    slot.tell(LifecycleEvent::Urgent {
        deadline: in_a_second(),
    });
    let second = deliver(&slot).await;
    for delivery in keeping.kept.lock().unwrap().drain(..) {
        delivery.commit();
    }
    slot.close(in_a_second()).await;
    let late = deliver(&slot).await;
    let passed = slot.process(Events::new("t", Vec::new(), 0)).await;
    assert_eq!(*first.lock().unwrap(), Some(Outcome::Delivered));
    assert_eq!(*second.lock().unwrap(), Some(Outcome::Delivered));
    assert!(matches!(*late.lock().unwrap(), Some(Outcome::Retry(_))));
    assert!(matches!(passed, Outcome::Retry(_)));
    assert_eq!(
        keeping.calls(),
        ["try_write", "urgent", "try_write", "drain", "close"]
    );
}

#[tokio::test(start_paused = true)]
async fn i06_what_is_in_flight_at_the_end_is_rolled_back() {
    let keeping = Arc::new(Keeping::default());
    let slot = Slot::new("o", output(&keeping));
    let ended = deliver(&slot).await;
    let began = Instant::now();
    slot.close(in_a_second()).await;
    assert_eq!(
        began.elapsed(),
        Duration::from_secs(1),
        "its time is given to it"
    );
    assert!(matches!(*ended.lock().unwrap(), Some(Outcome::Retry(_))));
    assert_eq!(keeping.calls(), ["try_write", "urgent", "drain", "close"]);
}

#[tokio::test(start_paused = true)]
async fn i05_on_reload_new_chunks_go_to_the_successor_and_old_ones_end_or_come_back() {
    let (old, new) = (Arc::new(Keeping::default()), Arc::new(Keeping::default()));
    let slot = Arc::new(Slot::new("o", output(&old)));
    let (ends, comes_back) = (deliver(&slot).await, deliver(&slot).await);
    let swapping = tokio::spawn({
        let (slot, successor) = (Arc::clone(&slot), output(&new));
        async move { slot.swap(successor, in_a_second()).await }
    });
    tokio::task::yield_now().await;
    deliver(&slot).await;
    assert_eq!(new.calls(), ["try_write"], "the successor is there at once");
    let first = old.kept.lock().unwrap().remove(0);
    first.commit();
    swapping.await.unwrap();
    assert_eq!(*ends.lock().unwrap(), Some(Outcome::Delivered));
    assert!(matches!(
        *comes_back.lock().unwrap(),
        Some(Outcome::Retry(_))
    ));
    assert_eq!(
        old.calls(),
        ["try_write", "try_write", "reload", "drain", "close"]
    );
}
