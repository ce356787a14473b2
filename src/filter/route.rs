//! Chooses the routes of events.
//!
//! ```yaml
//! errors_also_to_archive:
//!   type: route
//!   match: "app.error.**"
//!   add: archive          # beside the route that the tag leads to
//!   remove: []            # not to these
//!   # only: [archive]     # to these and no other, whatever the tag
//! ```
//!
//! Later filters may choose again. A route that the configuration does not have is refused at the
//! start. An event that is left without a route counts as unmatched.

use super::{Context, Failure, Filter, Verdict};
use crate::config::plan::RouteFilterPlan;
use crate::event::Event;

pub(super) struct RouteFilter {
    plan: RouteFilterPlan,
}

impl RouteFilter {
    pub(super) fn new(plan: RouteFilterPlan) -> Self {
        Self { plan }
    }
}

impl Filter for RouteFilter {
    fn apply(&self, _: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        let RouteFilterPlan { only, add, remove } = &self.plan;
        if let Some(only) = only {
            context.routes.replace(only.iter().map(String::as_str))?;
        }
        for name in add {
            context.routes.add(name)?;
        }
        for name in remove {
            context.routes.remove(name)?;
        }
        Ok(Verdict::Keep)
    }
}
