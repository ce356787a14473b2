//! A scheduler takes over a route's chunks from another, because the route's settings have changed.
//!
//! The one before [retires](Scheduler::retire): it ends what is in flight, and decides nothing new.
//! Its successor is told of every chunk as if it had been found at a start, with
//! [what is known](Scheduler::histories) of failed attempts. A chunk that is still in flight cannot be
//! claimed: its successor parks it until it [comes back](Scheduler::give_back) or is
//! [settled](Scheduler::settled).

use std::collections::HashMap;

use forebay_storage::ChunkId;

use super::super::decision::{Owed, RetryState};
use super::super::outcome::FailureScope;
use super::books::{DebtState, Tracked};
use super::{Scheduler, debt};
use crate::clock::Now;

impl Scheduler {
    /// Decides nothing from now on but to take back deliveries that take too long.
    pub fn retire(&mut self) {
        self.is_retired = true;
    }

    /// What the operator has stopped, and holds, stays as it was `before`; `place` gives the destination
    /// that was at an index then. To be called before any chunk is told of.
    pub fn obey_as(&mut self, before: &Self, place: impl Fn(usize) -> Option<usize>) {
        self.stop_route(before.is_route_stopped());
        for index in 0..before.destination_count {
            if let Some(destination) = place(index) {
                self.stop_destination(destination, before.is_destination_stopped(index));
            }
        }
        for chunk in before.held.keys() {
            self.hold(*chunk);
        }
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// What is known of each queued chunk's attempts, by destination.
    #[must_use]
    pub fn histories(&mut self, now: Now) -> HashMap<(ChunkId, usize), RetryState> {
        let queued = self
            .chunks
            .iter()
            .filter_map(|(chunk, tracked)| match tracked {
                Tracked::Queued(queued) => Some((*chunk, queued)),
                Tracked::Staged(_) => None,
            });
        let tried: Vec<_> = queued
            .flat_map(|(chunk, queued)| queued.debts.iter().map(move |debt| (chunk, debt)))
            .filter(|(_, debt)| debt.retry().is_some() || debt.remainder.left().is_some())
            .map(|(chunk, debt)| (chunk, debt.destination))
            .collect();
        let history =
            |(chunk, destination)| ((chunk, destination), self.history(now, chunk, destination));
        tried.into_iter().map(history).collect()
    }

    /// Somebody else has delivered a chunk, or buried it.
    pub fn settled(&mut self, chunk: ChunkId, destination: usize) {
        let Some(Tracked::Queued(queued)) = self.chunks.get(&chunk) else {
            return;
        };
        let serial = queued.serial;
        let mut debts = queued.debts.iter();
        let Some(owed) = debts.find(|debt| debt.destination == destination) else {
            return;
        };
        match owed.state {
            DebtState::InFlight { .. } | DebtState::Burying => return,
            DebtState::Pending { waiting_until } => {
                let index = self.queue_index(destination, owed.via);
                self.queues[index].remove(serial, waiting_until);
            }
            DebtState::Behind { .. } | DebtState::Parked | DebtState::Held => {}
        }
        self.settle(chunk, destination);
    }

    /// A chunk that somebody else had in flight is owed as before, with what came of the attempt.
    pub fn give_back(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        retry: Option<RetryState>,
    ) {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return;
        };
        let serial = queued.serial;
        let mut debts = queued.debts.iter_mut();
        let Some(owed) = debts.find(|debt| debt.destination == destination) else {
            return;
        };
        let (state, via) = (owed.state, owed.via);
        if let DebtState::InFlight { .. } | DebtState::Burying = state {
            return;
        }
        let Some(retry) = retry else {
            return self.unpark(chunk, destination);
        };
        let tried = Owed {
            destination,
            retry: Some(retry),
        };
        *owed = debt(now, owed.remainder.event_count(), tried);
        let DebtState::Pending { waiting_until } = owed.state else {
            return;
        };
        if let DebtState::Behind { .. } = state {
            owed.state = DebtState::Behind { waiting_until };
            return;
        }
        if let DebtState::Pending { waiting_until } = state {
            let index = self.queue_index(destination, via);
            self.queues[index].remove(serial, waiting_until);
        }
        self.enqueue(chunk, destination, waiting_until, FailureScope::Chunk);
    }
}
