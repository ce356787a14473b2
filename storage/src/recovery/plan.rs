//! Deciding what to do with each file, from the reports alone.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::scan::{ChunkReport, FileReport, Tail};
use super::{Action, Step};
use crate::header::SlotState;
use crate::meta::ChunkMeta;

/// What start-up would do with the files of a route that now has these destinations. One step
/// for each report, in the same order, which is that of the names.
pub fn plan(reports: &[FileReport], destinations: &[String]) -> Vec<Step> {
    let mut planner = Planner::new(destinations, reports.len());
    let newest_first = reports.iter().rev();
    let mut steps: Vec<_> = newest_first
        .map(|report| planner.judge(report).step(report.path()))
        .collect();
    steps.reverse();
    steps
}

/// Plans a route's files one by one, from the newest to the oldest: what becomes of a chunk
/// depends on those after it.
pub(super) struct Planner<'a> {
    destinations: &'a [String],
    /// Those of the chunks so far, whatever their state.
    newer_keys: HashSet<KeyOf>,
}

/// The key of a chunk, and its note: chunks in which these are equal follow one another.
struct KeyOf(Arc<ChunkMeta>);

impl Hash for KeyOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.key, &self.0.note).hash(state);
    }
}

impl PartialEq for KeyOf {
    fn eq(&self, other: &KeyOf) -> bool {
        self.0.key == other.0.key && self.0.note == other.0.note
    }
}

impl Eq for KeyOf {}

/// What is to be done with a file, and why. There may be very many, and of few it is said.
pub(super) struct Verdict {
    pub(super) action: Action,
    why: Why,
}

enum Why {
    Plain(&'static str),
    Told(String),
    /// It waits with so many events.
    Sealed(u64),
    Staged(u64),
}

impl Verdict {
    fn plain(action: Action, why: &'static str) -> Verdict {
        let why = Why::Plain(why);
        Verdict { action, why }
    }

    fn told(action: Action, why: String) -> Verdict {
        let why = Why::Told(why);
        Verdict { action, why }
    }

    /// The step for that file.
    pub(super) fn step(self, path: &Path) -> Step {
        Step {
            path: path.to_owned(),
            action: self.action,
            reason: match self.why {
                Why::Plain(why) => why.to_owned(),
                Why::Told(why) => why,
                Why::Sealed(event_count) => format!("sealed, {event_count} events"),
                Why::Staged(event_count) => format!("staged, {event_count} events"),
            },
        }
    }
}

impl<'a> Planner<'a> {
    /// For so many files.
    pub(super) fn new(destinations: &'a [String], count: usize) -> Planner<'a> {
        Planner {
            destinations,
            newer_keys: HashSet::with_capacity(count),
        }
    }

    /// What is to be done with the file, which is older than all before.
    pub(super) fn judge(&mut self, report: &FileReport) -> Verdict {
        match report {
            FileReport::Chunk(chunk) => {
                let is_newest = self.newer_keys.insert(KeyOf(Arc::clone(&chunk.meta)));
                judge_chunk(chunk, self.destinations, is_newest)
            }
            other => judge_other(other),
        }
    }
}

fn judge_other(report: &FileReport) -> Verdict {
    match report {
        FileReport::Unreadable { why, .. } => Verdict::told(Action::Quarantine, why.clone()),
        FileReport::Blank { .. } => {
            Verdict::plain(Action::Remove, "nothing was ever written to it")
        }
        FileReport::Newer { .. } => {
            Verdict::plain(Action::Leave, "a newer version of the program wrote it")
        }
        FileReport::Failed { why, .. } => {
            Verdict::told(Action::Leave, format!("it cannot be read: {why}"))
        }
        FileReport::Unknown { .. } | FileReport::Chunk(_) => {
            Verdict::plain(Action::Leave, "it is not a chunk file")
        }
    }
}

fn judge_chunk(chunk: &ChunkReport, destinations: &[String], is_newest: bool) -> Verdict {
    let is_served = |slot: Option<SlotState>| slot.is_some_and(|state| state != SlotState::Owed);
    if chunk.slots().len() > 0 && chunk.slots().all(is_served) {
        return Verdict::plain(Action::Remove, "every destination has been served");
    }
    let is_frameless = chunk.tail.is_some() && chunk.frame_count == 0;
    if let (Some(why), false) = (chunk.head_damage, is_frameless) {
        let event_count = chunk.event_count;
        let reason = format!("{why}; a copy of it is intact, {event_count} events");
        return Verdict::told(Action::Restore, reason);
    }
    let Some(tail) = &chunk.tail else {
        return Verdict {
            action: Action::Keep,
            why: Why::Sealed(chunk.event_count),
        };
    };
    if chunk.frame_count == 0 {
        return judge_frameless(tail);
    }
    match why_not_resumed(chunk, tail, destinations, is_newest) {
        Some(reason) => Verdict::told(Action::Seal, reason),
        None => Verdict {
            action: Action::Resume,
            why: Why::Staged(chunk.event_count),
        },
    }
}

fn judge_frameless(tail: &Tail) -> Verdict {
    if tail.damage.is_empty() && !tail.is_seal_damaged {
        Verdict::plain(Action::Remove, "no event was ever stored in it")
    } else {
        Verdict::plain(Action::Quarantine, "it holds no intact frame")
    }
}

fn why_not_resumed(
    chunk: &ChunkReport,
    tail: &Tail,
    destinations: &[String],
    is_newest: bool,
) -> Option<String> {
    if let Some(damage) = tail.damage.first() {
        let (bytes, offset) = (
            tail.damage.iter().map(|damage| damage.len).sum::<u64>(),
            damage.offset,
        );
        Some(format!("{bytes} damaged bytes, the first at {offset}"))
    } else if tail.is_seal_damaged {
        Some("its seal record is damaged".to_owned())
    } else if *chunk.meta.destinations != *destinations {
        Some("the route's destinations have changed".to_owned())
    } else if !is_newest {
        // Its seal was lost. What comes now belongs behind what the newer one holds
        // (`what_is_appended_after_a_lost_seal_comes_last`).
        Some("a newer chunk of its key exists".to_owned())
    } else {
        None
    }
}
