//! A connection after the handshake: messages in, acknowledgements out, until either side ends it.

use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Shared;
use super::acks::{AckWriter, UNACKNOWLEDGED_MAX};
use super::error::ConnectionError;
use super::handover::Handover;
use super::read_buffer::ReadBuffer;
use super::stream::Reader;
use crate::input::memory::Share;
use crate::msgpack::{self, JsonFramer};
use crate::wire::forward::{Layout, Scanner};

/// After so long without a byte, a connection gives memory back.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How long a sender may pause inside a message while others wait for the memory that it takes.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// How long a message may take that goes beyond the input's memory while others wait to.
const TURN_TIME_MAX: Duration = Duration::from_secs(60);

/// Serves a connection whose sender may send batches.
///
/// Both halves run in this task. The writing half comes first whenever the task wakes, so that a
/// sender who never pauses cannot starve its own acknowledgements.
///
/// # Errors
/// [`ConnectionError`]. Batches that were taken before a bad message are still acknowledged.
pub(super) async fn run<R, W>(
    shared: &Shared,
    buffer: ReadBuffer,
    share: Share,
    reader: R,
    writer: W,
) -> Result<(), ConnectionError>
where
    R: Reader,
    W: AsyncWrite + Unpin,
{
    let (queue, taken) = mpsc::unbounded_channel();
    let places = Semaphore::new(UNACKNOWLEDGED_MAX);
    let acks = AckWriter::new(writer, taken, &places, shared.stats());
    let session = Reading {
        handover: Handover::new(shared, queue, &places),
        arrived: Vec::new(),
        shared,
        buffer,
        share,
        reader,
        dialect: Dialect::Unknown,
    };
    let mut writing = pin!(acks.run());
    let mut reading = pin!(shared.context.stop.run_until_cancelled(session.run()));
    let read = tokio::select! {
        biased;
        failed = &mut writing => return failed,
        read = &mut reading => read.unwrap_or(Ok(())),
    };
    // What was being read is dropped with its end of the queue, so that the other half ends too.
    let written = writing.await;
    read.and(written)
}

/// The reading half.
struct Reading<'a, R> {
    handover: Handover<'a>,
    /// The messages that are handed over together.
    arrived: Vec<Layout>,
    shared: &'a Shared,
    buffer: ReadBuffer,
    /// What the buffer, and what is unpacked from it, take of the input's memory.
    share: Share,
    reader: R,
    dialect: Dialect,
}

/// How a connection's messages are written; its first byte decides for good.
enum Dialect {
    Unknown,
    MessagePack(Scanner),
    Json(JsonFramer),
}

/// What the buffer begins with.
enum Framed {
    Message(Layout),
    Json { len: usize },
    Incomplete { needed: usize },
}

impl<R: Reader> Reading<'_, R> {
    /// Reads until the sender closes.
    async fn run(mut self) -> Result<(), ConnectionError> {
        loop {
            match self.frame(0)? {
                Framed::Message(layout) => self.messages(layout).await?,
                Framed::Json { len } => {
                    let text = &self.buffer.unused()[..len];
                    let share = &mut self.share;
                    self.handover.json(text, share, &self.reader).await?;
                    self.buffer.consume(len);
                }
                Framed::Incomplete { needed } => {
                    if self.fill(needed).await? == 0 {
                        return self.end();
                    }
                }
            }
        }
    }

    /// Hands over a message, with those behind it that are there already and small.
    async fn messages(&mut self, first: Layout) -> Result<(), ConnectionError> {
        let mut len = first.len;
        self.arrived.clear();
        self.arrived.push(first);
        let looked = loop {
            if !self.handover.has_room_behind(&self.arrived) {
                break Ok(());
            }
            match self.frame(len) {
                Ok(Framed::Message(layout)) => {
                    len += layout.len;
                    self.arrived.push(layout);
                }
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let (bytes, share) = (self.buffer.unused(), &mut self.share);
        self.handover
            .messages(bytes, &self.arrived, share, &self.reader)
            .await?;
        self.buffer.consume(len);
        looked
    }

    /// White space may follow the last JSON text.
    fn end(&self) -> Result<(), ConnectionError> {
        if self.buffer.unused().trim_ascii().is_empty() {
            Ok(())
        } else {
            Err(ConnectionError::Truncated)
        }
    }

    /// What stands behind the first `at` unused bytes.
    fn frame(&mut self, at: usize) -> Result<Framed, ConnectionError> {
        let size_max = self.shared.plan.message_size_max;
        let unused = &self.buffer.unused()[at..];
        self.dialect.choose(unused);
        let (framed, size) = match self.dialect.advance(unused) {
            Ok(framed @ Framed::Message(Layout { len, .. }) | framed @ Framed::Json { len }) => {
                (framed, len)
            }
            Ok(framed @ Framed::Incomplete { needed }) => {
                (framed, unused.len().saturating_add(needed))
            }
            Err(error) => return Err(error.into()),
        };
        if size > size_max {
            return Err(ConnectionError::TooLarge { size_max });
        }
        Ok(framed)
    }

    /// Reads more; 0: there will be no more. A sender that waits for us is not idle.
    async fn fill(&mut self, needed: usize) -> Result<usize, ConnectionError> {
        let idle_timeout = self.shared.plan.idle_timeout.unwrap_or(Duration::MAX);
        let mut patience = REST_AFTER.min(idle_timeout);
        let mut waited = Duration::ZERO;
        loop {
            self.make_way(waited)?;
            self.buffer.make_room(needed, &mut self.share).await;
            let reading = self.buffer.read(&mut self.reader, needed);
            if let Ok(read) = timeout(patience, reading).await {
                return Ok(read?);
            }
            self.buffer.rest(&mut self.share);
            waited = waited.saturating_add(patience);
            if waited >= idle_timeout {
                if self.handover.is_settled() {
                    return Err(ConnectionError::Idle);
                }
                waited = Duration::ZERO;
            }
            patience = PAUSE_MAX.min(idle_timeout - waited);
        }
    }

    /// Nobody may hold what others wait for and do nothing with it.
    fn make_way(&self, paused: Duration) -> Result<(), ConnectionError> {
        let is_slow = paused >= PAUSE_MAX || self.share.turn_age() >= TURN_TIME_MAX;
        if is_slow && self.share.is_needed() {
            return Err(ConnectionError::Slow);
        }
        Ok(())
    }
}

impl Dialect {
    fn choose(&mut self, bytes: &[u8]) {
        if let (Self::Unknown, Some(first)) = (&self, bytes.first()) {
            *self = match first {
                b'{' | b'[' => Self::Json(JsonFramer::new()),
                _ => Self::MessagePack(Scanner::new()),
            };
        }
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<Framed, msgpack::Error> {
        let framed = match self {
            Self::Unknown => Err(msgpack::Error::Incomplete { needed: 1 }),
            Self::MessagePack(scanner) => scanner.advance(bytes).map(Framed::Message),
            Self::Json(framer) => framer.advance(bytes).map(|len| Framed::Json { len }),
        };
        match framed {
            Err(msgpack::Error::Incomplete { needed }) => Ok(Framed::Incomplete { needed }),
            framed => framed,
        }
    }
}
