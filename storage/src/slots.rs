//! What a chunk owes, by destination.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::slice;

use crate::observer::SlotInfo;

/// What a chunk owes, in the order of its destinations. Of one destination, as most chunks have, it
/// takes no memory of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots(Held);

#[derive(Clone, PartialEq, Eq)]
enum Held {
    One(SlotInfo),
    Many(Box<Many>),
}

/// A thin pointer leads to it, so that it takes no more than one slot does.
#[derive(Clone, PartialEq, Eq)]
struct Many(Box<[SlotInfo]>);

const _: () = assert!(size_of::<Slots>() == size_of::<SlotInfo>());

impl Deref for Slots {
    type Target = [SlotInfo];

    fn deref(&self) -> &[SlotInfo] {
        match &self.0 {
            Held::One(slot) => slice::from_ref(slot),
            Held::Many(many) => &many.0,
        }
    }
}

impl DerefMut for Slots {
    fn deref_mut(&mut self) -> &mut [SlotInfo] {
        match &mut self.0 {
            Held::One(slot) => slice::from_mut(slot),
            Held::Many(many) => &mut many.0,
        }
    }
}

impl FromIterator<SlotInfo> for Slots {
    fn from_iter<I: IntoIterator<Item = SlotInfo>>(slots: I) -> Slots {
        let mut slots = slots.into_iter();
        let (first, second) = (slots.next(), slots.next());
        Slots(match (first, second) {
            (Some(slot), None) => Held::One(slot),
            (first, second) => {
                let slots = first.into_iter().chain(second).chain(slots);
                Held::Many(Box::new(Many(slots.collect())))
            }
        })
    }
}

impl<'a> IntoIterator for &'a Slots {
    type Item = &'a SlotInfo;
    type IntoIter = slice::Iter<'a, SlotInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::SlotState;

    #[test]
    fn any_number_of_slots_is_held_as_it_came() {
        let all = [1, 2, 3].map(|at_ns| SlotInfo {
            state: SlotState::Owed,
            at_ns,
            is_claimed: false,
        });
        for count in 0..=all.len() {
            let mut slots: Slots = all[..count].iter().copied().collect();
            assert_eq!(*slots, all[..count]);
            if let Some(last) = slots.last_mut() {
                last.is_claimed = true;
                assert!(slots[count - 1].is_claimed);
            }
        }
    }
}
