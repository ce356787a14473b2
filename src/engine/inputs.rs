//! An input and what is known of it from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio_util::task::TaskTracker;

use super::descriptors::connections_max;
use crate::config::plan::InputPlan;
use crate::input::{InputContext, InputStats};
use crate::registry::{BoundInput, BoxError, OpenContext, Registry};

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
    /// Where it listens, if it does.
    pub(super) listen: Option<SocketAddr>,
    pub(super) stats: Arc<InputStats>,
}

/// Inputs that serve.
pub(super) struct RunningInputs {
    /// Those that bring something from outside.
    pub(super) sources: TaskTracker,
    /// Those that only tell of the daemon, and go with the others.
    pub(super) echoes: TaskTracker,
}

impl RunningInputs {
    /// `inputs` begin to serve, each with a context for its handle.
    pub(super) fn start(
        inputs: Vec<OpenInput>,
        context: impl Fn(&InputHandle) -> InputContext,
    ) -> Self {
        let (sources, echoes) = (TaskTracker::new(), TaskTracker::new());
        let is_echo = |input: &OpenInput| input.handle.kind == "internal";
        let has_sources = inputs.iter().any(|input| !is_echo(input));
        for input in inputs {
            let (input_name, kind) = (&*input.handle.name, input.handle.kind);
            match input.handle.listen {
                Some(listen) => tracing::info!(input = input_name, %listen, "input listens"),
                None => tracing::info!(input = input_name, kind, "input reads"),
            }
            let tracker = match has_sources && is_echo(&input) {
                true => &echoes,
                false => &sources,
            };
            tracker.spawn(input.bound.run(context(&input.handle)));
        }
        sources.close();
        echoes.close();
        Self { sources, echoes }
    }

    /// Waits until none serves.
    pub(super) async fn ended(&self) {
        self.sources.wait().await;
        self.echoes.wait().await;
    }
}

impl OpenInput {
    pub(super) async fn open(
        plan: &InputPlan,
        registry: &Registry,
        context: &OpenContext,
    ) -> Result<Self, BoxError> {
        let bound = registry.open_input(plan, context).await?;
        let stats = InputStats::default();
        let connections_max = u64::try_from(connections_max(plan).unwrap_or(0)).unwrap_or(u64::MAX);
        stats.connections_max.store(connections_max, Relaxed);
        let handle = InputHandle {
            name: Arc::clone(&context.name),
            kind: bound.kind(),
            listen: bound.local_addr()?,
            stats: Arc::new(stats),
        };
        Ok(Self { bound, handle })
    }
}
