//! The engine: everything put together, started, driven, changed and stopped.
//!
//! Order of a start: store (which takes the directory's lock and recovers), catalogue, outputs,
//! inputs' sockets; then the route drivers, and the inputs last, so that nothing is taken in
//! before it can be kept. Order of a stop: inputs, filters, what they gave is synced,
//! deliveries until the deadline, outputs, store. What is not delivered by then stays on disk.
//! How the configuration is changed meanwhile stands in `reload`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_storage::SealReason;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::buffer::{Intake, IntakeStats};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::plan::Plan;
use crate::output::LifecycleEvent;
use crate::registry::Registry;

mod build;
mod bury;
pub mod control;
pub mod dead_letters;
mod descriptors;
mod direct;
mod filters;
mod generation;
mod health;
mod holding;
pub mod hub;
mod inputs;
mod inspect;
mod notify;
mod observe;
mod open;
mod orders;
pub mod orphans;
mod outputs;
mod rates;
pub mod reload;
#[cfg(test)]
mod rig;
mod room;
mod route;
mod seat;
mod signals;
mod slot;
pub mod status;
mod topology;
pub mod verify;
pub mod watch;

use build::{OpenRoute, Tools};
use control::{Control, Controller};
pub use descriptors::raise_limit as raise_descriptor_limit;
use filters::Filters;
use holding::Holding;
use inputs::Inputs;
use inspect::Inspector;
use notify::Manager;
pub use open::Error;
use outputs::Outputs;
use reload::{Reload, Requests, Source, Stamps};
use route::RunningRoute;
use signals::{Signal, Signals};
use status::{EnginePhase, Inspect};
use topology::Topology;
use watch::Watch;

/// An engine that has recovered what is on disk and holds its sockets, but takes nothing in yet.
pub struct Engine {
    /// What runs, as it was configured.
    plan: Plan,
    /// What the files that it names were when they were read.
    stamps: Stamps,
    /// Where the plan is read again; `None`: nowhere.
    source: Option<Source>,
    handle: Reload,
    requests: Requests,
    registry: Arc<Registry>,
    tools: Tools,
    catalog: Catalog,
    outputs: Outputs,
    /// All routes that were ever opened, by name.
    holdings: BTreeMap<String, Arc<Holding>>,
    routes: Vec<OpenRoute>,
    /// Routes as they were before, which may still have something in flight.
    retired: Vec<Arc<RunningRoute>>,
    filters: Filters,
    intake: Intake,
    intake_stats: Arc<IntakeStats>,
    inputs: Inputs,
    inspector: Arc<Inspector>,
    signals: Signals,
    drivers: TaskTracker,
    stop_drivers: CancellationToken,
    /// Routes that the configuration named before, by name.
    abandoned: BTreeMap<String, OpenRoute>,
    /// Filters that were replaced and have not ended yet.
    leaving: TaskTracker,
    /// Outputs that were replaced and have not ended yet.
    replaced: TaskTracker,
}

/// Why the engine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// By a signal.
    Asked,
    /// By a signal, after everything that can be delivered is delivered.
    AskedToDrain,
    /// All inputs have ended.
    NothingComes,
}

impl Engine {
    /// Opens everything that `plan` names, of the types in `registry`. From here on SIGTERM, SIGINT, SIGUSR1 and SIGHUP are
    /// kept for [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error`] names what cannot be opened.
    pub async fn open(plan: Plan, registry: &Registry, clock: Clock) -> Result<Self, Error> {
        open::open(plan, registry, clock).await
    }

    /// The same engine, which reads its plan from `source` again when it is told to reload.
    #[must_use]
    pub fn reloading_from(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Looks into the engine, for as long as anybody wants to.
    #[must_use]
    pub fn inspect(&self) -> Arc<dyn Inspect> {
        Arc::clone(&self.inspector) as Arc<dyn Inspect>
    }

    /// Listens in, for as long as anybody wants to.
    #[must_use]
    pub fn watch(&self) -> Arc<dyn Watch> {
        Arc::clone(&self.inspector) as Arc<dyn Watch>
    }

    /// Changes the engine while it runs, for as long as anybody wants to.
    #[must_use]
    pub fn control(&self) -> Arc<dyn Control> {
        Arc::new(Controller::new(
            Arc::clone(&self.inspector),
            self.signals.asking(),
        ))
    }

    /// Has the engine reload its configuration, for as long as it runs.
    #[must_use]
    pub fn reload_handle(&self) -> Reload {
        self.handle.clone()
    }

    /// Takes events in and delivers them until SIGTERM or SIGINT, or until all inputs have come to their
    /// end and what they brought is delivered, as far as outputs can be reached; then stops in good order.
    pub async fn run(mut self) {
        for route in &mut self.routes {
            drive(route, &self.drivers, &self.stop_drivers, self.tools.clock);
        }
        self.filters.start();
        self.inputs.start(&self.intake, &self.tools);
        self.inspector.enter(EnginePhase::Running);
        tracing::info!(routes = self.routes.len(), "forebay runs");
        let manager = Manager::of_process();
        manager.ready();
        let watched = manager.watch(Arc::clone(&self.inspector) as Arc<dyn Inspect>);
        let stop = self.run_until_stop(&manager).await;
        if stop != Stop::Asked {
            let is_asked = stop == Stop::AskedToDrain;
            tracing::info!(is_asked, "nothing comes any more; delivering what there is");
            let deadline = self.deadline();
            self.stop_inputs(deadline).await;
            self.stop_filters(deadline).await;
            self.deliver_all().await;
        }
        manager.stopping();
        self.stop().await;
        drop(watched);
        tracing::info!("stopped");
    }

    async fn stop(mut self) {
        let deadline = self.deadline();
        tracing::info!(timeout = ?self.plan.stop_timeout, "stopping");
        for output in self.outputs.values() {
            output.slot.tell(LifecycleEvent::Urgent { deadline });
        }
        self.tools.commons.tell(LifecycleEvent::Urgent { deadline });
        self.stop_inputs(deadline).await;
        self.stop_filters(deadline).await;
        self.drain(deadline).await;
        self.stop_drivers.cancel();
        self.drivers.close();
        self.drivers.wait().await;
        self.close_outputs(deadline).await;
        for route in self.all_routes() {
            route.ended(deadline).await;
        }
        self.inspector.catalog.close(Duration::from_secs(1));
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.plan.stop_timeout
    }

    /// The routes of now, and those of before that may still have something in flight.
    fn all_routes(&self) -> impl Iterator<Item = &Arc<RunningRoute>> {
        let running = self.routes.iter().map(|open| &open.route);
        running.chain(&self.retired)
    }

    /// Shows what runs now to whoever looks in.
    fn publish(&self) {
        let is_named = |name: &String| self.routes.iter().any(|open| open.plan.name == *name);
        let holdings = self.holdings.iter().filter(|(name, _)| !is_named(name));
        self.inspector.live.put(Topology {
            plans: self.routes.iter().map(|open| open.plan.clone()).collect(),
            routes: self
                .routes
                .iter()
                .map(|open| Arc::clone(&open.route))
                .collect(),
            inputs: self.inputs.handles(),
            filters: self.filters.handles(),
            abandoned: holdings
                .map(|(name, holding)| (name.clone(), Arc::clone(holding)))
                .collect(),
        });
    }

    /// Until somebody says stop, or nothing more can come because all inputs have ended.
    async fn run_until_stop(&mut self, manager: &Manager) -> Stop {
        loop {
            let signal = tokio::select! {
                signal = self.signals.next() => signal,
                Some(request) = self.requests.next() => {
                    let answer = self.reload(manager).await;
                    request.answer(answer);
                    continue;
                }
                () = self.inputs.sources_ended() => return Stop::NothingComes,
            };
            match signal {
                Signal::Stop => return Stop::Asked,
                Signal::Drain => return Stop::AskedToDrain,
                Signal::Reload => drop(self.reload(manager).await),
                Signal::Flush => self.flush(),
            }
        }
    }

    fn flush(&self) {
        tracing::info!("flushing all that is staged");
        self.routes.iter().for_each(|open| open.route.flush_all());
    }

    /// Has all that is stored delivered, to outputs that can be reached, unless somebody says stop.
    async fn deliver_all(&mut self) {
        let now_ns = self.tools.clock.now().unix_ns;
        for open in &self.routes {
            open.route.chunks.seal_staged(SealReason::Shutdown, now_ns);
        }
        tokio::task::block_in_place(|| self.tools.store.sync());
        let routes: Vec<_> = self.all_routes().cloned().collect();
        let delivered = async {
            for route in routes {
                route.drained(true).await;
            }
        };
        tokio::pin!(delivered);
        loop {
            tokio::select! {
                () = &mut delivered => return,
                signal = self.signals.next() => if signal == Signal::Stop {
                    return;
                },
            }
        }
    }

    /// Has the filters say what they still have to say; it is stored as far as there is room.
    async fn stop_filters(&mut self, deadline: Instant) {
        std::mem::take(&mut self.filters).close_by(deadline).await;
        self.leaving.close();
        if tokio::time::timeout_at(deadline, self.leaving.wait())
            .await
            .is_err()
        {
            tracing::warn!("filters that were replaced did not stop in time");
        }
    }

    /// Takes no more events; what was taken in is acknowledged.
    async fn stop_inputs(&mut self, deadline: Instant) {
        self.inspector.enter(EnginePhase::Stopping);
        self.tools.stopping.cancel();
        self.inputs.let_go();
        if tokio::time::timeout_at(deadline, self.inputs.ended())
            .await
            .is_err()
        {
            tracing::warn!("inputs did not stop in time; their last batches are not acknowledged");
        }
        tokio::task::block_in_place(|| self.tools.store.sync());
    }

    /// Lets deliveries end, and starts those that `flush_at_shutdown` asks for.
    async fn drain(&self, deadline: Instant) {
        for open in &self.routes {
            if open.plan.buffer.flush_at_shutdown {
                let now_ns = self.tools.clock.now().unix_ns;
                open.route.chunks.seal_staged(SealReason::Shutdown, now_ns);
            } else {
                open.route.pause();
            }
        }
        tokio::task::block_in_place(|| self.tools.store.sync());
        for open in &self.routes {
            let all = open.plan.buffer.flush_at_shutdown;
            self.drain_route(&open.route, all, deadline).await;
        }
        for route in &self.retired {
            self.drain_route(route, false, deadline).await;
        }
    }

    async fn drain_route(&self, route: &RunningRoute, all: bool, deadline: Instant) {
        let done = route.drained(all);
        if tokio::time::timeout_at(deadline, done).await.is_err() {
            route.pause();
            tracing::warn!(
                route = %route.state.name,
                "deliveries did not end in time; their chunks stay on disk"
            );
        }
    }

    /// Closes all outputs at the same time.
    async fn close_outputs(&self, deadline: Instant) {
        let outputs = self.outputs.values();
        let closing = outputs.map(|output| output.slot.close(deadline));
        futures_util::future::join_all(closing).await;
        self.replaced.close();
        // What it has in flight by then is rolled back by its drop.
        let _ = tokio::time::timeout_at(deadline, self.replaced.wait()).await;
        if tokio::time::timeout_at(deadline, self.tools.commons.close())
            .await
            .is_err()
        {
            tracing::warn!("what outputs share did not close in time");
        }
    }
}

/// Starts a route's driver.
fn drive(open: &mut OpenRoute, drivers: &TaskTracker, stop: &CancellationToken, clock: Clock) {
    if let Some((bounds, age_max)) = open.dead_expiry.take() {
        open.stop_expiry = stop.child_token();
        let stop = open.stop_expiry.clone();
        drivers.spawn(bury::expire(bounds, age_max, clock, stop));
    }
    if let Some(ended) = open.ended.take() {
        drivers.spawn(Arc::clone(&open.route).drive(ended, stop.clone()));
    }
}
