//! Tells of sources that have become silent, and when they are back.
//!
//! ```yaml
//! hosts:
//!   type: heartbeat_watch
//!   match: "host.**"
//!   key: host              # what tells sources apart; without it, the tag does
//!   timeout: 1m            # how long a source may be silent
//!   expect: [db1, db2]     # watched from the start, also if they never come
//!   missing_tag: heartbeat.missing
//!   back_tag: heartbeat.back
//!   sources_max: 10000
//! ```
//!
//! A source is watched from its first event on. When nothing has come of it for `timeout`, one event
//! with `missing_tag` says so: `{source, status: "missing", silent_s, last_seen}` (no `last_seen` if it
//! never came). When it comes again, one with `back_tag`: `{source, status: "back", silent_s}`. The
//! watched events themselves go on unchanged; those without the field `key` are not watched.
//!
//! The watch begins anew with each start. Of more than `sources_max` sources the new ones are not
//! watched, which the log says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Context, Failure, Filter, Injector, Verdict};
use crate::clock::Now;
use crate::config::plan::HeartbeatWatchPlan;
use crate::event::{Event, Record, Timestamp};
use crate::telemetry::RateLimited;

pub(super) struct HeartbeatWatch {
    plan: HeartbeatWatchPlan,
    watched: Mutex<Watched>,
    full: RateLimited,
}

#[derive(Default)]
struct Watched {
    sources: BTreeMap<String, Source>,
    /// When which source is missing, for those that are not yet.
    due: BTreeSet<(Duration, String)>,
}

struct Source {
    /// By the monotonic clock.
    seen: Duration,
    /// By the wall clock; `None`: it never came.
    seen_unix_ns: Option<i64>,
    is_missing: bool,
}

impl HeartbeatWatch {
    /// A watch that begins at `now`.
    pub(super) fn new(plan: HeartbeatWatchPlan, now: Now) -> Self {
        let mut watched = Watched::default();
        for source in &plan.expect {
            watched.watch(source, now.monotonic, None, plan.timeout);
        }
        Self {
            plan,
            watched: Mutex::new(watched),
            full: RateLimited::new(Duration::from_secs(60)),
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the event's source.
    fn source(&self, event: &Event) -> Option<String> {
        match &self.plan.key {
            None => Some(event.tag().to_owned()),
            Some(key) => {
                let value = event.find(key)?;
                let text = value.to_text();
                (!text.is_empty()).then(|| text.into_owned())
            }
        }
    }

    fn warn_of_full(&self, now: Now) {
        if self.full.admit(now.monotonic).is_some() {
            tracing::warn!(
                sources_max = self.plan.sources_max,
                "more sources than are watched; new ones are not"
            );
        }
    }
}

impl Filter for HeartbeatWatch {
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        let Some(name) = self.source(event) else {
            return Ok(Verdict::Keep);
        };
        let now = context.now;
        let mut watched = self.watched();
        let is_known = watched.sources.contains_key(&name);
        if !is_known && watched.sources.len() >= self.plan.sources_max {
            self.warn_of_full(now);
            return Ok(Verdict::Keep);
        }
        if let Some(silence) = watched.silence(&name, now.monotonic) {
            let told = told(&name, "back", silence, None);
            let told = Event::new(self.plan.back_tag.as_str(), unix(now), told)?;
            context.injector.inject(told)?;
        }
        watched.watch(&name, now.monotonic, Some(now.unix_ns), self.plan.timeout);
        Ok(Verdict::Keep)
    }

    fn next_tick(&self) -> Option<Duration> {
        self.watched().due.first().map(|(due, _)| *due)
    }

    fn tick(&self, now: Now, injector: &mut Injector) -> Result<(), Failure> {
        let mut watched = self.watched();
        while let Some((due, name)) = watched.due.first().cloned() {
            if due > now.monotonic {
                break;
            }
            if let Some(source) = watched.sources.get(&name) {
                let silence = now.monotonic.saturating_sub(source.seen);
                let told = told(&name, "missing", silence, source.seen_unix_ns);
                let told = Event::new(self.plan.missing_tag.as_str(), unix(now), told)?;
                // What cannot be told now stays due.
                injector.inject(told)?;
            }
            watched.missed(&name);
        }
        Ok(())
    }
}

impl Watched {
    /// How long a source has been silent that is missing.
    fn silence(&self, name: &str, now: Duration) -> Option<Duration> {
        let source = self.sources.get(name).filter(|source| source.is_missing)?;
        Some(now.saturating_sub(source.seen))
    }

    /// The source came, or is expected, now.
    fn watch(&mut self, name: &str, now: Duration, now_unix_ns: Option<i64>, timeout: Duration) {
        let source = Source {
            seen: now,
            seen_unix_ns: now_unix_ns,
            is_missing: false,
        };
        if let Some(before) = self.sources.insert(name.to_owned(), source) {
            self.due.remove(&(before.seen + timeout, name.to_owned()));
        }
        self.due.insert((now + timeout, name.to_owned()));
    }

    /// The first that is due is missing now.
    fn missed(&mut self, name: &str) {
        self.due.pop_first();
        if let Some(source) = self.sources.get_mut(name) {
            source.is_missing = true;
        }
    }
}

fn told(name: &str, status: &str, silence: Duration, seen_unix_ns: Option<i64>) -> Record {
    let mut record = Record::new();
    record.insert("source", name);
    record.insert("status", status);
    record.insert("silent_s", silence.as_secs_f64());
    if let Some(seen) = seen_unix_ns {
        record.insert("last_seen", Timestamp::from_ns(seen).to_string());
    }
    record
}

fn unix(now: Now) -> Timestamp {
    Timestamp::from_ns(now.unix_ns)
}
