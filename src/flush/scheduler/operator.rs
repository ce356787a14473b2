//! What the operator may ask of the scheduler: stop and start, hold and release, retry, bury.
//!
//! A held chunk is owed as ever, but in no queue: it is not offered, does not expire, is not
//! handed to the secondary output, and later chunks of its lane wait behind it. What was in flight
//! when it was held ends as ever. With its release its time for retries begins anew: the time it
//! was held is not the destination's.
//!
//! A route or a destination that is stopped starts no deliveries. Chunks expire all the same, as
//! they do in an outage.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::{Burial, Cause};
use super::super::outcome::FailureScope;
use super::super::timers::TimerKey;
use super::books::{DebtState, Tracked};
use super::{Scheduler, unsigned_ns};
use crate::clock::Now;

/// What is stopped until it is started again.
#[derive(Debug)]
pub(super) struct Stopped {
    route: bool,
    destinations: Vec<bool>,
}

impl Stopped {
    pub(super) fn none(destination_count: usize) -> Self {
        Self {
            route: false,
            destinations: vec![false; destination_count],
        }
    }
}

/// Why a chunk cannot be buried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unburied {
    /// It is not queued: staged, or gone.
    NotQueued,
    /// A delivery of it is under way, or it is being buried already.
    Busy,
}

impl Scheduler {
    /// Stops or starts the route. False if it was so already.
    pub fn stop_route(&mut self, is_stopped: bool) -> bool {
        std::mem::replace(&mut self.stopped.route, is_stopped) != is_stopped
    }

    /// Stops or starts a destination. False if it was so already.
    pub fn stop_destination(&mut self, destination: usize, is_stopped: bool) -> bool {
        let stopped = &mut self.stopped.destinations[destination];
        std::mem::replace(stopped, is_stopped) != is_stopped
    }

    /// Whether the operator has stopped the route.
    #[must_use]
    pub fn is_route_stopped(&self) -> bool {
        self.stopped.route
    }

    /// Whether the operator has stopped this destination, whatever the route is.
    #[must_use]
    pub fn is_destination_stopped(&self, destination: usize) -> bool {
        self.stopped.destinations[destination]
    }

    /// Whether no delivery to a destination is started.
    pub(super) fn is_stopped(&self, destination: usize) -> bool {
        self.is_paused || self.stopped.route || self.stopped.destinations[destination]
    }

    /// Offers a chunk to nobody until it is released; one that is not there yet is held when it
    /// comes. False if it is held already.
    pub fn hold(&mut self, chunk: ChunkId) -> bool {
        if self.is_held(chunk) {
            return false;
        }
        let mut expires_at = None;
        let mut waiting = Vec::new();
        if let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) {
            if let Some(key) = queued.expiry.take() {
                self.expiries.remove(*key);
                expires_at = Some(key.at());
            }
            for debt in queued.debts.iter_mut() {
                match debt.state {
                    DebtState::Pending { waiting_until } => {
                        waiting.push((debt.destination, debt.via, queued.serial, waiting_until));
                    }
                    DebtState::Parked => {}
                    // Whatever ends here comes to be held.
                    DebtState::Behind { .. }
                    | DebtState::InFlight { .. }
                    | DebtState::Burying
                    | DebtState::Held => continue,
                }
                debt.state = DebtState::Held;
            }
        }
        for (destination, via, serial, waiting_until) in waiting {
            let index = self.queue_index(destination, via);
            self.queues[index].remove(serial, waiting_until);
        }
        self.held.insert(chunk, expires_at);
        true
    }

    /// Offers a held chunk again, at once. False if it is not held.
    pub fn release(&mut self, now: Now, chunk: ChunkId) -> bool {
        let Some(expires_at) = self.held.remove(&chunk) else {
            return false;
        };
        let expiry = expires_at.map(|at| self.expiries.insert(at, chunk));
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return true;
        };
        queued.expiry = expiry.map(Box::new);
        queued.owed_since_ns = unsigned_ns(now.monotonic);
        let mut held = Vec::new();
        for debt in queued.debts.iter_mut() {
            if debt.failed().is_some() {
                debt.failures().failing_since_ns = None;
            }
            if debt.state == DebtState::Held {
                held.push(debt.destination);
            }
        }
        for destination in held {
            self.enqueue(chunk, destination, None, FailureScope::Destination);
        }
        true
    }

    /// Whether the operator holds the chunk.
    #[must_use]
    pub fn is_held(&self, chunk: ChunkId) -> bool {
        self.held.contains_key(&chunk)
    }

    /// Chunks that the operator holds.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing that is owed to a destination will be delivered before the operator says so.
    #[must_use]
    pub fn waits_for_operator(&self, destination: usize) -> bool {
        if self.stopped.route || self.stopped.destinations[destination] {
            return true;
        }
        // The usual case costs nothing; while something is held, all chunks are looked at.
        !self.held.is_empty() && !self.is_anything_offered(destination)
    }

    fn is_anything_offered(&self, destination: usize) -> bool {
        let debts = self.chunks.values().flat_map(|tracked| match tracked {
            Tracked::Queued(queued) => &*queued.debts,
            Tracked::Staged(_) => &[],
        });
        let mut owed = debts.filter(|debt| debt.destination == destination);
        // Of a lane whose first is not held, that one is offered.
        owed.any(|debt| !matches!(debt.state, DebtState::Held | DebtState::Behind { .. }))
    }

    /// Sets the timer of a queued chunk's end, or keeps its time while the chunk is held.
    pub(super) fn expiry(
        &mut self,
        chunk: ChunkId,
        expires_at: Option<Duration>,
    ) -> Option<TimerKey<Duration>> {
        if let Some(kept) = self.held.get_mut(&chunk) {
            *kept = expires_at;
            return None;
        }
        Some(self.expiries.insert(expires_at?, chunk))
    }

    /// Has a chunk tried now, before older ones, wherever it waits for its turn or its retry; also
    /// by a destination that counts as down. Returns at how many destinations.
    pub fn retry_chunk(&mut self, now: Now, chunk: ChunkId) -> usize {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return 0;
        };
        let serial = queued.serial;
        let mut waiting = Vec::new();
        for debt in queued.debts.iter_mut() {
            match &mut debt.state {
                DebtState::Pending { waiting_until } => {
                    waiting.push((debt.destination, debt.via, *waiting_until));
                }
                // Its turn comes with its lane's.
                DebtState::Behind { waiting_until } => *waiting_until = None,
                DebtState::InFlight { .. }
                | DebtState::Parked
                | DebtState::Held
                | DebtState::Burying => {}
            }
        }
        for &(destination, via, waiting_until) in &waiting {
            let index = self.queue_index(destination, via);
            self.queues[index].remove(serial, waiting_until);
            self.enqueue(chunk, destination, None, FailureScope::Destination);
            self.queues[index].prefer(now.monotonic, serial);
        }
        waiting.len()
    }

    /// Has everything tried now that waits at a destination, and the destination itself if it
    /// counts as down. False if nothing waited.
    pub fn retry_destination(&mut self, now: Now, destination: usize) -> bool {
        let queues = self.queues.iter_mut().skip(destination);
        let of_destination = queues.step_by(self.destination_count);
        let mut has_waited = false;
        for queue in of_destination {
            has_waited |= queue.retry_now(now.monotonic);
        }
        has_waited
    }

    /// Begins to bury what a queued chunk owes, whoever it owes it to.
    ///
    /// # Errors
    /// [`Unburied`]; nothing has changed.
    pub fn bury(
        &mut self,
        now: Now,
        chunk: ChunkId,
        reason: &str,
    ) -> Result<Vec<Burial>, Unburied> {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return Err(Unburied::NotQueued);
        };
        let is_busy = queued
            .debts
            .iter()
            .any(|debt| matches!(debt.state, DebtState::InFlight { .. } | DebtState::Burying));
        if is_busy {
            return Err(Unburied::Busy);
        }
        let serial = queued.serial;
        let mut waiting = Vec::new();
        for debt in queued.debts.iter_mut() {
            let why = debt.refusal(Cause::Operator, reason.to_owned(), now);
            debt.remainder.cut().bury_all(why);
            waiting.push((debt.destination, debt.via, debt.state));
        }
        let mut burials = Vec::new();
        for (destination, via, state) in waiting {
            if let DebtState::Pending { waiting_until } = state {
                let index = self.queue_index(destination, via);
                self.queues[index].remove(serial, waiting_until);
            }
            burials.extend(self.next_burial(now, chunk, destination));
        }
        Ok(burials)
    }
}
