//! Actions on routes and their outputs.

use forebay_storage::SealReason;

use super::{Change, ControlError, Controller};
use crate::engine::hub::What;
use crate::engine::verify::VerifyReport;

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

    pub(super) fn verify_routes(&self, route: Option<&str>) -> Result<VerifyReport, ControlError> {
        let routes = match route {
            Some(name) => vec![self.route(name)?],
            None => self.inspector.live.now().routes.clone(),
        };
        let clock = self.inspector.clock;
        let began = clock.now().monotonic;
        let dir = self.inspector.store.dir();
        let report = VerifyReport::of(dir, routes.iter().map(|route| &**route));
        Ok(report.in_time(clock.now().monotonic.saturating_sub(began)))
    }

    pub(super) fn stop_route(&self, name: &str, stops: bool) -> Result<Change, ControlError> {
        let route = self.route(name)?;
        self.order(|book| {
            match stops {
                true => book.paused_routes.insert(name.to_owned()),
                false => book.paused_routes.remove(name),
            };
        })?;
        let changed = route.state.scheduler().stop_route(stops);
        route.look_again();
        if changed {
            tracing::info!(route = name, paused = stops, "changed by the operator");
            self.tell(|| paused(name, None, stops));
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
        self.order(|book| {
            let outputs = book.paused_outputs.entry(name.to_owned()).or_default();
            match stops {
                true => outputs.insert(output.to_owned()),
                false => outputs.remove(output),
            };
            book.paused_outputs.retain(|_, outputs| !outputs.is_empty());
        })?;
        let changed = route.state.scheduler().stop_destination(index, stops);
        route.look_again();
        if changed {
            tracing::info!(
                route = name,
                output,
                paused = stops,
                "changed by the operator"
            );
            self.tell(|| paused(name, Some(output), stops));
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

fn paused(route: &str, output: Option<&str>, stops: bool) -> What {
    let (route, output) = (route.to_owned(), output.map(str::to_owned));
    match stops {
        true => What::Paused { route, output },
        false => What::Resumed { route, output },
    }
}

fn told(changed: bool, stops: bool) -> Change {
    match stops {
        true => Change::whether(changed, "paused", "paused already"),
        false => Change::whether(changed, "resumed", "not paused"),
    }
}
