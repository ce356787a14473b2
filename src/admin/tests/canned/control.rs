//! What it says of actions: by the name of what is acted on.

use super::Canned;
use crate::engine::control::{
    Change, Control, ControlError, DeadSelection, ReplayReport, ReplayTo,
};
use crate::engine::orphans::OrphanReport;
use crate::engine::status::Moment;
use crate::engine::verify::VerifyReport;

impl Canned {
    fn acted(&self, act: &str, on: &[&str]) -> Result<Change, ControlError> {
        self.note(format!("{act} {}", on.join(" ")));
        match on.first() {
            Some(&"other") => Err(ControlError::UnknownRoute("other".to_owned())),
            Some(&"full") => Err(ControlError::NotDone("no space left".to_owned())),
            Some(&"direct") => Err(ControlError::NotBuffered("direct".to_owned())),
            Some(&"panic") => panic!("an action panicked"),
            _ => Ok(Change {
                changed: true,
                detail: format!("{act} is done"),
                ..Change::default()
            }),
        }
    }
}

impl Control for Canned {
    fn flush(&self, route: Option<&str>) -> Result<Change, ControlError> {
        self.acted("flush", route.as_slice())
    }

    fn pause_route(&self, route: &str) -> Result<Change, ControlError> {
        self.acted("pause_route", &[route])
    }

    fn resume_route(&self, route: &str) -> Result<Change, ControlError> {
        self.acted("resume_route", &[route])
    }

    fn pause_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("pause_output", &[route, output])
    }

    fn resume_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("resume_output", &[route, output])
    }

    fn retry_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("retry_output", &[route, output])
    }

    fn seal(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("seal", &[chunk])
    }

    fn retry(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("retry", &[chunk])
    }

    fn hold(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("hold", &[chunk])
    }

    fn release(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("release", &[chunk])
    }

    fn bury(&self, chunk: &str, reason: &str) -> Result<Change, ControlError> {
        self.acted("bury", &[chunk, reason])
    }

    fn drop_chunk(&self, chunk: &str, confirm: &str) -> Result<Change, ControlError> {
        if confirm != chunk {
            return Err(ControlError::NotConfirmed(chunk.to_owned()));
        }
        self.acted("drop_chunk", &[chunk])
    }

    fn log_filter(&self) -> String {
        "info".to_owned()
    }

    fn set_log_filter(&self, filter: &str) -> Result<Change, ControlError> {
        self.acted("set_log_filter", &[filter])
    }

    fn replay(&self, chunk: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.acted("replay", &[chunk, to.route.as_deref().unwrap_or("-")])
    }

    fn replay_route(
        &self,
        route: &str,
        which: &DeadSelection,
        to: &ReplayTo,
    ) -> Result<ReplayReport, ControlError> {
        let reason = which.reason.as_deref().unwrap_or("-");
        let output = to.output.as_deref().unwrap_or("-");
        self.acted("replay_route", &[route, reason, output])?;
        Ok(ReplayReport {
            id: 1,
            route: route.to_owned(),
            to: route.to_owned(),
            started: Moment(0),
            ended: None,
            is_running: true,
            total: 2,
            done: 0,
            letters: 0,
            events: 0,
            events_left: 0,
            failed: 0,
            reasons: vec![],
        })
    }

    fn replays(&self) -> Vec<ReplayReport> {
        Vec::new()
    }

    fn cancel_replay(&self, id: u64) -> Result<Change, ControlError> {
        self.acted("cancel_replay", &[&id.to_string()])
    }

    fn drop_dead(
        &self,
        route: &str,
        which: &DeadSelection,
        confirm: &str,
    ) -> Result<Change, ControlError> {
        let tag = which.tag.as_deref().unwrap_or("-");
        self.acted("drop_dead", &[route, tag, confirm])
    }

    fn orphans(&self) -> Vec<OrphanReport> {
        Vec::new()
    }

    fn adopt_orphan(&self, name: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.acted("adopt_orphan", &[name, to.route.as_deref().unwrap_or("-")])
    }

    fn drop_orphan(&self, name: &str, confirm: &str) -> Result<Change, ControlError> {
        self.acted("drop_orphan", &[name, confirm])
    }

    fn verify(&self, route: Option<&str>) -> Result<VerifyReport, ControlError> {
        self.acted("verify", route.as_slice())?;
        Ok(VerifyReport::default())
    }

    fn drain(&self) -> Result<Change, ControlError> {
        self.acted("drain", &[])
    }

    fn stop(&self) -> Result<Change, ControlError> {
        self.acted("stop", &[])
    }
}
