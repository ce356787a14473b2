//! What the scheduler knows of its chunks, and how it is kept consistent with the queues.

use std::ops::{Deref, DerefMut};
use std::slice;
use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::breaker::Attempt;
use super::super::decision::{Cause, DeliveryId, RetryState, Via};
use super::super::lanes::Lane;
use super::super::outcome::FailureScope;
use super::super::queue::Serial;
use super::super::ranges::RangeSet;
use super::super::remainder::{Refused, Remainder};
use super::super::timers::TimerKey;
use super::Scheduler;
use crate::clock::Now;

#[derive(Debug)]
pub(super) enum Tracked {
    /// Apart: of very many chunks most are queued.
    Staged(Box<SealTimers>),
    Queued(Box<TrackedQueued>),
}

#[derive(Debug)]
pub(super) struct TrackedQueued {
    pub(super) serial: Serial,
    pub(super) lane: Option<Lane>,
    /// By the monotonic clock.
    pub(super) owed_since_ns: u64,
    pub(super) debts: Debts,
    /// Apart: few routes let chunks expire.
    pub(super) expiry: Option<Box<TimerKey<Duration>>>,
    pub(super) is_expired: bool,
}

/// When a staged chunk is sealed.
#[derive(Debug)]
pub(super) struct SealTimers {
    pub(super) age: Option<TimerKey<Duration>>,
    pub(super) window: Option<TimerKey<i64>>,
}

/// What a queued chunk owes to one destination.
#[derive(Debug)]
pub(super) struct Debt {
    pub(super) destination: usize,
    pub(super) state: DebtState,
    pub(super) via: Via,
    pub(super) remainder: Rest,
    /// Apart: most chunks never fail.
    failures: Option<Box<Failures>>,
}

/// What a queued chunk owes, to each destination that it is owed to: to one, most of the time.
#[derive(Debug)]
pub(super) enum Debts {
    One(Debt),
    Many(Vec<Debt>),
}

/// What only a failure needs.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) retry: Option<RetryState>,
    /// When its first attempt failed, in nanoseconds by the monotonic clock (before its zero if an
    /// earlier run failed): the wall clock may jump by more than a chunk's time.
    pub(super) failing_since_ns: Option<i64>,
    /// When the first of all attempts failed, in Unix nanoseconds.
    pub(super) first_failure_ns: Option<i64>,
    /// Failed attempts before the history began anew.
    pub(super) earlier_failure_count: u32,
    /// Failures in a row that spoke about the chunk.
    pub(super) chunk_failure_count: u32,
    /// Failures when the secondary output took its place.
    pub(super) failure_count_at_switch: u32,
}

/// What of a chunk is owed: the whole of it, until something is to be told apart.
#[derive(Debug)]
pub(super) struct Rest {
    event_count: u64,
    cut: Option<Box<Remainder>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DebtState {
    /// In its queue; waiting until then if it failed.
    Pending {
        waiting_until: Option<Duration>,
    },
    /// An older chunk of its lane comes first.
    Behind {
        waiting_until: Option<Duration>,
    },
    InFlight {
        delivery: DeliveryId,
    },
    /// In no queue: the destination has no room for it.
    Parked,
    /// In no queue: the operator holds the chunk.
    Held,
    /// Being copied to the dead letters, or about to be.
    Burying,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) chunk: ChunkId,
    pub(super) destination: usize,
    pub(super) via: Via,
    pub(super) attempt: Attempt,
    pub(super) take_back: Option<TimerKey<Duration>>,
}

impl Debt {
    pub(super) fn new(destination: usize, state: DebtState, remainder: Rest) -> Self {
        Self {
            destination,
            state,
            via: Via::Primary,
            remainder,
            failures: None,
        }
    }

    /// With a history of failures.
    pub(super) fn having_failed(self, failures: Failures) -> Self {
        Self {
            failures: Some(Box::new(failures)),
            ..self
        }
    }

    /// What is known of its failures, to be changed.
    pub(super) fn failures(&mut self) -> &mut Failures {
        self.failures.get_or_insert_default()
    }

    /// What is known of its failures, if it has ever failed.
    pub(super) fn failed(&self) -> Option<&Failures> {
        self.failures.as_deref()
    }

    /// The failed attempts since the history began.
    pub(super) fn retry(&self) -> Option<&RetryState> {
        self.failed()?.retry.as_ref()
    }

    /// Attempts that failed, in all.
    pub(super) fn attempt_count(&self) -> u32 {
        self.failed().map_or(0, Failures::attempt_count)
    }

    /// Records that are given up, to be filled in, with the history.
    pub(super) fn refusal(&self, cause: Cause, answer: String, now: Now) -> Refused {
        Refused {
            records: RangeSet::new(),
            cause,
            answer,
            attempt_count: self.attempt_count(),
            first_failure_ns: self
                .failed()
                .and_then(|failures| failures.first_failure_ns)
                .unwrap_or(now.unix_ns),
            last_failure_ns: now.unix_ns,
        }
    }

    /// What the destination said last, if it was ever tried.
    pub(super) fn last_reason(&self) -> Option<String> {
        self.retry().map(|retry| retry.last_reason.clone())
    }

    /// The destination has taken something, or something new is tried: retries are counted anew.
    pub(super) fn begin_anew(&mut self) {
        if let Some(failures) = &mut self.failures {
            **failures = Failures {
                earlier_failure_count: failures.attempt_count(),
                first_failure_ns: failures.first_failure_ns,
                ..Failures::default()
            };
        }
    }
}

impl Failures {
    fn attempt_count(&self) -> u32 {
        let since = self.retry.as_ref().map_or(0, |retry| retry.failure_count);
        self.earlier_failure_count.saturating_add(since)
    }
}

impl Debts {
    /// Takes out what is owed to a destination; returns whether anything was.
    fn settle(&mut self, destination: usize) -> bool {
        let count = self.len();
        match self {
            Self::One(debt) if debt.destination == destination => *self = Self::Many(Vec::new()),
            Self::One(_) => {}
            Self::Many(debts) => debts.retain(|debt| debt.destination != destination),
        }
        self.len() < count
    }
}

impl FromIterator<Debt> for Debts {
    fn from_iter<I: IntoIterator<Item = Debt>>(debts: I) -> Self {
        let mut debts = debts.into_iter();
        match (debts.next(), debts.next()) {
            (Some(debt), None) => Self::One(debt),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(debts).collect()),
        }
    }
}

impl Deref for Debts {
    type Target = [Debt];

    fn deref(&self) -> &[Debt] {
        match self {
            Self::One(debt) => slice::from_ref(debt),
            Self::Many(debts) => debts,
        }
    }
}

impl DerefMut for Debts {
    fn deref_mut(&mut self) -> &mut [Debt] {
        match self {
            Self::One(debt) => slice::from_mut(debt),
            Self::Many(debts) => debts,
        }
    }
}

impl Rest {
    /// All of a chunk with so many events, or what is `left` of it.
    pub(super) fn new(event_count: u64, left: Option<RangeSet>) -> Self {
        let cut = left.map(|left| Box::new(Remainder::new(event_count, Some(left))));
        Self { event_count, cut }
    }

    /// How many events the whole chunk has.
    pub(super) fn event_count(&self) -> u64 {
        self.event_count
    }

    /// What is owed, to be cut into parts.
    pub(super) fn cut(&mut self) -> &mut Remainder {
        let event_count = self.event_count;
        self.cut
            .get_or_insert_with(|| Box::new(Remainder::new(event_count, None)))
    }

    /// What is offered next; `None` is the whole chunk.
    pub(super) fn offered(&self) -> Option<RangeSet> {
        self.cut.as_ref()?.offered()
    }

    /// What is not settled; `None` is the whole chunk.
    pub(super) fn left(&self) -> Option<RangeSet> {
        self.cut.as_ref()?.left()
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    pub(super) fn is_searching(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.is_searching())
    }
}

impl Scheduler {
    /// The index of the queue for deliveries to a destination by that way.
    pub(super) fn queue_index(&self, destination: usize, via: Via) -> usize {
        match via {
            Via::Primary => destination,
            Via::Secondary => self.destination_count + destination,
        }
    }

    /// Takes a delivery out of those in flight.
    pub(super) fn end(&mut self, delivery: DeliveryId) -> Option<InFlight> {
        let ended = self.deliveries.remove(&delivery)?;
        if let Some(key) = ended.take_back {
            self.take_backs.remove(key);
        }
        Some(ended)
    }

    /// Has a chunk wait at a destination.
    pub(super) fn wait(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        wait: Duration,
        scope: FailureScope,
    ) {
        let at = now.monotonic.saturating_add(wait);
        self.enqueue(chunk, destination, Some(at), scope);
    }

    /// Puts a debt that is in no queue into the one that it belongs to, unless the chunk is held.
    pub(super) fn enqueue(
        &mut self,
        chunk: ChunkId,
        destination: usize,
        waiting_until: Option<Duration>,
        scope: FailureScope,
    ) {
        let is_held = self.held.contains_key(&chunk);
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return;
        };
        let serial = queued.serial;
        let debts = &mut queued.debts;
        let Some(debt) = debts
            .iter_mut()
            .find(|debt| debt.destination == destination)
        else {
            return;
        };
        if is_held {
            debt.state = DebtState::Held;
            return;
        }
        debt.state = DebtState::Pending { waiting_until };
        let index = match debt.via {
            Via::Primary => destination,
            Via::Secondary => self.destination_count + destination,
        };
        match waiting_until {
            Some(at) => self.queues[index].push_waiting(at, serial, scope),
            None => self.queues[index].push(serial),
        }
    }

    /// A chunk owes nothing to a destination any more.
    pub(super) fn settle(&mut self, chunk: ChunkId, destination: usize) {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return;
        };
        let was_owed = queued.debts.settle(destination);
        let (is_last, lane) = (queued.debts.is_empty(), queued.lane);
        if was_owed {
            self.queues[destination].owed_count -= 1;
            self.leave_lane(chunk, destination, lane);
        }
        if is_last {
            self.forget(chunk);
            self.held.remove(&chunk);
        }
    }

    /// The next chunk of the lane may go.
    fn leave_lane(&mut self, chunk: ChunkId, destination: usize, lane: Option<Lane>) {
        let Some(lane) = lane else { return };
        let Some(next) = self.lanes[destination].leave(lane, chunk) else {
            return;
        };
        if let Some(DebtState::Behind { waiting_until }) =
            self.debt(next, destination).map(|debt| debt.state)
        {
            self.enqueue(next, destination, waiting_until, FailureScope::Destination);
        }
    }

    /// Drops all that is known of a chunk, its timers included.
    pub(super) fn forget(&mut self, chunk: ChunkId) {
        match self.chunks.remove(&chunk) {
            Some(Tracked::Staged(timers)) => {
                let SealTimers { age, window } = *timers;
                age.into_iter().for_each(|key| self.ages.remove(key));
                window.into_iter().for_each(|key| self.windows.remove(key));
            }
            Some(Tracked::Queued(queued)) => {
                self.order.remove(&queued.serial);
                let expiry = queued.expiry.into_iter();
                expiry.for_each(|key| self.expiries.remove(*key));
                for debt in queued.debts.iter() {
                    self.queues[debt.destination].owed_count -= 1;
                    if let DebtState::Pending { waiting_until } = debt.state {
                        let index = self.queue_index(debt.destination, debt.via);
                        self.queues[index].remove(queued.serial, waiting_until);
                    }
                    self.leave_lane(chunk, debt.destination, queued.lane);
                }
            }
            None => {}
        }
    }

    pub(super) fn debt(&mut self, chunk: ChunkId, destination: usize) -> Option<&mut Debt> {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return None;
        };
        queued
            .debts
            .iter_mut()
            .find(|debt| debt.destination == destination)
    }

    /// Whether a chunk has waited longer than it may.
    pub(super) fn is_expired(&self, chunk: ChunkId) -> bool {
        matches!(self.chunks.get(&chunk), Some(Tracked::Queued(queued)) if queued.is_expired)
    }
}
