//! What is different between what runs and what the configuration says now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::holding::Holding;
use super::files::{self, Stamps};
use crate::config::plan::{InputPlan, Plan, RoutePlan};

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changes {
    /// Of the inputs.
    pub inputs: Changed,
    /// Of the filters.
    pub filters: Changed,
    /// Of the routes; one whose output has changed has changed with it.
    pub routes: Changed,
    /// Of the outputs.
    pub outputs: Changed,
}

/// Names, by what became of what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changed {
    /// Not touched.
    pub kept: Vec<String>,
    /// There before and now, with other settings.
    pub changed: Vec<String>,
    /// New.
    pub added: Vec<String>,
    /// Gone.
    pub removed: Vec<String>,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("inputs", &self.inputs),
            ("filters", &self.filters),
            ("routes", &self.routes),
            ("outputs", &self.outputs),
        ];
        let mut separator = "";
        for (kind, changed) in kinds {
            let names = [
                ("changed", &changed.changed),
                ("added", &changed.added),
                ("removed", &changed.removed),
            ];
            for (what, names) in names.into_iter().filter(|(_, names)| !names.is_empty()) {
                write!(f, "{separator}{kind} {what}: {}", names.join(", "))?;
                separator = "; ";
            }
        }
        match separator {
            "" => f.write_str("nothing is different"),
            _ => Ok(()),
        }
    }
}

impl Changed {
    /// What becomes of the things `before` now that there are those of `after`.
    pub(super) fn between<'a, T: PartialEq + 'a>(
        before: impl IntoIterator<Item = (&'a String, &'a T)>,
        after: impl IntoIterator<Item = (&'a String, &'a T)>,
    ) -> Self {
        let mut before: BTreeMap<_, _> = before.into_iter().collect();
        let mut changed = Self::default();
        for (name, plan) in after {
            let names = match before.remove(name) {
                Some(known) if known == plan => &mut changed.kept,
                Some(_) => &mut changed.changed,
                None => &mut changed.added,
            };
            names.push(name.clone());
        }
        changed.removed = before.into_keys().cloned().collect();
        changed
    }

    /// Whether `name` is there as it was.
    pub(super) fn keeps(&self, name: &str) -> bool {
        self.kept.iter().any(|kept| kept == name)
    }

    /// Whether `name` was there and is different now.
    pub(super) fn changes(&self, name: &str) -> bool {
        self.changed.iter().any(|changed| changed == name)
    }

    /// Whether everything is as it was.
    pub(super) fn is_nothing(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }

    /// What was kept has changed after all.
    fn change(&mut self, name: &str) {
        if !self.keeps(name) {
            return;
        }
        self.kept.retain(|kept| kept != name);
        self.changed.push(name.to_owned());
        self.changed.sort();
    }
}

impl Changes {
    /// What becomes of what runs `before` when it is to be `after`, where the files that are named are
    /// as they were in `stamps` and are now as they are in `now`.
    pub(super) fn between(before: &Plan, after: &Plan, stamps: &Stamps, now: &Stamps) -> Self {
        let mut changes = Self {
            inputs: Changed::between(&before.inputs, &after.inputs),
            filters: Changed::between(
                before.filters.iter().map(|plan| (&plan.name, plan)),
                after.filters.iter().map(|plan| (&plan.name, plan)),
            ),
            routes: Changed::between(
                before.routes.iter().map(|plan| (&plan.name, plan)),
                after.routes.iter().map(|plan| (&plan.name, plan)),
            ),
            outputs: Changed::between(&before.outputs, &after.outputs),
        };
        for (name, plan) in &after.inputs {
            if now.differ(stamps, files::of_input(plan)) {
                changes.inputs.change(name);
            }
        }
        for (name, plan) in &after.outputs {
            if now.differ(stamps, files::of_output(plan)) {
                changes.outputs.change(name);
            }
        }
        for route in &after.routes {
            let is_other = |name: &String| changes.outputs.changes(name);
            if outputs(route).any(is_other) {
                changes.routes.change(&route.name);
            }
        }
        changes
    }
}

/// All outputs of a route.
pub(super) fn outputs(route: &RoutePlan) -> impl Iterator<Item = &String> {
    route.outputs.iter().chain(&route.secondary)
}

/// The settings that are different and that nothing but a restart can change.
pub(super) fn only_by_restart(
    before: &Plan,
    after: &Plan,
    holdings: &BTreeMap<String, Arc<Holding>>,
) -> Vec<String> {
    let of_the_whole = [
        ("data_dir", before.data_dir != after.data_dir),
        (
            "open_files_max",
            before.open_files_max != after.open_files_max,
        ),
        ("admin", before.admin != after.admin),
        ("log.format", before.log.json != after.log.json),
    ];
    let of_the_whole = of_the_whole.into_iter().filter(|(_, is_other)| *is_other);
    let mut settings: Vec<_> = of_the_whole.map(|(name, _)| name.to_owned()).collect();
    for (name, plan) in &before.inputs {
        // What has been read ahead of a line cannot be handed over.
        if let InputPlan::Stdin(_) = plan
            && after.inputs.get(name) != Some(plan)
        {
            settings.push(format!("inputs.{name} (it reads standard input)"));
        }
    }
    for route in &after.routes {
        let held = holdings.get(&route.name);
        if held.is_some_and(|held| held.deduplicate != route.buffer.deduplicate) {
            settings.push(format!("routes.{}.buffer.deduplicate", route.name));
        }
    }
    settings
}
