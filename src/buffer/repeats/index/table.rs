//! From a batch to the number of its entry: a hash table of 8 bytes a slot.
//!
//! It holds no fingerprints: the entries do, and whoever looks something up compares there. A slot is
//! found, filled and emptied within one or two lines of memory, which is most of what a new batch costs
//! once there are 100,000 others.
//!
//! Open addressing: what belongs to a slot that is taken goes to the next free one. Emptying a slot
//! moves back what stands behind it only because of that, so no slot is ever marked as deleted.

/// 0 if empty. Otherwise the upper half is the [`tag`] of the hash, the lower half the entry's number.
type Slot = u64;

const EMPTY: Slot = 0;

/// Of 16 slots at most so many are taken: then a search that finds nothing looks at 14, side by side.
const FILLED_MAX: usize = 13;

const SLOT_COUNT_MIN: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Table {
    /// A power of two, or none.
    slots: Box<[Slot]>,
    len: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number with this hash for which `is_it`.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        let is_it = |slot| tag_of(slot) == tag && is_it(number_of(slot));
        self.position(tag, is_it)
            .map(|at| number_of(self.slots[at]))
    }

    /// Adds a number, which must not be there.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if (self.len + 1) * 16 > self.slots.len() * FILLED_MAX {
            self.grow();
        }
        self.put(slot(hash, number));
        self.len += 1;
    }

    /// Removes a number that was added with this hash.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let gone = slot(hash, number);
        let Some(mut gap) = self.position(tag(hash), |slot| slot == gone) else {
            return;
        };
        let mut at = self.next(gap);
        while self.slots[at] != EMPTY {
            let home = self.home(tag_of(self.slots[at]));
            // Between its home and where it stands there is the gap now: nobody would find it there.
            if self.distance(home, at) >= self.distance(gap, at) {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.next(at);
        }
        self.slots[gap] = EMPTY;
        self.len -= 1;
    }

    /// Where the first slot stands for which `is_it`, of those that may have this tag.
    fn position(&self, tag: u32, is_it: impl Fn(Slot) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        loop {
            match self.slots[at] {
                EMPTY => return None,
                slot if is_it(slot) => return Some(at),
                _ => at = self.next(at),
            }
        }
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.home(tag_of(slot));
        while self.slots[at] != EMPTY {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let slot_count = (self.slots.len() * 2).max(SLOT_COUNT_MIN);
        let before = std::mem::replace(&mut self.slots, vec![EMPTY; slot_count].into());
        for slot in before.iter().filter(|slot| **slot != EMPTY) {
            self.put(*slot);
        }
    }

    fn home(&self, tag: u32) -> usize {
        (tag >> 1) as usize & (self.slots.len() - 1)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// How many slots further than `from` `to` is.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

/// 31 bits of the hash, and one that tells a slot that is taken from an empty one.
fn tag(hash: u64) -> u32 {
    tag_of(hash) | 1
}

fn slot(hash: u64, number: u32) -> Slot {
    u64::from(tag(hash)) << 32 | u64::from(number)
}

fn tag_of(slot: Slot) -> u32 {
    (slot >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
fn number_of(slot: Slot) -> u32 {
    slot as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few hashes, so that many numbers belong to the same slots, also at the table's end.
        #[test]
        fn it_holds_what_was_added_and_not_removed(
            steps in prop::collection::vec((any::<bool>(), 0..40_u32, 0..200_u32), 0..400),
        ) {
            let hash_of = |home: u32| u64::from(home.wrapping_sub(20)) << 33;
            let (mut table, mut model) = (Table::default(), HashMap::new());
            for (is_added, home, number) in steps {
                match model.get(&number) {
                    None if is_added => {
                        table.insert(hash_of(home), number);
                        model.insert(number, home);
                    }
                    Some(home) if !is_added => {
                        table.remove(hash_of(*home), number);
                        model.remove(&number);
                    }
                    _ => table.remove(hash_of(home), 1_000),
                }
                prop_assert_eq!(table.len(), model.len());
                for number in 0..200 {
                    let home = model.get(&number);
                    for other in [home, Some(&home.map_or(0, |home| home + 1))] {
                        let hash = hash_of(*other.unwrap_or(&0));
                        let found = table.find(hash, |found| found == number);
                        prop_assert_eq!(found.is_some(), home.is_some() && other == home);
                    }
                }
            }
        }
    }
}
