//! Deciding what to do with each file, from the reports alone.

use std::collections::HashMap;
use std::path::Path;

use super::scan::{ChunkReport, FileReport, Tail};
use super::{Action, Step};
use crate::header::SlotState;
use crate::key::ChunkKey;
use crate::meta::DeadNote;

/// The newest chunk of each key, whatever its state.
type Newest<'a> = HashMap<(&'a ChunkKey, Option<&'a DeadNote>), &'a Path>;

/// What start-up would do with the files of a route that now has these destinations. One step
/// for each report, in the same order.
pub fn plan(reports: &[FileReport], destinations: &[String]) -> Vec<Step> {
    let newest = newest(reports);
    reports
        .iter()
        .map(|report| {
            let (action, reason) = match report {
                FileReport::Chunk(chunk) => plan_chunk(chunk, destinations, &newest),
                other => plan_other(other),
            };
            Step {
                path: report.path().to_owned(),
                action,
                reason,
            }
        })
        .collect()
}

/// By the order of the names, which is that of creation.
fn newest(reports: &[FileReport]) -> Newest<'_> {
    let mut newest: Newest<'_> = HashMap::new();
    for report in reports {
        if let FileReport::Chunk(chunk) = report {
            let place = newest.entry(key(chunk)).or_insert(&chunk.path);
            *place = (*place).max(&chunk.path);
        }
    }
    newest
}

fn key(chunk: &ChunkReport) -> (&ChunkKey, Option<&DeadNote>) {
    (&chunk.meta.key, chunk.meta.note.as_ref())
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

fn plan_chunk(
    chunk: &ChunkReport,
    destinations: &[String],
    newest: &Newest<'_>,
) -> (Action, String) {
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
    if let Some(reason) = why_not_resumed(chunk, tail, destinations, newest) {
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
    newest: &Newest<'_>,
) -> Option<String> {
    if let Some(damage) = tail.damage.first() {
        let (bytes, offset) = (
            tail.damage.iter().map(|damage| damage.len).sum::<u64>(),
            damage.offset,
        );
        Some(format!("{bytes} damaged bytes, the first at {offset}"))
    } else if tail.is_seal_damaged {
        Some("its seal record is damaged".to_owned())
    } else if chunk.meta.destinations != destinations {
        Some("the route's destinations have changed".to_owned())
    } else if newest.get(&key(chunk)) != Some(&chunk.path.as_path()) {
        // Its seal was lost. What comes now belongs behind what the newer one holds
        // (`what_is_appended_after_a_lost_seal_comes_last`).
        Some("a newer chunk of its key exists".to_owned())
    } else {
        None
    }
}
