//! Inputs, each with its own end, and what is known of them from outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::build::Tools;
use super::descriptors::connections_max;
use super::open::Error;
use crate::buffer::Intake;
use crate::config::plan::InputPlan;
use crate::input::{InputContext, InputStats, Sockets};
use crate::registry::{BoundInput, BoxError, Registry};

/// The type of inputs that only tell of the daemon.
const INTERNAL: &str = "internal";

/// An input that holds its socket and does not serve yet.
pub(super) struct OpenInput {
    plan: InputPlan,
    bound: BoundInput,
    sockets: Sockets,
    handle: InputHandle,
}

/// An input that serves.
struct LiveInput {
    plan: InputPlan,
    /// What it listens on, for a successor; with them the address stays taken.
    sockets: Sockets,
    handle: InputHandle,
    stop: CancellationToken,
    /// Its task.
    task: TaskTracker,
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

/// The inputs that there are.
#[derive(Default)]
pub(super) struct Inputs {
    /// Those that do not serve yet.
    opened: Vec<OpenInput>,
    live: BTreeMap<Arc<str>, LiveInput>,
    /// Those that have been told to stop by a reload.
    leaving: TaskTracker,
}

impl Inputs {
    /// Opens the inputs of `plans`.
    pub(super) async fn open(
        plans: &BTreeMap<String, InputPlan>,
        registry: &Registry,
        tools: &Tools,
    ) -> Result<Self, Error> {
        let mut inputs = Self::default();
        for (name, plan) in plans {
            let opened = inputs.open_one(name, plan, registry, tools).await?;
            inputs.opened.push(opened);
        }
        Ok(inputs)
    }

    /// Opens one input, on the sockets of one that serves if that listens on the same address.
    pub(super) async fn open_one(
        &self,
        name: &str,
        plan: &InputPlan,
        registry: &Registry,
        tools: &Tools,
    ) -> Result<OpenInput, Error> {
        let none = Sockets::default();
        let held = self.listening(name, plan).unwrap_or(&none);
        let context = tools.commons.context(name, tools.clock);
        let opened = async {
            let bound = registry.open_input_over(plan, &context, held).await?;
            let name = Arc::clone(&context.name);
            Ok(OpenInput {
                handle: self.handle(name, plan, bound.kind(), bound.local_addr()?),
                plan: plan.clone(),
                sockets: bound.sockets()?,
                bound,
            })
        };
        opened.await.map_err(|source: BoxError| Error::Input {
            name: name.to_owned(),
            source,
        })
    }

    /// The sockets of the input that listens where `plan` wants to; where the system chooses the port,
    /// those of the input of that name.
    fn listening(&self, name: &str, plan: &InputPlan) -> Option<&Sockets> {
        let wanted = listen(plan)?;
        let is_it = |(other, live): &(&Arc<str>, &LiveInput)| {
            listen(&live.plan) == Some(wanted) && (wanted.port() != 0 || ***other == *name)
        };
        self.live.iter().find(is_it).map(|(_, live)| &live.sockets)
    }

    /// What is counted goes on if the input is of the same type as before.
    fn handle(
        &self,
        name: Arc<str>,
        plan: &InputPlan,
        kind: &'static str,
        listen: Option<SocketAddr>,
    ) -> InputHandle {
        let before = self.live.get(&name).map(|live| &live.handle);
        let before = before.filter(|handle| handle.kind == kind);
        let stats = before.map_or_else(Arc::default, |handle| Arc::clone(&handle.stats));
        let connections_max = u64::try_from(connections_max(plan).unwrap_or(0)).unwrap_or(u64::MAX);
        stats.connections_max.store(connections_max, Relaxed);
        InputHandle {
            name,
            kind,
            listen,
            stats,
        }
    }

    /// All that were opened at the start begin to serve.
    pub(super) fn start(&mut self, intake: &Intake, tools: &Tools) {
        for input in std::mem::take(&mut self.opened) {
            self.start_one(input, intake, tools);
        }
    }

    /// An input begins to serve, in the place of the one of its name if there is one, which then ends.
    pub(super) fn start_one(&mut self, input: OpenInput, intake: &Intake, tools: &Tools) {
        let OpenInput {
            plan,
            bound,
            sockets,
            handle,
        } = input;
        let (name, kind) = (&*handle.name, handle.kind);
        match handle.listen {
            Some(listen) => tracing::info!(input = name, %listen, "input listens"),
            None => tracing::info!(input = name, kind, "input reads"),
        }
        let stop = tools.stopping.child_token();
        let task = TaskTracker::new();
        task.spawn(bound.run(context(&handle, &stop, intake, tools)));
        self.put(LiveInput {
            plan,
            sockets,
            handle,
            stop,
            task,
        });
    }

    /// An input that there can be only one of in a process: the new one is opened when the one before,
    /// which is about to be told to stop, has ended.
    pub(super) fn start_after(
        &mut self,
        name: &str,
        plan: &InputPlan,
        registry: &Arc<Registry>,
        intake: &Intake,
        tools: &Tools,
    ) {
        let is_one = |live: &&LiveInput| live.handle.kind == INTERNAL;
        let before = self.live.values().find(is_one);
        let before = before.map(|live| live.task.clone());
        let handle = self.handle(name.into(), plan, INTERNAL, None);
        let stop = tools.stopping.child_token();
        let (registry, to_open) = (Arc::clone(registry), plan.clone());
        let open_context = tools.commons.context(name, tools.clock);
        let context = context(&handle, &stop, intake, tools);
        let task = TaskTracker::new();
        task.spawn(async move {
            if let Some(before) = before {
                before.wait().await;
            }
            match registry.open_input(&to_open, &open_context).await {
                Ok(bound) => bound.run(context).await,
                Err(error) => tracing::error!(
                    input = &*open_context.name,
                    error = &*error as &dyn std::error::Error,
                    "cannot open the input again"
                ),
            }
        });
        self.put(LiveInput {
            plan: plan.clone(),
            sockets: Sockets::default(),
            handle,
            stop,
            task,
        });
    }

    /// The input of that name ends, and what it has taken in is acknowledged.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(input) = self.live.remove(name) {
            self.leave(input);
        }
    }

    fn put(&mut self, input: LiveInput) {
        input.task.close();
        let before = self.live.insert(Arc::clone(&input.handle.name), input);
        if let Some(before) = before {
            self.leave(before);
        }
    }

    fn leave(&self, input: LiveInput) {
        let LiveInput { stop, task, .. } = input;
        stop.cancel();
        self.leaving.spawn(async move { task.wait().await });
    }

    /// Holds no address any more: whoever connects to an input that has stopped is refused.
    pub(super) fn let_go(&mut self) {
        for input in self.live.values_mut() {
            input.sockets = Sockets::default();
        }
    }

    pub(super) fn handles(&self) -> Vec<InputHandle> {
        let opened = self.opened.iter().map(|input| &input.handle);
        let live = self.live.values().map(|input| &input.handle);
        opened.chain(live).cloned().collect()
    }

    /// Resolves when nothing more can come: none that brings something from outside serves. What only
    /// tells of the daemon goes with the others, unless there are no others.
    pub(super) fn sources_ended(&self) -> impl Future<Output = ()> + use<> {
        let is_echo = |input: &&LiveInput| input.handle.kind == INTERNAL;
        let has_sources = !self.live.values().all(|input| is_echo(&input));
        let sources = self.live.values();
        let sources = sources.filter(|input| !has_sources || !is_echo(input));
        let tasks: Vec<_> = sources.map(|input| input.task.clone()).collect();
        wait(tasks)
    }

    /// Waits until none serves.
    pub(super) async fn ended(&self) {
        let tasks = self.live.values().map(|input| input.task.clone()).collect();
        wait(tasks).await;
        self.leaving.close();
        self.leaving.wait().await;
    }
}

async fn wait(tasks: Vec<TaskTracker>) {
    for task in tasks {
        task.wait().await;
    }
}

fn context(
    handle: &InputHandle,
    stop: &CancellationToken,
    intake: &Intake,
    tools: &Tools,
) -> InputContext {
    InputContext {
        name: Arc::clone(&handle.name),
        intake: intake.of_input(&handle.name, &tools.taps),
        stats: Arc::clone(&handle.stats),
        stop: stop.clone(),
        clock: tools.clock,
    }
}

/// Where an input is to listen, if it does.
fn listen(plan: &InputPlan) -> Option<SocketAddr> {
    match plan {
        InputPlan::Forward(plan) => Some(plan.listen),
        InputPlan::Http(plan) => Some(plan.listen),
        InputPlan::Stdin(_)
        | InputPlan::Dummy(_)
        | InputPlan::Internal(_)
        | InputPlan::Other(_) => None,
    }
}
