//! Order by key: of chunks in one lane, only the first may be delivered.
//!
//! A lane is what chunks of one chunk key have in common, as a number. Two keys with the same
//! number share a lane, which costs speed and no order.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;

use forebay_storage::ChunkId;

/// What chunks with the same key have in common. Not 0, so that having none takes no memory.
pub(super) type Lane = NonZeroU64;

/// The lanes of one destination. Each call costs O(log n).
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Lane, InLane>,
}

#[derive(Debug)]
struct InLane {
    first: ChunkId,
    /// In the order of their creation.
    behind: BTreeSet<ChunkId>,
}

impl Lanes {
    /// A chunk enters its lane; true if it is the first, false if it has to wait for others.
    pub(super) fn enter(&mut self, lane: Lane, chunk: ChunkId) -> bool {
        if let Some(in_lane) = self.lanes.get_mut(&lane) {
            in_lane.behind.insert(chunk);
            return false;
        }
        let alone = InLane {
            first: chunk,
            behind: BTreeSet::new(),
        };
        self.lanes.insert(lane, alone);
        true
    }

    /// A chunk leaves its lane; returns the one that is the first now, if there is another first.
    pub(super) fn leave(&mut self, lane: Lane, chunk: ChunkId) -> Option<ChunkId> {
        let in_lane = self.lanes.get_mut(&lane)?;
        if in_lane.first != chunk {
            in_lane.behind.remove(&chunk);
            return None;
        }
        match in_lane.behind.pop_first() {
            Some(next) => {
                in_lane.first = next;
                Some(next)
            }
            None => {
                self.lanes.remove(&lane);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ChunkId {
        ChunkId::from_bytes([number; 16])
    }

    #[test]
    fn chunks_of_a_lane_follow_one_another_by_age_and_lanes_do_not_wait_for_each_other() {
        let mut lanes = Lanes::default();
        let [one, two] = [1, 2].map(|lane| Lane::new(lane).unwrap());
        assert!(lanes.enter(one, id(1)));
        assert!(!lanes.enter(one, id(4)));
        assert!(!lanes.enter(one, id(3)));
        assert!(lanes.enter(two, id(2)));
        assert_eq!(lanes.leave(one, id(1)), Some(id(3)));
        assert_eq!(lanes.leave(one, id(4)), None, "it was not the first");
        assert_eq!(lanes.leave(one, id(3)), None, "nobody is left");
        assert!(lanes.lanes.contains_key(&two) && lanes.lanes.len() == 1);
    }
}
