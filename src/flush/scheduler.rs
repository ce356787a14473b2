//! The state machine: what happened goes in, decisions come out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use forebay_storage::{ChunkId, SealReason};

use super::backoff::Backoff;
use super::breaker::Attempt;
use super::decision::{
    Cause, Decision, DeliveryId, DestinationPolicy, FlushPolicy, Queued, Resolved, RetryState,
    Staged, Wakeup,
};
use super::outcome::{Failure, FailureScope, Outcome};
use super::queue::{DestinationQueue, Serial};
use super::timers::Timers;
use crate::clock::Now;
use crate::config::plan::FlushMode;

mod books;
mod parking;
mod queries;
mod retry;
#[cfg(test)]
mod tests;

use books::{Debt, DebtState, Failing, InFlight, SealTimers, Tracked};

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
        let timers = Box::new(SealTimers { age, window });
        self.chunks.insert(chunk, Tracked::Staged(timers));
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
        let mut debts: Vec<_> = queued
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
                let failing = retry.map(|retry| {
                    let failing_ns = now.unix_ns.saturating_sub(retry.first_failure_ns);
                    let since_ns = ns(now.monotonic).saturating_sub(failing_ns.max(0));
                    Box::new(Failing { retry, since_ns })
                });
                Debt {
                    destination,
                    state: DebtState::Pending { waiting_until },
                    failing,
                }
            })
            .collect();
        // Collected in place it has the room that the longer items before it took.
        debts.shrink_to_fit();
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
                    DebtState::Pending { .. } | DebtState::Parked | DebtState::Burying => None,
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
            .filter(|(_, tracked)| matches!(tracked, Tracked::Staged(_)))
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

/// Nanoseconds of a duration; saturates after 292 years.
fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
