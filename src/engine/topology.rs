//! What runs now, as it was configured: read by whoever looks in, replaced as a whole by a reload.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::filters::FilterHandle;
use super::holding::Holding;
use super::inputs::InputHandle;
use super::route::RunningRoute;
use crate::config::plan::RoutePlan;

/// What runs at one moment.
#[derive(Clone, Default)]
pub(super) struct Topology {
    /// The plans of `routes`, in the same order.
    pub(super) plans: Vec<RoutePlan>,
    pub(super) routes: Vec<Arc<RunningRoute>>,
    pub(super) inputs: Vec<InputHandle>,
    pub(super) filters: Vec<FilterHandle>,
    /// Routes that the configuration named when the daemon was started or later, and names no more, by
    /// name. Their chunks are kept; nobody delivers them.
    pub(super) abandoned: BTreeMap<String, Arc<Holding>>,
}

impl Topology {
    /// The route of that name.
    pub(super) fn route(&self, name: &str) -> Option<&Arc<RunningRoute>> {
        self.routes.iter().find(|route| &*route.state.name == name)
    }
}

/// Where the topology of now is found.
#[derive(Default)]
pub(super) struct Live(RwLock<Arc<Topology>>);

impl Live {
    /// What runs now; it may be replaced while it is looked at.
    pub(super) fn now(&self) -> Arc<Topology> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this is what runs.
    pub(super) fn put(&self, topology: Topology) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
    }
}
