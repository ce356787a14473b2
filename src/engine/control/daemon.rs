//! Actions on the daemon as a whole.

use super::{Change, ControlError, Controller};
use crate::engine::signals::Signal;
use crate::telemetry;

pub(super) fn set_log_filter(filter: &str) -> Result<Change, ControlError> {
    match telemetry::set_filter(filter) {
        Ok(before) => {
            let now = telemetry::filter().unwrap_or_default();
            tracing::info!(before, now, "log filter changed");
            let already = format!("logs are filtered by `{before}` already");
            let done = format!("logs are filtered by `{now}`, and no longer by `{before}`");
            Ok(Change::whether(before != now, &done, &already))
        }
        Err(error @ telemetry::Error::Filter { .. }) => {
            Err(ControlError::BadFilter(telemetry::reason(&error)))
        }
        Err(error) => Err(ControlError::NotDone(telemetry::reason(&error))),
    }
}

impl Controller {
    /// Stops the daemon, as `signal` says.
    pub(super) fn end(&self, signal: Signal) -> Change {
        let detail = match signal {
            Signal::Drain => "nothing is taken in any more; it stops when all is delivered",
            Signal::Stop | Signal::Flush | Signal::Reload => "it stops",
        };
        Change::whether(self.ask.ask(signal), detail, "it has stopped already")
    }
}
