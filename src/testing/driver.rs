//! Drives one output as the engine does, a step at a time.

use std::time::Duration;

use bytes::Bytes;
use forebay_storage::{ChunkId, ChunkKey};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::books::Books;
use super::buffer::Buffer;
use super::factory::{Factory, OUTPUT_NAME};
use super::spy::{Call, Calls, watched};
use crate::clock::Clock;
use crate::config;
use crate::config::plan::OutputPlan;
use crate::event::{Timestamp, entries_from_json};
use crate::output::{
    Delivery, Events, Instance, LifecycleEvent, NoWay, Offers, Outcome, Output, Permit, Ready, Way,
};
use crate::registry::{BoxError, Commons};

/// The wall clock when a driver is made: 2023-11-14, 22:13:20 UTC.
const WALL_STARTED_NS: i64 = 1_700_000_000_000_000_000;

/// How long a delivery, or the wait for room, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(config::Error),
    /// The output does not open.
    #[error("the output does not open")]
    Open(#[source] BoxError),
    /// The output is not open: not started, or closed.
    #[error("the output is not open")]
    NotOpen,
    /// There is no way to drive it.
    #[error(transparent)]
    NoWay(#[from] NoWay),
    /// The output had no room for a whole minute.
    #[error("the output was not ready for a chunk within {PATIENCE:?}")]
    NotReady,
    /// Deliveries had not ended after a whole minute.
    #[error("{0} deliveries had not ended after {PATIENCE:?}")]
    NotEnded(usize),
    /// The disk, or the events.
    #[error("the events cannot be kept")]
    Store(#[source] BoxError),
}

impl TestError {
    pub(super) fn store(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(Box::new(error))
    }
}

/// One output with a buffer of its own; see [the module](super).
///
/// [`run`](Self::run) starts it, feeds it, flushes and closes it. Each of these can be done alone:
/// [`start`](Self::start), [`feed`](Self::feed), [`flush`](Self::flush), [`close`](Self::close).
pub struct Driver {
    factory: Factory,
    plan: OutputPlan,
    has_buffer_section: bool,
    clock: Clock,
    commons: Commons,
    calls: Calls,
    buffer: Buffer,
    running: Option<Running>,
    fed: Vec<Events>,
    formatted: Vec<u8>,
    books: Books,
}

struct Running {
    output: Output,
    instance: Instance,
    tasks: JoinSet<()>,
    ended: mpsc::UnboundedReceiver<(ChunkId, Outcome)>,
    tell: mpsc::UnboundedSender<(ChunkId, Outcome)>,
}

impl Driver {
    /// An output of that type, not opened yet. `settings` is what would stand under its name in the
    /// configuration, without `type`, as YAML.
    ///
    /// # Errors
    /// [`TestError::Settings`] if they are wrong.
    pub fn new(factory: impl Into<Factory>, settings: &str) -> Result<Self, TestError> {
        Self::make(factory.into(), settings, None)
    }

    /// The same, in a route with this `buffer` section.
    ///
    /// # Errors
    /// [`TestError::Settings`] if one of them is wrong.
    pub fn with_buffer(
        factory: impl Into<Factory>,
        settings: &str,
        buffer: &str,
    ) -> Result<Self, TestError> {
        Self::make(factory.into(), settings, Some(buffer))
    }

    fn make(factory: Factory, settings: &str, buffer: Option<&str>) -> Result<Self, TestError> {
        let planned = factory.plan(settings, buffer)?;
        let clock = Clock::at(WALL_STARTED_NS);
        Ok(Self {
            factory,
            plan: planned.output,
            has_buffer_section: planned.route.has_buffer_section,
            clock,
            commons: Commons::default(),
            calls: Calls::default(),
            buffer: Buffer::new(planned.route, clock)?,
            running: None,
            fed: Vec::new(),
            formatted: Vec::new(),
            books: Books::default(),
        })
    }

    /// Opens it, has `feed` feed it, flushes, and closes it. Gives what came of each delivery.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn run(
        &mut self,
        feed: impl AsyncFnOnce(&mut Self),
    ) -> Result<Vec<Outcome>, TestError> {
        self.start().await?;
        feed(self).await;
        let outcomes = self.flush().await?;
        self.close().await;
        Ok(outcomes)
    }

    /// Opens the output.
    ///
    /// # Errors
    /// [`TestError::Open`].
    pub async fn start(&mut self) -> Result<(), TestError> {
        let context = self.commons.context(OUTPUT_NAME, self.clock);
        let opened = self.factory.registry().open_output(&self.plan, &context);
        let output = opened.await.map_err(TestError::Open)?;
        let (tell, ended) = mpsc::unbounded_channel();
        self.running = Some(Running {
            instance: Instance::new(watched(&output, &self.calls)),
            output,
            tasks: JoinSet::new(),
            ended,
            tell,
        });
        Ok(())
    }

    /// Feeds the events of a JSON array, or one of a JSON object, with the time of [`clock`](Self::clock).
    ///
    /// # Panics
    /// `json` is no JSON.
    pub fn feed(&mut self, tag: &str, json: &str) {
        let time = Timestamp::from_ns(self.clock.now().unix_ns);
        self.feed_at(time, tag, json);
    }

    /// The same with that time.
    ///
    /// # Panics
    /// `json` is no JSON.
    pub fn feed_at(&mut self, time: Timestamp, tag: &str, json: &str) {
        let mut payload = Vec::new();
        let event_count = entries_from_json(&mut payload, time, json.as_bytes());
        let event_count = event_count.unwrap_or_else(|error| panic!("{json}: {error}"));
        self.fed
            .push(Events::new(tag, Bytes::from(payload), event_count));
    }

    /// Delivers all that was fed and is not delivered, in the way that the engine would choose, and
    /// waits until every delivery has ended. Gives what came of each.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn flush(&mut self) -> Result<Vec<Outcome>, TestError> {
        let way = self.way()?;
        self.flush_by(way).await
    }

    /// The same in another way.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn flush_by(&mut self, way: Way) -> Result<Vec<Outcome>, TestError> {
        if way == Way::Direct {
            return self.process().await;
        }
        self.begin(way).await?;
        self.ended().await
    }

    /// Sends each batch that was fed by [`Direct::process`](crate::output::Direct). What was refused
    /// is forgotten: its sender has it.
    async fn process(&mut self) -> Result<Vec<Outcome>, TestError> {
        let running = self.running.as_ref().ok_or(TestError::NotOpen)?;
        let mut outcomes = Vec::new();
        for events in self.fed.drain(..) {
            let key = ChunkKey {
                tag: Some(events.tag().to_owned()),
                ..ChunkKey::default()
            };
            let permit = room(&running.instance, &key).await?;
            let sent = running.instance.process(events);
            outcomes.push(sent.ok_or(TestError::NotOpen)?.await);
            drop(permit);
        }
        Ok(outcomes)
    }

    /// Puts what was fed into chunks, seals them, and starts to deliver all that are owed.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn begin(&mut self, way: Way) -> Result<(), TestError> {
        let running = self.running.as_mut().ok_or(TestError::NotOpen)?;
        for events in self.fed.drain(..) {
            self.buffer.append(&events)?;
        }
        for id in self.buffer.seal() {
            if self.books.is_in_flight(id) {
                continue;
            }
            let (claim, chunk) = self.buffer.claim(id)?;
            let chunk = self.books.begin(claim, chunk);
            let formatted = running.output.formatted(&chunk);
            self.formatted.extend(formatted.map_err(TestError::store)?);
            let permit = room(&running.instance, chunk.key()).await?;
            let tell = running.tell.clone();
            let resolve = Box::new(move |outcome| {
                // Nobody hears it once the output was killed.
                let _ = tell.send((id, outcome));
            });
            let delivery = Delivery::new(chunk, resolve).with_permit(permit);
            running.tasks.spawn(running.instance.deliver(way, delivery));
        }
        Ok(())
    }

    /// Waits until every delivery has ended. Gives what came of each, in the order of their ends.
    ///
    /// # Errors
    /// [`TestError::NotEnded`].
    pub async fn ended(&mut self) -> Result<Vec<Outcome>, TestError> {
        let running = self.running.as_mut().ok_or(TestError::NotOpen)?;
        let deadline = Instant::now() + PATIENCE;
        let mut outcomes = Vec::new();
        while self.books.in_flight_count() > 0 {
            let ended = timeout_at(deadline, running.ended.recv()).await;
            let Ok(Some((id, outcome))) = ended else {
                return Err(TestError::NotEnded(self.books.in_flight_count()));
            };
            if self.books.end(id, &outcome, self.clock)? {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    /// Tells the output of its life.
    pub fn tell(&self, event: LifecycleEvent) {
        if let Some(running) = &self.running {
            running.instance.tell(event);
        }
    }

    /// Closes the output as the engine does, with a second for what is in flight. What has not ended
    /// then is rolled back; gives what came of each.
    pub async fn close(&mut self) -> Vec<Outcome> {
        let Some(mut running) = self.running.take() else {
            return Vec::new();
        };
        let deadline = Instant::now() + Duration::from_secs(1);
        running.instance.close(deadline).await;
        running.tasks.shutdown().await;
        drop((running.output, running.tell));
        let mut outcomes = Vec::new();
        let patience = Instant::now() + PATIENCE;
        while self.books.in_flight_count() > 0 {
            let Ok(Some((id, outcome))) = timeout_at(patience, running.ended.recv()).await else {
                break;
            };
            if matches!(self.books.end(id, &outcome, self.clock), Ok(true)) {
                outcomes.push(outcome);
            }
        }
        self.commons.close().await;
        outcomes
    }

    /// Kills the output, without telling it anything, opens the store again as after a crash, and
    /// opens the output again.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn restart(&mut self) -> Result<(), TestError> {
        if let Some(mut running) = self.running.take() {
            running.tasks.shutdown().await;
        }
        self.fed.clear();
        self.books.crash();
        self.commons = Commons::default();
        self.buffer.reopen()?;
        self.start().await
    }

    /// The way that the engine would choose.
    ///
    /// # Errors
    /// [`NoWay`], or that it is not open.
    pub fn way(&self) -> Result<Way, TestError> {
        let running = self.running.as_ref().ok_or(TestError::NotOpen)?;
        Ok(running.instance.way(self.has_buffer_section)?)
    }

    /// The ways that the output offers; none while it is not open.
    #[must_use]
    pub fn offers(&self) -> Offers {
        let running = self.running.as_ref();
        running.map_or_else(Offers::default, |running| running.output.offers())
    }

    /// For how many chunks without a key there is room now, counted up to `count_max`.
    #[must_use]
    pub fn room_count(&self, count_max: usize) -> usize {
        let Some(running) = &self.running else {
            return 0;
        };
        let key = ChunkKey::default();
        let mut permits = Vec::new();
        while let Ready::Now(permit) = running.instance.ready(&key) {
            permits.push(permit);
            if permits.len() == count_max {
                break;
            }
        }
        permits.len()
    }

    /// Time as the output sees it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The bytes that chunks had for the output, of every attempt one after another.
    #[must_use]
    pub fn formatted(&self) -> &[u8] {
        &self.formatted
    }

    /// What the output was asked to do, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.all()
    }

    /// How many chunks are kept for the output.
    #[must_use]
    pub fn owed_count(&self) -> usize {
        self.buffer.owed_count()
    }

    /// Why chunks, or records of them, were rejected. They are not offered again.
    #[must_use]
    pub fn rejected(&self) -> &[String] {
        &self.books.rejected
    }
}

/// Waits until there is room for a chunk of `key`.
async fn room(instance: &Instance, key: &ChunkKey) -> Result<Permit, TestError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match instance.ready(key) {
            Ready::Now(permit) => return Ok(permit),
            Ready::NotUntil(at) if at > deadline => return Err(TestError::NotReady),
            Ready::NotUntil(at) => tokio::time::sleep_until(at).await,
            Ready::Notify(room) => {
                let room = timeout_at(deadline, room).await;
                room.map_err(|_| TestError::NotReady)?;
            }
        }
    }
}
