//! Room at an output: asked for before a delivery, waited for without holding up anybody else.
//!
//! A chunk whose key the output has no room for is parked: it is in no queue and takes no place
//! among the deliveries in flight. One task for each such key waits for the room; later chunks of
//! the key park behind the first without asking. When the output says that there may be room, all
//! of them are queued again, the oldest first, and ask anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use forebay_storage::{ChunkId, ChunkKey, Claim};

use super::route::{RunningRoute, lock};
use crate::flush::{DeliveryId, Via};
use crate::output::{BoxFuture, Permit, Ready};

/// The chunks of one destination that wait for room, by their key.
#[derive(Default)]
pub(super) struct Parked(Mutex<HashMap<ChunkKey, Vec<ChunkId>>>);

impl Parked {
    /// Parks the chunk if others of its key are parked already.
    fn behind(&self, key: &ChunkKey, chunk: ChunkId) -> bool {
        match lock(&self.0).get_mut(key) {
            Some(parked) => {
                parked.push(chunk);
                true
            }
            None => false,
        }
    }

    /// Parks the first chunk of a key.
    fn first(&self, key: &ChunkKey, chunk: ChunkId) {
        lock(&self.0).insert(key.clone(), vec![chunk]);
    }

    fn take(&self, key: &ChunkKey) -> Vec<ChunkId> {
        lock(&self.0).remove(key).unwrap_or_default()
    }

    /// How many chunks wait.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.0).values().map(Vec::len).sum()
    }
}

impl RunningRoute {
    /// Room for the chunk of a delivery that was decided on; `None` if there is none, and the chunk
    /// is parked.
    pub(super) fn room_for(
        self: &Arc<Self>,
        delivery: DeliveryId,
        destination: usize,
        via: Via,
        claim: &Claim,
    ) -> Option<Permit> {
        let info = claim.info();
        let (key, chunk) = (info.key(), claim.id());
        let to = self.target(destination, via);
        if !to.parked.behind(key, chunk) {
            let room: BoxFuture<'static, ()> = match to.slot.ready(key) {
                Ready::Now(permit) => return Some(permit),
                Ready::NotUntil(at) => Box::pin(tokio::time::sleep_until(at)),
                Ready::Notify(room) => room,
            };
            to.parked.first(key, chunk);
            let waiting = Arc::clone(self).wait_for_room(destination, via, key.clone(), room);
            self.tasks.spawn(waiting);
        }
        self.state.scheduler().park(self.clock.now(), delivery);
        None
    }

    async fn wait_for_room(
        self: Arc<Self>,
        destination: usize,
        via: Via,
        key: ChunkKey,
        room: BoxFuture<'static, ()>,
    ) {
        tokio::select! {
            () = room => {}
            // Nothing is started any more, and whoever waits here would hold up the end.
            () = self.closing.cancelled() => return,
        }
        let chunks = self.target(destination, via).parked.take(&key);
        // Chunks of all destinations may wait for the secondary output.
        let destinations = match via {
            Via::Primary => destination..destination + 1,
            Via::Secondary => 0..self.destinations.len(),
        };
        let mut scheduler = self.state.scheduler();
        for chunk in chunks {
            for destination in destinations.clone() {
                scheduler.unpark(chunk, destination);
            }
        }
        drop(scheduler);
        self.state.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;
