//! Gives events other tags, by patterns on their fields.
//!
//! ```yaml
//! by_level:
//!   type: rewrite_tag
//!   match: "app.**"
//!   rules:
//!     - {key: level, pattern: "^(error|fatal)$", tag: "alert.$1.${tag[1]}"}
//!     - {key: message, pattern: "login", invert: true, tag: "quiet.${tag}"}
//! ```
//!
//! The first rule that matches decides; an event that none matches keeps its tag. `$1` to `$9` are
//! what the groups of the pattern matched, the other placeholders are those of
//! [`placeholder::event`](crate::placeholder::event). With `invert` the rule holds where the pattern
//! does not match. The event goes on to the filters below this one that match its new tag, not to
//! those above it.

use super::{Context, Failure, Filter, Verdict};
use crate::config::plan::{RewriteRule, RewriteTagPlan};
use crate::event::Event;

pub(super) struct RewriteTag {
    plan: RewriteTagPlan,
}

impl RewriteTag {
    pub(super) fn new(plan: RewriteTagPlan) -> Self {
        Self { plan }
    }
}

impl Filter for RewriteTag {
    fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
        let tag = self.plan.rules.iter().find_map(|rule| new_tag(rule, event));
        if let Some(tag) = tag {
            event.set_tag(tag)?;
        }
        Ok(Verdict::Keep)
    }
}

/// The tag that a rule gives; `None` if it does not hold.
fn new_tag(rule: &RewriteRule, event: &Event) -> Option<String> {
    let value = event.find(&rule.field.key).unwrap_or_default();
    let text = value.to_text();
    match (rule.field.pattern.captures(&text), rule.invert) {
        (Some(found), false) => {
            let groups = found.iter().skip(1);
            let groups: Vec<_> = groups
                .map(|group| group.map_or("", |group| group.as_str()))
                .collect();
            Some(rule.tag.render(event, &groups))
        }
        (None, true) => Some(rule.tag.render(event, &[])),
        _ => None,
    }
}
