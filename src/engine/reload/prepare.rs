//! Opening all that is new, while what runs goes on.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Engine;
use super::super::descriptors::Descriptors;
use super::super::filters::{Filters, OpenFilter};
use super::super::inputs::OpenInput;
use super::super::open::Recovery;
use super::super::outputs::{self, OpenOutput, Outputs};
use super::files::Stamps;
use super::{Changes, Error};
use crate::config::plan::{InputPlan, Plan};
use crate::output::{Instance, Output, Way};

/// Everything that the new configuration needs, open.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) changes: Changes,
    /// What the files were before they were read.
    pub(super) stamps: Stamps,
    /// All outputs; those that have changed still with what they were in their slots.
    pub(super) outputs: Outputs,
    /// The ways of each route's outputs.
    pub(super) ways: HashMap<String, Vec<Way>>,
    pub(super) filters: Vec<OpenFilter>,
    /// Inputs that are new or have changed, but for those that can be opened only when the one before
    /// has ended.
    pub(super) inputs: Vec<OpenInput>,
}

impl Engine {
    /// The plan with no more connections than there are descriptors.
    pub(super) fn fitted(&self, mut plan: Plan) -> Plan {
        Descriptors::of_process(plan.open_files_max).fit(&mut plan.inputs);
        plan
    }

    /// Opens all that `plan` has and the engine has not. What was opened is closed again if something
    /// cannot be.
    pub(super) async fn prepare(&mut self, plan: Plan) -> Result<Prepared, Error> {
        let stamps = Stamps::of(&plan);
        let changes = Changes::between(&self.plan, &plan, &self.stamps, &stamps);
        let mut opened = Vec::new();
        let prepared = self.open_all(plan, changes, stamps, &mut opened).await;
        if prepared.is_err() {
            close(opened).await;
        }
        prepared
    }

    async fn open_all(
        &mut self,
        plan: Plan,
        changes: Changes,
        stamps: Stamps,
        opened: &mut Vec<Output>,
    ) -> Result<Prepared, Error> {
        let outputs = self.open_outputs(&plan, &changes, opened).await?;
        let mut ways = HashMap::new();
        for route in &plan.routes {
            ways.insert(route.name.clone(), outputs::ways(route, &outputs)?);
        }
        let known = self.filters.again();
        let filters = Filters::open(&plan.filters, &known, &self.registry, &self.tools).await?;
        let inputs = self.open_inputs(&plan, &changes).await?;
        // Last, since a route of the store stays open.
        self.hold_new_routes(&plan, &outputs)?;
        Ok(Prepared {
            plan,
            changes,
            stamps,
            outputs,
            ways,
            filters,
            inputs,
        })
    }

    async fn open_outputs(
        &self,
        plan: &Plan,
        changes: &Changes,
        opened: &mut Vec<Output>,
    ) -> Result<Outputs, Error> {
        let mut all = BTreeMap::new();
        for (name, plan) in &plan.outputs {
            let known = self.outputs.get(name);
            if let Some(known) = known.filter(|_| changes.outputs.keeps(name)) {
                all.insert(name.clone(), known.clone());
                continue;
            }
            let tools = &self.tools;
            let opening = outputs::open(name, plan, &self.registry, &tools.commons, tools.clock);
            let output = opening.await?;
            opened.push(output.clone());
            let open = match known {
                Some(known) => OpenOutput {
                    slot: known.slot.clone(),
                    output,
                },
                None => OpenOutput::new(name, output),
            };
            all.insert(name.clone(), open);
        }
        Ok(all)
    }

    async fn open_inputs(&self, plan: &Plan, changes: &Changes) -> Result<Vec<OpenInput>, Error> {
        let mut opened = Vec::new();
        for (name, plan) in &plan.inputs {
            if changes.inputs.keeps(name) || is_opened_late(plan) {
                continue;
            }
            let opening = self
                .inputs
                .open_one(name, plan, &self.registry, &self.tools);
            opened.push(opening.await?);
        }
        Ok(opened)
    }

    /// Opens what is on disk of the routes that were not there before. It stays open, also if the reload
    /// comes to nothing: the next one finds it.
    fn hold_new_routes(&mut self, plan: &Plan, outputs: &Outputs) -> Result<(), Error> {
        for route in &plan.routes {
            if !self.holdings.contains_key(&route.name) {
                let synced = self.tools.store.begin_sync_files();
                let recovery = Recovery::of(route, outputs, &self.tools)?;
                self.tools
                    .load_repeats(std::slice::from_ref(&recovery), synced);
                let holding = recovery.holding.clone();
                self.holdings.insert(route.name.clone(), holding);
            }
        }
        Ok(())
    }
}

/// Whether there can be only one such input, so that it is opened when the one before has ended.
pub(super) fn is_opened_late(plan: &InputPlan) -> bool {
    matches!(plan, InputPlan::Internal(_))
}

/// Closes outputs that have been given nothing.
async fn close(outputs: Vec<Output>) {
    for output in outputs {
        let soon = Instant::now() + Duration::from_secs(1);
        let _ = tokio::time::timeout_at(soon, Instance::new(output).close(soon)).await;
    }
}
