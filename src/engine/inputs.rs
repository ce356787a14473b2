//! An input and what is known of it from outside.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::plan::InputPlan;
use crate::input::InputStats;
use crate::registry::{BoundInput, BoxError};

/// An input that holds its socket and does not serve yet.
pub(super) struct OpenInput {
    pub(super) bound: BoundInput,
    pub(super) handle: InputHandle,
}

/// What is known of an input while it runs.
#[derive(Clone)]
pub(super) struct InputHandle {
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) listen: SocketAddr,
    pub(super) stats: Arc<InputStats>,
}

impl OpenInput {
    pub(super) async fn bind(name: &str, plan: &InputPlan) -> Result<Self, BoxError> {
        let bound = BoundInput::bind(plan).await?;
        let handle = InputHandle {
            name: name.into(),
            kind: bound.kind(),
            listen: bound.local_addr()?,
            stats: Arc::default(),
        };
        Ok(Self { bound, handle })
    }
}
