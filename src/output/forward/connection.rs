//! One connection to a server, owned by one task.
//!
//! Three things go on side by side, and the first to end ends the connection: chunks are written
//! one after another, answers are read, and the deadline of the chunk that waits longest is
//! watched. A chunk is in the [`Ledger`] from before its first byte is written until its last
//! acknowledgement has come, so that whatever ends the connection, every chunk on it is resolved:
//! what is still in the ledger then is rolled back at once.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_storage::ReadError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::time::sleep_until;

use super::connect::Link;
use super::ledger::{Acknowledged, Ledger, Slot};
use super::message::{EncodeError, Encoder, MessageId};
use super::receive::{Answer, Messages, ReceiveError};
use super::server::{Server, lock};
use super::write::write_all;
use crate::output::{ChunkReader, Delivery, Failure, FailureScope, Outcome};
use crate::telemetry;

/// A chunk to write, with the permit to do so.
pub(super) struct Job {
    /// The chunk.
    pub(super) delivery: Delivery,
    /// Given back when the chunk is written.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The way to a connection's task. Whoever takes one out of its server's list of idle ones may give
/// it one job.
#[derive(Clone)]
pub(super) struct Connection {
    /// Holds one job at most: an idle connection is given one, a writing one is not in the list.
    jobs: mpsc::Sender<Job>,
}

/// What the task's three activities share.
struct Activities {
    connection: Connection,
    server: Arc<Server>,
    ledger: Mutex<Ledger<Delivery>>,
    /// Told when a chunk begins to wait for its last acknowledgement.
    sealed: Notify,
}

/// Why a chunk was not wholly written.
enum Unsent {
    /// The connection is lost, and every chunk on it.
    Connection(End),
    /// Only this chunk.
    Chunk(Outcome),
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the output is closed")]
    Stopped,
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("the server asks for a shared key, but the output has none")]
    SharedKeyWanted,
    #[error("nothing could be written for {0:?}")]
    WriteStalled(Duration),
    #[error("connection lost")]
    Write(#[source] io::Error),
    #[error("no acknowledgement within {0:?}")]
    AckMissing(Duration),
}

impl Connection {
    /// Starts the task that owns `link`, and gives it its first job.
    pub(super) fn open(link: Link, job: Job, server: Arc<Server>) {
        let (sender, jobs) = mpsc::channel(1);
        let connection = Self { jobs: sender };
        let first = connection.give(job);
        debug_assert!(first.is_ok(), "a new channel has room for one job");
        let shared = Arc::clone(server.shared());
        let activities = Activities {
            connection,
            server,
            ledger: Mutex::new(Ledger::new()),
            sealed: Notify::new(),
        };
        shared.tasks.spawn(activities.run(link, jobs));
    }

    /// Gives the task a job.
    ///
    /// # Errors
    /// The job, if the connection has ended.
    pub(super) fn give(&self, job: Job) -> Result<(), Job> {
        self.jobs
            .try_send(job)
            .map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Whether the two lead to the same task.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.jobs.same_channel(&other.jobs)
    }
}

impl Activities {
    async fn run(self, link: Link, mut jobs: mpsc::Receiver<Job>) {
        let end = tokio::select! {
            () = self.server.shared().stop.cancelled() => End::Stopped,
            end = self.read_answers(link.messages) => end,
            end = self.write_chunks(link.writer, &mut jobs) => end,
            end = self.watch_deadlines() => end,
        };
        self.finish(&end, jobs).await;
    }

    /// Resolves what is left; the connection is closed already.
    async fn finish(&self, end: &End, mut jobs: mpsc::Receiver<Job>) {
        self.server.forget(&self.connection);
        jobs.close();
        let mut left = lock(&self.ledger).drain();
        while let Some(job) = jobs.recv().await {
            left.push(job.delivery);
        }
        let failure = self.server.failure(FailureScope::Destination, end);
        tracing::debug!(
            output = %self.server.shared().settings.name,
            server = self.server.address(),
            reason = failure.reason,
            rolled_back = left.len(),
            "connection ended"
        );
        if end.is_failure(left.len()) {
            self.server.failed(&failure);
        }
        for delivery in left {
            delivery.roll_back(failure.clone());
        }
    }

    async fn write_chunks(
        &self,
        mut writer: impl AsyncWrite + Unpin,
        jobs: &mut mpsc::Receiver<Job>,
    ) -> End {
        while let Some(job) = jobs.recv().await {
            if let Err(end) = self.write_chunk(&mut writer, job.delivery).await {
                return end;
            }
            self.server.release(self.connection.clone(), job.permit);
        }
        End::Stopped
    }

    /// Writes the chunk's messages. A chunk that cannot be read or encoded is resolved, and the
    /// connection goes on: it stands between two messages.
    async fn write_chunk(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        delivery: Delivery,
    ) -> Result<(), End> {
        let chunk = delivery.chunk();
        let chunk_id = chunk.send_id();
        let encoder = self.server.shared().settings.encoder(chunk);
        let reader = match chunk.windows() {
            Ok(reader) => reader,
            Err(error) => {
                delivery.resolve(unreadable(&error));
                return Ok(());
            }
        };
        let slot = lock(&self.ledger).enter(chunk_id, delivery);
        match self.write_messages(writer, slot, encoder, reader).await {
            Ok(()) => self.seal(slot),
            Err(Unsent::Connection(end)) => return Err(end),
            Err(Unsent::Chunk(outcome)) => self.withdraw(slot, outcome),
        }
        Ok(())
    }

    async fn write_messages(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        slot: Slot,
        mut encoder: Encoder,
        mut reader: ChunkReader,
    ) -> Result<(), Unsent> {
        let stall_max = self.server.shared().settings.send_timeout;
        loop {
            let window = reader.next_window().await;
            let window = window.map_err(|error| Unsent::Chunk(unreadable(&error)))?;
            let Some(window) = window else {
                return Ok(());
            };
            let outgoing = if encoder.is_packing() {
                in_place(|| encoder.encode(window.frames()))
            } else {
                encoder.encode(window.frames())
            };
            let outgoing = outgoing.map_err(|error| Unsent::Chunk(unsendable(&error)))?;
            lock(&self.ledger).expect_acks(slot, outgoing.awaited());
            write_all(writer, outgoing.slices(), stall_max)
                .await
                .map_err(|error| Unsent::Connection(End::write(error, stall_max)))?;
        }
    }

    /// The chunk is wholly written: what it waits for now is acknowledgements, if anything.
    fn seal(&self, slot: Slot) {
        let settings = &self.server.shared().settings;
        let now = settings.clock.now().monotonic;
        let deadline = now.saturating_add(settings.ack_timeout);
        let complete = lock(&self.ledger).seal(slot, deadline);
        match complete {
            Some(delivery) => self.commit(delivery),
            None => self.sealed.notify_one(),
        }
    }

    fn withdraw(&self, slot: Slot, outcome: Outcome) {
        let withdrawn = lock(&self.ledger).withdraw(slot);
        if let Some(delivery) = withdrawn {
            delivery.resolve(outcome);
        }
    }

    fn commit(&self, delivery: Delivery) {
        self.server.succeeded();
        delivery.commit();
    }

    async fn read_answers(&self, mut messages: Messages<impl AsyncRead + Unpin>) -> End {
        loop {
            let answer = match messages.next().await {
                Ok(message) => Answer::parse(message),
                Err(error) => return error.into(),
            };
            let is_known = match answer {
                Answer::Ack(id) => self.acknowledge(id),
                Answer::Helo => return End::SharedKeyWanted,
                Answer::Other => false,
            };
            if !is_known {
                self.log_ignored();
            }
        }
    }

    /// Says whether anything was waiting for the acknowledgement.
    fn acknowledge(&self, id: MessageId) -> bool {
        let acknowledged = lock(&self.ledger).acknowledge(id);
        match acknowledged {
            Acknowledged::Unknown => return false,
            Acknowledged::Partly => {}
            Acknowledged::Wholly(delivery) => self.commit(delivery),
        }
        true
    }

    /// A server that answers wrongly may do so each time.
    fn log_ignored(&self) {
        let shared = self.server.shared();
        let now = shared.settings.clock.now().monotonic;
        if let Some(held_back_count) = shared.ignored_log.admit(now) {
            tracing::warn!(
                output = %shared.settings.name,
                server = self.server.address(),
                held_back_count,
                "ignored an answer that acknowledges nothing in flight"
            );
        }
    }

    async fn watch_deadlines(&self) -> End {
        let settings = &self.server.shared().settings;
        loop {
            let deadline = lock(&self.ledger).next_deadline();
            match deadline {
                None => self.sealed.notified().await,
                Some(deadline) if deadline <= settings.clock.now().monotonic => {
                    return End::AckMissing(settings.ack_timeout);
                }
                Some(deadline) => sleep_until(settings.clock.instant(deadline)).await,
            }
        }
    }
}

impl End {
    fn write(error: io::Error, stall_max: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::WriteStalled(stall_max),
            _ => Self::Write(error),
        }
    }

    /// Whether the end speaks against the server. That it closes an idle connection does not.
    fn is_failure(&self, rolled_back_count: usize) -> bool {
        match self {
            Self::Stopped => false,
            Self::Receive(ReceiveError::Closed | ReceiveError::Lost(_)) => rolled_back_count > 0,
            _ => true,
        }
    }
}

/// Damage and I/O errors concern this chunk, whatever the destination.
fn unreadable(error: &ReadError) -> Outcome {
    let reason = format!("the chunk cannot be read: {}", telemetry::reason(error));
    Outcome::Retry(Failure::new(FailureScope::Chunk, reason))
}

fn unsendable(error: &EncodeError) -> Outcome {
    let reason = telemetry::reason(error);
    match error {
        EncodeError::Pack(_) => Outcome::Retry(Failure::new(FailureScope::Chunk, reason)),
        _ => Outcome::Reject { reason },
    }
}

/// Runs what takes its time without holding up the runtime's other tasks.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
