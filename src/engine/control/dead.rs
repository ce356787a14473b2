//! Actions on dead letters: delivering them after all, deleting them.
//!
//! One dead letter after the other is stored again, synced and deleted, by the library that the
//! command line uses offline: a crash in between repeats one at most and loses none. One at a time
//! in the whole engine, so that two replays never meet in one letter.

use std::sync::Arc;
use std::time::Duration;

use forebay_storage::ChunkId;

use super::controller::Found;
use super::replays::{Replay, ReplayReport};
use super::{Change, ControlError, Controller, DeadSelection, ReplayTo};
use crate::engine::dead_letters::{Changed, DeadLetter, Destinations, Selection, delete, replay};
use crate::engine::hub::What;
use crate::engine::route::{RunningRoute, lock};
use crate::engine::status::{ChunkState, EnginePhase};
use crate::output::Way;
use crate::route::TagMatcher;
use crate::telemetry;

/// Where dead letters go again.
#[derive(Clone)]
struct Target {
    route: Arc<RunningRoute>,
    output: Option<String>,
}

impl Controller {
    pub(super) fn replay_letter(&self, id: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        if found.state != ChunkState::Dead {
            return Err(found.refuse("only a dead letter is replayed"));
        }
        let target = self.target(&found.route, to)?;
        let changed = self.replay_one(&found.route, found.id(), &Selection::default(), &target)?;
        Ok(replayed(&found, changed))
    }

    pub(super) fn replay_selected(
        &self,
        route: &str,
        which: &DeadSelection,
        to: &ReplayTo,
    ) -> Result<ReplayReport, ControlError> {
        let from = self.route(route)?;
        let target = self.target(&from, to)?;
        let selection = selection(which)?;
        let letters = self.letters(&from, &selection, which.limit);
        let total = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let replays = &self.inspector.replays;
        let replay = replays.begin(self.now_ns(), route, &target.route.state.name, total)?;
        let run = {
            let (control, replay) = (self.clone(), Arc::clone(&replay));
            move || control.replay_all(&from, &letters, &selection, &target, &replay)
        };
        let thread = std::thread::Builder::new().name("forebay-replay".to_owned());
        if let Err(error) = thread.spawn(run) {
            replay.end(self.now_ns(), false);
            return Err(ControlError::NotDone(error.to_string()));
        }
        Ok(replay.report())
    }

    pub(super) fn delete_dead(
        &self,
        route: &str,
        which: &DeadSelection,
        confirm: &str,
    ) -> Result<Change, ControlError> {
        let from = self.route(route)?;
        if confirm != route {
            return Err(ControlError::NotConfirmed(route.to_owned()));
        }
        let selection = selection(which)?;
        let mut change = Change::none("no dead letter fits");
        for letter in self.letters(&from, &selection, which.limit) {
            let deleted = {
                let _turn = self.inspector.replays.turn();
                delete(&from.dead_letters, letter.id, &selection, self.now_ns())
            };
            let deleted = deleted.map_err(|error| not_done(&letter, &error, change.chunks))?;
            if deleted.event_count == 0 {
                continue;
            }
            let all = deleted.event_count + deleted.left_count;
            let bytes =
                crate::engine::route::share_of(letter.payload_bytes, deleted.event_count, all);
            from.stats
                .dead_dropped_by_operator
                .count(deleted.event_count, bytes);
            from.state
                .tell(letter.id, |route, chunk| What::ChunkDropped {
                    route,
                    chunk,
                    events: deleted.event_count,
                    reason: "operator".to_owned(),
                });
            change = Change {
                chunks: change.chunks + 1,
                events: change.events + deleted.event_count,
                bytes: change.bytes + bytes,
                ..Change::done("deleted dead letters")
            };
        }
        self.inspector.store.sync();
        tracing::warn!(
            route,
            letters = change.chunks,
            events = change.events,
            "dead letters dropped by the operator"
        );
        Ok(change)
    }

    fn letters(
        &self,
        from: &RunningRoute,
        selection: &Selection,
        limit: Option<u64>,
    ) -> Vec<DeadLetter> {
        let now_ns = self.now_ns();
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let letters = from.dead_letters.chunks();
        let letters = letters.iter().map(DeadLetter::of_info);
        letters
            .filter(|letter| selection.has(letter, now_ns))
            .take(limit)
            .collect()
    }

    fn replay_all(
        &self,
        from: &RunningRoute,
        letters: &[DeadLetter],
        selection: &Selection,
        target: &Target,
        replay: &Replay,
    ) {
        let is_stopping = || *lock(&self.inspector.phase) == EnginePhase::Stopping;
        for letter in letters {
            if is_stopping() || replay.is_cancelled() {
                break;
            }
            let done = self.replay_one(from, letter.id, selection, target);
            replay.count(letter, done.as_ref());
            self.tell_progress(replay);
        }
        let report = replay.end(self.now_ns(), true);
        self.tell_progress(replay);
        tracing::info!(
            route = report.route,
            to = report.to,
            letters = report.letters,
            events = report.events,
            failures = report.failed,
            "replay ended"
        );
    }

    fn tell_progress(&self, replay: &Replay) {
        self.inspector.hub.tell(self.inspector.clock, || {
            let report = replay.report();
            What::Replayed {
                route: report.route,
                replay: report.id,
                done: report.done,
                total: report.total,
                is_running: report.is_running,
            }
        });
    }

    fn replay_one(
        &self,
        from: &RunningRoute,
        id: ChunkId,
        selection: &Selection,
        target: &Target,
    ) -> Result<Changed, ControlError> {
        let _turn = self.inspector.replays.turn();
        let Some(letter) = from.dead_letters.chunk(id) else {
            return Ok(Changed::default());
        };
        let of_route = with_chunks(&target.route);
        let refused_by = letter.note().and_then(|note| note.destination.as_ref());
        let destinations = match (&target.output, refused_by) {
            (Some(output), _) => Destinations::Output(output),
            (None, Some(name)) if !of_route.contains(name) => {
                return Err(ControlError::UnknownOutput {
                    route: target.route.state.name.to_string(),
                    output: name.clone(),
                });
            }
            (None, _) => Destinations::Same {
                of_route: &of_route,
            },
        };
        let (dead, chunks) = (&from.dead_letters, &target.route.chunks);
        let changed = replay(dead, id, selection, chunks, destinations, self.now_ns());
        let changed = changed.map_err(|error| ControlError::NotDone(telemetry::reason(&error)))?;
        // The letter's file is removed a moment later; a kill before that would repeat it.
        self.inspector.store.sync();
        let replayed = &from.stats.events_replayed;
        replayed.fetch_add(changed.event_count, std::sync::atomic::Ordering::Relaxed);
        Ok(changed)
    }

    fn target(&self, from: &Arc<RunningRoute>, to: &ReplayTo) -> Result<Target, ControlError> {
        let route = match &to.route {
            Some(name) => self.route(name)?,
            None => Arc::clone(from),
        };
        if let Some(output) = &to.output {
            self.output(&route.state.name, output)?;
        }
        Ok(Target {
            route,
            output: to.output.clone(),
        })
    }
}

/// The outputs of a route that are given chunks.
pub(super) fn with_chunks(route: &RunningRoute) -> Vec<String> {
    let outputs = route.destinations.iter();
    let outputs = outputs.filter(|to| to.way != Way::Direct);
    outputs.map(|to| to.name.to_string()).collect()
}

fn selection(which: &DeadSelection) -> Result<Selection, ControlError> {
    let tag = which.tag.as_deref().map(TagMatcher::parse).transpose();
    Ok(Selection {
        id: None,
        route: None,
        output: which.output.clone(),
        reason: which.reason.clone(),
        tag: tag.map_err(|error| ControlError::BadPattern(error.to_string()))?,
        older_than: which.older_than_s.map(Duration::from_secs),
        newer_than: which.newer_than_s.map(Duration::from_secs),
    })
}

fn replayed(found: &Found, changed: Changed) -> Change {
    match changed.event_count {
        0 => Change::none("it has no event that could be delivered").to(&found.chunk),
        events => Change {
            events,
            ..Change::done("stored again, and owed to its outputs").to(&found.chunk)
        },
    }
}

fn not_done(
    letter: &DeadLetter,
    error: &(dyn std::error::Error + 'static),
    done: u64,
) -> ControlError {
    let reason = telemetry::reason(error);
    ControlError::NotDone(format!(
        "dead letter {} {reason}; {done} others are deleted",
        letter.id
    ))
}
