//! What is in flight, and what becomes of a chunk when its delivery ends.

use std::collections::HashMap;

use forebay_storage::{ChunkId, Claim};

use super::TestError;
use crate::clock::Clock;
use crate::output::{Chunk, Outcome, RangeSet};

/// The ledger of one output.
#[derive(Default)]
pub(super) struct Books {
    in_flight: HashMap<ChunkId, InFlight>,
    /// What is left of chunks of which a part was confirmed.
    left: HashMap<ChunkId, RangeSet>,
    /// Why chunks, or records of them, were rejected.
    pub(super) rejected: Vec<String>,
}

struct InFlight {
    claim: Claim,
    /// The records that the output was given.
    records: RangeSet,
}

impl Books {
    /// The chunk, or what is left of it, is about to be delivered.
    pub(super) fn begin(&mut self, claim: Claim, chunk: Chunk) -> Chunk {
        let id = claim.id();
        let (records, chunk) = match self.left.get(&id) {
            Some(left) => (left.clone(), chunk.part(left.clone())),
            None => (RangeSet::first(chunk.event_count()), chunk),
        };
        self.in_flight.insert(id, InFlight { claim, records });
        chunk
    }

    pub(super) fn is_in_flight(&self, id: ChunkId) -> bool {
        self.in_flight.contains_key(&id)
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Forgets what was in flight, and what was learned: as a killed process does.
    pub(super) fn crash(&mut self) {
        self.in_flight.clear();
        self.left.clear();
    }

    /// Does to the chunk what its end says; false if it was not in flight.
    pub(super) fn end(
        &mut self,
        id: ChunkId,
        outcome: &Outcome,
        clock: Clock,
    ) -> Result<bool, TestError> {
        let Some(InFlight { claim, records }) = self.in_flight.remove(&id) else {
            return Ok(false);
        };
        let now_ns = clock.now().unix_ns;
        match outcome {
            Outcome::Delivered => drop(claim.commit(now_ns).map_err(TestError::store)?),
            Outcome::Reject { reason } => {
                self.rejected.push(reason.clone());
                claim.reject(now_ns).map_err(TestError::store)?;
            }
            Outcome::Retry(_) => claim.roll_back(),
            Outcome::Partial { done, rejected } => {
                let reasons = rejected.iter().map(|rejection| rejection.reason.clone());
                self.rejected.extend(reasons);
                let refused = rejected.iter().map(|rejection| &rejection.records);
                let settled = refused.fold(done.clone(), |all, more| all.union(more));
                let left = records.difference(&records.select(&settled));
                if left.is_empty() {
                    claim.commit(now_ns).map_err(TestError::store)?;
                } else {
                    self.left.insert(id, left);
                }
            }
        }
        Ok(true)
    }
}
