//! What the scheduler knows of its chunks, and how it is kept consistent with the queues.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::breaker::Attempt;
use super::super::decision::{DeliveryId, RetryState};
use super::super::outcome::FailureScope;
use super::super::queue::Serial;
use super::super::timers::TimerKey;
use super::Scheduler;
use crate::clock::Now;

#[derive(Debug)]
pub(super) enum Tracked {
    /// Apart: of very many chunks most are queued.
    Staged(Box<SealTimers>),
    Queued {
        serial: Serial,
        debts: Vec<Debt>,
    },
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
    /// Apart: most chunks of a long queue have not failed.
    pub(super) failing: Option<Box<Failing>>,
}

/// What is known of failed attempts.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) retry: RetryState,
    /// When its first attempt failed, in nanoseconds by the monotonic clock (before its zero if an
    /// earlier run failed): the wall clock may jump by more than a chunk's time.
    pub(super) since_ns: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DebtState {
    /// In the destination's queue; waiting until then if it failed.
    Pending {
        waiting_until: Option<Duration>,
    },
    InFlight {
        delivery: DeliveryId,
    },
    /// In no queue: the destination has no room for it.
    Parked,
    /// Being copied to the dead letters.
    Burying,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) chunk: ChunkId,
    pub(super) destination: usize,
    pub(super) attempt: Attempt,
    pub(super) take_back: Option<TimerKey<Duration>>,
}

impl Scheduler {
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
    pub(super) fn settle(&mut self, chunk: ChunkId, destination: usize) {
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

    pub(super) fn enqueue(
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
    pub(super) fn forget(&mut self, chunk: ChunkId) {
        match self.chunks.remove(&chunk) {
            Some(Tracked::Staged(timers)) => {
                let SealTimers { age, window } = *timers;
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

    pub(super) fn debt(&mut self, chunk: ChunkId, destination: usize) -> Option<&mut Debt> {
        let Some(Tracked::Queued { debts, .. }) = self.chunks.get_mut(&chunk) else {
            return None;
        };
        debts
            .iter_mut()
            .find(|debt| debt.destination == destination)
    }
}
