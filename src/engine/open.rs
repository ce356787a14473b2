//! Starting: from a plan to an engine, or an error that names what is wrong.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_storage::recovery::{Action, Step};
use forebay_storage::{
    ChunkId, ChunkInfo, EarlySync, OpenError, RealFs, Recovered, SlotState, Store, StoreOptions,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Engine;
use super::build::{Driven, OpenRoute, Tools};
use super::control::Replays;
use super::descriptors::Descriptors;
use super::filters::Filters;
use super::holding::Holding;
use super::inputs::Inputs;
use super::inspect::Inspector;
use super::orders::Orders;
use super::orphans::Orphans;
use super::outputs::{self, OpenOutput, Outputs};
use super::rates::Rates;
use super::reload;
use super::signals::Signals;
use super::status::EnginePhase;
use super::topology::Live;
use crate::buffer::{Intake, IntakeStats, Router};
use crate::catalog::{Catalog, RetryKey, RetryRecord};
use crate::clock::{Clock, random_u32};
use crate::config::plan::{Plan, RoutePlan};
use crate::flush::RetryState;
use crate::output::{NoWay, Way};
use crate::registry::{BoxError, Registry};
use crate::route::TagRouter;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory or a route in it cannot be opened.
    #[error("cannot open the data directory {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// An output cannot be opened.
    #[error("cannot open output {name}")]
    Output {
        /// Its name in the configuration.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// An output cannot be driven as a route asks.
    #[error("output {name} cannot be used by route {route}: {why}")]
    Way {
        /// The output's name in the configuration.
        name: String,
        /// The route's name in the configuration.
        route: String,
        /// Why not.
        why: NoWay,
    },
    /// A filter cannot be opened.
    #[error("cannot open filter {name}")]
    Filter {
        /// The filter.
        name: String,
        /// Why not.
        source: BoxError,
    },
    /// An input cannot be bound.
    #[error("cannot open input {name}")]
    Input {
        /// Its name in the configuration.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// The process cannot listen to signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

/// A route that has recovered.
pub(super) struct Recovery<'p> {
    pub(super) plan: &'p RoutePlan,
    /// How each of its outputs is driven, and the secondary one.
    pub(super) ways: Vec<Way>,
    pub(super) holding: Arc<Holding>,
    pub(super) recovered: Recovered,
}

/// Opens everything that `plan` names; see [`Engine::open`].
pub(super) async fn open(
    mut plan: Plan,
    registry: &Registry,
    clock: Clock,
) -> Result<Engine, Error> {
    let signals = Signals::listen().map_err(Error::Signals)?;
    let descriptors = Descriptors::of_process(plan.open_files_max);
    descriptors.fit(&mut plan.inputs);
    let stamps = reload::Stamps::of(&plan);
    let tools = tools(&plan, clock, descriptors)?;
    let outputs = open_outputs(&plan, registry, &tools).await?;
    let synced = tools.store.begin_sync_files();
    let recoveries = recover_routes(&plan, &outputs, &tools)?;
    warn_of_stranded_routes(&tools.store);
    tools.load_repeats(&recoveries, synced);
    let catalog = open_catalog(&tools, &recoveries);
    let holdings = recoveries
        .iter()
        .map(|route| (route.plan.name.clone(), Arc::clone(&route.holding)))
        .collect();
    let routes: Vec<_> = recoveries
        .into_iter()
        .map(|recovery| recovery.start(&tools, &outputs, &catalog))
        .collect();
    let intake_stats = Arc::new(IntakeStats {
        taps: Arc::clone(&tools.taps),
        ..IntakeStats::default()
    });
    let router = router(&routes, &intake_stats);
    let links = Filters::open(&plan.filters, &[], registry, &tools).await?;
    let (filters, accept) = Filters::before(router, links, clock);
    let intake = Intake::new(accept);
    let inputs = Inputs::open(&plan.inputs, registry, &tools).await?;
    let inspector = Inspector {
        clock,
        started: clock.now(),
        phase: Mutex::new(EnginePhase::Starting),
        store: Arc::clone(&tools.store),
        metrics_aliases: plan
            .admin
            .as_ref()
            .map_or_else(Vec::new, |admin| admin.metrics_aliases.clone()),
        open_files_max: descriptors.chunk_files,
        catalog: catalog.clone(),
        live: Live::default(),
        intake_stats: Arc::clone(&intake_stats),
        faults: Arc::clone(&tools.faults),
        reloads: Arc::default(),
        hub: Arc::clone(&tools.hub),
        orders: Arc::clone(&tools.orders),
        replays: Replays::default(),
        orphans: Orphans::default(),
        rates: Rates::since(clock.now().monotonic),
    };
    let (handle, requests) = reload::handle();
    let engine = Engine {
        plan,
        stamps,
        registry: Arc::new(registry.clone()),
        source: None,
        handle,
        requests,
        tools,
        catalog,
        outputs,
        holdings,
        routes,
        retired: Vec::new(),
        filters,
        intake,
        intake_stats,
        inputs,
        inspector: Arc::new(inspector),
        signals,
        drivers: TaskTracker::new(),
        stop_drivers: CancellationToken::new(),
        abandoned: BTreeMap::new(),
        leaving: TaskTracker::new(),
        replaced: TaskTracker::new(),
    };
    engine.publish();
    Ok(engine)
}

/// The store, which takes the data directory's lock, and what else there is one of.
fn tools(plan: &Plan, clock: Clock, descriptors: Descriptors) -> Result<Tools, Error> {
    let options = StoreOptions {
        dir: plan.data_dir.clone(),
        fs: Arc::new(RealFs),
        open_files_max: descriptors.chunk_files,
        id_seed: random_u32(),
        now_ns: clock.now().unix_ns,
        clock: Some(Arc::new(move || {
            u64::try_from(clock.now().monotonic.as_nanos()).unwrap_or(u64::MAX)
        })),
    };
    let path = plan.data_dir.clone();
    let store = Store::open(options).map_err(|source| Error::Store { path, source })?;
    Ok(Tools {
        clock,
        data_dir: plan.data_dir.clone(),
        hub: Arc::default(),
        orders: open_orders(&plan.data_dir),
        taps: Arc::default(),
        store: Arc::new(store),
        commons: Default::default(),
        faults: Arc::default(),
        stopping: CancellationToken::new(),
    })
}

async fn open_outputs(plan: &Plan, registry: &Registry, tools: &Tools) -> Result<Outputs, Error> {
    let mut opened = Outputs::new();
    for (name, plan) in &plan.outputs {
        let output = outputs::open(name, plan, registry, &tools.commons, tools.clock).await?;
        opened.insert(name.clone(), OpenOutput::new(name, output));
    }
    Ok(opened)
}

fn recover_routes<'p>(
    plan: &'p Plan,
    outputs: &Outputs,
    tools: &Tools,
) -> Result<Vec<Recovery<'p>>, Error> {
    let routes = plan.routes.iter();
    routes
        .map(|plan| Recovery::of(plan, outputs, tools))
        .collect()
}

/// The way of batches to the routes.
pub(super) fn router(routes: &[OpenRoute], stats: &Arc<IntakeStats>) -> Arc<Router> {
    let buffers = routes
        .iter()
        .map(|route| (route.plan.matcher.clone(), Arc::clone(&route.buffer)));
    Arc::new(Router::new(TagRouter::new(buffers), Arc::clone(stats)))
}

impl<'p> Recovery<'p> {
    /// Opens what is on disk of a route.
    pub(super) fn of(plan: &'p RoutePlan, outputs: &Outputs, tools: &Tools) -> Result<Self, Error> {
        let ways = outputs::ways(plan, outputs)?;
        let driven = Driven {
            plan,
            ways: &ways,
            outputs,
        };
        let (holding, recovered) = tools.hold(driven)?;
        Ok(Self {
            plan,
            ways,
            holding: Arc::new(holding),
            recovered,
        })
    }

    /// Tells the route's state of its chunks; its driver is still to be started.
    pub(super) fn start(self, tools: &Tools, outputs: &Outputs, catalog: &Catalog) -> OpenRoute {
        let state = self.holding.seat.now();
        let chunks = &self.recovered.chunks;
        chunks.iter().for_each(|chunk| state.found(chunk));
        if let Some(repeats) = &state.repeats {
            let remembered = &self.holding.stats.batches_remembered;
            remembered.store(repeats.len(), std::sync::atomic::Ordering::Relaxed);
        }
        let driven = Driven {
            plan: self.plan,
            ways: &self.ways,
            outputs,
        };
        tools.open(state, &self.holding, driven, catalog)
    }
}

impl Tools {
    /// Reads what the routes' chunks remember; `synced` was begun before they were recovered.
    pub(super) fn load_repeats(&self, recoveries: &[Recovery<'_>], synced: EarlySync) {
        let now_ns = self.clock.now().unix_ns;
        let loading: Vec<_> = recoveries
            .iter()
            .filter_map(|route| Some((route, route.holding.repeats.as_ref()?)))
            .collect();
        if loading.is_empty() {
            return;
        }
        // A repeat is acknowledged without a sync, so what it repeats must be durable. A killed
        // process may have left it in the page cache.
        let is_anything_there = loading
            .iter()
            .any(|(route, _)| !route.recovered.chunks.is_empty());
        let synced = match is_anything_there {
            true => synced.wait(&self.store),
            false => Ok(()),
        };
        if let Err(error) = &synced {
            tracing::warn!(%error, "cannot sync what is there; repeats of it will be stored again");
        }
        for (route, repeats) in loading {
            match synced {
                Ok(()) => repeats.load(&route.holding.chunks, &route.recovered.chunks, now_ns),
                Err(_) => repeats.loaded(now_ns),
            }
        }
    }
}

/// Opens the catalogue and hands what it knows to the routes.
fn open_catalog(tools: &Tools, recoveries: &[Recovery<'_>]) -> Catalog {
    let chunks = recoveries.iter().flat_map(|route| &route.recovered.chunks);
    let mut known: Vec<_> = chunks.map(|chunk| *chunk.id.as_bytes()).collect();
    known.sort_unstable();
    let known = Arc::new(known);
    let dir = tools.data_dir.join("catalogue");
    let opened = Catalog::open(&dir, move |id| known.binary_search(id).is_ok());
    for problem in &opened.problems {
        tracing::warn!(
            problem,
            "the catalogue is renewed; only retry history is lost"
        );
    }
    for route in recoveries {
        let history = history(route.plan, &opened.retries);
        route.holding.seat.now().remember(history);
    }
    opened.catalog
}

/// What the operator has told an earlier run.
fn open_orders(data_dir: &Path) -> Arc<Orders> {
    let (orders, problem) = Orders::open(Arc::new(RealFs), data_dir);
    if let Some(error) = problem {
        tracing::error!(
            %error,
            "cannot read what is held and paused: nothing is; the file is kept beside it"
        );
    }
    Arc::new(orders)
}

fn warn_of_stranded_routes(store: &Store) {
    match store.stranded_routes() {
        Ok(names) if names.is_empty() => {}
        Ok(names) => tracing::warn!(
            ?names,
            "routes on disk that the configuration does not name; their events are kept"
        ),
        Err(error) => tracing::warn!(%error, "cannot look for routes without configuration"),
    }
}

/// What the catalogue knows of a route's chunks, by chunk and index of the output.
fn history(
    plan: &RoutePlan,
    retries: &[(RetryKey, RetryRecord)],
) -> HashMap<(ChunkId, usize), RetryState> {
    let entry = |(key, record): &(RetryKey, RetryRecord)| {
        let output = plan
            .outputs
            .iter()
            .position(|output| *output == key.output)?;
        Some((
            (ChunkId::from_bytes(key.chunk_id), output),
            retry_state(record),
        ))
    };
    retries.iter().filter_map(entry).collect()
}

fn retry_state(record: &RetryRecord) -> RetryState {
    RetryState {
        failure_count: record.attempts,
        first_failure_ns: record.first_failure_ns,
        last_failure_ns: record.last_failure_ns,
        next_attempt_ns: record.next_attempt_ns,
        last_reason: record.last_reason.clone(),
        left: record
            .left
            .as_ref()
            .map(|left| left.iter().map(|(start, end)| *start..*end).collect()),
    }
}

/// Logs what recovery did with the chunks of a route with those outputs, if it did anything that
/// somebody should know of.
pub(super) fn report(route: &str, outputs: &[String], recovered: &Recovered) {
    for failure in &recovered.failures {
        tracing::error!(
            route,
            error = failure as &dyn std::error::Error,
            "recovery left a file"
        );
    }
    for step in recovered.steps.iter().filter(|step| is_notable(step)) {
        tracing::warn!(route, %step, "recovery");
    }
    tracing::info!(route, chunks = recovered.chunks.len(), "recovered");
    for (output, chunks) in owed_elsewhere(&recovered.chunks, outputs) {
        tracing::warn!(
            route,
            output,
            chunks,
            "chunks are owed to an output that the route does not have; they are kept, and count \
             against its limit, until it has"
        );
    }
}

/// Chunks by each output that they are owed to and that is not one of `outputs`.
fn owed_elsewhere<'c>(chunks: &'c [ChunkInfo], outputs: &[String]) -> BTreeMap<&'c str, u64> {
    let mut counts = BTreeMap::new();
    for chunk in chunks {
        let slots = chunk.destinations().iter().zip(&chunk.slots);
        slots
            .filter(|(name, slot)| slot.state == SlotState::Owed && !outputs.contains(name))
            .for_each(|(name, _)| *counts.entry(name.as_str()).or_default() += 1);
    }
    counts
}

fn is_notable(step: &Step) -> bool {
    match step.action {
        Action::Keep | Action::Resume | Action::Remove => false,
        Action::Seal | Action::Restore | Action::Quarantine | Action::Leave => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forebay_storage::{ChunkKey, ChunkMeta, Phase, SlotInfo};

    use super::*;
    use crate::engine::rig::{Mood, Rig};
    use crate::engine::status::ChunkState;

    fn chunk(slots: &[(&str, SlotState)]) -> ChunkInfo {
        let meta = ChunkMeta {
            route: "web".into(),
            destinations: slots.iter().map(|(name, _)| (*name).to_owned()).collect(),
            key: ChunkKey::default(),
            note: None,
        };
        let slot = |(_, state): &(&str, SlotState)| SlotInfo {
            state: *state,
            at_ns: 0,
            is_claimed: false,
        };
        ChunkInfo {
            id: ChunkId::from_bytes([1; 16]),
            meta: Arc::new(meta),
            phase: Phase::Queued,
            slots: slots.iter().map(slot).collect(),
            created_ns: 0,
            sealed: None,
            frame_count: 1,
            event_count: 1,
            payload_bytes: 1,
            data_bytes: 1,
            file_bytes: 1,
            time_range_ns: None,
        }
    }

    #[test]
    fn what_is_owed_to_an_output_that_the_route_does_not_have_is_counted_by_output() {
        use SlotState::{Delivered, Owed};
        let chunks = [
            chunk(&[("old", Owed), ("new", Owed)]),
            chunk(&[("old", Owed)]),
            chunk(&[("old", Delivered), ("new", Owed)]),
            chunk(&[("older", Owed)]),
        ];
        let counts = owed_elsewhere(&chunks, &["new".to_owned()]);
        assert_eq!(counts, BTreeMap::from([("old", 2), ("older", 1)]));
    }

    /// Each file is opened once at the start, which is half of what the start costs.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_small_chunks_remember_is_known_once_they_are_recovered() {
        const ROUTES: &str = "  web: {match: '**', to: out, buffer: {flush_mode: immediate}}";
        let rig = Rig::start(ROUTES, &["out"]).await;
        rig.to.set("out", Mood::Away);
        rig.send_batch("a", 1, b"id").await;
        rig.until("web", ChunkState::Queued, 1).await;
        let (dir, to) = rig.stop().await;
        let (plan, registry) = Rig::plan(&dir, &to, ROUTES, &["out"]);
        let clock = Clock::start();
        let tools = tools(&plan, clock, Descriptors::of_process(plan.open_files_max)).unwrap();
        let outputs = open_outputs(&plan, &registry, &tools).await.unwrap();
        let recoveries = recover_routes(&plan, &outputs, &tools).unwrap();
        let repeats = recoveries[0].holding.repeats.as_ref().unwrap();
        // Without `load`, which would open them.
        repeats.loaded(clock.now().unix_ns);
        assert_eq!(repeats.len(), 1);
    }
}
