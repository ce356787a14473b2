//! Starting: from a plan to an engine, or an error that names what is wrong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_storage::recovery::{Action, Step};
use forebay_storage::{
    ChunkId, ChunkInfo, OpenError, RealFs, Recovered, Route, RouteOptions, SlotState, Store,
    StoreOptions,
};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::descriptors::Descriptors;
use super::direct::DirectWay;
use super::filters::FilterHandle;
use super::health::Faults;
use super::inputs::OpenInput;
use super::inspect::Inspector;
use super::observe::{DeadLetterState, RouteState};
use super::room::Parked;
use super::route::{Destination, Dropper, LastResorts, RunningRoute};
use super::signals::Signals;
use super::slot::Slot;
use super::status::EnginePhase;
use super::topology::{Live, Topology};
use super::{Engine, OpenRoute};
use crate::buffer::{
    Accept, DeadLetterBounds, Direct, Evict, Intake, IntakeStats, PassOn, Repeats, Room,
    RouteBuffer, RouteStats, Router,
};
use crate::catalog::{Catalog, RetryKey, RetryRecord};
use crate::chunk_key::Zone;
use crate::clock::{Clock, random_u32, random_u64};
use crate::config::plan::{BufferPlan, DeadLetterOverflow, Plan, RoutePlan};
use crate::filter::{Chain, Strain};
use crate::flush::{DestinationPolicy, DestinationStats, FlushPolicy, RetryState, Scheduler};
use crate::output::{NoWay, Output, Way};
use crate::registry::{BoxError, Commons, Registry};
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
struct Recovery<'p> {
    plan: &'p RoutePlan,
    /// How each of its outputs is driven, and the secondary one.
    ways: Vec<Way>,
    state: Arc<RouteState>,
    chunks: Route,
    recovered: Recovered,
    dead_letters: Route,
    dead_room: Arc<Room>,
}

/// An output that is opened, and how long a deferred delivery to it may take.
struct OpenOutput {
    slot: Arc<Slot>,
    output: Output,
}

/// What the parts of a start share.
struct Opening<'p> {
    plan: &'p Plan,
    clock: Clock,
    store: Arc<Store>,
    outputs: BTreeMap<String, OpenOutput>,
    commons: Commons,
    faults: Arc<Faults>,
    stopping: CancellationToken,
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
    let opening = Opening::new(&plan, registry, clock, descriptors).await?;
    let recoveries = opening.recover_routes()?;
    opening.warn_of_stranded_routes();
    opening.load_repeats(&recoveries);
    let catalog = opening.open_catalog(&recoveries);
    let mut routes = Vec::new();
    let mut buffers = Vec::new();
    for recovery in recoveries {
        let matcher = recovery.plan.matcher.clone();
        let (route, buffer) = opening.start_route(recovery, &catalog);
        routes.push(route);
        buffers.push((matcher, Arc::new(buffer)));
    }
    let intake_stats = Arc::new(IntakeStats::default());
    let router = Router::new(TagRouter::new(buffers), Arc::clone(&intake_stats));
    let router = Arc::new(router);
    let (strain, filters) = opening.open_filters(registry, &router).await?;
    let intake = match &strain {
        Some(strain) => Intake::new(Arc::clone(strain) as Arc<dyn Accept>),
        None => Intake::new(router),
    };
    let inputs = opening.open_inputs(registry).await?;
    let inspector = Inspector {
        clock,
        started: clock.now(),
        phase: Mutex::new(EnginePhase::Starting),
        store: Arc::clone(&opening.store),
        metrics_aliases: plan
            .admin
            .as_ref()
            .map_or_else(Vec::new, |admin| admin.metrics_aliases.clone()),
        open_files_max: descriptors.chunk_files,
        catalog,
        live: Live::new(Topology {
            plans: plan.routes.clone(),
            routes: routes.iter().map(|open| Arc::clone(&open.route)).collect(),
            inputs: inputs.iter().map(|input| input.handle.clone()).collect(),
            filters,
        }),
        intake_stats,
        faults: Arc::clone(&opening.faults),
    };
    Ok(Engine {
        clock,
        stop_timeout: plan.stop_timeout,
        store: opening.store,
        routes,
        outputs: opening
            .outputs
            .into_values()
            .map(|output| output.slot)
            .collect(),
        commons: opening.commons,
        inputs,
        intake,
        strain,
        inspector: Arc::new(inspector),
        signals,
        stopping: opening.stopping,
    })
}

impl<'p> Opening<'p> {
    async fn new(
        plan: &'p Plan,
        registry: &Registry,
        clock: Clock,
        descriptors: Descriptors,
    ) -> Result<Self, Error> {
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
        let commons = Commons::default();
        let mut outputs = BTreeMap::new();
        for (name, output) in &plan.outputs {
            let context = commons.context(name, clock);
            let opened = registry.open_output(output, &context).await;
            let output = opened.map_err(|source| Error::Output {
                name: name.clone(),
                source,
            })?;
            let slot = Arc::new(Slot::new(name, output.clone()));
            outputs.insert(name.clone(), OpenOutput { slot, output });
        }
        Ok(Self {
            outputs,
            commons,
            plan,
            clock,
            store: Arc::new(store),
            faults: Arc::default(),
            stopping: CancellationToken::new(),
        })
    }

    fn recover_routes(&self) -> Result<Vec<Recovery<'p>>, Error> {
        let path = &self.plan.data_dir;
        let recover = |plan: &'p RoutePlan| {
            let ways = self.ways(plan)?;
            let recovered = self.recover_route(plan, ways);
            recovered.map_err(|source| Error::Store {
                path: path.clone(),
                source,
            })
        };
        self.plan.routes.iter().map(recover).collect()
    }

    /// How the route's outputs are driven; the secondary one, which is given chunks, is the last.
    fn ways(&self, plan: &RoutePlan) -> Result<Vec<Way>, Error> {
        let way = |(name, is_buffered): (&String, bool)| {
            let way = self.outputs[name].output.way(is_buffered);
            way.map_err(|why| Error::Way {
                name: name.clone(),
                route: plan.name.clone(),
                why,
            })
        };
        let outputs = plan.outputs.iter();
        let outputs = outputs.map(|name| (name, plan.has_buffer_section));
        let secondary = plan.secondary.iter().map(|name| (name, true));
        outputs.chain(secondary).map(way).collect()
    }

    /// Opens a route's chunks and its dead letters.
    fn recover_route(
        &self,
        plan: &'p RoutePlan,
        ways: Vec<Way>,
    ) -> Result<Recovery<'p>, OpenError> {
        let room = || Arc::new(Room::new(self.stopping.clone()));
        let (room, dead_room) = (room(), room());
        let state = Arc::new(RouteState::new(
            plan.name.as_str().into(),
            self.clock,
            plan.outputs.clone(),
            room,
            self.repeats(plan).map(Arc::new),
            Arc::clone(&self.faults),
            plan.buffer.ordered,
            self.scheduler(plan, &ways),
        ));
        let options = route_options(plan, &ways);
        let dead_options = dead_letter_options(&plan.buffer, &options);
        let dead_state = DeadLetterState {
            room: Arc::clone(&dead_room),
            faults: Arc::clone(&self.faults),
        };
        let (chunks, recovered) = self.store.route(&plan.name, options, state.clone())?;
        let (dead_letters, dead_recovered) =
            self.store
                .dead_letters(&plan.name, dead_options, Arc::new(dead_state))?;
        report(&plan.name, &recovered);
        report(&plan.name, &dead_recovered);
        for (output, chunks) in owed_elsewhere(&recovered.chunks, &plan.outputs) {
            tracing::warn!(
                route = plan.name,
                output,
                chunks,
                "chunks are owed to an output that the route does not have; they are kept, and \
                 count against its limit, until it has"
            );
        }
        Ok(Recovery {
            plan,
            ways,
            state,
            chunks,
            recovered,
            dead_letters,
            dead_room,
        })
    }

    /// What the route's journal remembers.
    fn repeats(&self, plan: &RoutePlan) -> Option<Repeats> {
        let deduplicate = plan.buffer.deduplicate.as_ref()?;
        let dir = self.plan.data_dir.join("repeats").join(&plan.name);
        let room = Room::new(self.stopping.clone());
        let (repeats, problem) = Repeats::open(Arc::new(RealFs), dir, deduplicate, room);
        if let Some(error) = problem {
            tracing::warn!(
                route = plan.name, %error,
                "cannot keep what is remembered of delivered batches; they may be stored again"
            );
        }
        Some(repeats)
    }

    /// Reads what the routes' chunks remember.
    fn load_repeats(&self, recoveries: &[Recovery<'_>]) {
        let now_ns = self.clock.now().unix_ns;
        let loading: Vec<_> = recoveries
            .iter()
            .filter_map(|route| Some((route, route.state.repeats.as_ref()?)))
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
            true => self.store.sync_files(),
            false => Ok(()),
        };
        if let Err(error) = &synced {
            tracing::warn!(%error, "cannot sync what is there; repeats of it will be stored again");
        }
        for (route, repeats) in loading {
            match synced {
                Ok(()) => repeats.load(&route.chunks, &route.recovered.chunks, now_ns),
                Err(_) => repeats.loaded(now_ns),
            }
        }
    }

    fn scheduler(&self, plan: &RoutePlan, ways: &[Way]) -> Scheduler {
        let policy = |(name, way): (&String, &Way)| DestinationPolicy {
            max_concurrent: plan.buffer.max_concurrent.max(1),
            take_back_after: take_back_after(&plan.buffer, &self.outputs[name].output, *way),
        };
        let names = plan.outputs.iter().chain(&plan.secondary);
        let mut policies: Vec<_> = names.zip(ways).map(policy).collect();
        let secondary = policies.split_off(plan.outputs.len()).pop();
        let scheduler = Scheduler::new(flush_policy(&plan.buffer), &policies, random_u64());
        match secondary {
            Some(policy) => scheduler.with_secondary(policy),
            None => scheduler,
        }
    }

    fn warn_of_stranded_routes(&self) {
        match self.store.stranded_routes() {
            Ok(names) if names.is_empty() => {}
            Ok(names) => tracing::warn!(
                ?names,
                "routes on disk that the configuration does not name; their events are kept"
            ),
            Err(error) => tracing::warn!(%error, "cannot look for routes without configuration"),
        }
    }

    /// Opens the catalogue and hands what it knows to the routes.
    fn open_catalog(&self, recoveries: &[Recovery<'_>]) -> Catalog {
        let known: Arc<HashSet<[u8; 16]>> = Arc::new(
            recoveries
                .iter()
                .flat_map(|route| &route.recovered.chunks)
                .map(|chunk| *chunk.id.as_bytes())
                .collect(),
        );
        let dir = self.plan.data_dir.join("catalogue");
        let opened = Catalog::open(&dir, move |id| known.contains(id));
        for problem in &opened.problems {
            tracing::warn!(
                problem,
                "the catalogue is renewed; only retry history is lost"
            );
        }
        for route in recoveries {
            route.state.remember(history(route.plan, &opened.retries));
        }
        opened.catalog
    }

    fn start_route(&self, recovery: Recovery<'_>, catalog: &Catalog) -> (OpenRoute, RouteBuffer) {
        let Recovery {
            plan,
            ways,
            state,
            chunks,
            recovered,
            dead_letters,
            dead_room,
        } = recovery;
        recovered.chunks.iter().for_each(|chunk| state.found(chunk));
        let stats = Arc::new(RouteStats::default());
        if let Some(repeats) = &state.repeats {
            stats.batches_remembered.store(repeats.len(), Relaxed);
        }
        let bounds = || DeadLetterBounds {
            dead_letters: dead_letters.clone(),
            stats: Arc::clone(&stats),
        };
        let drops_dead = plan.buffer.dead_letter_overflow == DeadLetterOverflow::DropOldest;
        let (dead_evict, dead_expiry) = (drops_dead.then(bounds), bounds());
        let (ended_sender, ended) = mpsc::unbounded_channel();
        let destinations: Vec<_> = plan
            .outputs
            .iter()
            .zip(&ways)
            .map(|(name, way)| self.destination(name, *way))
            .collect();
        let buffer = RouteBuffer {
            name: plan.name.clone(),
            direct: self.direct(plan, &destinations),
            has_chunks: ways.iter().any(|way| *way != Way::Direct),
            keys: plan.buffer.keys.clone(),
            chunks: chunks.clone(),
            dead_letters: dead_letters.clone(),
            chunk_limit_size: plan.buffer.chunk_limit_size,
            chunk_limit_records: plan.buffer.chunk_limit_records.unwrap_or(u64::MAX),
            overflow: plan.buffer.overflow,
            room: Arc::clone(&state.room),
            dead_room: Arc::clone(&dead_room),
            dead_evict: drops_dead.then(|| Arc::new(bounds()) as Arc<dyn Evict>),
            making_room: Semaphore::new(1),
            evict: Arc::new(Dropper {
                state: Arc::clone(&state),
                chunks: chunks.clone(),
                stats: Arc::clone(&stats),
            }),
            repeats: state.repeats.clone(),
            stats: Arc::clone(&stats),
            clock: self.clock,
        };
        let route = RunningRoute {
            state,
            chunks,
            dead_letters,
            dead_room,
            dead_evict,
            secondary: plan
                .secondary
                .as_ref()
                .zip(ways.last())
                .map(|(name, way)| self.destination(name, *way)),
            last_resorts: LastResorts {
                on_exhausted: plan.buffer.on_exhausted,
                on_expired: plan.buffer.on_expired,
            },
            destinations,
            catalog: catalog.clone(),
            stats,
            clock: self.clock,
            zone: plan
                .buffer
                .keys
                .time
                .as_ref()
                .map_or_else(Zone::utc, |time| time.zone.clone()),
            slow_delivery: plan.buffer.slow_flush_log_threshold,
            claims: Mutex::default(),
            ended: ended_sender,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            settled: Notify::new(),
        };
        let flush_at_shutdown = plan.buffer.flush_at_shutdown;
        (
            OpenRoute {
                route: Arc::new(route),
                ended,
                flush_at_shutdown,
                dead_expiry: plan
                    .buffer
                    .dead_letter_max_age
                    .map(|age_max| (dead_expiry, age_max)),
            },
            buffer,
        )
    }

    /// The ways to the outputs that are driven direct.
    fn direct(&self, plan: &RoutePlan, destinations: &[Destination]) -> Direct {
        let direct = destinations.iter().filter(|to| to.way == Way::Direct);
        let way = |to| Arc::new(DirectWay::new(&plan.name, to, self.clock)) as Arc<dyn PassOn>;
        direct.map(way).collect()
    }

    fn destination(&self, name: &str, way: Way) -> Destination {
        Destination {
            name: name.into(),
            // The plan names only outputs that there are.
            slot: Arc::clone(&self.outputs[name].slot),
            way,
            stats: Arc::new(DestinationStats::default()),
            last_error: Arc::default(),
            parked: Parked::default(),
        }
    }

    /// The filters before the router; `None` if there are none, so that batches go straight to it.
    async fn open_filters(
        &self,
        registry: &Registry,
        router: &Arc<Router>,
    ) -> Result<(Option<Arc<Strain>>, Vec<FilterHandle>), Error> {
        let mut links = Vec::new();
        for plan in &self.plan.filters {
            let context = self.commons.context(&plan.name, self.clock);
            let link = registry.open_filter(plan, &context).await;
            let name = plan.name.clone();
            links.push(link.map_err(|source| Error::Filter { name, source })?);
        }
        let plans = self.plan.filters.iter();
        let handles = plans.zip(&links).map(|(plan, link)| FilterHandle {
            name: Arc::clone(&link.name),
            kind: plan.kind.name(),
            stats: Arc::clone(&link.stats),
        });
        let handles = handles.collect();
        if links.is_empty() {
            return Ok((None, handles));
        }
        let chain = Chain::new(links, router.names());
        let strain = Strain::new(chain, Arc::clone(router), self.clock);
        Ok((Some(Arc::new(strain)), handles))
    }

    async fn open_inputs(&self, registry: &Registry) -> Result<Vec<OpenInput>, Error> {
        let mut inputs = Vec::new();
        for (name, plan) in &self.plan.inputs {
            let context = self.commons.context(name, self.clock);
            let input = OpenInput::open(plan, registry, &context).await;
            let name = name.clone();
            inputs.push(input.map_err(|source| Error::Input { name, source })?);
        }
        Ok(inputs)
    }
}

fn flush_policy(plan: &BufferPlan) -> FlushPolicy {
    FlushPolicy {
        mode: plan.flush_mode,
        interval: plan.flush_interval,
        window_wait: plan.timekey_wait,
        retry: plan.retry.clone(),
        bisect: plan.bisect,
        secondary_threshold: plan.secondary_threshold,
        max_age: plan.max_age,
    }
}

fn route_options(plan: &RoutePlan, ways: &[Way]) -> RouteOptions {
    let buffer = &plan.buffer;
    let outputs = plan.outputs.iter().zip(ways);
    let with_chunks = outputs.filter(|(_, way)| **way != Way::Direct);
    RouteOptions {
        destinations: with_chunks.map(|(name, _)| name.clone()).collect(),
        durability: buffer.durability,
        chunk_limit_bytes: buffer.chunk_limit_size,
        chunk_limit_events: buffer.chunk_limit_records,
        chunk_full_threshold: buffer.chunk_full_threshold,
        total_limit_bytes: buffer.total_limit_size,
    }
}

/// A dead letter may be larger than any chunk of its route; small ones still share chunks of the
/// route's size.
fn dead_letter_options(plan: &BufferPlan, route: &RouteOptions) -> RouteOptions {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of a limit needs no exact bytes"
    )]
    let share = plan.chunk_limit_size as f64 / plan.dead_letter_limit_size.max(1) as f64;
    RouteOptions {
        destinations: Vec::new(),
        chunk_limit_bytes: plan.dead_letter_limit_size,
        chunk_limit_events: None,
        chunk_full_threshold: share.min(1.0),
        total_limit_bytes: plan.dead_letter_limit_size,
        ..route.clone()
    }
}

/// A deferred delivery may take as long as the output's own time-outs allow, and a little more.
fn take_back_after(buffer: &BufferPlan, output: &Output, way: Way) -> Option<Duration> {
    match way {
        Way::Deferred => Some(buffer.delayed_commit_timeout.max(output.time_needed())),
        Way::Direct | Way::Buffered => None,
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

/// Logs what recovery did, if it did anything that somebody should know of.
fn report(route: &str, recovered: &Recovered) {
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
}
