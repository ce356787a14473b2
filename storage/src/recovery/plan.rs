//! Deciding what to do with each file, from the reports alone.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::scan::{ChunkReport, FileReport, Tail};
use super::{Action, Step};
use crate::header::SlotState;
use crate::meta::ChunkMeta;

/// What start-up would do with the files of a route that now has these destinations. One step
/// for each report, in the same order, which is that of the names.
pub fn plan(reports: &[FileReport], destinations: &[String]) -> Vec<Step> {
    let mut planner = Planner::new(destinations);
    let newest_first = reports.iter().rev();
    let mut steps: Vec<_> = newest_first.map(|report| planner.step(report)).collect();
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

impl<'a> Planner<'a> {
    pub(super) fn new(destinations: &'a [String]) -> Planner<'a> {
        Planner {
            destinations,
            newer_keys: HashSet::new(),
        }
    }

    /// What is to be done with the file, which is older than all before.
    pub(super) fn step(&mut self, report: &FileReport) -> Step {
        let (action, reason) = match report {
            FileReport::Chunk(chunk) => {
                let is_newest = self.newer_keys.insert(KeyOf(Arc::clone(&chunk.meta)));
                plan_chunk(chunk, self.destinations, is_newest)
            }
            other => plan_other(other),
        };
        Step {
            path: report.path().to_owned(),
            action,
            reason,
        }
    }
}

fn plan_other(report: &FileReport) -> (Action, String) {
    match report {
        FileReport::Unreadable { why, .. } => (Action::Quarantine, why.clone()),
        FileReport::Blank { .. } => (Action::Remove, "nothing was ever written to it".to_owned()),
        FileReport::Newer { .. } => (
            Action::Leave,
            "a newer version of the program wrote it".to_owned(),
        ),
        FileReport::Failed { why, .. } => (Action::Leave, format!("it cannot be read: {why}")),
        FileReport::Unknown { .. } | FileReport::Chunk(_) => {
            (Action::Leave, "it is not a chunk file".to_owned())
        }
    }
}

fn plan_chunk(chunk: &ChunkReport, destinations: &[String], is_newest: bool) -> (Action, String) {
    let is_served = |slot: &Option<SlotState>| slot.is_some_and(|state| state != SlotState::Owed);
    if !chunk.slots.is_empty() && chunk.slots.iter().all(is_served) {
        return (
            Action::Remove,
            "every destination has been served".to_owned(),
        );
    }
    let is_frameless = chunk.tail.is_some() && chunk.frame_count == 0;
    if let (Some(why), false) = (chunk.head_damage, is_frameless) {
        let reason = format!(
            "{why}; a copy of it is intact, {} events",
            chunk.event_count
        );
        return (Action::Restore, reason);
    }
    let Some(tail) = &chunk.tail else {
        return (
            Action::Keep,
            format!("sealed, {} events", chunk.event_count),
        );
    };
    if chunk.frame_count == 0 {
        return plan_frameless(tail);
    }
    if let Some(reason) = why_not_resumed(chunk, tail, destinations, is_newest) {
        return (Action::Seal, reason);
    }
    (
        Action::Resume,
        format!("staged, {} events", chunk.event_count),
    )
}

fn plan_frameless(tail: &Tail) -> (Action, String) {
    if tail.damage.is_empty() && !tail.is_seal_damaged {
        (Action::Remove, "no event was ever stored in it".to_owned())
    } else {
        (Action::Quarantine, "it holds no intact frame".to_owned())
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
