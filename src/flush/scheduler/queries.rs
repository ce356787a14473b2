//! What others may ask the scheduler; nothing here changes it.

use std::collections::HashSet;
use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::RetryState;
use super::Scheduler;
use super::books::{DebtState, Tracked};

impl Scheduler {
    /// The queued chunk that has waited longest and is neither delivered nor buried right now.
    #[must_use]
    pub fn oldest(&self) -> Option<ChunkId> {
        self.order
            .values()
            .copied()
            .find(|chunk| !self.is_held(*chunk))
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

    /// What is known of a chunk's failed attempts at a destination.
    #[must_use]
    pub fn retry_state(&self, chunk: ChunkId, destination: usize) -> Option<&RetryState> {
        let Some(Tracked::Queued { debts, .. }) = self.chunks.get(&chunk) else {
            return None;
        };
        let mut debts = debts.iter();
        let debt = debts.find(|debt| debt.destination == destination)?;
        debt.failing.as_ref().map(|failing| &failing.retry)
    }

    /// Whether somebody holds the chunk's claim: a delivery or a burial.
    fn is_held(&self, chunk: ChunkId) -> bool {
        match self.chunks.get(&chunk) {
            Some(Tracked::Queued { debts, .. }) => debts
                .iter()
                .any(|debt| !matches!(debt.state, DebtState::Pending { .. } | DebtState::Parked)),
            Some(Tracked::Staged(_)) | None => false,
        }
    }
}
