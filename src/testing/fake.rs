//! A destination that answers as it is told, and an output to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::settings::Settings;
use crate::output::{
    BoxFuture, Buffered, Chunk, ChunkError, Custom, Deferred, Delivery, Direct, EventRef, Events,
    Failure, FailureScope, Lifecycle, Outcome, Output, Standard,
};
use crate::registry::{BoxError, OpenContext, OutputPlugin, Plugin};

/// A destination that answers as it is told, and keeps what it was given. It is also the type of an
/// output to it (`type: fake`), for tests of routes, filters and whatever stands before an output.
/// Clones are the same.
#[derive(Clone, Default)]
pub struct FakeDestination(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Outcome>,
    records: Vec<String>,
    attempt_count: usize,
}

/// The settings of the output to a [`FakeDestination`].
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct FakeSettings {
    /// The way that it offers.
    pub way: FakeWay,
    /// Whether chunks come to it as lines of JSON.
    pub lines: bool,
}

impl Settings for FakeSettings {}

/// The way that the output offers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FakeWay {
    /// Batches at once.
    Direct,
    /// Chunks; returning is the commit.
    Buffered,
    /// Chunks; committed later.
    Deferred,
    /// All three.
    #[default]
    All,
}

/// [`Outcome::Retry`] for this reason: the destination failed.
pub fn retry(reason: &str) -> Outcome {
    Outcome::Retry(Failure::new(FailureScope::Destination, reason))
}

/// [`Outcome::Reject`] for this reason.
pub fn reject(reason: &str) -> Outcome {
    Outcome::Reject {
        reason: reason.to_owned(),
    }
}

impl FakeDestination {
    /// What it answers to the attempts that come, one after another; to those after them
    /// [`Outcome::Delivered`].
    pub fn answer(&self, answers: impl IntoIterator<Item = Outcome>) {
        self.lock().answers.extend(answers);
    }

    /// The records of what it has confirmed, as JSON, in the order in which they came.
    #[must_use]
    pub fn records(&self) -> Vec<String> {
        self.lock().records.clone()
    }

    /// How often it was given something.
    #[must_use]
    pub fn attempt_count(&self) -> usize {
        self.lock().attempt_count
    }

    /// One attempt to give it `records`.
    pub fn take(&self, records: Vec<String>) -> Outcome {
        let mut state = self.lock();
        state.attempt_count += 1;
        let answer = state.answers.pop_front().unwrap_or(Outcome::Delivered);
        if answer == Outcome::Delivered {
            state.records.extend(records);
        }
        answer
    }

    fn take_or_fail(&self, records: Result<Vec<String>, ChunkError>) -> Outcome {
        match records {
            Ok(records) => self.take(records),
            Err(error) => reject(&error.to_string()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin for FakeDestination {
    const NAME: &'static str = "fake";
    const ABOUT: &'static str = "Gives events to a destination that answers as a test says.";
    type Settings = FakeSettings;
}

impl OutputPlugin for FakeDestination {
    async fn open(&self, settings: &FakeSettings, _: &OpenContext) -> Result<Output, BoxError> {
        let output = Output::of(Arc::new(self.clone()));
        Ok(match (settings.way, settings.lines) {
            (FakeWay::Direct, _) => output.direct().into(),
            (FakeWay::Buffered, false) => output.buffered().into(),
            (FakeWay::Buffered, true) => output.format(line).buffered().into(),
            (FakeWay::Deferred, false) => output.deferred().into(),
            (FakeWay::Deferred, true) => output.format(line).deferred().into(),
            (FakeWay::All, false) => output.direct().buffered().deferred().into(),
            (FakeWay::All, true) => output.direct().format(line).buffered().deferred().into(),
        })
    }
}

impl Lifecycle for FakeDestination {}

impl Direct for FakeDestination {
    fn process<'a>(&'a self, events: &'a Events) -> BoxFuture<'a, Outcome> {
        let records = events.each().map(|event| Ok(json(event?))).collect();
        Box::pin(std::future::ready(self.take_or_fail(records)))
    }
}

impl Buffered<Standard> for FakeDestination {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(self.take_or_fail(records(chunk))))
    }
}

impl Buffered<Custom> for FakeDestination {
    fn write<'a>(&'a self, chunk: &'a Chunk<Custom>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(self.take_or_fail(lines(chunk))))
    }
}

/// Commits from a task of its own, some time after `try_write` has returned.
impl Deferred<Standard> for FakeDestination {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        let taken = self.take_or_fail(records(delivery.chunk()));
        tokio::spawn(async move { delivery.resolve(taken) });
        Box::pin(std::future::ready(()))
    }
}

impl Deferred<Custom> for FakeDestination {
    fn try_write(&self, delivery: Delivery<Custom>) -> BoxFuture<'_, ()> {
        let taken = self.take_or_fail(lines(delivery.chunk()));
        tokio::spawn(async move { delivery.resolve(taken) });
        Box::pin(std::future::ready(()))
    }
}

fn records(chunk: &Chunk) -> Result<Vec<String>, ChunkError> {
    let mut records = Vec::new();
    chunk.each(|event| {
        records.push(json(event));
        Ok::<_, ChunkError>(())
    })?;
    Ok(records)
}

fn lines(chunk: &Chunk<Custom>) -> Result<Vec<String>, ChunkError> {
    let text = String::from_utf8_lossy(&chunk.read()?).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

fn line(event: EventRef<'_>) -> Option<Bytes> {
    Some(Bytes::from(json(event) + "\n"))
}

fn json(event: EventRef<'_>) -> String {
    let mut text = Vec::new();
    match event.write_json(&mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => error.to_string(),
    }
}
