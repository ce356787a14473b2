//! An engine in a test: the real one, on the real disk, with destinations that do as they are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::Engine;
use super::control::Control;
use super::route::lock;
use super::status::{ChunkQuery, ChunkReport, ChunkState, Inspect};
use super::watch::Watch;
use crate::buffer::{Incoming, Intake};
use crate::clock::Clock;
use crate::config;
use crate::config::plan::Plan;
use crate::config::settings::NoSettings;
use crate::output::{
    BoxFuture, Buffered, Chunk, Failure, FailureScope, Lifecycle, Outcome, Output,
};
use crate::registry::{BoxError, OpenContext, OutputPlugin, Plugin, Registry};

/// What a destination does with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It takes it.
    Takes,
    /// It cannot be reached.
    Away,
    /// It says nothing until its mood changes.
    Hangs,
}

/// The destinations of all outputs of type `moody`, by the outputs' names.
#[derive(Clone, Default)]
pub(super) struct Destinations(Arc<Mutex<HashMap<String, Destination>>>);

#[derive(Clone)]
struct Destination {
    mood: Arc<watch::Sender<Mood>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Destinations {
    fn of(&self, name: &str) -> Destination {
        let mut all = lock(&self.0);
        let new = || Destination {
            mood: Arc::new(watch::Sender::new(Mood::Takes)),
            taken: Arc::default(),
        };
        all.entry(name.to_owned()).or_insert_with(new).clone()
    }

    pub(super) fn set(&self, name: &str, mood: Mood) {
        self.of(name).mood.send_replace(mood);
    }

    /// The records that it has taken, as JSON, by their order in the alphabet.
    pub(super) fn taken(&self, name: &str) -> Vec<String> {
        let mut taken = lock(&self.of(name).taken).clone();
        taken.sort();
        taken
    }
}

impl Plugin for Destinations {
    const NAME: &'static str = "moody";
    const ABOUT: &'static str = "Does as a test says.";
    type Settings = NoSettings;
}

impl OutputPlugin for Destinations {
    async fn open(&self, _: &NoSettings, context: &OpenContext) -> Result<Output, BoxError> {
        let output = Arc::new(self.of(&context.name));
        Ok(Output::of(output).buffered().into())
    }
}

impl Lifecycle for Destination {}

impl Buffered for Destination {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let mut mood = self.mood.subscribe();
            let decided = mood.wait_for(|mood| *mood != Mood::Hangs).await;
            let mood = decided.map_or(Mood::Away, |mood| *mood);
            match mood {
                Mood::Takes => {
                    lock(&self.taken).extend(records(chunk));
                    Outcome::Delivered
                }
                Mood::Away | Mood::Hangs => {
                    Outcome::Retry(Failure::new(FailureScope::Unreachable, "away"))
                }
            }
        })
    }
}

fn records(chunk: &Chunk) -> Vec<String> {
    let mut records = Vec::new();
    let read = chunk.each(|event| {
        let mut text = Vec::new();
        event.write_json(&mut text).unwrap();
        records.push(String::from_utf8_lossy(&text).into_owned());
        Ok::<_, crate::output::ChunkError>(())
    });
    read.unwrap();
    records
}

/// Runs an engine on a thread of its own, for which the runtime of a test that has failed does not
/// wait; what it gives resolves at its end.
fn run(engine: Engine) -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::spawn(move || {
        runtime.block_on(engine.run());
        // Nobody may wait for it.
        let _ = ended.send(());
    });
    end
}

/// An engine that runs.
pub(super) struct Rig {
    pub(super) dir: Arc<TempDir>,
    pub(super) to: Destinations,
    pub(super) inspect: Arc<dyn Inspect>,
    pub(super) control: Arc<dyn Control>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) intake: Intake,
    running: oneshot::Receiver<()>,
}

impl Rig {
    /// Starts an engine with these `routes` (YAML, indented by two) and outputs of type `moody`.
    pub(super) async fn start(routes: &str, outputs: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::start_in(dir, Destinations::default(), routes, outputs).await
    }

    /// The same on what an earlier one has left.
    pub(super) async fn start_in(
        dir: Arc<TempDir>,
        to: Destinations,
        routes: &str,
        outputs: &[&str],
    ) -> Self {
        let (plan, registry) = Self::plan(&dir, &to, routes, outputs);
        let engine = Engine::open(plan, &registry, Clock::start()).await.unwrap();
        Self {
            dir,
            to,
            inspect: engine.inspect(),
            control: engine.control(),
            watch: engine.watch(),
            intake: engine.intake.clone(),
            running: run(engine),
        }
    }

    /// What such an engine is opened with.
    pub(super) fn plan(
        dir: &TempDir,
        to: &Destinations,
        routes: &str,
        outputs: &[&str],
    ) -> (Plan, Registry) {
        let outputs: String = outputs
            .iter()
            .map(|name| format!("  {name}: {{type: moody}}\n"))
            .collect();
        let text = format!(
            "data_dir: {}\nstop_timeout: 5s\ninputs:\n  web: {{type: http, listen: \"127.0.0.1:0\"}}\n\
             outputs:\n{outputs}routes:\n{routes}\n",
            dir.path().display()
        );
        let registry = Registry::builtin().output(to.clone()).unwrap();
        let plan = config::load_with("test", &text, &config::System, &registry).unwrap();
        (plan, registry)
    }

    /// Stops as SIGTERM does; gives what the next one needs.
    pub(super) async fn stop(self) -> (Arc<TempDir>, Destinations) {
        self.act(|control| control.stop()).await.unwrap();
        self.ended().await
    }

    /// Waits until it has stopped by itself.
    pub(super) async fn ended(self) -> (Arc<TempDir>, Destinations) {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running);
        ended.await.expect("it stops").unwrap();
        (self.dir, self.to)
    }

    /// Acts as the admin API does.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&dyn Control) -> T + Send + 'static,
    ) -> T {
        let control = Arc::clone(&self.control);
        let done = tokio::task::spawn_blocking(move || act(&*control));
        done.await.unwrap()
    }

    /// Has an event stored; its record is `{"n":<n>}`.
    pub(super) async fn send(&self, tag: &str, n: u8) {
        self.send_batch(tag, n, &[]).await;
    }

    /// The same, in a batch with this id.
    pub(super) async fn send_batch(&self, tag: &str, n: u8, batch_id: &[u8]) {
        assert!(n < 128);
        let payload = [&b"\x92\x01\x81\xa1n"[..], &[n]].concat();
        let batch = Incoming {
            tag,
            payload: &payload,
            batch_id,
            patience: None,
        };
        let pending = self.intake.accept(batch).await.unwrap();
        pending.durable().await.unwrap();
    }

    /// The chunks of a route in that state, by id.
    pub(super) fn chunks(&self, route: &str, state: ChunkState) -> Vec<ChunkReport> {
        let query = ChunkQuery {
            state: Some(state),
            limit: 1_000,
            ..ChunkQuery::default()
        };
        self.inspect.chunks(route, &query).unwrap().chunks
    }

    /// Waits until the route has so many chunks in that state; gives their ids.
    pub(super) async fn until(&self, route: &str, state: ChunkState, count: usize) -> Vec<String> {
        let what = format!("{count} chunks of {route} {state:?}");
        self.until_it(&what, |rig| rig.chunks(route, state).len() == count)
            .await;
        let chunks = self.chunks(route, state);
        chunks.into_iter().map(|chunk| chunk.id).collect()
    }

    /// Waits until it is so.
    pub(super) async fn until_it(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let so = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), so)
            .await
            .is_err()
        {
            let chunks = ChunkQuery {
                limit: 100,
                ..ChunkQuery::default()
            };
            let chunks: Vec<_> = self
                .inspect
                .routes()
                .iter()
                .map(|route| self.inspect.chunks(&route.name, &chunks))
                .collect();
            panic!("not in time: {what}\n{chunks:#?}");
        }
    }
}
