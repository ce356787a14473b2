//! Actions on single chunks.

use std::sync::Arc;

use forebay_storage::{ChunkInfo, SealReason};
use tokio::runtime::Handle;

use super::controller::Found;
use super::{Change, ControlError, Controller, REASON_LEN_MAX, State};
use crate::engine::hub::What;
use crate::engine::orders::HELD_MAX;
use crate::engine::route::RunningRoute;
use crate::engine::status::ChunkState;
use crate::flush::{Burial, Unburied};
use crate::telemetry;

impl Controller {
    pub(super) fn seal_chunk(&self, id: &str) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        if found.state == ChunkState::Dead {
            return Err(found.refuse("only chunks that are to be delivered are sealed"));
        }
        let sealed = (found.route.chunks).seal(found.id(), SealReason::Request, self.now_ns());
        // It is queued, and may be delivered, once its seal is durable.
        self.inspector.store.sync();
        Ok(Change::whether(sealed, "sealed", "sealed already").to(&found.chunk))
    }

    pub(super) fn retry_chunk(&self, id: &str) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        match found.state {
            ChunkState::Queued if found.is_held() => {
                return Err(found.refuse_as(State::Held, "release it first"));
            }
            ChunkState::Queued | ChunkState::InFlight => {}
            ChunkState::Staged => return Err(found.refuse("seal it first")),
            ChunkState::Dead => return Err(found.refuse("replay it instead")),
        }
        let now = self.inspector.clock.now();
        let tried = found.route.state.scheduler().retry_chunk(now, found.id());
        found.route.look_again();
        tracing::info!(chunk = id, outputs = tried, "retried by the operator");
        Ok(Change::whether(tried > 0, "it is tried now", "it waits for no retry").to(&found.chunk))
    }

    pub(super) fn hold_chunk(&self, id: &str) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        if found.state == ChunkState::Dead {
            return Err(found.refuse("it is offered to nobody as it is"));
        }
        if self.inspector.orders.held_count() >= HELD_MAX && !found.is_held() {
            return Err(ControlError::TooManyHeld(HELD_MAX));
        }
        let route = found.route.state.name.to_string();
        // Kept first: what is told as held is held after a restart.
        self.order(|book| _ = book.held.insert(found.id().to_string(), route))?;
        let changed = found.route.state.scheduler().hold(found.id());
        found.route.look_again();
        if changed {
            tracing::info!(route = %found.route.state.name, chunk = id, "held by the operator");
            let tell = |route, chunk| What::ChunkHeld { route, chunk };
            found.route.state.tell(found.id(), tell);
        }
        Ok(Change::whether(changed, "held", "held already").to(&found.chunk))
    }

    pub(super) fn release_chunk(&self, id: &str) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        self.order(|book| _ = book.held.remove(&found.id().to_string()))?;
        let now = self.inspector.clock.now();
        let changed = found.route.state.scheduler().release(now, found.id());
        found.route.look_again();
        if changed {
            tracing::info!(route = %found.route.state.name, chunk = id, "released by the operator");
            let tell = |route, chunk| What::ChunkReleased { route, chunk };
            found.route.state.tell(found.id(), tell);
        }
        Ok(Change::whether(changed, "released", "not held").to(&found.chunk))
    }

    pub(super) fn bury_chunk(&self, id: &str, reason: &str) -> Result<Change, ControlError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON_LEN_MAX {
            return Err(ControlError::BadReason);
        }
        let found = self.chunk(id)?;
        if found.state == ChunkState::Dead {
            return Ok(Change::none("it is a dead letter already").to(&found.chunk));
        }
        let now = self.inspector.clock.now();
        let begun = found.route.state.scheduler().bury(now, found.id(), reason);
        let burials = begun.map_err(|why| unburied(&found, why))?;
        for buried in burials.into_iter().map(|burial| bury(&found.route, burial)) {
            buried?;
        }
        Ok(Change::done("moved to the dead letters").to(&found.chunk))
    }

    pub(super) fn delete_chunk(&self, id: &str, confirm: &str) -> Result<Change, ControlError> {
        let found = self.chunk(id)?;
        if confirm != found.id().to_string() {
            return Err(ControlError::NotConfirmed(found.id().to_string()));
        }
        let Some(gone) = self.purge(&found) else {
            // It was found, so that it is claimed, or has gone by itself since.
            return Err(match self.chunk(id) {
                Ok(found) => found.refuse_as(
                    State::Is(ChunkState::InFlight),
                    "hold it, or pause its route, and wait until the delivery has ended",
                ),
                Err(unknown) => unknown,
            });
        };
        self.inspector.store.sync();
        found.route.look_again();
        Ok(Change::done("deleted").to(&gone))
    }

    /// Deletes the chunk and counts it; `None` if it is being delivered, or gone.
    fn purge(&self, found: &Found) -> Option<ChunkInfo> {
        let route = &found.route;
        let (holder, counts) = match found.state {
            ChunkState::Dead => (&route.dead_letters, &route.stats.dead_dropped_by_operator),
            _ => (&route.chunks, &route.stats.dropped_by_operator),
        };
        // A dead letter that is being replayed is not deleted under the reader.
        let _turn = self.inspector.replays.turn();
        let gone = holder.purge(found.id())?;
        counts.count(gone.event_count, gone.payload_bytes);
        tracing::warn!(
            route = %route.state.name, chunk = %gone.id, events = gone.event_count,
            "dropped by the operator"
        );
        route
            .state
            .tell(gone.id, |route, chunk| What::ChunkDropped {
                route,
                chunk,
                events: gone.event_count,
                reason: "operator".to_owned(),
            });
        Some(gone)
    }
}

fn unburied(found: &Found, why: Unburied) -> ControlError {
    match why {
        Unburied::NotQueued if found.state == ChunkState::Staged => found.refuse("seal it first"),
        // It has been settled since.
        Unburied::NotQueued => ControlError::UnknownChunk(found.id().to_string()),
        Unburied::Busy => found.refuse_as(
            State::Is(ChunkState::InFlight),
            "hold it, and wait until the delivery has ended",
        ),
    }
}

/// Waits until it is buried; the burial goes on if nobody waits any more.
fn bury(route: &Arc<RunningRoute>, burial: Burial) -> Result<(), ControlError> {
    let gone = || ControlError::UnknownChunk(burial.chunk.to_string());
    let claim = route
        .claim(burial.chunk, burial.destination)
        .map_err(|error| {
            route.not_claimed_to_bury(&burial, error);
            gone()
        })?;
    let burying = route.tasks.spawn(Arc::clone(route).bury(claim, burial));
    match Handle::current().block_on(burying) {
        Ok(buried) => buried.map_err(|error| ControlError::NotDone(telemetry::reason(&error))),
        Err(error) => Err(ControlError::NotDone(error.to_string())),
    }
}
