//! A running route: drives its scheduler, starts deliveries, ends them.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_storage::{ChunkId, Claim, ClaimError, Route};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::DriverWatch;
use super::hub::What;
use super::observe::RouteState;
use super::room::Parked;
use super::seat::Seat;
use super::slot::Slot;
use super::status::Moment;
use crate::buffer::{DeadLetterBounds, Evict, Room, RouteStats};
use crate::catalog::{Catalog, RetryKey, RetryRecord};
use crate::chunk_key::Zone;
use crate::clock::Clock;
use crate::config::plan::GivenUp;
use crate::flush::{
    Cause, Decision, DeliveryId, DestinationStats, Resolved, RetryState, Taken, Via, Wakeup,
};
use crate::output::{Chunk, Delivery, Failure, FailureScope, Outcome, Permit, RangeSet, Way};

/// How long a wait for a moment of the wall clock may last before the clock is read again.
const WALL_CLOCK_RECHECK: Duration = Duration::from_secs(30);

/// A route with its chunks, its scheduler and its outputs.
pub(super) struct RunningRoute {
    pub(super) state: Arc<RouteState>,
    /// Where the state sits, or the one that has taken its place.
    pub(super) seat: Arc<Seat>,
    pub(super) chunks: Route,
    pub(super) dead_letters: Route,
    pub(super) dead_room: Arc<Room>,
    /// Makes room among the dead letters, if the configuration wants it.
    pub(super) dead_evict: Option<DeadLetterBounds>,
    pub(super) destinations: Vec<Destination>,
    /// The output for what those do not take.
    pub(super) secondary: Option<Destination>,
    pub(super) last_resorts: LastResorts,
    pub(super) catalog: Catalog,
    pub(super) stats: Arc<RouteStats>,
    pub(super) clock: Clock,
    /// The zone of its time windows.
    pub(super) zone: Zone,
    /// A delivery that takes longer than this is logged.
    pub(super) slow_delivery: Duration,
    /// Chunks being delivered or buried, by delivery.
    pub(super) claims: Mutex<HashMap<DeliveryId, Claim>>,
    /// Deliveries that have ended; never more waiting than there are in flight.
    pub(super) ended: mpsc::UnboundedSender<Ended>,
    /// Deliveries and burials under way.
    pub(super) tasks: TaskTracker,
    /// Cancelled when nothing is started any more.
    pub(super) closing: CancellationToken,
    /// Told whenever a delivery has ended.
    pub(super) settled: Notify,
}

/// What becomes of what is given up.
#[derive(Clone, Copy)]
pub(super) struct LastResorts {
    pub(super) on_exhausted: GivenUp,
    pub(super) on_expired: GivenUp,
}

/// One output of a route.
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    pub(super) slot: Arc<Slot>,
    pub(super) way: Way,
    pub(super) stats: Arc<DestinationStats>,
    pub(super) last_error: LastError,
    /// Chunks that the output has no room for.
    pub(super) parked: Parked,
}

/// The last failure of a destination, in one line; `None` after a success.
pub(super) type LastError = Arc<Mutex<Option<String>>>;

/// How a delivery ended.
pub(super) struct Ended {
    delivery: DeliveryId,
    destination: usize,
    via: Via,
    outcome: Outcome,
}

/// A delivery that is about to start.
struct Start {
    delivery: DeliveryId,
    destination: usize,
    via: Via,
    failure_count: u32,
    /// `None`: the whole chunk.
    records: Option<RangeSet>,
}

impl RunningRoute {
    /// Does what the scheduler decides until `stop` is cancelled, or until it is retired and nothing
    /// is in flight any more.
    pub(super) async fn drive(
        self: Arc<Self>,
        mut ended: mpsc::UnboundedReceiver<Ended>,
        stop: CancellationToken,
    ) {
        let _watch = DriverWatch {
            faults: &self.state.faults,
            route: &self.state.name,
        };
        loop {
            self.decide();
            if self.is_over() {
                return;
            }
            let wakeup = self.state.scheduler().next_wakeup();
            tokio::select! {
                Some(ended) = ended.recv() => self.end(ended),
                () = self.state.wake.notified() => {}
                () = self.sleep_until(wakeup) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Has all that is staged sealed and delivered now.
    pub(super) fn flush_all(&self) {
        self.state.scheduler().flush_all();
        self.state.wake.notify_one();
    }

    /// Tells of the moments at which senders begin and cease to be held back.
    pub(super) fn tell_when_full(&self) {
        let (name, hub) = (Arc::clone(&self.state.name), Arc::clone(&self.state.hub));
        let clock = self.clock;
        self.stats.watch_full(move |is_full| {
            hub.tell(clock, || {
                let route = name.to_string();
                match is_full {
                    true => What::RouteFull { route },
                    false => What::RouteFree { route },
                }
            });
        });
    }

    /// Looks again at what is to be done: something that the scheduler knows was changed.
    pub(super) fn look_again(&self) {
        self.state.wake.notify_one();
        self.settled.notify_one();
    }

    /// Starts no more deliveries.
    pub(super) fn pause(&self) {
        self.state.scheduler().pause();
    }

    /// Waits until nothing is in flight; with `all`, until nothing is owed to a destination that
    /// can be reached and that the operator has not stopped, but for what is held.
    pub(super) async fn drained(&self, all: bool) {
        while !self.is_drained(all) {
            self.settled.notified().await;
        }
    }

    fn is_drained(&self, all: bool) -> bool {
        let scheduler = self.state.scheduler();
        (0..self.destinations.len()).all(|destination| {
            let owes = all
                && scheduler.owed_count(destination) > 0
                && !scheduler.is_open(destination)
                && !scheduler.waits_for_operator(destination);
            scheduler.in_flight_count(destination) == 0 && !owes
        })
    }

    /// Waits for deliveries and burials under way, at most until `deadline`.
    pub(super) async fn ended(&self, deadline: Instant) {
        self.closing.cancel();
        self.tasks.close();
        if timeout_at(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                route = %self.state.name,
                "deliveries did not end with their outputs; their chunks stay on disk"
            );
        }
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<DeliveryId, Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep_until(&self, wakeup: Wakeup) {
        let now = self.clock.now();
        let by_wall_clock = wakeup.unix_ns.map(|at| {
            let wait = u64::try_from(at.saturating_sub(now.unix_ns)).unwrap_or(0);
            now.monotonic + Duration::from_nanos(wait).min(WALL_CLOCK_RECHECK)
        });
        match wakeup.monotonic.into_iter().chain(by_wall_clock).min() {
            Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
            None => std::future::pending().await,
        }
    }

    /// Does everything that is due now.
    fn decide(self: &Arc<Self>) {
        loop {
            let decision = self.state.scheduler().poll(self.clock.now());
            match decision {
                Some(Decision::Seal { chunk, reason }) => {
                    self.chunks.seal(chunk, reason, self.clock.now().unix_ns);
                }
                Some(Decision::Deliver {
                    delivery,
                    chunk,
                    destination,
                    failure_count,
                    via,
                    records,
                }) => {
                    let start = Start {
                        delivery,
                        destination,
                        via,
                        failure_count,
                        records,
                    };
                    match self.claim(chunk, destination) {
                        Ok(claim) => self.start(start, claim),
                        Err(error) => self.not_claimed(delivery, chunk, destination, error),
                    }
                }
                Some(Decision::Expire(burial)) => {
                    match self.claim(burial.chunk, burial.destination) {
                        Ok(claim) => drop(self.tasks.spawn(Arc::clone(self).bury(claim, burial))),
                        Err(error) => self.not_claimed_to_bury(&burial, error),
                    }
                }
                Some(Decision::TakeBack {
                    delivery,
                    destination,
                    via,
                    then,
                }) => {
                    self.take_back(delivery, destination, via, then);
                }
                None => return,
            }
        }
    }

    pub(super) fn claim(&self, chunk: ChunkId, destination: usize) -> Result<Claim, ClaimError> {
        self.chunks
            .claim_for(chunk, &self.state.outputs[destination])
    }

    /// The output that a delivery goes to.
    pub(super) fn target(&self, destination: usize, via: Via) -> &Destination {
        match (via, &self.secondary) {
            (Via::Secondary, Some(secondary)) => secondary,
            _ => &self.destinations[destination],
        }
    }

    /// Starts a delivery, if the output has room for it.
    fn start(self: &Arc<Self>, start: Start, claim: Claim) {
        match self.room_for(start.delivery, start.destination, start.via, &claim) {
            Some(permit) => self.deliver(start, claim, permit),
            None => {
                let chunk = claim.id();
                claim.roll_back();
                self.given_back(chunk, start.destination, None);
            }
        }
    }

    fn deliver(&self, start: Start, claim: Claim, permit: Permit) {
        let Start {
            delivery,
            destination,
            via,
            failure_count,
            records,
        } = start;
        let chunk = self.chunk(&claim);
        let to = self.target(destination, via);
        to.stats.started(failure_count.saturating_add(1));
        let chunk = match records {
            None => chunk,
            Some(records) => {
                to.stats.part_attempts.fetch_add(1, Relaxed);
                chunk.part(records)
            }
        };
        tracing::debug!(
            route = %self.state.name, output = %to.name, chunk = %chunk.id(), failure_count,
            events = chunk.event_count(), "delivery starts"
        );
        self.claims().insert(delivery, claim);
        self.state
            .tell(chunk.id(), |route, chunk| What::DeliveryStarted {
                route,
                output: to.name.to_string(),
                chunk,
                attempt: failure_count.saturating_add(1),
            });
        let (ended, sent) = (self.ended.clone(), chunk.clone());
        let resolve = Box::new(move |outcome| {
            // Fails only when the driver is gone: then the chunk is delivered after the next start.
            let _ = ended.send(Ended {
                delivery,
                destination,
                via,
                outcome: certain(outcome, &sent),
            });
        });
        let handle = Delivery::new(chunk, resolve).with_permit(permit);
        self.tasks.spawn(to.slot.deliver(to.way, handle));
    }

    /// The chunk of a claim, as outputs read it.
    pub(super) fn chunk(&self, claim: &Claim) -> Chunk {
        let (route, id) = (self.chunks.clone(), claim.id());
        Chunk::new(claim.info(), Box::new(move || route.read(id))).in_zone(self.zone.clone())
    }

    fn end(self: &Arc<Self>, ended: Ended) {
        let Ended {
            delivery,
            destination,
            via,
            outcome,
        } = ended;
        let to = self.target(destination, via);
        let was_commit = outcome == Outcome::Delivered;
        if let Outcome::Retry(failure) = &outcome {
            to.count_failure(failure.scope);
        }
        let resolved = self
            .state
            .scheduler()
            .resolve(self.clock.now(), delivery, outcome);
        let claim = self.claims().remove(&delivery);
        if resolved == Resolved::Late && was_commit {
            to.stats.late_commits.fetch_add(1, Relaxed);
        }
        // Without a claim the delivery has been taken back, and its end was counted then.
        if let Some(claim) = claim {
            self.settle(claim, destination, via, resolved);
        }
    }

    fn take_back(
        self: &Arc<Self>,
        delivery: DeliveryId,
        destination: usize,
        via: Via,
        then: Resolved,
    ) {
        let to = self.target(destination, via);
        to.stats.timed_out.fetch_add(1, Relaxed);
        if let Some(claim) = self.claims().remove(&delivery) {
            self.settle(claim, destination, via, then);
        }
    }

    /// Does to the chunk what its end says.
    fn settle(self: &Arc<Self>, claim: Claim, destination: usize, via: Via, resolved: Resolved) {
        let to = self.target(destination, via);
        let chunk = claim.id();
        to.stats.ended();
        match resolved {
            // Purged while it was in flight.
            Resolved::Late => {
                claim.roll_back();
                self.given_back(chunk, destination, None);
            }
            Resolved::Delivered {
                taken,
                failure_count,
                ..
            } => {
                self.count_taken(&claim, to, taken, true);
                self.commit(claim, destination, to, failure_count, taken.event_count);
                self.given_back(chunk, destination, None);
            }
            Resolved::Advanced { taken, retry, .. } => {
                if let Some(taken) = taken {
                    self.count_taken(&claim, to, taken, false);
                }
                to.note_error(&retry);
                self.remember(chunk, destination, retry.clone());
                claim.roll_back();
                self.given_back(chunk, destination, Some(retry));
            }
            Resolved::Retrying { taken, retry, .. } => {
                if let Some(taken) = taken {
                    self.count_taken(&claim, to, taken, false);
                }
                self.note_failure(chunk, destination, to, retry.clone());
                claim.roll_back();
                self.given_back(chunk, destination, Some(retry));
            }
            Resolved::Bury { burial, taken } => {
                if let Some(taken) = taken {
                    self.count_taken(&claim, to, taken, false);
                }
                to.stats.failed(burial.retry.last_failure_ns);
                to.note_error(&burial.retry);
                self.tasks.spawn(Arc::clone(self).bury(claim, burial));
            }
        }
        self.watch_breaker(destination);
        self.settled.notify_one();
    }

    /// Counts what an attempt delivered: a chunk, or a part of one.
    fn count_taken(&self, claim: &Claim, to: &Destination, taken: Taken, is_last: bool) {
        let now = self.clock.now();
        let info = claim.info();
        let latency = now.monotonic.saturating_sub(taken.began);
        if latency > self.slow_delivery {
            tracing::warn!(
                route = %self.state.name, output = %to.name, chunk = %info.id, ?latency,
                "slow delivery"
            );
        }
        let bytes = share_of(info.payload_bytes, taken.event_count, info.event_count);
        to.stats
            .delivered(taken.event_count, bytes, latency, now.unix_ns);
        if is_last {
            to.stats.chunks_delivered.fetch_add(1, Relaxed);
        }
        if taken.via == Via::Secondary {
            self.stats.secondary_deliveries.fetch_add(1, Relaxed);
            self.stats
                .secondary_events
                .fetch_add(taken.event_count, Relaxed);
        }
        *to.last_error() = None;
    }

    fn commit(
        &self,
        claim: Claim,
        destination: usize,
        to: &Destination,
        failure_count: u32,
        taken: u64,
    ) {
        let (id, events) = (claim.id(), taken);
        if let Err(error) = claim.commit(self.clock.now().unix_ns) {
            tracing::error!(
                route = %self.state.name, output = %to.name, chunk = %id, %error,
                "delivered, but this could not be noted: it may be delivered again after a restart"
            );
        }
        if failure_count > 0 {
            self.catalog.remove(self.retry_key(id, destination));
        }
        tracing::debug!(route = %self.state.name, output = %to.name, chunk = %id, "delivered");
        self.state.tell(id, |route, chunk| What::DeliveryCommitted {
            route,
            output: to.name.to_string(),
            chunk,
            events,
        });
    }

    fn note_failure(&self, id: ChunkId, destination: usize, to: &Destination, retry: RetryState) {
        to.stats.failed(retry.last_failure_ns);
        tracing::debug!(
            route = %self.state.name, output = %to.name, chunk = %id,
            reason = retry.last_reason, failures = retry.failure_count, "delivery failed"
        );
        to.note_error(&retry);
        self.state.tell(id, |route, chunk| What::DeliveryFailed {
            route,
            output: to.name.to_string(),
            chunk,
            reason: retry.last_reason.clone(),
            failures: retry.failure_count,
            next_attempt: Moment(retry.next_attempt_ns),
        });
        self.remember(id, destination, retry);
    }

    /// Keeps a chunk's history, and what is left of it, for the next start.
    pub(super) fn remember(&self, id: ChunkId, destination: usize, retry: RetryState) {
        self.catalog
            .put(self.retry_key(id, destination), record(retry));
    }

    /// Says once that a destination is away, and once that it is back.
    fn watch_breaker(&self, destination: usize) {
        let to = &self.destinations[destination];
        let is_open = self.state.scheduler().is_open(destination);
        let was_open = to.stats.breaker_is_open.swap(is_open, Relaxed);
        if is_open && !was_open {
            let reason = to.last_error().clone().unwrap_or_default();
            tracing::warn!(
                route = %self.state.name, output = %to.name, reason,
                "destination fails; events are kept, and it is probed with one chunk"
            );
            self.state.hub.tell(self.clock, || What::BreakerOpened {
                route: self.state.name.to_string(),
                output: to.name.to_string(),
                reason,
            });
        } else if was_open && !is_open {
            self.state.hub.tell(self.clock, || What::BreakerClosed {
                route: self.state.name.to_string(),
                output: to.name.to_string(),
            });
            tracing::info!(route = %self.state.name, output = %to.name, "destination is back");
        }
    }

    pub(super) fn retry_key(&self, id: ChunkId, destination: usize) -> RetryKey {
        let output = self.state.outputs[destination].clone();
        RetryKey {
            chunk_id: *id.as_bytes(),
            output,
        }
    }
}

impl Destination {
    fn count_failure(&self, scope: FailureScope) {
        let failures = &self.stats.failures;
        let counter = match scope {
            FailureScope::Unreachable => &failures.unreachable,
            FailureScope::Destination => &failures.destination,
            FailureScope::Chunk => &failures.chunk,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn note_error(&self, retry: &RetryState) {
        if !retry.last_reason.is_empty() {
            *self.last_error() = Some(retry.last_reason.clone());
        }
    }

    pub(super) fn last_error(&self) -> MutexGuard<'_, Option<String>> {
        lock(&self.last_error)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Deletes the oldest chunks of a route for `overflow: drop_oldest_chunk`.
pub(super) struct Dropper {
    pub(super) seat: Arc<Seat>,
    pub(super) chunks: Route,
    pub(super) stats: Arc<RouteStats>,
}

impl Evict for Dropper {
    fn evict_oldest(&self) -> bool {
        let state = self.seat.now();
        let Some(oldest) = state.scheduler().oldest() else {
            return false;
        };
        // Somebody else may have deleted it meanwhile, which makes room as well.
        if let Some(chunk) = self.chunks.purge(oldest) {
            self.stats
                .dropped_chunk(chunk.event_count, chunk.payload_bytes);
            tracing::warn!(
                route = %state.name, chunk = %oldest, events = chunk.event_count,
                "dropped the oldest chunk to make room, as overflow says"
            );
            state.tell(oldest, |route, id| What::ChunkDropped {
                route,
                chunk: id,
                events: chunk.event_count,
                reason: "drop_oldest_chunk".to_owned(),
            });
        }
        true
    }
}

/// What a delivery said, unless it speaks of records whose places are not certain.
fn certain(outcome: Outcome, sent: &Chunk) -> Outcome {
    match outcome {
        Outcome::Partial { .. } if sent.met_damage() => Outcome::Retry(Failure::new(
            FailureScope::Chunk,
            "part of the chunk was taken, but with its damage it is not certain which",
        )),
        outcome => outcome,
    }
}

/// The share of `whole` that `part` of `all` has.
pub(super) fn share_of(whole: u64, part: u64, all: u64) -> u64 {
    let share = u128::from(whole) * u128::from(part) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn record(retry: RetryState) -> RetryRecord {
    RetryRecord {
        attempts: retry.failure_count,
        first_failure_ns: retry.first_failure_ns,
        last_failure_ns: retry.last_failure_ns,
        next_attempt_ns: retry.next_attempt_ns,
        last_reason: retry.last_reason,
        left: retry.left.map(|left| {
            left.ranges()
                .map(|range| (range.start, range.end))
                .collect()
        }),
    }
}

impl Cause {
    /// The word that dead letters carry.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "retries exhausted",
            Self::Expired => "expired",
            Self::Operator => "operator",
        }
    }
}
