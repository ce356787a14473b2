//! The runner: outputs out of writers, as Heka has them.
//!
//! A [`BatchWriter`] owns a connection and sends what it has collected. It is never called twice at
//! the same time: the runner owns it, in one task, and `batch` and `commit` take it by `&mut`. What
//! goes into it is prepared before, from many tasks at once, by its [`Prepare`]. Prepared data is
//! handed over **by value**, so that nobody can reset what still waits to be sent; its memory comes
//! from a pool and goes back there when the writer drops it.
//!
//! | Heka | here |
//! |---|---|
//! | `MakeOutData`, `ZeroOutData` | the pool: [`Prepared`] comes empty, and goes back by its drop |
//! | `PrepOutData` | [`Prepare::prepare`] |
//! | `Batch`, `Commit` | [`BatchWriter::batch`], [`BatchWriter::commit`] |
//! | `Write` | [`Writer::write`]; [`one_by_one`] makes a batch writer of it |
//! | the ticker of `Init` | [`Triggers::interval`] |
//! | `Event` | [`BatchWriter::on`] |
//!
//! [`runner`] makes a deferred output of it. A delivery is committed when the `commit` that covers
//! all of it has succeeded. A `commit` that fails keeps its batch and is tried again; meanwhile
//! nothing is added to it. There is a last `commit` before the end.

use std::sync::Arc;
use std::time::Duration;

use super::{
    BoxFuture, Chunk, ChunkError, Deferred, Delivery, EventRef, Failure, FailureScope, Lifecycle,
    LifecycleEvent, Outcome, Output, Ready,
};

mod pool;
mod task;
#[cfg(test)]
mod tests;
mod writer;

pub use pool::Prepared;
pub use writer::{OneByOne, Writer, one_by_one};

use forebay_storage::ChunkKey;
use pool::Pool;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use task::{Covered, Message, Task};

/// Makes data of events, from many tasks at once.
pub trait Prepare: Send + Sync + 'static {
    /// Appends to `out`, which is empty, what is to be sent for `event`; nothing leaves it out.
    ///
    /// # Errors
    /// Why it can never be sent: the chunk that the event is in is rejected.
    fn prepare(&self, event: EventRef<'_>, out: &mut Prepared) -> Result<(), String>;
}

impl<F> Prepare for F
where
    F: Fn(EventRef<'_>, &mut Prepared) -> Result<(), String> + Send + Sync + 'static,
{
    fn prepare(&self, event: EventRef<'_>, out: &mut Prepared) -> Result<(), String> {
        self(event, out)
    }
}

/// Collects prepared data and sends it. One task calls it, one call at a time.
pub trait BatchWriter: Send + 'static {
    /// Adds to the batch. Must not send.
    fn batch(&mut self, data: Prepared);

    /// Sends the whole batch. After [`Outcome::Delivered`] and [`Outcome::Reject`] the batch must
    /// be empty; after anything else it must still be there, and is tried again.
    fn commit(&mut self) -> BoxFuture<'_, Outcome>;

    /// Told of its life, between two other calls.
    fn on(&mut self, event: LifecycleEvent) {
        let _ = event;
    }
}

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggers {
    /// When the first of it has waited for so long.
    pub interval: Duration,
    /// When it has so many bytes of prepared data.
    pub size_max: usize,
    /// How long a batch that could not be sent waits, if the destination does not say.
    pub retry_wait: Duration,
    /// How many deliveries are prepared or in the batch at a time; more wait for room.
    pub deliveries_max: usize,
}

impl Default for Triggers {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            size_max: 1 << 20,
            retry_wait: Duration::from_secs(1),
            deliveries_max: 16,
        }
    }
}

/// A deferred output that prepares with `prepare`, and sends with `writer`. Needs a runtime.
#[must_use]
pub fn runner(prepare: impl Prepare, writer: impl BatchWriter, triggers: Triggers) -> Output {
    let (messages, received) = mpsc::unbounded_channel();
    let tasks = TaskTracker::new();
    tasks.spawn(Task::new(writer, triggers).run(received));
    tasks.close();
    let runner = Runner {
        prepare: Arc::new(prepare),
        pool: Pool::new(2 * triggers.deliveries_max.max(1)),
        room: Arc::new(Semaphore::new(triggers.deliveries_max.max(1))),
        messages,
        tasks,
    };
    Output::of(Arc::new(runner)).deferred().into()
}

struct Runner<P> {
    prepare: Arc<P>,
    pool: Pool,
    /// Bounds what is prepared and not sent.
    room: Arc<Semaphore>,
    /// Never more waiting than there is room for.
    messages: mpsc::UnboundedSender<Message>,
    tasks: TaskTracker,
}

impl<P: Prepare> Lifecycle for Runner<P> {
    fn ready(&self, _: &ChunkKey) -> Ready {
        Ready::within(&self.room)
    }

    fn on(&self, event: LifecycleEvent) {
        // Fails only when the task has ended, and then there is nobody to tell.
        let _ = self.messages.send(Message::Told(event));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let (done, last_commit) = oneshot::channel();
            if self.messages.send(Message::Close(done)).is_ok() {
                let _ = last_commit.await;
            }
            self.tasks.wait().await;
        })
    }
}

impl<P: Prepare> Deferred for Runner<P> {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        let (prepare, pool) = (Arc::clone(&self.prepare), self.pool.clone());
        let messages = self.messages.clone();
        Box::pin(async move {
            let chunk = delivery.chunk().clone();
            let preparing =
                tokio::task::spawn_blocking(move || prepare_all(&*prepare, &pool, &chunk));
            match preparing.await {
                Ok(Ok(data)) => {
                    // If the task has ended, the delivery is dropped, which rolls it back.
                    let _ = messages.send(Message::Add(Covered { delivery, data }));
                }
                Ok(Err(outcome)) => delivery.resolve(outcome),
                Err(panic) => {
                    delivery.roll_back(Failure::new(FailureScope::Chunk, panic.to_string()));
                }
            }
        })
    }
}

/// The data of every event of a chunk.
fn prepare_all(
    prepare: &impl Prepare,
    pool: &Pool,
    chunk: &Chunk,
) -> Result<Vec<Prepared>, Outcome> {
    let mut all = Vec::new();
    let prepared = chunk.each(|event| {
        let mut data = pool.take();
        let done = prepare.prepare(event, &mut data);
        done.map_err(|reason| Fault(Outcome::Reject { reason }))?;
        if !data.is_empty() {
            all.push(data);
        }
        Ok(())
    });
    prepared.map(|()| all).map_err(|Fault(outcome)| outcome)
}

/// Why a chunk is not prepared.
struct Fault(Outcome);

impl From<ChunkError> for Fault {
    fn from(error: ChunkError) -> Self {
        let reason = crate::telemetry::reason(&error);
        Self(match error {
            ChunkError::Event { .. } => Outcome::Reject { reason },
            ChunkError::Read(_) | ChunkError::Write(_) => {
                Outcome::Retry(Failure::new(FailureScope::Chunk, reason))
            }
        })
    }
}
