//! From a framed message to the intake, and on to the queue of acknowledgements.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::Shared;
use super::acks::{Taken, UNACKNOWLEDGED_MAX};
use super::error::ConnectionError;
use super::stream::Reader;
use crate::buffer::{Incoming, Pending, Refused};
use crate::input::memory::Share;
use crate::msgpack::write;
use crate::wire::compression::{Codec, UnpackError};
use crate::wire::forward::json::{self, JsonMessage};
use crate::wire::forward::{self, Entries, Invalid, Layout, Message};

mod run;

/// Nothing blocks the runtime for more than half a millisecond: packed payloads and JSON texts of
/// more bytes than this are worked on elsewhere, as is what may unpack to more than
/// [`UNPACKED_INLINE_MAX`].
const PACKED_INLINE_MAX: usize = 16 * 1024;

/// See [`PACKED_INLINE_MAX`].
const UNPACKED_INLINE_MAX: usize = 128 * 1024;

/// A JSON text is copied and transcribed; numbers can take more than twice as much then.
const JSON_MEMORY_FACTOR: usize = 4;

/// How long a batch may be held back that has memory which others wait for. Its sender has another
/// copy and sends it again; this one would keep the batches of other routes from being read.
const HELD_BACK_MAX: Duration = Duration::from_secs(5);

/// How often a connection whose batch is held back is looked after.
const HANGUP_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Hands the batches of one connection over.
pub(super) struct Handover<'a> {
    shared: &'a Shared,
    queue: UnboundedSender<Taken>,
    places: &'a Semaphore,
}

impl<'a> Handover<'a> {
    /// Batches that are taken go into `queue`, each with one of `places`, of which there are
    /// [`UNACKNOWLEDGED_MAX`]; the other end of the queue makes them free again.
    pub(super) fn new(
        shared: &'a Shared,
        queue: UnboundedSender<Taken>,
        places: &'a Semaphore,
    ) -> Self {
        Self {
            shared,
            queue,
            places,
        }
    }

    /// Whether nothing waits for its receipt.
    pub(super) fn is_settled(&self) -> bool {
        self.places.available_permits() == UNACKNOWLEDGED_MAX
    }

    /// Hands over the MessagePack message that `bytes` begin with. What is no array is passed
    /// over with a warning, nil without one.
    ///
    /// # Errors
    /// [`ConnectionError`]: the batch was not taken.
    pub(super) async fn message(
        &self,
        bytes: &[u8],
        layout: &Layout,
        share: &mut Share,
        reader: &impl Reader,
    ) -> Result<(), ConnectionError> {
        let message = match Message::read(bytes, layout) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(Invalid::NotAnArray) => return self.pass_over().await,
            Err(invalid) => return Err(invalid.into()),
        };
        if message.options.signal.is_some_and(|signal| signal != 0) {
            self.warn("batch of metrics or traces taken as if it were logs");
        }
        let payload = match message.entries {
            Entries::Packed(payload) => Cow::Borrowed(payload),
            Entries::Compressed(codec, packed) => self.unpack(codec, packed, share).await?.into(),
            Entries::Single { time, record } => {
                share.grow(1 + time.len() + record.len()).await;
                entry(time, record).into()
            }
        };
        let extra = match &payload {
            Cow::Borrowed(_) => 0,
            Cow::Owned(copy) => copy.len(),
        };
        let batch = Incoming {
            tag: message.tag,
            payload: &payload,
            batch_id: message.options.batch_id(),
            patience: None,
        };
        let ack = message
            .options
            .chunk
            .map(|chunk| written(forward::write_ack, chunk));
        self.hand_over(batch, ack, share, reader).await?;
        share.give_back(extra);
        Ok(())
    }

    /// Hands over the JSON message that `text` holds. What is no array is passed over with a
    /// warning.
    ///
    /// # Errors
    /// [`ConnectionError`]: the batch was not taken.
    pub(super) async fn json(
        &self,
        text: &[u8],
        share: &mut Share,
        reader: &impl Reader,
    ) -> Result<(), ConnectionError> {
        let extra = text.len().saturating_mul(JSON_MEMORY_FACTOR);
        share.grow(extra).await;
        let message = self.read_json(text).await;
        let kept = match &message {
            Ok(Ok(message)) => message.payload.len().min(extra),
            _ => 0,
        };
        share.give_back(extra - kept);
        let message = match message? {
            Ok(message) => message,
            Err(Invalid::NotAnArray) => return self.pass_over().await,
            Err(invalid) => return Err(invalid.into()),
        };
        let batch_id = message.batch_id();
        let batch = Incoming {
            tag: &message.tag,
            payload: &message.payload,
            batch_id: batch_id.as_bytes(),
            patience: None,
        };
        let ack = message
            .chunk
            .as_deref()
            .map(|chunk| written(json::write_ack, chunk));
        self.hand_over(batch, ack, share, reader).await?;
        share.give_back(kept);
        Ok(())
    }

    /// The place in the queue is taken first: when there is none, nothing is stored.
    async fn hand_over(
        &self,
        batch: Incoming<'_>,
        ack: Option<Vec<u8>>,
        share: &Share,
        reader: &impl Reader,
    ) -> Result<(), ConnectionError> {
        let Ok(place) = self.places.acquire().await else {
            // Never: the places are the session's, and not closed.
            return Ok(());
        };
        let accepting = self.shared.context.intake.accept(batch);
        let pending = match ack {
            Some(_) => unless_in_the_way(reader, share, accepting).await?,
            None => accepting.await?,
        };
        self.taken(
            place,
            Taken {
                pending,
                batch_count: 1,
                acks: ack.unwrap_or_default(),
                payload_size: batch.payload.len() as u64,
            },
        );
        Ok(())
    }

    /// Puts batches into the queue of those that wait for their receipts.
    fn taken(&self, places: SemaphorePermit<'_>, taken: Taken) {
        let batches = taken.batch_count as u64;
        self.shared.stats().batches.fetch_add(batches, Relaxed);
        places.forget();
        // Where the writing half has failed, the connection is at its end.
        let _ = self.queue.send(taken);
    }

    /// Unpacks a payload; `share` has grown by its length then.
    async fn unpack(
        &self,
        codec: Codec,
        packed: &[u8],
        share: &mut Share,
    ) -> Result<Vec<u8>, ConnectionError> {
        let size_max = self.shared.plan.unpacked_size_max;
        let claimed = codec.claimed_size(packed).min(size_max);
        let unpacked = match self.unpack_at_most(claimed, codec, packed, share).await? {
            Err(UnpackError::TooLarge { .. }) if claimed < size_max => {
                self.unpack_at_most(size_max, codec, packed, share).await?
            }
            unpacked => unpacked,
        };
        Ok(unpacked?)
    }

    async fn unpack_at_most(
        &self,
        size_max: usize,
        codec: Codec,
        packed: &[u8],
        share: &mut Share,
    ) -> Result<Result<Vec<u8>, UnpackError>, ConnectionError> {
        let is_small = packed.len() <= PACKED_INLINE_MAX && size_max <= UNPACKED_INLINE_MAX;
        let copied = if is_small { 0 } else { packed.len() };
        let most = size_max.saturating_add(copied);
        share.grow(most).await;
        let unpacked = if is_small {
            codec.unpack(packed, size_max)
        } else {
            let packed = packed.to_vec();
            let unpacking = self.elsewhere(move || codec.unpack(&packed, size_max));
            unpacking.await?
        };
        let kept = unpacked.as_ref().map_or(0, Vec::len);
        share.give_back(most - kept);
        Ok(unpacked)
    }

    async fn read_json(
        &self,
        text: &[u8],
    ) -> Result<Result<JsonMessage, Invalid>, ConnectionError> {
        if text.len() <= PACKED_INLINE_MAX {
            return Ok(JsonMessage::read(text));
        }
        let text = text.to_vec();
        self.elsewhere(move || JsonMessage::read(&text)).await
    }

    /// Runs `work` outside the runtime.
    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ConnectionError> {
        // Closed never: the semaphore lives as long as the input.
        let _permit = self.shared.blocking.acquire().await;
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    /// A sender can put very many such messages into one read, and the others want their turn.
    async fn pass_over(&self) -> Result<(), ConnectionError> {
        self.warn("message passed over: not an array");
        tokio::task::consume_budget().await;
        Ok(())
    }

    fn warn(&self, oddity: &'static str) {
        let context = &self.shared.context;
        if let Some(held_back) = self.shared.oddities.admit(context.clock.now()) {
            tracing::warn!(input = &*context.name, held_back, "{oddity}");
        }
    }
}

/// Waits for `accepting`, but not for a sender that has left, nor for ever with memory that others
/// need.
///
/// A sender that wants an acknowledgement and gives up waiting sends its batch again on another
/// connection. While a route is full for long, connections would pile up that hold nothing but
/// copies of the same batches. (One that wants none has no other copy: its batch is kept.)
async fn unless_in_the_way(
    reader: &impl Reader,
    share: &Share,
    accepting: impl Future<Output = Result<Pending, Refused>>,
) -> Result<Pending, ConnectionError> {
    let mut accepting = pin!(accepting);
    let held_back_since = Instant::now();
    loop {
        match timeout(HANGUP_CHECK_INTERVAL, accepting.as_mut()).await {
            Ok(accepted) => return Ok(accepted?),
            Err(_) if reader.has_hung_up() => return Err(ConnectionError::HungUp),
            Err(_) if share.is_needed() && held_back_since.elapsed() >= HELD_BACK_MAX => {
                return Err(ConnectionError::HeldBack);
            }
            Err(_) => {}
        }
    }
}

/// The entry `[time, record]`.
fn entry(time: &[u8], record: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(1 + time.len() + record.len());
    write::array_head(&mut entry, 2);
    entry.extend_from_slice(time);
    entry.extend_from_slice(record);
    entry
}

fn written<T: ?Sized>(write: fn(&mut Vec<u8>, &T), chunk: &T) -> Vec<u8> {
    let mut ack = Vec::new();
    write(&mut ack, chunk);
    ack
}
