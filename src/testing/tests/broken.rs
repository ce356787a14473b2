//! Outputs that break a promise, and the promise that finds them out.

use std::sync::{Arc, Mutex};

use forebay_storage::ChunkKey;
use tokio::sync::Semaphore;

use super::super::*;
use crate::config::settings::NoSettings;
use crate::output::{
    BoxFuture, Buffered, Chunk, Deferred, Delivery, Lifecycle, Outcome, Output, Ready,
};
use crate::registry::{BoxError, OpenContext, OutputPlugin, Plugin};

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    DropsDeliveries,
    KeepsDeliveries,
    LeaksRoom,
    ConfirmsNothing,
}

struct Faulty {
    fault: Fault,
    room: Arc<Semaphore>,
    kept: Mutex<Vec<Delivery>>,
}

impl Lifecycle for Faulty {
    fn ready(&self, _: &ChunkKey) -> Ready {
        Ready::within(&self.room)
    }
}

impl Faulty {
    fn leak(&self) {
        if self.fault == Fault::LeaksRoom {
            self.room.forget_permits(1);
        }
    }
}

impl Deferred for Faulty {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        self.leak();
        match self.fault {
            Fault::KeepsDeliveries => self.kept.lock().unwrap().push(delivery),
            Fault::DropsDeliveries => drop(delivery),
            _ => delivery.commit(),
        }
        Box::pin(std::future::ready(()))
    }
}

impl Buffered for Faulty {
    fn write<'a>(&'a self, _: &'a Chunk) -> BoxFuture<'a, Outcome> {
        self.leak();
        let outcome = match self.fault {
            Fault::ConfirmsNothing => retry("not today"),
            _ => Outcome::Delivered,
        };
        Box::pin(std::future::ready(outcome))
    }
}

impl Plugin for Fault {
    const NAME: &'static str = "faulty";
    const ABOUT: &'static str = "Has one fault.";
    type Settings = NoSettings;
}

impl OutputPlugin for Fault {
    async fn open(&self, _: &NoSettings, _: &OpenContext) -> Result<Output, BoxError> {
        let faulty = Faulty {
            fault: *self,
            room: Arc::new(Semaphore::new(30)),
            kept: Mutex::default(),
        };
        Ok(Output::of(Arc::new(faulty)).buffered().deferred().into())
    }
}

#[tokio::test(start_paused = true)]
async fn i10_without_a_fault_it_conforms() {
    let passed = conformance(Fault::None, "").await;
    assert!(passed.is_ok(), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn i10_each_fault_is_found_by_its_promise() {
    for (fault, promise) in [
        (Fault::DropsDeliveries, "ways"),
        (Fault::KeepsDeliveries, "ways"),
        (Fault::ConfirmsNothing, "ways"),
        (Fault::LeaksRoom, "side by side"),
    ] {
        let broken = conformance(fault, "").await.expect_err(promise);
        assert_eq!(broken.promise, promise, "{broken}");
        assert_eq!(broken.type_name, "faulty");
    }
    let away = Conformance::of(Fault::None, "").away("");
    let broken = away.check().await.expect_err("it confirms to nobody");
    assert_eq!(broken.promise, "away", "{broken}");
}
