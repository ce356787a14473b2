//! From a route's plan to what runs: its state, its driver and its buffer, over what is held of it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_storage::{RealFs, Recovered, RouteOptions, SealReason, Store};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::direct::DirectWay;
use super::health::Faults;
use super::holding::{Holding, Tally};
use super::hub::Hub;
use super::observe::{DeadLetterState, RouteState};
use super::open::{Error, report};
use super::orders::Orders;
use super::outputs::Outputs;
use super::room::Parked;
use super::route::{Destination, Dropper, Ended, LastResorts, RunningRoute};
use super::seat::Seat;
use crate::buffer::{DeadLetterBounds, Direct, Evict, PassOn, Repeats, Room, RouteBuffer, Taps};
use crate::catalog::Catalog;
use crate::chunk_key::Zone;
use crate::clock::{Clock, random_u64};
use crate::config::plan::{BufferPlan, DeadLetterOverflow, RoutePlan};
use crate::flush::{DestinationPolicy, FlushPolicy, Scheduler};
use crate::output::{Output, Way};
use crate::registry::Commons;

/// What all parts of the engine are made with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) clock: Clock,
    pub(super) data_dir: PathBuf,
    pub(super) store: Arc<Store>,
    /// What plugins of one type share.
    pub(super) commons: Commons,
    pub(super) faults: Arc<Faults>,
    /// Told of what happens.
    pub(super) hub: Arc<Hub>,
    /// What the operator has said, and is still to be so.
    pub(super) orders: Arc<Orders>,
    /// Who looks at what passes.
    pub(super) taps: Arc<Taps>,
    /// Cancelled when senders are to be taken no more events from.
    pub(super) stopping: CancellationToken,
}

/// A route that runs, or is about to.
pub(super) struct OpenRoute {
    pub(super) plan: RoutePlan,
    pub(super) route: Arc<RunningRoute>,
    pub(super) buffer: Arc<RouteBuffer>,
    /// For its driver, which takes it.
    pub(super) ended: Option<mpsc::UnboundedReceiver<Ended>>,
    /// Deletes dead letters that are older than this, if the configuration wants it.
    pub(super) dead_expiry: Option<(DeadLetterBounds, Duration)>,
    /// Cancelled when nobody looks at the age of dead letters any more.
    pub(super) stop_expiry: CancellationToken,
}

/// How a route's outputs are driven, with the outputs themselves.
#[derive(Clone, Copy)]
pub(super) struct Driven<'a> {
    pub(super) plan: &'a RoutePlan,
    pub(super) ways: &'a [Way],
    pub(super) outputs: &'a Outputs,
}

impl Tools {
    /// Opens a route's chunks and its dead letters.
    pub(super) fn hold(&self, driven: Driven<'_>) -> Result<(Holding, Recovered), Error> {
        let plan = driven.plan;
        let room = || Arc::new(Room::new(self.stopping.clone()));
        let repeats = self.repeats(plan).map(Arc::new);
        let state = Arc::new(self.state(driven, room(), repeats));
        let seat = Arc::new(Seat::new(state));
        let dead_state = Arc::new(DeadLetterState {
            room: room(),
            faults: Arc::clone(&self.faults),
        });
        let options = route_options(plan, driven.ways);
        let dead_options = dead_letter_options(&plan.buffer, &options);
        let failed = |source| Error::Store {
            path: self.data_dir.clone(),
            source,
        };
        let opened = self.store.route(&plan.name, options, seat.clone());
        let (chunks, recovered) = opened.map_err(failed)?;
        let opened = self
            .store
            .dead_letters(&plan.name, dead_options, dead_state.clone());
        let (dead_letters, dead_recovered) = opened.map_err(failed)?;
        report(&plan.name, &plan.outputs, &recovered);
        report(&plan.name, &[], &dead_recovered);
        let deduplicate = plan.buffer.deduplicate;
        let holding = Holding::new(chunks, dead_letters, seat, &dead_state, deduplicate);
        Ok((holding, recovered))
    }

    /// What the route's journal remembers.
    fn repeats(&self, plan: &RoutePlan) -> Option<Repeats> {
        let deduplicate = plan.buffer.deduplicate.as_ref()?;
        let dir = self.data_dir.join("repeats").join(&plan.name);
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

    fn state(
        &self,
        driven: Driven<'_>,
        room: Arc<Room>,
        repeats: Option<Arc<Repeats>>,
    ) -> RouteState {
        let plan = driven.plan;
        let state = RouteState::new(
            plan.name.as_str().into(),
            self.clock,
            plan.outputs.clone(),
            room,
            repeats,
            Arc::clone(&self.faults),
            plan.buffer.ordered,
            driven.scheduler(),
        );
        state.telling(&self.hub)
    }

    /// A generation of the route after `before`, if there was one, with other settings or with outputs
    /// that have been `renewed`. It knows every chunk that there is, and `before` starts nothing more.
    pub(super) fn succeed(
        &self,
        before: Option<&OpenRoute>,
        holding: &Holding,
        driven: Driven<'_>,
        renewed: &HashSet<String>,
        catalog: &Catalog,
    ) -> OpenRoute {
        let plan = driven.plan;
        let outputs = plan.outputs.iter().enumerate();
        let renewed = outputs.filter(|(_, name)| renewed.contains(*name));
        let renewed = renewed.map(|(index, _)| index).collect();
        let (room, repeats) = (Arc::clone(&holding.room), holding.repeats.clone());
        let state = Arc::new(self.state(driven, room, repeats).renewed(renewed));
        holding.seat.put(Arc::clone(&state));
        if let Some(before) = before {
            before.route.retire();
            before.stop_expiry.cancel();
            before.hand_over(&state, plan, self.clock);
        }
        let now_ns = self.clock.now().unix_ns;
        let options = route_options(plan, driven.ways);
        let dead_options = dead_letter_options(&plan.buffer, &options);
        holding.chunks.set_options(options, now_ns);
        holding.dead_letters.set_options(dead_options, now_ns);
        if before.is_some_and(|before| before.plan.buffer.keys != plan.buffer.keys) {
            // Nothing would come to fill them.
            holding.chunks.seal_staged(SealReason::Request, now_ns);
        }
        let chunks = holding.chunks.chunks();
        chunks.iter().for_each(|chunk| state.found(chunk));
        self.open(state, holding, driven, catalog)
    }

    /// The driver and the buffer of a route whose state knows its chunks.
    pub(super) fn open(
        &self,
        state: Arc<RouteState>,
        holding: &Holding,
        driven: Driven<'_>,
        catalog: &Catalog,
    ) -> OpenRoute {
        let plan = driven.plan;
        let (sender, ended) = mpsc::unbounded_channel();
        let destinations: Vec<_> = plan
            .outputs
            .iter()
            .zip(driven.ways)
            .map(|(name, way)| driven.destination(name, *way, holding.tally(name)))
            .collect();
        let buffer = self.buffer(holding, driven, &destinations);
        let route = RunningRoute {
            state,
            seat: Arc::clone(&holding.seat),
            chunks: holding.chunks.clone(),
            dead_letters: holding.dead_letters.clone(),
            dead_room: Arc::clone(&holding.dead_room),
            dead_evict: drops_dead(plan).then(|| bounds(holding)),
            secondary: driven.secondary(),
            last_resorts: LastResorts {
                on_exhausted: plan.buffer.on_exhausted,
                on_expired: plan.buffer.on_expired,
            },
            destinations,
            catalog: catalog.clone(),
            stats: Arc::clone(&holding.stats),
            clock: self.clock,
            zone: zone(&plan.buffer),
            slow_delivery: plan.buffer.slow_flush_log_threshold,
            claims: Mutex::default(),
            ended: sender,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            settled: Notify::new(),
        };
        self.orders.apply(&route);
        route.tell_when_full();
        let age_max = plan.buffer.dead_letter_max_age;
        OpenRoute {
            plan: plan.clone(),
            route: Arc::new(route),
            buffer: Arc::new(buffer),
            ended: Some(ended),
            dead_expiry: age_max.map(|age_max| (bounds(holding), age_max)),
            stop_expiry: CancellationToken::new(),
        }
    }

    fn buffer(
        &self,
        holding: &Holding,
        driven: Driven<'_>,
        destinations: &[Destination],
    ) -> RouteBuffer {
        let plan = driven.plan;
        RouteBuffer {
            name: plan.name.clone(),
            direct: self.direct(plan, destinations),
            has_chunks: driven.ways.iter().any(|way| *way != Way::Direct),
            keys: plan.buffer.keys.clone(),
            chunks: holding.chunks.clone(),
            dead_letters: holding.dead_letters.clone(),
            chunk_limit_size: plan.buffer.chunk_limit_size,
            chunk_limit_records: plan.buffer.chunk_limit_records.unwrap_or(u64::MAX),
            overflow: plan.buffer.overflow,
            room: Arc::clone(&holding.room),
            dead_room: Arc::clone(&holding.dead_room),
            dead_evict: drops_dead(plan).then(|| Arc::new(bounds(holding)) as Arc<dyn Evict>),
            making_room: Semaphore::new(1),
            evict: Arc::new(Dropper {
                seat: Arc::clone(&holding.seat),
                chunks: holding.chunks.clone(),
                stats: Arc::clone(&holding.stats),
            }),
            repeats: holding.repeats.clone(),
            stats: Arc::clone(&holding.stats),
            clock: self.clock,
        }
    }

    /// The ways to the outputs that are driven direct.
    fn direct(&self, plan: &RoutePlan, destinations: &[Destination]) -> Direct {
        let direct = destinations.iter().filter(|to| to.way == Way::Direct);
        let way = |to| Arc::new(DirectWay::new(&plan.name, to, self.clock)) as Arc<dyn PassOn>;
        direct.map(way).collect()
    }
}

impl Driven<'_> {
    fn scheduler(&self) -> Scheduler {
        let plan = self.plan;
        let policy = |(name, way): (&String, &Way)| DestinationPolicy {
            max_concurrent: plan.buffer.max_concurrent.max(1),
            take_back_after: take_back_after(&plan.buffer, &self.outputs[name].output, *way),
        };
        let names = plan.outputs.iter().chain(&plan.secondary);
        let mut policies: Vec<_> = names.zip(self.ways).map(policy).collect();
        let secondary = policies.split_off(plan.outputs.len()).pop();
        let scheduler = Scheduler::new(flush_policy(&plan.buffer), &policies, random_u64());
        match secondary {
            Some(policy) => scheduler.with_secondary(policy),
            None => scheduler,
        }
    }

    fn secondary(&self) -> Option<Destination> {
        let named = self.plan.secondary.as_ref().zip(self.ways.last());
        named.map(|(name, way)| self.destination(name, *way, Tally::default()))
    }

    fn destination(&self, name: &str, way: Way, tally: Tally) -> Destination {
        Destination {
            name: name.into(),
            // The plan names only outputs that there are.
            slot: Arc::clone(&self.outputs[name].slot),
            way,
            stats: tally.stats,
            last_error: tally.last_error,
            parked: Parked::default(),
        }
    }
}

impl OpenRoute {
    /// Tells `state`, that of a route with the outputs of `plan`, what its scheduler knows of failed
    /// attempts, and what the operator has said.
    fn hand_over(&self, state: &RouteState, plan: &RoutePlan, clock: Clock) {
        let outputs = &self.plan.outputs;
        let place = |index: usize| plan.outputs.iter().position(|name| *name == outputs[index]);
        let mut before = self.route.state.scheduler();
        let histories = before.histories(clock.now()).into_iter();
        let histories =
            histories.filter_map(|((chunk, index), retry)| Some(((chunk, place(index)?), retry)));
        state.remember(histories.collect());
        state.scheduler().obey_as(&before, place);
    }
}

fn drops_dead(plan: &RoutePlan) -> bool {
    plan.buffer.dead_letter_overflow == DeadLetterOverflow::DropOldest
}

fn bounds(holding: &Holding) -> DeadLetterBounds {
    DeadLetterBounds {
        dead_letters: holding.dead_letters.clone(),
        stats: Arc::clone(&holding.stats),
    }
}

fn zone(plan: &BufferPlan) -> Zone {
    let time = plan.keys.time.as_ref();
    time.map_or_else(Zone::utc, |time| time.zone.clone())
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
