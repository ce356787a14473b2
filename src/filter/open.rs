//! From a plan to a filter.

use super::Filter;
use super::counter::Counter;
use super::grep::Grep;
use super::heartbeat_watch::HeartbeatWatch;
use super::parser::Parser;
use super::record_transformer::RecordTransformer;
use super::rewrite_tag::RewriteTag;
use super::rollup::Rollup;
use super::route::RouteFilter;
use crate::clock::Now;
use crate::config::plan::FilterKind;

/// The filter of the kind `kind`, from `now` on; `None` if that is not built in.
#[must_use]
pub fn open(kind: FilterKind, now: Now) -> Option<Box<dyn Filter>> {
    Some(match kind {
        FilterKind::Grep(plan) => Box::new(Grep::new(plan)),
        FilterKind::RecordTransformer(plan) => Box::new(RecordTransformer::new(plan)),
        FilterKind::Parser(plan) => Box::new(Parser::new(plan)),
        FilterKind::RewriteTag(plan) => Box::new(RewriteTag::new(plan)),
        FilterKind::Route(plan) => Box::new(RouteFilter::new(plan)),
        FilterKind::HeartbeatWatch(plan) => Box::new(HeartbeatWatch::new(plan, now)),
        FilterKind::Counter(plan) => Box::new(Counter::new(plan)),
        FilterKind::Rollup(plan) => Box::new(Rollup::new(plan)),
        FilterKind::Other(_) => return None,
    })
}
