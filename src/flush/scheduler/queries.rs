//! What others may ask the scheduler; nothing here changes it.

use std::collections::HashSet;
use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::RetryState;
use super::super::queue::DestinationQueue;
use super::Scheduler;
use super::books::{DebtState, Tracked};

impl Scheduler {
    /// The queued chunk that has waited longest and is neither delivered nor buried right
    /// now, and that the operator does not hold.
    #[must_use]
    pub fn oldest(&self) -> Option<ChunkId> {
        self.order
            .values()
            .copied()
            .find(|chunk| !self.is_claimed(*chunk) && !self.is_held(*chunk))
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
        let queues = self.queues.iter().skip(destination);
        let of_destination = queues.step_by(self.destination_count);
        of_destination.map(DestinationQueue::in_flight_count).sum()
    }

    /// Queued chunks that a destination has not settled.
    #[must_use]
    pub fn owed_count(&self, destination: usize) -> usize {
        self.queues[destination].owed_count
    }

    /// How often a chunk was cut up to find the records that a destination does not take.
    #[must_use]
    pub fn search_count(&self, destination: usize) -> u64 {
        self.search_counts[destination]
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

    /// What is known of a chunk's failed attempts at a destination.
    #[must_use]
    pub fn retry_state(&self, chunk: ChunkId, destination: usize) -> Option<&RetryState> {
        let Some(Tracked::Queued(queued)) = self.chunks.get(&chunk) else {
            return None;
        };
        queued
            .debts
            .iter()
            .find(|debt| debt.destination == destination)?
            .retry()
    }

    /// Whether somebody holds the chunk's claim: a delivery or a burial.
    fn is_claimed(&self, chunk: ChunkId) -> bool {
        match self.chunks.get(&chunk) {
            Some(Tracked::Queued(queued)) => queued.debts.iter().any(|debt| match debt.state {
                DebtState::Pending { .. }
                | DebtState::Behind { .. }
                | DebtState::Parked
                | DebtState::Held => false,
                DebtState::InFlight { .. } | DebtState::Burying => true,
            }),
            Some(Tracked::Staged { .. }) | None => false,
        }
    }
}
