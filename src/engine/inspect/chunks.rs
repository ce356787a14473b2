//! A route's chunks, one by one and by the page.

use std::collections::HashSet;
use std::time::Duration;

use forebay_storage::{ChunkId, ChunkInfo, SlotInfo, SlotState};

use crate::engine::route::RunningRoute;
use crate::engine::status::{
    ChunkOrder, ChunkPage, ChunkQuery, ChunkReport, ChunkState, Delivering, KeyReport, Moment,
    Progress,
};

/// The chunks of a route and its dead letters that `query` asks for.
pub(super) fn page(route: &RunningRoute, query: &ChunkQuery, now_ns: i64) -> ChunkPage {
    let in_flight = route.state.scheduler().in_flight();
    let mut found: Vec<_> = [&route.chunks, &route.dead_letters]
        .into_iter()
        .flat_map(|holder| holder.chunks())
        .filter(|chunk| is_asked_for(chunk, query, &in_flight, now_ns))
        .collect();
    found.sort_unstable_by_key(|chunk| chunk.id);
    if query.order == ChunkOrder::Newest {
        found.reverse();
    }
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found
        .last()
        .filter(|_| has_more)
        .map(|chunk| chunk.id.to_string());
    let chunks = found
        .iter()
        .map(|chunk| report(route, chunk, &in_flight))
        .collect();
    ChunkPage { chunks, next }
}

fn is_asked_for(
    chunk: &ChunkInfo,
    query: &ChunkQuery,
    in_flight: &HashSet<ChunkId>,
    now_ns: i64,
) -> bool {
    let comes_after = |after: &String| match query.order {
        ChunkOrder::Oldest => chunk.id.to_string() > *after,
        ChunkOrder::Newest => chunk.id.to_string() < *after,
    };
    let is_older = |age: Duration| {
        let age_ns = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        chunk.created_ns < now_ns.saturating_sub(age_ns)
    };
    let state = query.state;
    state.is_none_or(|state| state == state_of(chunk, in_flight))
        && query.after.as_ref().is_none_or(comes_after)
        && query.older_than.is_none_or(is_older)
        && query
            .output
            .as_ref()
            .is_none_or(|output| owes(chunk, output))
        && query
            .key
            .as_ref()
            .is_none_or(|text| KeyReport::from(chunk.key()).has(text))
}

/// Whether `output` has not confirmed the chunk.
fn owes(chunk: &ChunkInfo, output: &str) -> bool {
    let mut outputs = chunk.destinations().iter().zip(&chunk.slots);
    outputs.any(|(name, slot)| name == output && slot.state == SlotState::Owed)
}

/// One chunk of a route or its dead letters.
pub(super) fn report_by_id(route: &RunningRoute, id: ChunkId) -> Option<ChunkReport> {
    let chunk = route
        .chunks
        .chunk(id)
        .or_else(|| route.dead_letters.chunk(id))?;
    // Bound first: as an argument its guard would still be held when `progress` locks again.
    let in_flight = route.state.scheduler().in_flight();
    Some(report(route, &chunk, &in_flight))
}

pub(in crate::engine) fn state_of(chunk: &ChunkInfo, in_flight: &HashSet<ChunkId>) -> ChunkState {
    if chunk.note().is_some() {
        ChunkState::Dead
    } else if chunk.is_staged() {
        ChunkState::Staged
    } else if in_flight.contains(&chunk.id) {
        ChunkState::InFlight
    } else {
        ChunkState::Queued
    }
}

fn report(route: &RunningRoute, chunk: &ChunkInfo, in_flight: &HashSet<ChunkId>) -> ChunkReport {
    let outputs = chunk.destinations().iter().zip(&chunk.slots);
    // Bound first, like every guard of the scheduler: `progress` locks again.
    let is_held = route.state.scheduler().is_held(chunk.id);
    ChunkReport {
        id: chunk.id.to_string(),
        route: route.state.name.to_string(),
        state: state_of(chunk, in_flight),
        held: is_held,
        key: KeyReport::from(chunk.key()),
        created: Moment(chunk.created_ns),
        sealed: chunk.sealed.map(|(at_ns, _)| Moment(at_ns)),
        reason: reason(chunk),
        events: chunk.event_count,
        bytes: chunk.payload_bytes,
        outputs: outputs
            .map(|(name, slot)| progress(route, chunk.id, name, slot))
            .collect(),
    }
}

/// Why it was sealed, or why it is a dead letter.
fn reason(chunk: &ChunkInfo) -> Option<String> {
    match chunk.note() {
        Some(note) => Some(format!("{}: {}", note.reason, note.answer)),
        None => chunk
            .sealed
            .map(|(_, reason)| format!("{reason:?}").to_lowercase()),
    }
}

fn progress(route: &RunningRoute, id: ChunkId, name: &str, slot: &SlotInfo) -> Progress {
    let output = route.state.outputs.iter().position(|output| output == name);
    let scheduler = route.state.scheduler();
    let retry = output.and_then(|output| scheduler.retry_state(id, output));
    Progress {
        name: name.to_owned(),
        state: match slot.state {
            SlotState::Delivered => Delivering::Committed,
            SlotState::Rejected => Delivering::Rejected,
            SlotState::Owed if slot.is_claimed => Delivering::InFlight,
            SlotState::Owed => Delivering::Owed,
        },
        attempts: retry.map_or(0, |retry| retry.failure_count),
        last_reason: retry.map(|retry| retry.last_reason.clone()),
        next_attempt: retry.map(|retry| Moment(retry.next_attempt_ns)),
    }
}
