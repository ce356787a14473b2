//! Keeps or drops events by patterns on their fields.
//!
//! ```yaml
//! only_trouble:
//!   type: grep
//!   keep: [{key: level, pattern: "^(warn|error)$"}]   # or `regexp`
//!   keep_if: all                                      # all of `keep` have to match, or any
//!   drop: [{key: "$.http.path", pattern: "^/healthz"}] # or `exclude`
//!   drop_if: any                                      # any of `drop` suffices, or all have to match
//! ```
//!
//! A field that is not there, or whose value is no text, number or truth value, matches as an empty
//! text. An event that both `keep` and `drop` want is dropped.

use std::borrow::Cow;

use super::{Context, Failure, Filter, Verdict};
use crate::config::plan::{FieldPattern, GrepPlan};
use crate::event::{Event, Value};

pub(super) struct Grep {
    plan: GrepPlan,
}

impl Grep {
    pub(super) fn new(plan: GrepPlan) -> Self {
        Self { plan }
    }

    fn is_kept(&self, event: &Event) -> bool {
        let GrepPlan {
            keep, keep_if_any, ..
        } = &self.plan;
        keep.is_empty() || matches(keep, *keep_if_any, event)
    }

    fn is_dropped(&self, event: &Event) -> bool {
        let GrepPlan {
            drop, drop_if_all, ..
        } = &self.plan;
        !drop.is_empty() && matches(drop, !*drop_if_all, event)
    }
}

impl Filter for Grep {
    fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
        match self.is_kept(event) && !self.is_dropped(event) {
            true => Ok(Verdict::Keep),
            false => Ok(Verdict::Block),
        }
    }
}

fn matches(patterns: &[FieldPattern], is_any: bool, event: &Event) -> bool {
    let matches = |field: &FieldPattern| {
        let value = event.find(&field.key).unwrap_or_default();
        field.pattern.is_match(&text(&value))
    };
    match is_any {
        true => patterns.iter().any(matches),
        false => patterns.iter().all(matches),
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Array(_) | Value::Map(_) | Value::Ext(..) => "".into(),
        other => other.to_text(),
    }
}
