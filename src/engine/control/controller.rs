//! What does the actions.

use forebay_storage::{ChunkId, ChunkInfo};

use super::*;
use crate::engine::hub::What;
use crate::engine::inspect::Inspector;
use crate::engine::inspect::chunks::state_of;
use crate::engine::orders::Book;
use crate::engine::route::RunningRoute;
use crate::engine::signals::Ask;
use crate::output::Way;

/// Changes a running engine. Cheap to clone.
#[derive(Clone)]
pub(in crate::engine) struct Controller {
    pub(super) inspector: Arc<Inspector>,
    pub(super) ask: Ask,
}

impl Controller {
    pub(in crate::engine) fn new(inspector: Arc<Inspector>, ask: Ask) -> Self {
        Self { inspector, ask }
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.inspector.clock.now().unix_ns
    }

    pub(super) fn route(&self, name: &str) -> Result<Arc<RunningRoute>, ControlError> {
        let live = self.inspector.live.now();
        let route = live.route(name).cloned();
        route.ok_or_else(|| ControlError::UnknownRoute(name.to_owned()))
    }

    /// A route, and the index of one of its outputs that is given chunks.
    pub(super) fn output(
        &self,
        route: &str,
        output: &str,
    ) -> Result<(Arc<RunningRoute>, usize), ControlError> {
        let running = self.route(route)?;
        let mut outputs = running.destinations.iter();
        let index = outputs.position(|to| &*to.name == output);
        let index = index.ok_or_else(|| ControlError::UnknownOutput {
            route: route.to_owned(),
            output: output.to_owned(),
        })?;
        if running.destinations[index].way == Way::Direct {
            return Err(ControlError::NotBuffered(output.to_owned()));
        }
        Ok((running, index))
    }

    /// Has the operator's orders kept; when this returns, they are durable.
    pub(super) fn order(&self, change: impl FnOnce(&mut Book)) -> Result<(), ControlError> {
        let live = self.inspector.live.now();
        let is_gone = |chunk: &str, route: &str| {
            let id = chunk.parse();
            // What is of a route that does not run now may come back with it.
            live.route(route)
                .is_some_and(|route| !id.is_ok_and(|id| route.chunks.chunk(id).is_some()))
        };
        let kept = self.inspector.orders.change(is_gone, change);
        kept.map_err(|error| ControlError::NotDone(format!("cannot be kept: {error}")))
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> What) {
        self.inspector.hub.tell(self.inspector.clock, what);
    }

    /// A chunk, dead or alive, and its route.
    pub(super) fn chunk(&self, id: &str) -> Result<Found, ControlError> {
        let found = id
            .parse()
            .ok()
            .and_then(|id: ChunkId| self.inspector.route_of(id));
        let (route, chunk) = found.ok_or_else(|| ControlError::UnknownChunk(id.to_owned()))?;
        let state = state_of(&chunk, &route.state.scheduler().in_flight());
        Ok(Found {
            route,
            chunk,
            state,
        })
    }
}

/// A chunk that an action is for.
pub(super) struct Found {
    pub(super) route: Arc<RunningRoute>,
    pub(super) chunk: ChunkInfo,
    pub(super) state: ChunkState,
}

impl Found {
    pub(super) fn id(&self) -> ChunkId {
        self.chunk.id
    }

    pub(super) fn is_held(&self) -> bool {
        self.route.state.scheduler().is_held(self.id())
    }

    /// Refuses because of the chunk's state.
    pub(super) fn refuse(&self, needs: &'static str) -> ControlError {
        self.refuse_as(State::Is(self.state), needs)
    }

    pub(super) fn refuse_as(&self, state: State, needs: &'static str) -> ControlError {
        ControlError::WrongState {
            id: self.id().to_string(),
            state,
            needs,
        }
    }
}

impl Control for Controller {
    fn flush(&self, route: Option<&str>) -> Result<Change, ControlError> {
        self.flush_routes(route)
    }

    fn pause_route(&self, route: &str) -> Result<Change, ControlError> {
        self.stop_route(route, true)
    }

    fn resume_route(&self, route: &str) -> Result<Change, ControlError> {
        self.stop_route(route, false)
    }

    fn pause_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.stop_output(route, output, true)
    }

    fn resume_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.stop_output(route, output, false)
    }

    fn retry_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.retry_destination(route, output)
    }

    fn seal(&self, chunk: &str) -> Result<Change, ControlError> {
        self.seal_chunk(chunk)
    }

    fn retry(&self, chunk: &str) -> Result<Change, ControlError> {
        self.retry_chunk(chunk)
    }

    fn hold(&self, chunk: &str) -> Result<Change, ControlError> {
        self.hold_chunk(chunk)
    }

    fn release(&self, chunk: &str) -> Result<Change, ControlError> {
        self.release_chunk(chunk)
    }

    fn bury(&self, chunk: &str, reason: &str) -> Result<Change, ControlError> {
        self.bury_chunk(chunk, reason)
    }

    fn drop_chunk(&self, chunk: &str, confirm: &str) -> Result<Change, ControlError> {
        self.delete_chunk(chunk, confirm)
    }

    fn replay(&self, chunk: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.replay_letter(chunk, to)
    }

    fn replay_route(
        &self,
        route: &str,
        which: &DeadSelection,
        to: &ReplayTo,
    ) -> Result<ReplayReport, ControlError> {
        self.replay_selected(route, which, to)
    }

    fn replays(&self) -> Vec<ReplayReport> {
        self.inspector.replays.reports()
    }

    fn cancel_replay(&self, id: u64) -> Result<Change, ControlError> {
        let called_off = self.inspector.replays.cancel(id);
        Ok(Change::whether(called_off, "it ends", "it does not run"))
    }

    fn drop_dead(
        &self,
        route: &str,
        which: &DeadSelection,
        confirm: &str,
    ) -> Result<Change, ControlError> {
        self.delete_dead(route, which, confirm)
    }

    fn orphans(&self) -> Vec<OrphanReport> {
        self.orphan_reports()
    }

    fn adopt_orphan(&self, name: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.adopt(name, to)
    }

    fn drop_orphan(&self, name: &str, confirm: &str) -> Result<Change, ControlError> {
        self.drop_one_orphan(name, confirm)
    }

    fn verify(&self, route: Option<&str>) -> Result<VerifyReport, ControlError> {
        self.verify_routes(route)
    }

    fn log_filter(&self) -> String {
        crate::telemetry::filter().unwrap_or_default()
    }

    fn set_log_filter(&self, filter: &str) -> Result<Change, ControlError> {
        daemon::set_log_filter(filter)
    }

    fn drain(&self) -> Result<Change, ControlError> {
        Ok(self.end(crate::engine::signals::Signal::Drain))
    }

    fn stop(&self) -> Result<Change, ControlError> {
        Ok(self.end(crate::engine::signals::Signal::Stop))
    }
}
