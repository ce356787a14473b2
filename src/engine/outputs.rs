//! The outputs that are open, by name, and the ways in which routes drive them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::open::Error;
use super::slot::Slot;
use crate::clock::Clock;
use crate::config::plan::{OutputPlan, RoutePlan};
use crate::output::{Output, Way};
use crate::registry::{Commons, Registry};

/// An output that is open.
#[derive(Clone)]
pub(super) struct OpenOutput {
    pub(super) slot: Arc<Slot>,
    /// What is, or is about to be, in the slot.
    pub(super) output: Output,
}

/// Outputs by name.
pub(super) type Outputs = BTreeMap<String, OpenOutput>;

/// Opens an output.
pub(super) async fn open(
    name: &str,
    plan: &OutputPlan,
    registry: &Registry,
    commons: &Commons,
    clock: Clock,
) -> Result<Output, Error> {
    let context = commons.context(name, clock);
    let opened = registry.open_output(plan, &context).await;
    opened.map_err(|source| Error::Output {
        name: name.to_owned(),
        source,
    })
}

impl OpenOutput {
    /// An output with a slot of its own.
    pub(super) fn new(name: &str, output: Output) -> Self {
        Self {
            slot: Arc::new(Slot::new(name, output.clone())),
            output,
        }
    }
}

/// How a route's outputs are driven; the secondary one, which is given chunks, is the last.
pub(super) fn ways(plan: &RoutePlan, outputs: &Outputs) -> Result<Vec<Way>, Error> {
    let way = |(name, is_buffered): (&String, bool)| {
        let way = outputs[name].output.way(is_buffered);
        way.map_err(|why| Error::Way {
            name: name.clone(),
            route: plan.name.clone(),
            why,
        })
    };
    let buffered = |name| (name, plan.has_buffer_section);
    let names = plan.outputs.iter().map(buffered);
    let secondary = plan.secondary.iter().map(|name| (name, true));
    names.chain(secondary).map(way).collect()
}
