//! The state machine: what happened goes in, decisions come out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use forebay_storage::{ChunkId, SealReason};

use super::backoff::Backoff;
use super::breaker::Attempt;
use super::outcome::{Failure, FailureScope, Outcome};
use super::queue::{DestinationQueue, Serial};
use super::timers::{TimerKey, Timers};
use crate::clock::Now;
use crate::config::plan::{FlushMode, RetryPlan};

/// Probes of a destination that refuses connections are at most this far apart: a refused
/// connection costs next to nothing, and the first delivery after an outage is not to wait.
const UNREACHABLE_PROBE_GAP_MAX: Duration = Duration::from_secs(2);

/// When a route's chunks are sealed and tried again.
#[derive(Clone, Debug)]
pub struct FlushPolicy {
    /// When chunks are sealed.
    pub mode: FlushMode,
    /// The age at which a chunk is sealed in interval mode.
    pub interval: Duration,
    /// How long after its end a time window still takes late events.
    pub window_wait: Duration,
    /// When a failed delivery is tried again, and when a chunk is given up.
    pub retry: RetryPlan,
}

/// How a route's chunks are sent to one destination.
#[derive(Clone, Copy, Debug)]
pub struct DestinationPolicy {
    /// Deliveries in flight at a time; at least 1.
    pub max_concurrent: usize,
    /// A delivery that has not been resolved for so long is taken back; `None`: never.
    pub take_back_after: Option<Duration>,
}

/// Names one attempt to deliver one chunk to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(u64);

/// A chunk that takes appends.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    /// The chunk.
    pub chunk: ChunkId,
    /// When it was created, in nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// The end of its time window, in nanoseconds since the Unix epoch.
    pub window_end_ns: Option<i64>,
}

/// A chunk that is sealed and durable.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The chunk.
    pub chunk: ChunkId,
    /// Indices of the destinations it is owed to, with what is known of earlier attempts.
    pub owed: Vec<(usize, Option<RetryState>)>,
}

/// What is known of a chunk's failed attempts at one destination. Times are Unix nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryState {
    /// Attempts that failed; at least 1.
    pub failure_count: u32,
    /// When the first of them failed.
    pub first_failure_ns: i64,
    /// When the last of them failed.
    pub last_failure_ns: i64,
    /// When the next attempt may be made.
    pub next_attempt_ns: i64,
    /// What the last of them ended with.
    pub last_reason: String,
}

/// What the engine has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Seal a staged chunk.
    Seal {
        /// The chunk.
        chunk: ChunkId,
        /// Why now.
        reason: SealReason,
    },
    /// Start a delivery.
    Deliver {
        /// Its name, by which it is resolved.
        delivery: DeliveryId,
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Attempts of this chunk at this destination that failed before.
        failure_count: u32,
    },
    /// The time of a delivery is over: whatever it still says is too late.
    TakeBack {
        /// The delivery.
        delivery: DeliveryId,
        /// Index of the destination.
        destination: usize,
        /// What becomes of its chunk.
        then: Resolved,
    },
}

/// What became of a chunk when its delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// The delivery had been taken back, or its chunk purged: nothing changes.
    Late,
    /// The destination has confirmed the chunk.
    Delivered {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// When the attempt began, by the monotonic clock.
        began: Duration,
        /// Attempts that failed before.
        failure_count: u32,
    },
    /// It will be tried again.
    Retrying {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Its history, for the catalogue.
        retry: RetryState,
    },
    /// It will not be tried again: copy it to the dead letters, then say
    /// [`Scheduler::buried`] or [`Scheduler::not_buried`].
    Bury {
        /// The chunk.
        chunk: ChunkId,
        /// Index of the destination.
        destination: usize,
        /// Its history with the last answer.
        retry: RetryState,
        /// Why it is given up.
        cause: Cause,
    },
}

/// Why a chunk is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The destination said that it will never take it.
    Rejected,
    /// Its retries, or its time for them, are spent.
    Exhausted,
}

/// When the engine has to look again if nothing happens before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// At this monotonic time.
    pub monotonic: Option<Duration>,
    /// At this wall-clock time, in nanoseconds since the Unix epoch.
    pub unix_ns: Option<i64>,
}

/// The flush scheduler of one route.
#[derive(Debug)]
pub struct Scheduler {
    policy: FlushPolicy,
    backoff: Backoff,
    chunks: HashMap<ChunkId, Tracked>,
    /// Queued chunks in the order of their queueing.
    order: BTreeMap<Serial, ChunkId>,
    queues: Vec<DestinationQueue>,
    deliveries: HashMap<DeliveryId, InFlight>,
    ages: Timers<Duration, ChunkId>,
    windows: Timers<i64, ChunkId>,
    take_backs: Timers<Duration, DeliveryId>,
    to_seal: VecDeque<(ChunkId, SealReason)>,
    is_paused: bool,
    next_serial: Serial,
    next_delivery: u64,
}

#[derive(Debug)]
enum Tracked {
    Staged {
        age: Option<TimerKey<Duration>>,
        window: Option<TimerKey<i64>>,
    },
    Queued {
        serial: Serial,
        debts: Vec<Debt>,
    },
}

/// What a queued chunk owes to one destination.
#[derive(Debug)]
struct Debt {
    destination: usize,
    state: DebtState,
    retry: Option<RetryState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DebtState {
    /// In the destination's queue; waiting until then if it failed.
    Pending {
        waiting_until: Option<Duration>,
    },
    InFlight {
        delivery: DeliveryId,
    },
    /// Being copied to the dead letters.
    Burying,
}

#[derive(Debug)]
struct InFlight {
    chunk: ChunkId,
    destination: usize,
    attempt: Attempt,
    take_back: Option<TimerKey<Duration>>,
}

impl Scheduler {
    /// A scheduler without chunks. `seed` feeds the jitter.
    #[must_use]
    pub fn new(policy: FlushPolicy, destinations: &[DestinationPolicy], seed: u64) -> Self {
        Self {
            backoff: Backoff::new(policy.retry.clone(), seed),
            policy,
            chunks: HashMap::new(),
            order: BTreeMap::new(),
            queues: destinations
                .iter()
                .copied()
                .map(DestinationQueue::new)
                .collect(),
            deliveries: HashMap::new(),
            ages: Timers::new(),
            windows: Timers::new(),
            take_backs: Timers::new(),
            to_seal: VecDeque::new(),
            is_paused: false,
            next_serial: 0,
            next_delivery: 0,
        }
    }

    /// A chunk has been opened, or found staged at start.
    pub fn staged(&mut self, now: Now, staged: Staged) {
        let Staged {
            chunk,
            created_ns,
            window_end_ns,
        } = staged;
        if self.chunks.contains_key(&chunk) {
            return;
        }
        let age = self
            .seal_at(now, created_ns)
            .map(|at| self.ages.insert(at, chunk));
        let window = match self.policy.mode {
            FlushMode::Immediate => None,
            FlushMode::Lazy | FlushMode::Interval => window_end_ns.map(|end| {
                self.windows
                    .insert(end.saturating_add(ns(self.policy.window_wait)), chunk)
            }),
        };
        self.chunks.insert(chunk, Tracked::Staged { age, window });
    }

    /// A chunk is sealed and durable: it is owed to its destinations from now on.
    pub fn queued(&mut self, now: Now, queued: Queued) {
        if let Some(Tracked::Queued { .. }) = self.chunks.get(&queued.chunk) {
            return;
        }
        self.forget(queued.chunk);
        if queued.owed.is_empty() {
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.order.insert(serial, queued.chunk);
        let debts = queued
            .owed
            .into_iter()
            .map(|(destination, retry)| {
                let waiting_until = retry.as_ref().and_then(|retry| resume_at(now, retry));
                self.enqueue(
                    destination,
                    serial,
                    queued.chunk,
                    waiting_until,
                    FailureScope::Destination,
                );
                Debt {
                    destination,
                    state: DebtState::Pending { waiting_until },
                    retry,
                }
            })
            .collect();
        self.chunks
            .insert(queued.chunk, Tracked::Queued { serial, debts });
    }

    /// A chunk is gone, whatever it owed. Its deliveries that still run end late.
    pub fn purged(&mut self, now: Now, chunk: ChunkId) {
        if let Some(Tracked::Queued { debts, .. }) = self.chunks.get(&chunk) {
            let running: Vec<_> = debts
                .iter()
                .filter_map(|debt| match debt.state {
                    DebtState::InFlight { delivery } => Some(delivery),
                    DebtState::Pending { .. } | DebtState::Burying => None,
                })
                .collect();
            for delivery in running {
                if let Some(ended) = self.end(delivery) {
                    self.queues[ended.destination].call_off(now.monotonic, ended.attempt.is_probe);
                }
            }
        }
        self.forget(chunk);
    }

    /// Has every staged chunk sealed now.
    pub fn flush_all(&mut self) {
        let staged: Vec<_> = self
            .chunks
            .iter()
            .filter(|(_, tracked)| matches!(tracked, Tracked::Staged { .. }))
            .map(|(chunk, _)| *chunk)
            .collect();
        self.to_seal
            .extend(staged.into_iter().map(|chunk| (chunk, SealReason::Request)));
    }

    /// Starts no more deliveries; those in flight end as ever.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// The next thing to do at `now`; call it until it gives nothing.
    pub fn poll(&mut self, now: Now) -> Option<Decision> {
        if let Some((chunk, reason)) = self.next_to_seal(now) {
            return Some(Decision::Seal { chunk, reason });
        }
        if let Some(decision) = self.next_take_back(now) {
            return Some(decision);
        }
        if self.is_paused {
            return None;
        }
        (0..self.queues.len()).find_map(|destination| self.next_delivery(now, destination))
    }

    /// When [`poll`](Self::poll) may have something to do though nothing happens before.
    #[must_use]
    pub fn next_wakeup(&self) -> Wakeup {
        let timers = [self.ages.next_at(), self.take_backs.next_at()];
        let queues = self.queues.iter().map(DestinationQueue::next_at);
        Wakeup {
            monotonic: timers.into_iter().chain(queues).flatten().min(),
            unix_ns: self.windows.next_at(),
        }
    }

    /// A delivery has ended with `outcome`.
    pub fn resolve(&mut self, now: Now, delivery: DeliveryId, outcome: Outcome) -> Resolved {
        let Some(ended) = self.end(delivery) else {
            return Resolved::Late;
        };
        let InFlight {
            chunk,
            destination,
            attempt,
            ..
        } = ended;
        let queue = &mut self.queues[destination];
        match outcome {
            Outcome::Delivered => {
                queue.succeed(now.monotonic, attempt.is_probe);
                let failure_count = self.failure_count(chunk, destination);
                self.settle(chunk, destination);
                Resolved::Delivered {
                    chunk,
                    destination,
                    began: attempt.began,
                    failure_count,
                }
            }
            Outcome::Reject { reason } => {
                // A destination that says no is there.
                queue.succeed(now.monotonic, attempt.is_probe);
                let retry = self.note_failure(now, chunk, destination, reason, Duration::ZERO);
                self.bury(chunk, destination, retry, Cause::Rejected)
            }
            Outcome::Retry(failure) => self.fail(now, &ended, failure),
        }
    }

    /// A chunk that was to be buried is in the dead letters: it owes nothing to that destination.
    pub fn buried(&mut self, chunk: ChunkId, destination: usize) {
        self.settle(chunk, destination);
    }

    /// A chunk that was to be buried could not be: it stays, and is tried again later.
    pub fn not_buried(&mut self, now: Now, chunk: ChunkId, destination: usize) {
        let wait = self.policy.retry.max_interval;
        self.wait(now, chunk, destination, wait, FailureScope::Chunk);
    }

    /// The queued chunk that has waited longest and is not in flight anywhere.
    #[must_use]
    pub fn oldest(&self) -> Option<ChunkId> {
        self.order
            .values()
            .copied()
            .find(|chunk| !self.is_in_flight(*chunk))
    }

    /// Whether no chunk is queued.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether the breaker of a destination is open.
    #[must_use]
    pub fn is_open(&self, destination: usize) -> bool {
        self.queues[destination].is_open()
    }

    /// Deliveries in flight to a destination.
    #[must_use]
    pub fn in_flight_count(&self, destination: usize) -> usize {
        self.queues[destination].in_flight_count()
    }

    /// Queued chunks that a destination has not settled.
    #[must_use]
    pub fn owed_count(&self, destination: usize) -> usize {
        self.queues[destination].owed_count
    }

    /// When a destination whose breaker is open is probed next, by the monotonic clock.
    #[must_use]
    pub fn probe_at(&self, destination: usize) -> Option<Duration> {
        self.queues[destination].probe_at()
    }

    /// The chunks that are in flight to any destination, in no order.
    #[must_use]
    pub fn in_flight(&self) -> HashSet<ChunkId> {
        self.deliveries
            .values()
            .map(|in_flight| in_flight.chunk)
            .collect()
    }

    /// Whether a chunk is in flight to any destination.
    #[must_use]
    pub fn is_in_flight(&self, chunk: ChunkId) -> bool {
        match self.chunks.get(&chunk) {
            Some(Tracked::Queued { debts, .. }) => debts
                .iter()
                .any(|debt| matches!(debt.state, DebtState::InFlight { .. })),
            Some(Tracked::Staged { .. }) | None => false,
        }
    }

    /// What is known of a chunk's failed attempts at a destination.
    #[must_use]
    pub fn retry_state(&self, chunk: ChunkId, destination: usize) -> Option<&RetryState> {
        let Some(Tracked::Queued { debts, .. }) = self.chunks.get(&chunk) else {
            return None;
        };
        debts
            .iter()
            .find(|debt| debt.destination == destination)?
            .retry
            .as_ref()
    }

    /// When a chunk created at `created_ns` is sealed for its age.
    fn seal_at(&self, now: Now, created_ns: i64) -> Option<Duration> {
        let age_max = match self.policy.mode {
            FlushMode::Lazy => return None,
            FlushMode::Interval => self.policy.interval,
            FlushMode::Immediate => Duration::ZERO,
        };
        let age_ns = u64::try_from(now.unix_ns.saturating_sub(created_ns)).unwrap_or(0);
        Some(now.monotonic + age_max.saturating_sub(Duration::from_nanos(age_ns)))
    }

    fn next_to_seal(&mut self, now: Now) -> Option<(ChunkId, SealReason)> {
        if let Some(requested) = self.to_seal.pop_front() {
            return Some(requested);
        }
        if let Some(chunk) = self.windows.pop_due(now.unix_ns) {
            return Some((chunk, SealReason::Window));
        }
        let reason = match self.policy.mode {
            FlushMode::Immediate => SealReason::Immediate,
            FlushMode::Lazy | FlushMode::Interval => SealReason::Age,
        };
        self.ages
            .pop_due(now.monotonic)
            .map(|chunk| (chunk, reason))
    }

    fn next_take_back(&mut self, now: Now) -> Option<Decision> {
        let delivery = self.take_backs.pop_due(now.monotonic)?;
        let destination = self.deliveries.get(&delivery)?.destination;
        let failure = Failure::new(FailureScope::Destination, "not confirmed in time");
        let then = self.resolve(now, delivery, Outcome::Retry(failure));
        Some(Decision::TakeBack {
            delivery,
            destination,
            then,
        })
    }

    fn next_delivery(&mut self, now: Now, destination: usize) -> Option<Decision> {
        let next = self.queues[destination].pop(now.monotonic)?;
        let delivery = DeliveryId(self.next_delivery);
        self.next_delivery += 1;
        let after = self.queues[destination].policy.take_back_after;
        let take_back = after.map(|after| self.take_backs.insert(now.monotonic + after, delivery));
        let attempt = Attempt {
            began: now.monotonic,
            is_probe: next.is_probe,
        };
        let in_flight = InFlight {
            chunk: next.chunk,
            destination,
            attempt,
            take_back,
        };
        self.deliveries.insert(delivery, in_flight);
        if let Some(debt) = self.debt(next.chunk, destination) {
            debt.state = DebtState::InFlight { delivery };
        }
        let failure_count = self.failure_count(next.chunk, destination);
        Some(Decision::Deliver {
            delivery,
            chunk: next.chunk,
            destination,
            failure_count,
        })
    }

    /// Takes a delivery out of those in flight.
    fn end(&mut self, delivery: DeliveryId) -> Option<InFlight> {
        let ended = self.deliveries.remove(&delivery)?;
        if let Some(key) = ended.take_back {
            self.take_backs.remove(key);
        }
        Some(ended)
    }

    fn fail(&mut self, now: Now, ended: &InFlight, failure: Failure) -> Resolved {
        let InFlight {
            chunk,
            destination,
            attempt,
            ..
        } = *ended;
        let Failure {
            reason,
            scope,
            not_before,
        } = failure;
        let asked = not_before.unwrap_or(Duration::ZERO);
        let backoff = &mut self.backoff;
        self.queues[destination].fail(now.monotonic, attempt, scope, |failure_count| {
            let gap = backoff.wait(failure_count);
            match scope {
                FailureScope::Unreachable => gap.min(UNREACHABLE_PROBE_GAP_MAX).max(asked),
                FailureScope::Destination | FailureScope::Chunk => gap.max(asked),
            }
        });
        let failure_count = self.failure_count(chunk, destination).saturating_add(1);
        let wait = self.backoff.wait(failure_count).max(asked);
        let wait = self.clamp_to_deadline(now, chunk, destination, wait);
        let retry = self.note_failure(now, chunk, destination, reason, wait);
        if self.is_spent(now, &retry) {
            return self.bury(chunk, destination, retry, Cause::Exhausted);
        }
        self.wait(now, chunk, destination, wait, scope);
        Resolved::Retrying {
            chunk,
            destination,
            retry,
        }
    }

    /// The last attempt is made when the chunk's time is over, not after it.
    fn clamp_to_deadline(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        wait: Duration,
    ) -> Duration {
        let retry = &self.policy.retry;
        if retry.forever {
            return wait;
        }
        let timeout_ns = ns(retry.timeout);
        let first_ns = self
            .retry_state(chunk, destination)
            .map_or(now.unix_ns, |retry| retry.first_failure_ns);
        let left = first_ns
            .saturating_add(timeout_ns)
            .saturating_sub(now.unix_ns);
        wait.min(Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
    }

    fn is_spent(&self, now: Now, state: &RetryState) -> bool {
        let retry = &self.policy.retry;
        let out_of_time = now.unix_ns.saturating_sub(state.first_failure_ns) >= ns(retry.timeout);
        let out_of_tries = retry
            .max_times
            .is_some_and(|times| state.failure_count > times);
        !retry.forever && (out_of_time || out_of_tries)
    }

    fn failure_count(&self, chunk: ChunkId, destination: usize) -> u32 {
        self.retry_state(chunk, destination)
            .map_or(0, |retry| retry.failure_count)
    }

    fn note_failure(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        reason: String,
        wait: Duration,
    ) -> RetryState {
        let before = self.retry_state(chunk, destination);
        let state = RetryState {
            failure_count: before
                .map_or(0, |retry| retry.failure_count)
                .saturating_add(1),
            first_failure_ns: before.map_or(now.unix_ns, |retry| retry.first_failure_ns),
            last_failure_ns: now.unix_ns,
            next_attempt_ns: now.unix_ns.saturating_add(ns(wait)),
            last_reason: reason,
        };
        if let Some(debt) = self.debt(chunk, destination) {
            debt.retry = Some(state.clone());
        }
        state
    }

    fn bury(
        &mut self,
        chunk: ChunkId,
        destination: usize,
        retry: RetryState,
        cause: Cause,
    ) -> Resolved {
        if let Some(debt) = self.debt(chunk, destination) {
            debt.state = DebtState::Burying;
        }
        Resolved::Bury {
            chunk,
            destination,
            retry,
            cause,
        }
    }

    /// Has a chunk wait at a destination.
    fn wait(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        wait: Duration,
        scope: FailureScope,
    ) {
        let at = now.monotonic.saturating_add(wait);
        let Some(Tracked::Queued { serial, .. }) = self.chunks.get(&chunk) else {
            return;
        };
        self.queues[destination].push_waiting(at, *serial, chunk, scope);
        if let Some(debt) = self.debt(chunk, destination) {
            debt.state = DebtState::Pending {
                waiting_until: Some(at),
            };
        }
    }

    /// A chunk owes nothing to a destination any more.
    fn settle(&mut self, chunk: ChunkId, destination: usize) {
        let Some(Tracked::Queued { debts, .. }) = self.chunks.get_mut(&chunk) else {
            return;
        };
        let owed_before = debts.len();
        debts.retain(|debt| debt.destination != destination);
        self.queues[destination].owed_count -= owed_before - debts.len();
        if debts.is_empty() {
            self.forget(chunk);
        }
    }

    fn enqueue(
        &mut self,
        destination: usize,
        serial: Serial,
        chunk: ChunkId,
        waiting_until: Option<Duration>,
        scope: FailureScope,
    ) {
        let queue = &mut self.queues[destination];
        queue.owed_count += 1;
        match waiting_until {
            Some(at) => queue.push_waiting(at, serial, chunk, scope),
            None => queue.push(serial, chunk),
        }
    }

    /// Drops all that is known of a chunk, its timers included.
    fn forget(&mut self, chunk: ChunkId) {
        match self.chunks.remove(&chunk) {
            Some(Tracked::Staged { age, window }) => {
                age.into_iter().for_each(|key| self.ages.remove(key));
                window.into_iter().for_each(|key| self.windows.remove(key));
            }
            Some(Tracked::Queued { serial, debts }) => {
                self.order.remove(&serial);
                for debt in debts {
                    self.queues[debt.destination].owed_count -= 1;
                    if let DebtState::Pending { waiting_until } = debt.state {
                        self.queues[debt.destination].remove(serial, waiting_until);
                    }
                }
            }
            None => {}
        }
    }

    fn debt(&mut self, chunk: ChunkId, destination: usize) -> Option<&mut Debt> {
        let Some(Tracked::Queued { debts, .. }) = self.chunks.get_mut(&chunk) else {
            return None;
        };
        debts
            .iter_mut()
            .find(|debt| debt.destination == destination)
    }
}

/// When a chunk with that history may be tried after a restart, if not at once.
fn resume_at(now: Now, retry: &RetryState) -> Option<Duration> {
    let left = retry.next_attempt_ns.saturating_sub(now.unix_ns);
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(now.monotonic + Duration::from_nanos(left))
}

/// Nanoseconds of a duration; saturates after 292 years.
fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
