//! Actions on routes and their outputs.

use forebay_storage::SealReason;

use super::{Change, ControlError, Controller};

impl Controller {
    pub(super) fn flush_routes(&self, route: Option<&str>) -> Result<Change, ControlError> {
        let routes = match route {
            Some(name) => vec![self.route(name)?],
            None => self.inspector.live.now().routes.clone(),
        };
        let now_ns = self.now_ns();
        let mut sealed = 0;
        for route in &routes {
            let staged = route.chunks.seal_staged(SealReason::Request, now_ns);
            sealed += u64::try_from(staged).unwrap_or(u64::MAX);
        }
        // A seal is queued, and may be delivered, once it is durable.
        self.inspector.store.sync();
        tracing::info!(route, chunks = sealed, "flushed by the operator");
        Ok(Change {
            chunks: sealed,
            ..Change::whether(sealed > 0, "sealed what was staged", "nothing was staged")
        })
    }

    pub(super) fn stop_route(&self, name: &str, stops: bool) -> Result<Change, ControlError> {
        let route = self.route(name)?;
        let changed = route.state.scheduler().stop_route(stops);
        route.look_again();
        if changed {
            tracing::info!(route = name, paused = stops, "changed by the operator");
        }
        Ok(told(changed, stops))
    }

    pub(super) fn stop_output(
        &self,
        name: &str,
        output: &str,
        stops: bool,
    ) -> Result<Change, ControlError> {
        let (route, index) = self.output(name, output)?;
        let changed = route.state.scheduler().stop_destination(index, stops);
        route.look_again();
        if changed {
            tracing::info!(
                route = name,
                output,
                paused = stops,
                "changed by the operator"
            );
        }
        Ok(told(changed, stops))
    }

    pub(super) fn retry_destination(
        &self,
        name: &str,
        output: &str,
    ) -> Result<Change, ControlError> {
        let (route, index) = self.output(name, output)?;
        let now = self.inspector.clock.now();
        let owed = route.state.scheduler().owed_count(index);
        let changed = route.state.scheduler().retry_destination(now, index);
        route.look_again();
        tracing::info!(route = name, output, "retried by the operator");
        Ok(Change {
            chunks: u64::try_from(owed).unwrap_or(u64::MAX),
            ..Change::whether(changed, "whatever waited is tried now", "nothing waited")
        })
    }
}

fn told(changed: bool, stops: bool) -> Change {
    match stops {
        true => Change::whether(changed, "paused", "paused already"),
        false => Change::whether(changed, "resumed", "not paused"),
    }
}
