//! Putting the new in the place of the old. Nothing here can fail, and nothing waits.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use forebay_storage::SealReason;
use tokio::time::Instant;

use super::super::build::{Driven, OpenRoute};
use super::super::filters::{Filters, OpenFilter};
use super::super::open::router;
use super::super::outputs::Outputs;
use super::super::{Engine, drive};
use super::prepare::{Prepared, is_opened_late};
use super::{Changed, Changes};
use crate::config::plan::{Plan, RoutePlan};
use crate::output::{LifecycleEvent, Output};
use crate::telemetry::{self, FILTER_VARIABLE};

/// How long an output that was replaced may take to end what it has in flight; longer if its own
/// time-outs need it. After that its chunks go to its successor.
const REPLACED_TIMEOUT: Duration = Duration::from_secs(60);

impl Engine {
    /// Changes what runs to what was prepared.
    pub(super) fn commit(&mut self, prepared: Prepared) -> Changes {
        let Prepared {
            plan,
            changes,
            stamps,
            outputs,
            ways,
            filters,
            inputs,
        } = prepared;
        self.tools.commons.tell(LifecycleEvent::Reload);
        let gone = self.replace_outputs(&changes.outputs, &outputs);
        let removed = self.replace_routes(&plan, &changes, |plan| Driven {
            plan,
            ways: &ways[&plan.name],
            outputs: &outputs,
        });
        self.outputs = outputs;
        if !is_same_way(&self.plan, &plan, &changes) {
            self.replace_filters(filters);
        }
        // Not before: who waits there is to find another way.
        removed.into_iter().for_each(|route| self.abandon(route));
        self.close_gone(gone);
        for input in inputs {
            self.inputs.start_one(input, &self.intake, &self.tools);
        }
        self.replace_late_inputs(&plan, &changes.inputs);
        for name in &changes.inputs.removed {
            self.inputs.remove(name);
        }
        self.retired.retain(|route| !route.has_ended());
        change_log_filter(&self.plan, &plan);
        self.plan = plan;
        self.stamps = stamps;
        self.publish();
        changes
    }

    /// Puts changed outputs into their slots; gives those that nothing leads to any more.
    fn replace_outputs(&mut self, changes: &Changed, outputs: &Outputs) -> Outputs {
        for name in &changes.changed {
            let deadline = deadline(&self.outputs[name].output);
            let open = &outputs[name];
            let closed = open.slot.swap(open.output.clone(), deadline);
            self.replaced.spawn(closed);
        }
        let mut before = std::mem::take(&mut self.outputs);
        before.retain(|name, _| !outputs.contains_key(name));
        before
    }

    /// What is in flight to them ends first.
    fn close_gone(&self, gone: Outputs) {
        for open in gone.into_values() {
            let deadline = deadline(&open.output);
            open.slot.tell(LifecycleEvent::Reload);
            self.replaced
                .spawn(async move { open.slot.close(deadline).await });
        }
    }

    /// Keeps the routes that have not changed, and has others take over from those that have, or begin;
    /// gives those that the plan does not name.
    fn replace_routes<'d>(
        &mut self,
        plan: &'d Plan,
        changes: &Changes,
        driven: impl Fn(&'d RoutePlan) -> Driven<'d>,
    ) -> Vec<OpenRoute> {
        let renewed: HashSet<_> = changes.outputs.changed.iter().cloned().collect();
        let routes = std::mem::take(&mut self.routes).into_iter();
        let mut before: BTreeMap<_, _> =
            routes.map(|open| (open.plan.name.clone(), open)).collect();
        for plan in &plan.routes {
            let known = before.remove(&plan.name);
            let open = match known {
                Some(known) if changes.routes.keeps(&plan.name) => known,
                known => {
                    let known = known.or_else(|| self.abandoned.remove(&plan.name));
                    self.next_generation(known, driven(plan), &renewed)
                }
            };
            self.routes.push(open);
        }
        before.into_values().collect()
    }

    fn next_generation(
        &mut self,
        before: Option<OpenRoute>,
        driven: Driven<'_>,
        renewed: &HashSet<String>,
    ) -> OpenRoute {
        let holding = &self.holdings[&driven.plan.name];
        let next = || {
            self.tools
                .succeed(before.as_ref(), holding, driven, renewed, &self.catalog)
        };
        // There may be very many chunks to take over.
        let mut open = tokio::task::block_in_place(next);
        holding.take_up();
        drive(
            &mut open,
            &self.drivers,
            &self.stop_drivers,
            self.tools.clock,
        );
        self.retired.extend(before.map(|before| before.route));
        open
    }

    /// Delivers nothing of a route any more, and keeps what it has.
    fn abandon(&mut self, open: OpenRoute) {
        let name = &open.plan.name;
        open.route.retire();
        open.stop_expiry.cancel();
        let now_ns = self.tools.clock.now().unix_ns;
        open.route.chunks.seal_staged(SealReason::Request, now_ns);
        self.holdings[name].abandon();
        let held = open.route.chunks.totals();
        tracing::warn!(
            route = name,
            chunks = held.staged_chunks + held.sealed_chunks,
            "the configuration does not name the route any more; its events are kept"
        );
        self.retired.push(open.route.clone());
        self.abandoned.insert(name.clone(), open);
    }

    /// Leads the intake to the routes of now, through `filters`.
    fn replace_filters(&mut self, filters: Vec<OpenFilter>) {
        let router = router(&self.routes, &self.intake_stats);
        let (filters, accept) = Filters::before(router, filters, self.tools.clock);
        let before = std::mem::replace(&mut self.filters, filters);
        let left = self.intake.lead_to(accept);
        before.stop_ticking();
        self.filters.start();
        let heir = self.filters.strain();
        self.leaving.spawn(async move {
            left.wait().await;
            before.close(heir).await;
        });
    }

    fn replace_late_inputs(&mut self, plan: &Plan, changes: &Changed) {
        for (name, plan) in &plan.inputs {
            if is_opened_late(plan) && !changes.keeps(name) {
                self.inputs
                    .start_after(name, plan, &self.registry, &self.intake, &self.tools);
            }
        }
    }
}

/// What the environment or the operator has chosen stays, unless the configuration says something else
/// than before.
fn change_log_filter(before: &Plan, after: &Plan) {
    let filter = &after.log.filter;
    if before.log.filter == *filter || std::env::var_os(FILTER_VARIABLE).is_some() {
        return;
    }
    if let Err(error) = telemetry::set_filter(filter) {
        tracing::warn!(%error, filter, "the log's filter stays as it was");
    }
}

/// Whether batches go through the same filters to the same routes.
fn is_same_way(before: &Plan, after: &Plan, changes: &Changes) -> bool {
    let routes = |plan: &Plan| -> Vec<String> {
        plan.routes.iter().map(|route| route.name.clone()).collect()
    };
    changes.routes.is_nothing()
        && routes(before) == routes(after)
        && before.filters == after.filters
}

/// When an output that is replaced now is closed at the latest.
fn deadline(output: &Output) -> Instant {
    Instant::now() + output.time_needed().max(REPLACED_TIMEOUT)
}
