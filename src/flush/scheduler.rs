//! The state machine: what happened goes in, decisions come out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use forebay_storage::{ChunkId, SealReason};

use super::backoff::Backoff;
use super::breaker::Attempt;
use super::decision::{
    Decision, DeliveryId, DestinationPolicy, FlushPolicy, Owed, Queued, RetryState, Staged, Via,
    Wakeup,
};
use super::lanes::{Lane, Lanes};
use super::outcome::{Failure, FailureScope, Outcome};
use super::queue::{DestinationQueue, Serial};
use super::timers::Timers;
use crate::clock::Now;
use crate::config::plan::FlushMode;

mod books;
mod ending;
mod handover;
mod operator;
mod parking;
mod queries;
mod retry;
#[cfg(test)]
mod tests;

use books::{Debt, DebtState, Failures, InFlight, Rest, SealTimers, Tracked, TrackedQueued};
use operator::Stopped;
pub use operator::Unburied;

/// The flush scheduler of one route.
#[derive(Debug)]
pub struct Scheduler {
    policy: FlushPolicy,
    backoff: Backoff,
    chunks: HashMap<ChunkId, Tracked>,
    /// Queued chunks in the order of their queueing.
    order: BTreeMap<Serial, ChunkId>,
    destination_count: usize,
    /// One for each destination, and one more for each if there is a secondary output.
    queues: Vec<DestinationQueue>,
    /// One for each destination.
    lanes: Vec<Lanes>,
    /// Searches for bad records that were begun, by destination.
    search_counts: Vec<u64>,
    /// How long a chunk may fail before the secondary output is used; `None`: retries never lead
    /// there.
    secondary_after: Option<Duration>,
    deliveries: HashMap<DeliveryId, InFlight>,
    ages: Timers<Duration, ChunkId>,
    windows: Timers<i64, ChunkId>,
    take_backs: Timers<Duration, DeliveryId>,
    expiries: Timers<Duration, ChunkId>,
    to_expire: VecDeque<(ChunkId, usize)>,
    to_seal: VecDeque<(ChunkId, SealReason)>,
    /// Nothing is started any more.
    is_paused: bool,
    /// A successor decides.
    is_retired: bool,
    /// What the operator has stopped, and may start again.
    stopped: Stopped,
    /// Chunks that the operator holds, and when they would have expired.
    held: HashMap<ChunkId, Option<Duration>>,
    next_serial: Serial,
    next_delivery: u64,
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
            destination_count: destinations.len(),
            lanes: destinations.iter().map(|_| Lanes::default()).collect(),
            search_counts: vec![0; destinations.len()],
            secondary_after: None,
            queues: destinations
                .iter()
                .copied()
                .map(DestinationQueue::new)
                .collect(),
            deliveries: HashMap::new(),
            ages: Timers::new(),
            windows: Timers::new(),
            take_backs: Timers::new(),
            expiries: Timers::new(),
            to_expire: VecDeque::new(),
            to_seal: VecDeque::new(),
            is_paused: false,
            is_retired: false,
            stopped: Stopped::none(destinations.len()),
            held: HashMap::new(),
            next_serial: 0,
            next_delivery: 0,
        }
    }

    /// The same with a secondary output for what the destinations do not take.
    #[must_use]
    pub fn with_secondary(mut self, policy: DestinationPolicy) -> Self {
        let queues = (0..self.destination_count).map(|_| DestinationQueue::new(policy));
        self.queues.extend(queues);
        let retry = &self.policy.retry;
        self.secondary_after = (!retry.forever).then(|| {
            let for_tries = retry
                .max_times
                .map(|times| self.backoff.sum(times, retry.timeout));
            let budget = for_tries.map_or(retry.timeout, |needed| needed.min(retry.timeout));
            budget.mul_f64(self.policy.secondary_threshold)
        });
        self
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
        let timers = Box::new(SealTimers { age, window });
        self.chunks.insert(chunk, Tracked::Staged(timers));
    }

    /// A chunk is sealed and durable: it is owed to its destinations from now on.
    pub fn queued(&mut self, now: Now, queued: Queued) {
        let Queued {
            chunk,
            event_count,
            sealed_ns,
            lane,
            owed,
        } = queued;
        if let Some(Tracked::Queued(_)) = self.chunks.get(&chunk) {
            return;
        }
        self.forget(chunk);
        if owed.is_empty() {
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.order.insert(serial, chunk);
        let expires_at = self
            .policy
            .max_age
            .map(|age_max| now.monotonic + time_left(now, sealed_ns, age_max));
        let expiry = self.expiry(chunk, expires_at);
        let debts = owed.into_iter().map(|owed| debt(now, event_count, owed));
        let tracked = TrackedQueued {
            serial,
            lane,
            owed_since_ns: unsigned_ns(now.monotonic),
            debts: debts.collect(),
            expiry: expiry.map(Box::new),
            is_expired: false,
        };
        let states: Vec<_> = tracked
            .debts
            .iter()
            .map(|d| (d.destination, d.state))
            .collect();
        self.chunks
            .insert(chunk, Tracked::Queued(Box::new(tracked)));
        for (destination, state) in states {
            self.queues[destination].owed_count += 1;
            self.line_up(chunk, destination, lane, state);
        }
    }

    /// Puts a new debt into its queue, or behind older chunks of its lane.
    fn line_up(
        &mut self,
        chunk: ChunkId,
        destination: usize,
        lane: Option<Lane>,
        state: DebtState,
    ) {
        let DebtState::Pending { waiting_until } = state else {
            return;
        };
        if lane.is_none_or(|lane| self.lanes[destination].enter(lane, chunk)) {
            self.enqueue(chunk, destination, waiting_until, FailureScope::Destination);
        } else if let Some(debt) = self.debt(chunk, destination) {
            debt.state = DebtState::Behind { waiting_until };
        }
    }

    /// A chunk is gone, whatever it owed. Its deliveries that still run end late.
    pub fn purged(&mut self, now: Now, chunk: ChunkId) {
        if let Some(Tracked::Queued(queued)) = self.chunks.get(&chunk) {
            let running = queued.debts.iter().filter_map(|debt| match debt.state {
                DebtState::InFlight { delivery } => Some(delivery),
                _ => None,
            });
            for delivery in running.collect::<Vec<_>>() {
                if let Some(ended) = self.end(delivery) {
                    let index = self.queue_index(ended.destination, ended.via);
                    self.queues[index].call_off(now.monotonic, ended.attempt.is_probe);
                }
            }
        }
        self.forget(chunk);
        self.held.remove(&chunk);
    }

    /// Has every staged chunk sealed now.
    pub fn flush_all(&mut self) {
        let staged: Vec<_> = self
            .chunks
            .iter()
            .filter(|(_, tracked)| matches!(tracked, Tracked::Staged(_)))
            .map(|(chunk, _)| *chunk)
            .collect();
        self.to_seal
            .extend(staged.into_iter().map(|chunk| (chunk, SealReason::Request)));
    }

    /// Starts no more deliveries, for good; those in flight end as ever.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// The next thing to do at `now`; call it until it gives nothing.
    pub fn poll(&mut self, now: Now) -> Option<Decision> {
        if self.is_retired {
            return self.next_take_back(now);
        }
        if let Some((chunk, reason)) = self.next_to_seal(now) {
            return Some(Decision::Seal { chunk, reason });
        }
        if let Some(decision) = self.next_take_back(now) {
            return Some(decision);
        }
        if let Some(decision) = self.next_expiry(now) {
            return Some(decision);
        }
        for destination in 0..self.destination_count {
            if !self.is_stopped(destination) {
                self.hand_over_overdue(now, destination);
            }
        }
        (0..self.queues.len()).find_map(|index| self.next_delivery(now, index))
    }

    /// When [`poll`](Self::poll) may have something to do though nothing happens before.
    #[must_use]
    pub fn next_wakeup(&self) -> Wakeup {
        if self.is_retired {
            return Wakeup {
                monotonic: self.take_backs.next_at(),
                unix_ns: None,
            };
        }
        let timers = [
            self.ages.next_at(),
            self.take_backs.next_at(),
            self.expiries.next_at(),
        ];
        // What is stopped has nothing to do, though it may be due.
        let started = (0..self.destination_count).filter(|index| !self.is_stopped(*index));
        let overdue = started.map(|index| Some(self.overdue(index)?.0));
        let queues = self.queues.iter().enumerate();
        let queues = queues
            .filter(|(index, _)| !self.is_stopped(index % self.destination_count))
            .map(|(_, queue)| queue.next_at());
        Wakeup {
            monotonic: timers
                .into_iter()
                .chain(queues)
                .chain(overdue)
                .flatten()
                .min(),
            unix_ns: self.windows.next_at(),
        }
    }

    /// When a chunk created at `created_ns` is sealed for its age.
    fn seal_at(&self, now: Now, created_ns: i64) -> Option<Duration> {
        let age_max = match self.policy.mode {
            FlushMode::Lazy => return None,
            FlushMode::Interval => self.policy.interval,
            FlushMode::Immediate => Duration::ZERO,
        };
        Some(now.monotonic + time_left(now, created_ns, age_max))
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
        let in_flight = self.deliveries.get(&delivery)?;
        let (destination, via) = (in_flight.destination, in_flight.via);
        let failure = Failure::new(FailureScope::Destination, "not confirmed in time");
        let then = self.resolve(now, delivery, Outcome::Retry(failure));
        Some(Decision::TakeBack {
            delivery,
            destination,
            via,
            then,
        })
    }

    fn next_expiry(&mut self, now: Now) -> Option<Decision> {
        while let Some(chunk) = self.expiries.pop_due(now.monotonic) {
            self.expire(chunk);
        }
        while let Some((chunk, destination)) = self.to_expire.pop_front() {
            self.refuse_expired(now, chunk, destination);
            if let Some(burial) = self.next_burial(now, chunk, destination) {
                return Some(Decision::Expire(burial));
            }
        }
        None
    }

    /// When a chunk that waits for the end of an outage goes to the secondary output. In an outage
    /// few chunks are tried and fail by themselves; the others have waited for as long all the same.
    fn overdue_at(&self, chunk: ChunkId, destination: usize) -> Option<Duration> {
        let after = self.secondary_after?;
        let since = self.queues[destination].open_since()?;
        let Some(Tracked::Queued(queued)) = self.chunks.get(&chunk) else {
            return None;
        };
        let owed_since = Duration::from_nanos(queued.owed_since_ns);
        Some(since.max(owed_since) + after)
    }

    /// The oldest chunk that is ready and waits for the end of an outage, and when it is overdue.
    fn overdue(&self, destination: usize) -> Option<(Duration, Serial, ChunkId)> {
        self.secondary_after?;
        let serial = self.queues[destination].oldest_ready()?;
        let chunk = *self.order.get(&serial)?;
        Some((self.overdue_at(chunk, destination)?, serial, chunk))
    }

    fn hand_over_overdue(&mut self, now: Now, destination: usize) {
        while let Some((at, serial, chunk)) = self.overdue(destination)
            && at <= now.monotonic
        {
            self.queues[destination].remove(serial, None);
            self.hand_to_secondary(now, chunk, destination);
            self.enqueue(chunk, destination, None, FailureScope::Destination);
        }
    }

    fn next_delivery(&mut self, now: Now, index: usize) -> Option<Decision> {
        if self.is_stopped(index % self.destination_count) {
            return None;
        }
        let next = self.queues[index].pop(now.monotonic)?;
        let chunk = self.order[&next.serial];
        let (destination, via) = if index < self.destination_count {
            (index, Via::Primary)
        } else {
            (index - self.destination_count, Via::Secondary)
        };
        let delivery = DeliveryId(self.next_delivery);
        self.next_delivery += 1;
        let after = self.queues[index].policy.take_back_after;
        let take_back = after.map(|after| self.take_backs.insert(now.monotonic + after, delivery));
        let attempt = Attempt {
            began: now.monotonic,
            is_probe: next.is_probe,
        };
        let in_flight = InFlight {
            chunk,
            destination,
            via,
            attempt,
            take_back,
        };
        self.deliveries.insert(delivery, in_flight);
        let debt = self.debt(chunk, destination);
        let (failure_count, records) = debt.map_or((0, None), |debt| {
            debt.state = DebtState::InFlight { delivery };
            (debt.attempt_count(), debt.remainder.offered())
        });
        Some(Decision::Deliver {
            delivery,
            chunk,
            destination,
            failure_count,
            via,
            records,
        })
    }
}

fn debt(now: Now, event_count: u64, owed: Owed) -> Debt {
    let Owed { destination, retry } = owed;
    // A history without a failure has only what is left.
    let left = retry.as_ref().and_then(|retry| retry.left.clone());
    let retry = retry.filter(|retry| retry.failure_count > 0);
    let failing_since_ns = retry.as_ref().map(|retry| {
        let failing_ns = now.unix_ns.saturating_sub(retry.first_failure_ns);
        ns(now.monotonic).saturating_sub(failing_ns.max(0))
    });
    let state = DebtState::Pending {
        waiting_until: retry.as_ref().and_then(|retry| resume_at(now, retry)),
    };
    let debt = Debt::new(destination, state, Rest::new(event_count, left));
    if retry.is_none() {
        return debt;
    }
    debt.having_failed(Failures {
        failing_since_ns,
        first_failure_ns: retry.as_ref().map(|retry| retry.first_failure_ns),
        retry,
        ..Failures::default()
    })
}

/// How long until something that began at `since_ns` has lasted for `lasts`, never more than that:
/// the wall clock may have been set back since.
fn time_left(now: Now, since_ns: i64, lasts: Duration) -> Duration {
    let age_ns = u64::try_from(now.unix_ns.saturating_sub(since_ns)).unwrap_or(0);
    lasts.saturating_sub(Duration::from_nanos(age_ns))
}

/// When a chunk with that history may be tried after a restart, if not at once.
///
/// Never longer than the wait was when it began: the wall clock may have been set back since.
fn resume_at(now: Now, retry: &RetryState) -> Option<Duration> {
    let wait = retry.next_attempt_ns.saturating_sub(retry.last_failure_ns);
    let left = retry.next_attempt_ns.saturating_sub(now.unix_ns).min(wait);
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(now.monotonic + Duration::from_nanos(left))
}

/// The same, unsigned.
fn unsigned_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of a duration; saturates after 292 years.
fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
