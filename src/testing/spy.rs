//! An output that notes what it is asked to do, and has another one do it.

use std::sync::{Arc, Mutex, PoisonError};

use forebay_storage::{ChunkId, ChunkKey};

use crate::output::{
    BoxFuture, Buffered, Chunk, Deferred, Delivery, Direct, Events, Lifecycle, LifecycleEvent,
    Outcome, Output, Ready,
};

/// What an output was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Direct::process`] of a batch of this tag.
    Process(String),
    /// [`Buffered::write`] of the chunk that is sent by this id.
    Write(ChunkId),
    /// [`Deferred::try_write`] of the chunk that is sent by this id.
    TryWrite(ChunkId),
    /// [`Lifecycle::on`].
    On(LifecycleEvent),
    /// [`Lifecycle::close`].
    Close,
}

/// The calls in their order. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    pub(super) fn all(&self) -> Vec<Call> {
        self.lock().clone()
    }

    fn note(&self, call: Call) {
        self.lock().push(call);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `output`, with its calls noted in `calls`.
pub(super) fn watched(output: &Output, calls: &Calls) -> Output {
    let spy = Spy {
        output: output.clone(),
        calls: calls.clone(),
    };
    let mut watched = Output::of(Arc::new(spy))
        .prefer(output.preference())
        .time_needed(output.time_needed());
    let offers = output.offers();
    if offers.direct {
        watched = watched.direct();
    }
    if offers.buffered {
        watched = watched.buffered();
    }
    if offers.deferred {
        watched = watched.deferred();
    }
    watched.into()
}

struct Spy {
    output: Output,
    calls: Calls,
}

impl Lifecycle for Spy {
    fn ready(&self, key: &ChunkKey) -> Ready {
        self.output.life.ready(key)
    }

    fn on(&self, event: LifecycleEvent) {
        self.calls.note(Call::On(event));
        self.output.life.on(event);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.calls.note(Call::Close);
        self.output.life.close()
    }
}

impl Direct for Spy {
    fn process<'a>(&'a self, events: &'a Events) -> BoxFuture<'a, Outcome> {
        self.calls.note(Call::Process(events.tag().to_owned()));
        let output = self.output.direct.as_ref().expect("it is offered");
        output.process(events)
    }
}

impl Buffered for Spy {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        self.calls.note(Call::Write(chunk.send_id()));
        let output = self.output.buffered.as_ref().expect("it is offered");
        output.write(chunk)
    }
}

impl Deferred for Spy {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        self.calls.note(Call::TryWrite(delivery.chunk().send_id()));
        let output = self.output.deferred.as_ref().expect("it is offered");
        output.try_write(delivery)
    }
}
