//! The engine seen from outside: everything is read from the store, the schedulers and the
//! counters at the moment of asking.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use forebay_storage::{ChunkId, ChunkInfo, Phase, QUARANTINE_DIR, Route, Store};

use super::control::Replays;
use super::filters::FilterHandle;
use super::health::Faults;
use super::hub::Hub;
use super::inputs::InputHandle;
use super::orders::Orders;
use super::orphans::Orphans;
use super::rates::{Rates, RouteRates};
use super::reload::ReloadStats;
use super::route::{Destination, RunningRoute, lock};
use super::status::{
    ChunkPage, ChunkQuery, ChunkReport, ChunkTotals, DestinationReport, EnginePhase, EventCursor,
    EventPage, EventQuery, ExportFormat, ExportPart, FilterReport, Health, InputReport, Inspect,
    Limits, Moment, QuarantinePage, QuarantineTotals, RouteReport, Status, Unreadable,
};
use super::topology::{Live, Topology};
use crate::buffer::IntakeStats;
use crate::catalog::Catalog;
use crate::clock::{Clock, Now};
use crate::config::plan::{Alias, Durability, Overflow, RoutePlan};
use crate::metrics::{
    CatalogSample, DestinationSample, FilterSample, InputSample, Metrics, ProcessSample,
    RouteSample, Snapshot,
};

pub(super) mod chunks;
mod events;
mod files;

/// Looks into a running engine.
pub(super) struct Inspector {
    pub(super) clock: Clock,
    pub(super) started: Now,
    pub(super) phase: Mutex<EnginePhase>,
    pub(super) store: Arc<Store>,
    pub(super) open_files_max: usize,
    /// Under whose names metrics are shown, beside their own.
    pub(super) metrics_aliases: Vec<Alias>,
    pub(super) catalog: Catalog,
    /// Inputs, filters and routes as they are now: ask once for each answer.
    pub(super) live: Live,
    pub(super) intake_stats: Arc<IntakeStats>,
    pub(super) faults: Arc<Faults>,
    pub(super) reloads: Arc<ReloadStats>,
    pub(super) hub: Arc<Hub>,
    pub(super) orders: Arc<Orders>,
    pub(super) replays: Replays,
    pub(super) orphans: Orphans,
    pub(super) rates: Rates,
}

impl Inspector {
    pub(super) fn enter(&self, phase: EnginePhase) {
        *lock(&self.phase) = phase;
    }
}

impl Inspect for Inspector {
    fn health(&self) -> Health {
        let mut reasons = self.faults.reasons_not_ready();
        match *lock(&self.phase) {
            EnginePhase::Starting => reasons.push("starting: nothing is taken in yet".to_owned()),
            EnginePhase::Running => {}
            EnginePhase::Stopping => {
                reasons.push("stopping: nothing is taken in any more".to_owned())
            }
        }
        if self.store.is_closed() {
            reasons.push("the store takes nothing any more: a bug; restart".to_owned());
        }
        reasons.extend(self.full_routes());
        let ready = reasons.is_empty();
        reasons.extend(self.faults.reasons_degraded());
        reasons.extend(self.reloads.reason_degraded());
        Health {
            live: true,
            ready,
            reasons,
        }
    }

    fn status(&self) -> Status {
        let uptime = self
            .clock
            .now()
            .monotonic
            .saturating_sub(self.started.monotonic);
        let live = self.live.now();
        // Not among the fields: its lock would be held until all of them are there, and
        // `health` takes it too (`admin::the_api_shows_routes_chunks_and_their_events`).
        let phase = *lock(&self.phase);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            phase,
            started: Moment(self.started.unix_ns),
            uptime_s: uptime.as_secs_f64(),
            health: self.health(),
            inputs: live.inputs.iter().map(input_report).collect(),
            filters: live.filters.iter().map(filter_report).collect(),
            routes: self.route_reports(&live),
        }
    }

    fn routes(&self) -> Vec<RouteReport> {
        self.route_reports(&self.live.now())
    }

    fn chunks(&self, route: &str, query: &ChunkQuery) -> Option<ChunkPage> {
        let live = self.live.now();
        let now_ns = self.clock.now().unix_ns;
        Some(chunks::page(live.route(route)?, query, now_ns))
    }

    fn chunk(&self, id: &str) -> Option<ChunkReport> {
        let id = id.parse().ok()?;
        let live = self.live.now();
        live.routes
            .iter()
            .find_map(|route| chunks::report_by_id(route, id))
    }

    fn events(&self, id: &str, query: &EventQuery) -> Result<Option<EventPage>, Unreadable> {
        self.read_chunk(id, |route, chunk| events::page(route, chunk, query))
    }

    fn export(
        &self,
        id: &str,
        from: EventCursor,
        format: ExportFormat,
    ) -> Result<Option<ExportPart>, Unreadable> {
        self.read_chunk(id, |route, chunk| events::part(route, chunk, from, format))
    }

    fn raw(&self, id: &str, offset: u64) -> Result<Option<Vec<u8>>, Unreadable> {
        self.read_chunk(id, |route, chunk| files::part(&route.path(chunk), offset))
    }

    fn quarantine(&self, after: Option<&str>, limit: usize) -> Result<QuarantinePage, Unreadable> {
        files::quarantine(&self.quarantine_dir(), after, limit).map_err(|error| Unreadable {
            what: "quarantine".to_owned(),
            reason: error.to_string(),
        })
    }

    fn metrics_text(&self) -> String {
        let snapshot = self.snapshot();
        Metrics::new(&self.metrics_aliases, move || snapshot.clone())
            .and_then(|metrics| metrics.render())
            .unwrap_or_else(|error| format!("# metrics cannot be rendered: {error}\n"))
    }
}

impl Inspector {
    /// What `read` makes of the chunk with the text `id`; `None` if there is none.
    fn read_chunk<T, E: std::error::Error>(
        &self,
        id: &str,
        read: impl FnOnce(&Route, ChunkId) -> Result<T, E>,
    ) -> Result<Option<T>, Unreadable> {
        let found = id.parse().ok().and_then(|id| Some((self.holder(id)?, id)));
        let Some((route, chunk)) = found else {
            return Ok(None);
        };
        read(&route, chunk).map(Some).map_err(|error| Unreadable {
            what: format!("chunk {chunk}"),
            reason: error.to_string(),
        })
    }

    /// The route that has a chunk, alive or dead, and the chunk.
    pub(super) fn route_of(&self, id: ChunkId) -> Option<(Arc<RunningRoute>, ChunkInfo)> {
        self.live.now().routes.iter().find_map(|route| {
            let alive = route.chunks.chunk(id);
            let chunk = alive.or_else(|| route.dead_letters.chunk(id))?;
            Some((Arc::clone(route), chunk))
        })
    }

    /// The route, or dead letters, that have a chunk.
    fn holder(&self, id: ChunkId) -> Option<Route> {
        let live = self.live.now();
        let holders = live
            .routes
            .iter()
            .flat_map(|route| [&route.chunks, &route.dead_letters]);
        holders
            .into_iter()
            .find(|holder| holder.chunk(id).is_some())
            .cloned()
    }

    fn route_reports(&self, live: &Topology) -> Vec<RouteReport> {
        let now = self.clock.now();
        let rates = self.rates.of(now.monotonic, live);
        let quarantined = files::quarantined(&self.quarantine_dir()).ok();
        let quarantined = |route: &str| {
            let routes = quarantined.as_ref()?;
            Some(routes.get(route).copied().unwrap_or_default())
        };
        let routes = live.routes.iter().zip(&live.plans).zip(&rates);
        let reports = routes.map(|((route, plan), rates)| {
            route_report(now, route, plan, rates, quarantined(&plan.name))
        });
        reports.collect()
    }

    fn quarantine_dir(&self) -> PathBuf {
        self.store.dir().join(QUARANTINE_DIR)
    }

    /// A sentence for each route whose senders are held back now.
    fn full_routes(&self) -> Vec<String> {
        let live = self.live.now();
        let waiting = live
            .routes
            .iter()
            .filter(|route| route.stats.senders_waiting() > 0);
        let sentence = |route: &Arc<RunningRoute>| {
            let count = route.stats.senders_waiting();
            format!(
                "route {} is full; {count} senders are held back",
                route.state.name
            )
        };
        waiting.map(sentence).collect()
    }

    fn snapshot(&self) -> Snapshot {
        let live = self.live.now();
        // A scrape takes a note for the rates, too.
        let rates = self.rates.of(self.clock.now().monotonic, &live);
        let catalog = self.catalog.stats();
        Snapshot {
            now_unix_ns: self.clock.now().unix_ns,
            started_unix_ns: self.started.unix_ns,
            is_ready: self.health().ready,
            events_unmatched: self.intake_stats.events_unmatched.load(Relaxed),
            inputs: live.inputs.iter().map(input_sample).collect(),
            filters: live.filters.iter().map(filter_sample).collect(),
            routes: live
                .routes
                .iter()
                .zip(&live.plans)
                .zip(&rates)
                .map(|((route, plan), rates)| route_sample(route, plan, rates))
                .collect(),
            store: self.store.stats(),
            open_files_max: count(self.open_files_max),
            quarantined: self.store.quarantined().ok(),
            damages: self.faults.damage_count(),
            happenings_missed: self.hub.missed(),
            catalog: CatalogSample {
                is_enabled: catalog.is_enabled,
                updates: catalog.updates,
                updates_dropped: catalog.updates_dropped,
            },
            disk_free_bytes: self.store.free_bytes().ok(),
            disk_size_bytes: disk_size(self.store.dir()),
            process: ProcessSample::read(),
            reloads: self.reloads.sample(),
        }
    }
}

/// What a route holds, by state.
struct Held {
    staged: ChunkTotals,
    queued: ChunkTotals,
    in_flight: ChunkTotals,
    dead: ChunkTotals,
    used_bytes: u64,
    dead_used_bytes: u64,
    oldest_created_ns: Option<i64>,
}

impl Held {
    fn by(route: &RunningRoute) -> Self {
        let totals = route.chunks.totals();
        let dead = route.dead_letters.totals();
        let in_flight = sum(route.in_flight_chunks());
        let sealed = ChunkTotals {
            chunks: totals.sealed_chunks,
            events: totals.sealed_events,
            bytes: totals.sealed_bytes,
        };
        Self {
            staged: ChunkTotals {
                chunks: totals.staged_chunks,
                events: totals.staged_events,
                bytes: totals.staged_bytes,
            },
            queued: ChunkTotals {
                chunks: sealed.chunks.saturating_sub(in_flight.chunks),
                events: sealed.events.saturating_sub(in_flight.events),
                bytes: sealed.bytes.saturating_sub(in_flight.bytes),
            },
            in_flight,
            dead: ChunkTotals {
                chunks: dead.staged_chunks + dead.sealed_chunks,
                events: dead.staged_events + dead.sealed_events,
                bytes: dead.staged_bytes + dead.sealed_bytes,
            },
            used_bytes: totals.file_bytes,
            dead_used_bytes: dead.file_bytes,
            oldest_created_ns: totals.oldest_created_ns,
        }
    }
}

fn sum(chunks: impl Iterator<Item = ChunkInfo>) -> ChunkTotals {
    chunks.fold(ChunkTotals::default(), |sum, chunk| ChunkTotals {
        chunks: sum.chunks + 1,
        events: sum.events + chunk.event_count,
        bytes: sum.bytes + chunk.payload_bytes,
    })
}

impl RunningRoute {
    /// The chunks with at least one delivery under way.
    fn in_flight_chunks(&self) -> impl Iterator<Item = ChunkInfo> {
        let in_flight = self.state.scheduler().in_flight();
        let chunks = in_flight.into_iter().filter_map(|id| self.chunks.chunk(id));
        chunks.filter(|chunk| chunk.phase != Phase::Purged)
    }
}

fn input_report(input: &InputHandle) -> InputReport {
    let stats = &input.stats;
    InputReport {
        name: input.name.to_string(),
        kind: input.kind,
        listen: input.listen.map(|address| address.to_string()),
        connections_open: stats.connections_open.load(Relaxed),
        connections_max: stats.connections_max.load(Relaxed),
        connections_total: stats.connections_total.load(Relaxed),
        connections_failed: stats.connections_failed.load(Relaxed),
        read_memory: stats.read_memory.load(Relaxed),
        read_memory_max: stats.read_memory_max.load(Relaxed),
        batches: stats.batches.load(Relaxed),
        events: stats.events.load(Relaxed),
        bytes: stats.bytes.load(Relaxed),
        batches_refused: stats.batches_refused.load(Relaxed),
        reads_failed: stats.reads_failed.load(Relaxed),
        stuck: stats.stuck.load(Relaxed) != 0,
        undecoded: stats.undecoded.load(Relaxed),
        unknown_decoders: stats.unknown_decoders.load(Relaxed),
    }
}

fn input_sample(input: &InputHandle) -> InputSample {
    InputSample {
        name: Arc::clone(&input.name),
        stats: Arc::clone(&input.stats),
    }
}

fn filter_report(filter: &FilterHandle) -> FilterReport {
    let stats = &filter.stats;
    FilterReport {
        name: filter.name.to_string(),
        kind: filter.kind,
        events: stats.events.load(Relaxed),
        blocked: stats.blocked.load(Relaxed),
        failed_kept: stats.failed_kept.load(Relaxed),
        failed_tagged: stats.failed_tagged.load(Relaxed),
        failed_dead: stats.failed_dead.load(Relaxed),
        injected: stats.injected.load(Relaxed),
    }
}

fn filter_sample(filter: &FilterHandle) -> FilterSample {
    FilterSample {
        name: Arc::clone(&filter.name),
        stats: Arc::clone(&filter.stats),
    }
}

fn route_report(
    now: Now,
    route: &RunningRoute,
    plan: &RoutePlan,
    rates: &RouteRates,
    quarantined: Option<QuarantineTotals>,
) -> RouteReport {
    let held = Held::by(route);
    let is_paused = route.state.scheduler().is_route_stopped();
    let waiting_events = held.staged.events + held.queued.events + held.in_flight.events;
    let limit_bytes = plan.buffer.total_limit_size;
    let outputs = route.destinations.iter().enumerate();
    RouteReport {
        name: plan.name.clone(),
        patterns: plan.matcher.as_str().to_owned(),
        durability: durability_word(plan.buffer.durability),
        overflow: overflow_word(plan.buffer.overflow),
        limits: Limits {
            chunk_limit_size: plan.buffer.chunk_limit_size,
            total_limit_size: plan.buffer.total_limit_size,
            dead_letter_limit_size: plan.buffer.dead_letter_limit_size,
        },
        staged: held.staged,
        queued: held.queued,
        in_flight: held.in_flight,
        dead: held.dead,
        quarantined,
        oldest_chunk_created: held.oldest_created_ns.map(Moment),
        senders_waiting: route.stats.senders_waiting(),
        paused: is_paused,
        used_bytes: held.used_bytes,
        rate_in: rates.events_in,
        rate_out: rates.slowest_out(),
        time_to_full_s: rates.time_to_full_s(held.used_bytes, limit_bytes),
        time_to_empty_s: rates.time_to_empty_s(waiting_events),
        outputs: outputs
            .map(|(index, to)| destination_report(now, route, index, to, rates))
            .collect(),
    }
}

fn destination_report(
    now: Now,
    route: &RunningRoute,
    index: usize,
    to: &Destination,
    rates: &RouteRates,
) -> DestinationReport {
    let stats = &to.stats;
    // Before the scheduler is locked: it looks into the store.
    let oldest_owed_ns = route.chunks.oldest_owed_ns(&to.name);
    let scheduler = route.state.scheduler();
    let next_attempt = scheduler.probe_at(index).map(|at| {
        let wait = at.saturating_sub(now.monotonic).as_nanos();
        Moment(
            now.unix_ns
                .saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)),
        )
    });
    DestinationReport {
        name: to.name.to_string(),
        owed_chunks: count(scheduler.owed_count(index)),
        oldest_owed: oldest_owed_ns.map(Moment),
        in_flight: count(scheduler.in_flight_count(index)),
        paused: scheduler.is_destination_stopped(index),
        rate: rates.events_out.get(index).copied().unwrap_or(0.0),
        breaker_is_open: scheduler.is_open(index),
        next_attempt,
        chunks_delivered: stats.chunks_delivered.load(Relaxed),
        events_delivered: stats.events_delivered.load(Relaxed),
        attempts: stats.attempts.load(Relaxed),
        retries: stats.retries.load(Relaxed),
        chunks_rejected: stats.chunks_rejected.load(Relaxed),
        last_success: stats.last_success_unix_ns().map(Moment),
        last_failure: stats.last_failure_unix_ns().map(Moment),
        last_error: to.last_error().clone(),
    }
}

fn route_sample(route: &RunningRoute, plan: &RoutePlan, rates: &RouteRates) -> RouteSample {
    let held = Held::by(route);
    let limit_bytes = plan.buffer.total_limit_size;
    let (is_paused, held_chunks) = {
        let scheduler = route.state.scheduler();
        (scheduler.is_route_stopped(), count(scheduler.held_count()))
    };
    let outputs = route.destinations.iter().enumerate().map(|(index, to)| {
        let oldest_owed_unix_ns = route.chunks.oldest_owed_ns(&to.name);
        let scheduler = route.state.scheduler();
        DestinationSample {
            name: Arc::clone(&to.name),
            stats: Arc::clone(&to.stats),
            in_flight_max: count(plan.buffer.max_concurrent),
            is_paused: scheduler.is_destination_stopped(index),
            owed_chunks: count(scheduler.owed_count(index)),
            oldest_owed_unix_ns,
            bisections: scheduler.search_count(index),
        }
    });
    RouteSample {
        name: Arc::clone(&route.state.name),
        durability: durability_word(plan.buffer.durability),
        stats: Arc::clone(&route.stats),
        staged: held.staged,
        queued: held.queued,
        in_flight: held.in_flight,
        dead: held.dead,
        used_bytes: held.used_bytes,
        limit_bytes,
        time_to_full_s: rates.time_to_full_s(held.used_bytes, limit_bytes),
        chunk_limit_bytes: plan.buffer.chunk_limit_size,
        dead_used_bytes: held.dead_used_bytes,
        dead_letter_limit_bytes: plan.buffer.dead_letter_limit_size,
        is_paused,
        remembered_batches_max: remembered_max(plan),
        held_chunks,
        oldest_created_unix_ns: held.oldest_created_ns,
        outputs: outputs.collect(),
    }
}

/// Bytes of the file system that holds `dir`.
fn disk_size(dir: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(dir).ok()?;
    volume.f_blocks.checked_mul(volume.f_frsize)
}

/// Batches that the route may remember.
fn remembered_max(plan: &RoutePlan) -> u64 {
    let deduplicate = plan.buffer.deduplicate.as_ref();
    deduplicate.map_or(0, |deduplicate| count(deduplicate.batches_max))
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn durability_word(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "disk",
        Durability::Memory => "memory",
    }
}

fn overflow_word(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::Block => "block",
        Overflow::Reject => "reject",
        Overflow::DropOldestChunk => "drop_oldest_chunk",
    }
}
