//! Actions on what is owed to nobody that runs.

use std::sync::Arc;

use super::dead::with_chunks;
use super::{Change, ControlError, Controller, ReplayTo};
use crate::engine::orphans::{Done, Orphan, OrphanReport, Parent};
use crate::telemetry;

impl Controller {
    pub(super) fn orphan_reports(&self) -> Vec<OrphanReport> {
        let inspector = &self.inspector;
        (inspector.orphans).reports(&inspector.store, &inspector.live.now())
    }

    pub(super) fn adopt(&self, name: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        let parent = self.parent(to)?;
        let _turn = self.inspector.orphans.turn();
        let orphan = self.orphan(name)?;
        let adopted = orphan.adopt(&self.inspector.store, &parent, self.now_ns());
        let done = adopted.map_err(|error| {
            let (done, why) = (error.before.chunks, telemetry::reason(&error));
            ControlError::NotDone(format!("{why}; {done} others are adopted"))
        })?;
        tracing::info!(
            orphan = name, route = %parent.route.state.name, chunks = done.chunks,
            events = done.events, "adopted by the operator"
        );
        Ok(told(done, "adopted"))
    }

    pub(super) fn drop_one_orphan(
        &self,
        name: &str,
        confirm: &str,
    ) -> Result<Change, ControlError> {
        let _turn = self.inspector.orphans.turn();
        let orphan = self.orphan(name)?;
        if confirm != name {
            return Err(ControlError::NotConfirmed(name.to_owned()));
        }
        let done = orphan.drop_all(&self.inspector.store, self.now_ns());
        tracing::warn!(
            orphan = name,
            chunks = done.chunks,
            events = done.events,
            "an orphan dropped by the operator"
        );
        Ok(told(done, "deleted"))
    }

    fn orphan(&self, name: &str) -> Result<Orphan, ControlError> {
        let inspector = &self.inspector;
        let live = inspector.live.now();
        let found = inspector.orphans.find(&inspector.store, &live, name);
        found
            .map_err(|error| ControlError::NotDone(telemetry::reason(&error)))?
            .ok_or_else(|| ControlError::UnknownOrphan(name.to_owned()))
    }

    fn parent(&self, to: &ReplayTo) -> Result<Parent, ControlError> {
        let name = to.route.as_deref().ok_or(ControlError::NoRouteNamed)?;
        let route = self.route(name)?;
        let outputs = match &to.output {
            Some(output) => {
                self.output(name, output)?;
                vec![output.clone()]
            }
            None => with_chunks(&route),
        };
        if outputs.is_empty() {
            return Err(ControlError::NotBuffered(name.to_owned()));
        }
        let route = Arc::clone(&route);
        Ok(Parent { route, outputs })
    }
}

fn told(done: Done, what: &str) -> Change {
    Change {
        chunks: done.chunks,
        events: done.events,
        bytes: done.bytes,
        ..Change::whether(done.chunks > 0, what, "there was nothing left of it")
    }
}
