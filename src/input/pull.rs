//! Inputs that are asked for events, one after another: what they offer, and who asks them.
//!
//! An [`Input`] says what came; the rest is done here. Each has a thread of its own, so that it may
//! block; events are gathered into batches, which are handed to the intake one at a time.
//!
//! What holds:
//! - **Its position moves only when what was read is durable.** An input that cannot hand on, because a
//!   route is full or the disk fails, is not read meanwhile. It is told by [`Input::commit`] how far
//!   it has come, and never further than is on the medium.
//! - **A read ends by its time-out.** One that does not is reported, in the log and as a metric; it
//!   costs no other input anything, since it has no thread but its own.
//! - **What cannot be decoded is not lost.** It goes to the dead letters of the route that its tag leads
//!   to, as the bytes it was, and is counted; so is what names a decoder that is not there, which is
//!   not processed further either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::InputContext;
use crate::buffer::{Incoming, Refused};
use crate::decoder::{Decoded, Decoder, DecoderPlan, OtherDecoder};
use crate::event::{EmptyTag, Event, Timestamp, write_entry_head};
use crate::msgpack::write;
use crate::telemetry::{RateLimited, reason};

/// How long a read may take.
pub const READ_TIMEOUT: Duration = Duration::from_millis(250);

/// How much longer a read may take before it is reported.
const READ_GRACE: Duration = Duration::from_secs(2);

/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// At most one warning in this time says that something cannot be decoded.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// How long a batch is gathered, from its first event on.
const LINGER: Duration = Duration::from_millis(50);

/// A batch has no more bytes than this, except for its last event.
const BATCH_SIZE_MAX: usize = 1 << 20;

/// Nor more events.
const BATCH_EVENTS_MAX: u64 = 10_000;

/// When a failed read, or what could not be stored, is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where events come from.
///
/// ```
/// use std::time::Duration;
/// use forebay::input::pull::{Input, Pack, Read, ReadError};
///
/// /// The lines of a text, as raw bytes: the configured decoder makes records of them.
/// struct Lines(std::vec::IntoIter<String>);
///
/// impl Input for Lines {
///     fn read(&mut self, pack: &mut Pack, _: Duration) -> Result<Read, ReadError> {
///         let Some(line) = self.0.next() else {
///             return Ok(Read::End);
///         };
///         pack.bytes_mut().extend_from_slice(line.as_bytes());
///         Ok(Read::Filled)
///     }
/// }
/// ```
pub trait Input: Send + 'static {
    /// Fills `pack`, which is empty, with the next event. Returns by `timeout`, with
    /// [`Read::Nothing`] if none has come.
    ///
    /// # Errors
    /// [`ReadError`] is logged and counted, and the input is read again a second later.
    fn read(&mut self, pack: &mut Pack, timeout: Duration) -> Result<Read, ReadError>;

    /// Everything up to the pack with this position is durable, or was set aside.
    fn commit(&mut self, position: u64) {
        let _ = position;
    }

    /// The last call.
    fn close(&mut self) {}
}

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Read {
    /// The pack is filled.
    Filled,
    /// Nothing has come by the time-out.
    Nothing,
    /// Nothing will ever come.
    End,
}

/// Why an input could not read.
pub type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// One event on its way in: raw bytes, or decoded already. Its memory is used again and again.
#[derive(Debug, Default)]
pub struct Pack {
    bytes: Vec<u8>,
    event: Option<Event>,
    tag: Option<Arc<str>>,
    decoder: Option<String>,
    position: u64,
}

impl Pack {
    /// Where the raw bytes of the event go.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The raw bytes of the event.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The event, if it is one that is decoded already.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// How far the input has come with this event.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The event, decoded already; nothing of the rest but the position counts then.
    pub fn set_event(&mut self, event: Event) {
        self.event = Some(event);
    }

    /// A tag other than the input's.
    ///
    /// # Errors
    /// [`EmptyTag`].
    pub fn set_tag(&mut self, tag: impl Into<Arc<str>>) -> Result<(), EmptyTag> {
        let tag = tag.into();
        if tag.is_empty() {
            return Err(EmptyTag);
        }
        self.tag = Some(tag);
        Ok(())
    }

    /// A decoder other than the input's, by its name.
    pub fn set_decoder(&mut self, name: impl Into<String>) {
        self.decoder = Some(name.into());
    }

    /// How far the input has come with this event; see [`Input::commit`].
    pub fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        (self.event, self.tag, self.decoder) = (None, None, None);
    }
}

/// An input with what is done to its events.
pub struct PullInput {
    input: Box<dyn Input>,
    tag: Arc<str>,
    decoders: BTreeMap<String, Arc<dyn Decoder>>,
    decoder: String,
}

impl PullInput {
    /// `input`, whose events have the tag `tag` unless they bring one. Raw bytes become text, unless
    /// they or the input ask for another decoder: there are `json`, `msgpack`, `logfmt` and `text`,
    /// and those that the [registry](crate::registry::Registry::decoder) adds.
    ///
    /// # Errors
    /// [`EmptyTag`].
    pub fn new(input: impl Input, tag: impl Into<Arc<str>>) -> Result<Self, EmptyTag> {
        let tag = tag.into();
        if tag.is_empty() {
            return Err(EmptyTag);
        }
        let plans = [
            DecoderPlan::Json,
            DecoderPlan::Msgpack,
            DecoderPlan::Logfmt,
            DecoderPlan::Text,
        ];
        let named = |plan: DecoderPlan| (plan.name().to_owned(), plan.open(None));
        Ok(Self {
            input: Box::new(input),
            tag,
            decoders: plans.into_iter().map(named).collect(),
            decoder: DecoderPlan::Text.name().to_owned(),
        })
    }

    /// With this decoder too, for packs that ask for it by `name`; in place of one of that name.
    #[must_use]
    pub fn decoder(mut self, name: impl Into<String>, decoder: Arc<dyn Decoder>) -> Self {
        self.decoders.insert(name.into(), decoder);
        self
    }

    /// With these decoders too, for packs that ask for one by its name; those that are there stay.
    pub(crate) fn with_decoders(mut self, decoders: impl Iterator<Item = OtherDecoder>) -> Self {
        for OtherDecoder { name, decoder } in decoders {
            self.decoders.entry(name.to_owned()).or_insert(decoder);
        }
        self
    }

    /// Decoded by the decoder `name`, unless a pack asks for another.
    #[must_use]
    pub fn decoded_by(mut self, name: impl Into<String>) -> Self {
        self.decoder = name.into();
        self
    }

    /// Reads until the input ends, or the context's stop.
    pub async fn run(self, context: InputContext) {
        let watch = Arc::new(ReadWatch::default());
        let (ended_sender, mut ended) = oneshot::channel();
        let pump = Pump {
            input: self.input,
            tag: self.tag,
            decoders: self.decoders,
            decoder: self.decoder,
            runtime: Handle::current(),
            watch: Arc::clone(&watch),
            context: context.clone(),
            pack: Pack::default(),
            warnings: RateLimited::new(WARNING_INTERVAL),
        };
        let thread = std::thread::Builder::new().name(format!("input {}", context.name));
        let started = thread.spawn(move || {
            pump.run();
            // Nobody listens any more if the daemon has stopped without us.
            let _ = ended_sender.send(());
        });
        if let Err(error) = started {
            tracing::error!(input = &*context.name, %error, "no thread for an input");
            return context.stop.cancelled().await;
        }
        loop {
            tokio::select! {
                ended = &mut ended => {
                    if ended.is_err() {
                        // To end is to have read all, and that it has not.
                        tracing::error!(input = &*context.name, "an input has panicked");
                        context.stop.cancelled().await;
                    }
                    return;
                }
                () = tokio::time::sleep(LOOK_INTERVAL) => watch.look(&context),
            }
        }
    }
}

/// Whether a read takes longer than it may.
#[derive(Debug, Default)]
struct ReadWatch {
    /// When the read under way began, by the monotonic clock in nanoseconds; 0: none is.
    began_ns: AtomicU64,
}

impl ReadWatch {
    fn look(&self, context: &InputContext) {
        let began = Duration::from_nanos(self.began_ns.load(SeqCst));
        let takes = context.clock.now().monotonic.saturating_sub(began);
        let is_stuck = !began.is_zero() && takes > READ_TIMEOUT + READ_GRACE;
        let was_stuck = context.stats.stuck.swap(u64::from(is_stuck), Relaxed) != 0;
        if is_stuck && !was_stuck {
            tracing::warn!(
                input = &*context.name,
                ?takes,
                "a read of an input is stuck"
            );
        }
    }
}

/// The thread's side.
struct Pump {
    input: Box<dyn Input>,
    tag: Arc<str>,
    decoders: BTreeMap<String, Arc<dyn Decoder>>,
    decoder: String,
    runtime: Handle,
    watch: Arc<ReadWatch>,
    context: InputContext,
    pack: Pack,
    warnings: RateLimited,
}

/// What has been gathered.
#[derive(Default)]
struct Gathered {
    /// By tag, what is not yet stored.
    batches: BTreeMap<Arc<str>, Batch>,
    event_count: u64,
    size: usize,
    /// Of the last event.
    position: u64,
    is_end: bool,
}

/// Events of one tag.
#[derive(Default)]
struct Batch {
    payload: Vec<u8>,
    event_count: u64,
}

impl Pump {
    fn run(mut self) {
        loop {
            let mut gathered = self.gather();
            if gathered.event_count > 0 {
                if !self.hand_on(&mut gathered) {
                    break;
                }
                self.input.commit(gathered.position);
            }
            if gathered.is_end || self.context.stop.is_cancelled() {
                break;
            }
        }
        self.input.close();
        self.context.stats.stuck.store(0, Relaxed);
    }

    /// Reads until a batch is full, has waited long enough, or there is nothing to wait for.
    fn gather(&mut self) -> Gathered {
        let mut gathered = Gathered::default();
        let mut until = None;
        while !gathered.is_full() && !self.context.stop.is_cancelled() {
            let now = self.context.clock.now().monotonic;
            let timeout = until.map_or(READ_TIMEOUT, |until: Duration| until.saturating_sub(now));
            match self.read(timeout) {
                Ok(Read::Filled) => {
                    self.add(&mut gathered);
                    until = until.or(Some(now + LINGER));
                }
                Ok(Read::Nothing) if until.is_some() => return gathered,
                Ok(Read::Nothing) => {}
                Ok(Read::End) => {
                    gathered.is_end = true;
                    return gathered;
                }
                Err(error) => {
                    self.context.stats.reads_failed.fetch_add(1, Relaxed);
                    let input = &*self.context.name;
                    let error = reason(&*error);
                    tracing::warn!(input, error, "an input cannot be read");
                    if gathered.event_count > 0 {
                        return gathered;
                    }
                    self.wait_to_retry();
                }
            }
        }
        gathered
    }

    fn read(&mut self, timeout: Duration) -> Result<Read, ReadError> {
        self.pack.clear();
        let began = self.context.clock.now().monotonic.as_nanos();
        let began = u64::try_from(began).unwrap_or(u64::MAX).max(1);
        self.watch.began_ns.store(began, SeqCst);
        let read = self.input.read(&mut self.pack, timeout);
        self.watch.began_ns.store(0, SeqCst);
        read
    }

    /// Adds what the pack holds.
    fn add(&mut self, gathered: &mut Gathered) {
        gathered.position = self.pack.position;
        gathered.event_count += 1;
        if let Some(event) = self.pack.event.take() {
            return gathered.pack(&event);
        }
        let tag = self
            .pack
            .tag
            .take()
            .unwrap_or_else(|| Arc::clone(&self.tag));
        let now = Timestamp::from_ns(self.context.clock.now().unix_ns);
        match self.decode(now, &tag) {
            Some(event) => gathered.pack(&event),
            None => gathered.add(&tag, |payload| {
                // No record: the intake sets it aside as it is.
                write_entry_head(payload, now);
                write::str(payload, &self.pack.bytes);
            }),
        }
    }

    fn decode(&self, now: Timestamp, tag: &Arc<str>) -> Option<Event> {
        let stats = &self.context.stats;
        let name = self.pack.decoder.as_ref().unwrap_or(&self.decoder);
        let input = &*self.context.name;
        let Some(decoder) = self.decoders.get(name) else {
            stats.unknown_decoders.fetch_add(1, Relaxed);
            if let Some(held_back_count) = self.admit_warning() {
                tracing::warn!(
                    input,
                    decoder = name,
                    held_back_count,
                    "there is no such decoder; the event is set aside"
                );
            }
            return None;
        };
        match decoder.decode(&self.pack.bytes) {
            // The tag is not empty.
            Ok(Decoded { time, record }) => {
                Event::new(Arc::clone(tag), time.unwrap_or(now), record).ok()
            }
            Err(error) => {
                stats.undecoded.fetch_add(1, Relaxed);
                if let Some(held_back_count) = self.admit_warning() {
                    tracing::warn!(
                        input,
                        decoder = name,
                        %error,
                        held_back_count,
                        "an event cannot be decoded and is set aside"
                    );
                }
                None
            }
        }
    }

    fn admit_warning(&self) -> Option<u64> {
        self.warnings.admit(self.context.clock.now().monotonic)
    }

    /// Hands a batch on until it is durable; false if the daemon stops first.
    fn hand_on(&self, gathered: &mut Gathered) -> bool {
        loop {
            let stored = self.runtime.block_on(self.store(gathered));
            match stored {
                Ok(()) => return true,
                Err(Refused::Stopping) => return false,
                Err(refused) => {
                    let stats = &self.context.stats;
                    stats.batches_refused.fetch_add(1, Relaxed);
                    let input = &*self.context.name;
                    tracing::warn!(input, %refused, "an input cannot hand on; it waits");
                    if !self.wait_to_retry() {
                        return false;
                    }
                }
            }
        }
    }

    /// Stores what is gathered; what is durable by then is gathered no more, so that it is not stored
    /// again with the rest.
    async fn store(&self, gathered: &mut Gathered) -> Result<(), Refused> {
        let mut taken = Vec::new();
        let mut outcome = Ok(());
        for (tag, batch) in &gathered.batches {
            let incoming = Incoming {
                tag,
                payload: &batch.payload,
                batch_id: &[],
                patience: None,
            };
            match self.context.intake.accept(incoming).await {
                Ok(pending) => taken.push((Arc::clone(tag), pending)),
                Err(refused) => {
                    outcome = Err(refused);
                    break;
                }
            }
        }
        for (tag, pending) in taken {
            match pending.durable().await {
                Ok(()) => self.count(gathered.batches.remove(&tag).unwrap_or_default()),
                Err(refused) => outcome = outcome.and(Err(refused)),
            }
        }
        outcome
    }

    fn count(&self, stored: Batch) {
        let stats = &self.context.stats;
        let Batch {
            payload,
            event_count,
        } = stored;
        stats.batches.fetch_add(1, Relaxed);
        stats.events.fetch_add(event_count, Relaxed);
        stats.bytes.fetch_add(payload.len() as u64, Relaxed);
    }

    /// Waits for a second; false if the daemon stops meanwhile.
    fn wait_to_retry(&self) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                () = self.context.stop.cancelled() => false,
                () = tokio::time::sleep(RETRY_AFTER) => true,
            }
        })
    }
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.size >= BATCH_SIZE_MAX || self.event_count >= BATCH_EVENTS_MAX
    }

    fn pack(&mut self, event: &Event) {
        self.add(event.shared_tag(), |payload| event.pack(payload));
    }

    fn add(&mut self, tag: &Arc<str>, write: impl FnOnce(&mut Vec<u8>)) {
        let batch = self.batches.entry(Arc::clone(tag)).or_default();
        let before = batch.payload.len();
        write(&mut batch.payload);
        batch.event_count += 1;
        self.size += batch.payload.len() - before;
    }
}

#[cfg(test)]
mod tests;
