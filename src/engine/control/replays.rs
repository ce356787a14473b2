//! Replays of many dead letters: which there are, and how far they are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use schemars::JsonSchema;
use serde::Serialize;

use super::ControlError;
use crate::engine::dead_letters::{Changed, DeadLetter};
use crate::engine::route::lock;
use crate::engine::status::Moment;

/// Replays that are remembered; the oldest that have ended are forgotten.
const KEPT_MAX: usize = 64;

/// Replays at a time.
const RUNNING_MAX: usize = 4;

/// Failures that are told with their reason.
const REASONS_MAX: usize = 10;

/// How far a replay is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReplayReport {
    /// Its number since the start.
    pub id: u64,
    /// The route whose dead letters are delivered after all.
    pub route: String,
    /// The route that delivers them.
    pub to: String,
    /// When it began.
    pub started: Moment,
    /// When it ended; `None` while it runs.
    pub ended: Option<Moment>,
    /// Whether it runs.
    pub is_running: bool,
    /// Dead letters that it looks at.
    pub total: u64,
    /// Dead letters that it has looked at. Fewer than `total` at the end: it was called off, or the
    /// daemon stopped.
    pub done: u64,
    /// Dead letters of which something was stored again.
    pub letters: u64,
    /// Events stored again.
    pub events: u64,
    /// Events of these that stay dead letters: of another tag, or no events at all.
    pub events_left: u64,
    /// Dead letters that could not be replayed; they stay as they were.
    pub failed: u64,
    /// Why, of the first of them.
    pub reasons: Vec<String>,
}

/// The replays of an engine.
#[derive(Debug, Default)]
pub(in crate::engine) struct Replays {
    known: Mutex<Known>,
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    count: u64,
    replays: VecDeque<Arc<Replay>>,
}

/// One replay.
#[derive(Debug)]
pub(super) struct Replay {
    report: Mutex<ReplayReport>,
    is_cancelled: AtomicBool,
}

impl Replays {
    /// The right to change dead letters, held for one of them.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// All that are remembered, the newest first.
    pub(super) fn reports(&self) -> Vec<ReplayReport> {
        let known = lock(&self.known);
        known
            .replays
            .iter()
            .rev()
            .map(|replay| replay.report())
            .collect()
    }

    /// Calls a replay off after the letter that it is at; false if it does not run.
    pub(super) fn cancel(&self, id: u64) -> bool {
        let known = lock(&self.known);
        let mut replays = known.replays.iter();
        let found = replays.find(|replay| {
            let report = lock(&replay.report);
            report.id == id && report.is_running
        });
        found.is_some_and(|replay| !replay.is_cancelled.swap(true, Ordering::Relaxed))
    }

    pub(super) fn begin(
        &self,
        now_ns: i64,
        route: &str,
        to: &str,
        total: u64,
    ) -> Result<Arc<Replay>, ControlError> {
        let mut known = lock(&self.known);
        let is_running = |replay: &Arc<Replay>| lock(&replay.report).is_running;
        if known
            .replays
            .iter()
            .filter(|replay| is_running(replay))
            .count()
            >= RUNNING_MAX
        {
            return Err(ControlError::Busy("as many replays as may are running"));
        }
        while known.replays.len() >= KEPT_MAX
            && let Some(ended) = known.replays.iter().position(|replay| !is_running(replay))
        {
            known.replays.remove(ended);
        }
        known.count += 1;
        let report = ReplayReport {
            id: known.count,
            route: route.to_owned(),
            to: to.to_owned(),
            started: Moment(now_ns),
            ended: None,
            is_running: true,
            total,
            done: 0,
            letters: 0,
            events: 0,
            events_left: 0,
            failed: 0,
            reasons: Vec::new(),
        };
        let replay = Arc::new(Replay {
            report: Mutex::new(report),
            is_cancelled: AtomicBool::new(false),
        });
        known.replays.push_back(Arc::clone(&replay));
        Ok(replay)
    }
}

impl Replay {
    pub(super) fn report(&self) -> ReplayReport {
        lock(&self.report).clone()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Counts what was done with one dead letter.
    pub(super) fn count(&self, letter: &DeadLetter, done: Result<&Changed, &ControlError>) {
        let mut report = lock(&self.report);
        report.done += 1;
        match done {
            Ok(changed) => {
                report.letters += u64::from(changed.event_count > 0);
                report.events += changed.event_count;
                report.events_left += changed.left_count;
            }
            Err(error) => {
                report.failed += 1;
                if report.reasons.len() < REASONS_MAX {
                    report.reasons.push(format!("{}: {error}", letter.id));
                }
            }
        }
    }

    /// It has ended; if it never began, nothing was done.
    pub(super) fn end(&self, now_ns: i64, has_begun: bool) -> ReplayReport {
        let mut report = lock(&self.report);
        report.is_running = false;
        report.ended = Some(Moment(now_ns));
        if !has_begun {
            report.reasons.push("no thread could be started".to_owned());
        }
        report.clone()
    }
}
