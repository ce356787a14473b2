//! Adds, removes and renames fields.
//!
//! ```yaml
//! tidy:
//!   type: record_transformer
//!   add: {host: "${hostname}", source: "${tag[1]}", code: "${$.http.status}"}   # or `record`
//!   keep: [level, message]      # only these stay (and what is added); or `keep_keys`
//!   remove: [password, "$.http.cookie"]                                         # or `remove_keys`
//!   rename: {msg: message}
//! ```
//!
//! The values of `add` are made from the event as it came, with the placeholders of
//! [`placeholder::event`](crate::placeholder::event); one that is a single field keeps that field's
//! type, and is left out if the event has no such field. Then `keep`, `remove`, `rename` and `add` are
//! done in this order.

use super::{Context, Failure, Filter, Verdict};
use crate::config::plan::RecordTransformerPlan;
use crate::event::Event;

pub(super) struct RecordTransformer {
    plan: RecordTransformerPlan,
}

impl RecordTransformer {
    pub(super) fn new(plan: RecordTransformerPlan) -> Self {
        Self { plan }
    }
}

impl Filter for RecordTransformer {
    fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
        let RecordTransformerPlan {
            add,
            keep,
            remove,
            rename,
        } = &self.plan;
        let added: Vec<_> = add
            .iter()
            .filter_map(|(name, template)| Some((name, template.value(event)?)))
            .collect();
        let record = event.record_mut();
        if !keep.is_empty() {
            let is_kept = |name: &str| keep.iter().any(|kept| kept == name);
            record.retain(|name, _| name.as_str().is_some_and(is_kept));
        }
        for path in remove {
            record.take(path);
        }
        for (from, to) in rename {
            record.rename(from, to);
        }
        for (name, value) in added {
            record.insert(name.as_str(), value);
        }
        Ok(Verdict::Keep)
    }
}
