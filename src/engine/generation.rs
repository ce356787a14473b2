//! A route whose settings change: one generation of it hands over to the next.
//!
//! The one before starts nothing any more; what it has in flight, and what it buries, it ends by
//! itself, with the outputs and the limits that it began with. Its successor cannot claim those
//! chunks meanwhile: it parks them, and whoever gives a claim back tells it. A reload waits for
//! none of that, however long a destination takes.

use forebay_storage::{ChunkId, ClaimError, SlotInfo, SlotState};

use super::route::RunningRoute;
use crate::flush::{Burial, DeliveryId, RetryState};

impl RunningRoute {
    /// Starts nothing any more, and ends what it has begun: a successor has its seat, or nobody.
    pub(super) fn retire(&self) {
        self.state.scheduler().retire();
        self.closing.cancel();
        self.state.wake.notify_one();
    }

    /// Whether it has been retired and nothing is in flight.
    pub(super) fn is_over(&self) -> bool {
        self.closing.is_cancelled() && self.state.scheduler().is_at_rest()
    }

    /// Whether it is over, and buries nothing any more either.
    pub(super) fn has_ended(&self) -> bool {
        self.is_over() && self.tasks.is_empty()
    }

    /// A claim has been given back: whoever decides about the route now, if that is not this one,
    /// hears of it, and of what came of the attempt.
    ///
    /// A route that is retired after the claim was given back and before the look at `closing` has a
    /// successor that finds the chunk free.
    pub(super) fn given_back(&self, chunk: ChunkId, destination: usize, retry: Option<RetryState>) {
        if !self.closing.is_cancelled() {
            return;
        }
        let now = self.seat.now();
        let output = &self.state.outputs[destination];
        let Some(index) = now.outputs.iter().position(|name| name == output) else {
            return;
        };
        match self.slot_of(chunk, output).map(|slot| slot.state) {
            Some(SlotState::Owed) => now.given_back(chunk, index, retry),
            Some(_) => now.scheduler().settled(chunk, index),
            // It was purged, and the store has told so.
            None => {}
        }
        now.wake.notify_one();
    }

    /// A chunk that was to be delivered cannot be claimed.
    pub(super) fn not_claimed(
        &self,
        delivery: DeliveryId,
        chunk: ChunkId,
        destination: usize,
        error: ClaimError,
    ) {
        tracing::debug!(route = %self.state.name, %chunk, %error, "not claimed");
        let now = self.clock.now();
        match error {
            ClaimError::AlreadyClaimed => {
                self.state.scheduler().park(now, delivery);
                self.unpark_if_free(chunk, destination);
            }
            ClaimError::AlreadyCommitted => {
                self.state.scheduler().park(now, delivery);
                self.state.scheduler().settled(chunk, destination);
            }
            // The scheduler and the store see a chunk differently for a moment while it is purged.
            ClaimError::Unknown | ClaimError::NotSealed => {
                self.state.scheduler().purged(now, chunk);
            }
        }
    }

    /// A chunk that was to be buried cannot be claimed.
    pub(super) fn not_claimed_to_bury(&self, burial: &Burial, error: ClaimError) {
        let (chunk, destination) = (burial.chunk, burial.destination);
        tracing::debug!(route = %self.state.name, %chunk, %error, "not claimed");
        let now = self.clock.now();
        let mut scheduler = self.state.scheduler();
        match error {
            ClaimError::AlreadyClaimed => scheduler.not_buried(now, chunk, destination),
            ClaimError::AlreadyCommitted => {
                scheduler.not_buried(now, chunk, destination);
                scheduler.settled(chunk, destination);
            }
            ClaimError::Unknown | ClaimError::NotSealed => scheduler.purged(now, chunk),
        }
    }

    /// Who had a parked chunk may have given it back before it was parked.
    fn unpark_if_free(&self, chunk: ChunkId, destination: usize) {
        let slot = self.slot_of(chunk, &self.state.outputs[destination]);
        if slot.is_some_and(|slot| !slot.is_claimed) {
            self.state.scheduler().unpark(chunk, destination);
        }
    }

    fn slot_of(&self, chunk: ChunkId, output: &str) -> Option<SlotInfo> {
        let info = self.chunks.chunk(chunk)?;
        let mut slots = info.destinations().iter().zip(&info.slots);
        let (_, slot) = slots.find(|(name, _)| *name == output)?;
        Some(*slot)
    }
}
