//! Chunks that a destination has no room for.
//!
//! A parked chunk is owed as ever, but in no queue, and takes no place among those in flight:
//! whoever parked it says when it is to be queued again.

use forebay_storage::ChunkId;

use super::super::decision::DeliveryId;
use super::super::outcome::FailureScope;
use super::Scheduler;
use super::books::{DebtState, InFlight};
use crate::clock::Now;

impl Scheduler {
    /// There is no room for a delivery that was decided on. It counts as no attempt.
    pub fn park(&mut self, now: Now, delivery: DeliveryId) {
        let Some(ended) = self.end(delivery) else {
            return;
        };
        let InFlight {
            chunk,
            destination,
            via,
            attempt,
            ..
        } = ended;
        let index = self.queue_index(destination, via);
        self.queues[index].call_off(now.monotonic, attempt.is_probe);
        if let Some(debt) = self.debt(chunk, destination) {
            debt.state = DebtState::Parked;
        }
    }

    /// There may be room for a parked chunk: it has its old place in the queue again.
    pub fn unpark(&mut self, chunk: ChunkId, destination: usize) {
        let state = self.debt(chunk, destination).map(|debt| debt.state);
        if state == Some(DebtState::Parked) {
            self.enqueue(chunk, destination, None, FailureScope::Destination);
        }
    }
}
