//! From a plan to a filter.

use super::counter::Counter;
use super::grep::Grep;
use super::heartbeat_watch::HeartbeatWatch;
use super::parser::Parser;
use super::record_transformer::RecordTransformer;
use super::rewrite_tag::RewriteTag;
use super::rollup::Rollup;
use super::route::RouteFilter;
use super::{Filter, Link};
use crate::clock::Now;
use crate::config::plan::{FilterKind, FilterPlan};

/// The filter that `plan` describes, from `now` on.
#[must_use]
pub fn open(plan: FilterPlan, now: Now) -> Link {
    let filter: Box<dyn Filter> = match plan.kind {
        FilterKind::Grep(plan) => Box::new(Grep::new(plan)),
        FilterKind::RecordTransformer(plan) => Box::new(RecordTransformer::new(plan)),
        FilterKind::Parser(plan) => Box::new(Parser::new(plan)),
        FilterKind::RewriteTag(plan) => Box::new(RewriteTag::new(plan)),
        FilterKind::Route(plan) => Box::new(RouteFilter::new(plan)),
        FilterKind::HeartbeatWatch(plan) => Box::new(HeartbeatWatch::new(plan, now)),
        FilterKind::Counter(plan) => Box::new(Counter::new(plan)),
        FilterKind::Rollup(plan) => Box::new(Rollup::new(plan)),
    };
    Link {
        name: plan.name.as_str().into(),
        matcher: plan.matcher,
        on_error: plan.on_error,
        filter,
        stats: Default::default(),
    }
}
