//! The engine: everything put together, started, driven and stopped.
//!
//! Order of a start: store (which takes the directory's lock and recovers), catalogue, outputs,
//! inputs' sockets; then the route drivers, and the inputs last, so that nothing is taken in
//! before it can be kept. Order of a stop: inputs, filters, what they gave is synced,
//! deliveries until the deadline, outputs, store. What is not delivered by then stays on disk.

use std::sync::Arc;
use std::time::Duration;

use forebay_storage::{SealReason, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::buffer::{DeadLetterBounds, Intake};
use crate::clock::Clock;
use crate::config::plan::Plan;
use crate::filter::Strain;
use crate::input::InputContext;
use crate::output::LifecycleEvent;
use crate::registry::{Commons, Registry};
use control::{Control, Controller};

mod bury;
pub mod control;
pub mod dead_letters;
mod descriptors;
mod direct;
mod filters;
mod health;
mod inputs;
mod inspect;
mod observe;
mod open;
#[cfg(test)]
mod rig;
mod room;
mod route;
mod signals;
mod slot;
pub mod status;
mod topology;

pub use descriptors::raise_limit as raise_descriptor_limit;
use inputs::{OpenInput, RunningInputs};
use inspect::Inspector;
pub use open::Error;
use route::{Ended, RunningRoute};
use signals::{Signal, Signals};
use slot::Slot;
use status::{EnginePhase, Inspect};

/// An engine that has recovered what is on disk and holds its sockets, but takes nothing in yet.
pub struct Engine {
    clock: Clock,
    stop_timeout: Duration,
    store: Arc<Store>,
    routes: Vec<OpenRoute>,
    outputs: Vec<Arc<Slot>>,
    /// What outputs share.
    commons: Commons,
    inputs: Vec<OpenInput>,
    intake: Intake,
    /// The filters before the router, which the intake leads through; `None` if there are none.
    strain: Option<Arc<Strain>>,
    inspector: Arc<Inspector>,
    signals: Signals,
    /// Cancelled when senders are to be taken no more events from.
    stopping: CancellationToken,
}

/// A route and what its driver listens to.
struct OpenRoute {
    route: Arc<RunningRoute>,
    ended: mpsc::UnboundedReceiver<Ended>,
    flush_at_shutdown: bool,
    /// Deletes dead letters that are older than this, if the configuration wants it.
    dead_expiry: Option<(DeadLetterBounds, Duration)>,
}

/// Filters that are called when their time comes.
struct Ticking {
    strain: Arc<Strain>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
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
    /// Opens everything that `plan` names, of the types in `registry`. From here on SIGTERM, SIGINT and SIGUSR1 are kept for
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error`] names what cannot be opened.
    pub async fn open(plan: Plan, registry: &Registry, clock: Clock) -> Result<Self, Error> {
        open::open(plan, registry, clock).await
    }

    /// Looks into the engine, for as long as anybody wants to.
    #[must_use]
    pub fn inspect(&self) -> Arc<dyn Inspect> {
        Arc::clone(&self.inspector) as Arc<dyn Inspect>
    }

    /// Changes the engine while it runs, for as long as anybody wants to.
    #[must_use]
    pub fn control(&self) -> Arc<dyn Control> {
        Arc::new(Controller::new(
            Arc::clone(&self.inspector),
            self.signals.asking(),
        ))
    }

    /// Takes events in and delivers them until SIGTERM or SIGINT, or until all inputs have come to their
    /// end and what they brought is delivered, as far as outputs can be reached; then stops in good order.
    pub async fn run(mut self) {
        let stop_drivers = CancellationToken::new();
        let drivers = TaskTracker::new();
        let mut routes = Vec::new();
        for OpenRoute {
            route,
            ended,
            flush_at_shutdown,
            dead_expiry,
        } in std::mem::take(&mut self.routes)
        {
            if let Some((bounds, age_max)) = dead_expiry {
                drivers.spawn(bury::expire(
                    bounds,
                    age_max,
                    self.clock,
                    stop_drivers.clone(),
                ));
            }
            drivers.spawn(Arc::clone(&route).drive(ended, stop_drivers.clone()));
            routes.push((route, flush_at_shutdown));
        }
        let mut filters = self.start_filters();
        let inputs = self.start_inputs();
        self.inspector.enter(EnginePhase::Running);
        tracing::info!(routes = routes.len(), "forebay runs");
        let stop = self.run_until_stop(&routes, inputs.sources.wait()).await;
        if stop != Stop::Asked {
            let is_asked = stop == Stop::AskedToDrain;
            tracing::info!(is_asked, "nothing comes any more; delivering what there is");
            let deadline = Instant::now() + self.stop_timeout;
            self.stop_inputs(&inputs, deadline).await;
            self.stop_filters(filters.take(), deadline).await;
            self.deliver_all(&routes).await;
        }
        let deadline = Instant::now() + self.stop_timeout;
        tracing::info!(timeout = ?self.stop_timeout, "stopping");
        for output in &self.outputs {
            output.tell(LifecycleEvent::Urgent { deadline });
        }
        self.commons.tell(LifecycleEvent::Urgent { deadline });
        self.stop_inputs(&inputs, deadline).await;
        self.stop_filters(filters, deadline).await;
        self.drain(&routes, deadline).await;
        stop_drivers.cancel();
        drivers.close();
        drivers.wait().await;
        self.close_outputs(deadline).await;
        for (route, _) in &routes {
            route.ended(deadline).await;
        }
        self.inspector.catalog.close(Duration::from_secs(1));
        tracing::info!("stopped");
    }

    /// Until somebody says stop, or nothing more can come because all inputs have `ended`.
    async fn run_until_stop(
        &mut self,
        routes: &[(Arc<RunningRoute>, bool)],
        ended: impl Future<Output = ()>,
    ) -> Stop {
        tokio::pin!(ended);
        loop {
            let signal = tokio::select! {
                signal = self.signals.next() => signal,
                () = &mut ended => return Stop::NothingComes,
            };
            match signal {
                Signal::Stop => return Stop::Asked,
                Signal::Drain => return Stop::AskedToDrain,
                Signal::Flush => {
                    tracing::info!("flushing all that is staged");
                    routes.iter().for_each(|(route, _)| route.flush_all());
                }
            }
        }
    }

    /// Has all that is stored delivered, to outputs that can be reached, unless somebody says stop.
    async fn deliver_all(&mut self, routes: &[(Arc<RunningRoute>, bool)]) {
        let now_ns = self.clock.now().unix_ns;
        for (route, _) in routes {
            route.chunks.seal_staged(SealReason::Shutdown, now_ns);
        }
        tokio::task::block_in_place(|| self.store.sync());
        let delivered = async {
            for (route, _) in routes {
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

    fn start_inputs(&mut self) -> RunningInputs {
        RunningInputs::start(std::mem::take(&mut self.inputs), |handle| InputContext {
            name: Arc::clone(&handle.name),
            intake: self.intake.clone(),
            stats: Arc::clone(&handle.stats),
            stop: self.stopping.clone(),
            clock: self.clock,
        })
    }

    /// Has the filters called when their time comes.
    fn start_filters(&self) -> Option<Ticking> {
        let strain = Arc::clone(self.strain.as_ref()?);
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&strain).drive(stop.clone()));
        Some(Ticking { strain, stop, task })
    }

    /// Has the filters say what they still have to say; it is stored as far as there is room.
    async fn stop_filters(&self, filters: Option<Ticking>, deadline: Instant) {
        let Some(Ticking { strain, stop, task }) = filters else {
            return;
        };
        stop.cancel();
        let closed = async {
            // A panic in it has been logged.
            let _ = task.await;
            strain.close(|_| false).await;
        };
        if tokio::time::timeout_at(deadline, closed).await.is_err() {
            tracing::warn!("filters did not stop in time; what they had gathered is lost");
        }
    }

    /// Takes no more events; what was taken in is acknowledged.
    async fn stop_inputs(&self, inputs: &RunningInputs, deadline: Instant) {
        self.inspector.enter(EnginePhase::Stopping);
        self.stopping.cancel();
        if tokio::time::timeout_at(deadline, inputs.ended())
            .await
            .is_err()
        {
            tracing::warn!("inputs did not stop in time; their last batches are not acknowledged");
        }
        tokio::task::block_in_place(|| self.store.sync());
    }

    /// Lets deliveries end, and starts those that `flush_at_shutdown` asks for.
    async fn drain(&self, routes: &[(Arc<RunningRoute>, bool)], deadline: Instant) {
        for (route, flush_at_shutdown) in routes {
            if *flush_at_shutdown {
                let now_ns = self.clock.now().unix_ns;
                route.chunks.seal_staged(SealReason::Shutdown, now_ns);
            } else {
                route.pause();
            }
        }
        tokio::task::block_in_place(|| self.store.sync());
        for (route, flush_at_shutdown) in routes {
            let done = route.drained(*flush_at_shutdown);
            if tokio::time::timeout_at(deadline, done).await.is_err() {
                route.pause();
                tracing::warn!(
                    route = %route.state.name,
                    "deliveries did not end in time; their chunks stay on disk"
                );
            }
        }
    }

    /// Closes all outputs at the same time.
    async fn close_outputs(&self, deadline: Instant) {
        let closing = self.outputs.iter().map(|output| output.close(deadline));
        futures_util::future::join_all(closing).await;
        if tokio::time::timeout_at(deadline, self.commons.close())
            .await
            .is_err()
        {
            tracing::warn!("what outputs share did not close in time");
        }
    }
}
