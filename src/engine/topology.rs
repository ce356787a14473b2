//! What runs now, as it was configured: read by whoever looks in, replaced as a whole by a reload.

use std::sync::{Arc, PoisonError, RwLock};

use super::filters::FilterHandle;
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
}

impl Topology {
    /// The route of that name.
    pub(super) fn route(&self, name: &str) -> Option<&Arc<RunningRoute>> {
        self.routes.iter().find(|route| &*route.state.name == name)
    }
}

/// Where the topology of now is found.
pub(super) struct Live(RwLock<Arc<Topology>>);

impl Live {
    pub(super) fn new(topology: Topology) -> Self {
        Self(RwLock::new(Arc::new(topology)))
    }

    /// What runs now; it may be replaced while it is looked at.
    pub(super) fn now(&self) -> Arc<Topology> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this is what runs.
    #[expect(dead_code, reason = "the reload of a configuration calls it")]
    pub(super) fn put(&self, topology: Topology) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
    }
}
