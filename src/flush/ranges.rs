//! Sets of records by their places in a chunk.

use std::ops::Range;

/// Records of a chunk, by their places: the first one is 0, as the chunk is read from its start.
///
/// Kept as ranges, so that it costs by the number of gaps and not of records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet {
    /// None is empty, each ends before the next begins, in ascending order.
    ranges: Vec<Range<u64>>,
}

impl RangeSet {
    /// No record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first `count` records.
    #[must_use]
    pub fn first(count: u64) -> Self {
        Self::from(0..count)
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the record at `place` is one of them.
    #[must_use]
    pub fn contains(&self, place: u64) -> bool {
        self.within(place..place.saturating_add(1)).next().is_some()
    }

    /// The ranges in ascending order, with gaps between them.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }

    /// What of `window` is in the set, in ascending order. Costs the logarithm of the number of
    /// ranges, and what it gives.
    pub fn within(&self, window: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self
            .ranges
            .partition_point(|range| range.end <= window.start);
        let (start, end) = (window.start, window.end);
        self.ranges[first..]
            .iter()
            .take_while(move |range| range.start < end)
            .map(move |range| range.start.max(start)..range.end.min(end))
    }

    /// Adds the records of `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|old| old.end < range.start);
        let behind = self.ranges.partition_point(|old| old.start <= range.end);
        let touched = &self.ranges[first..behind];
        let start = touched.first().map_or(range.start, |old| old.start);
        let end = touched.last().map_or(range.end, |old| old.end);
        let merged = start.min(range.start)..end.max(range.end);
        self.ranges.splice(first..behind, [merged]);
    }

    /// The records of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges().chain(other.ranges()).collect()
    }

    /// The records that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let common = self
            .ranges
            .iter()
            .flat_map(|range| other.within(range.clone()));
        Self {
            ranges: common.collect(),
        }
    }

    /// The records that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for Range { mut start, end } in self.ranges() {
            for taken in other.within(start..end) {
                ranges.extend((start < taken.start).then_some(start..taken.start));
                start = taken.end;
            }
            ranges.extend((start < end).then_some(start..end));
        }
        Self { ranges }
    }

    /// The first half and the second half; the second is the larger one of an odd number.
    #[must_use]
    pub fn halves(&self) -> (Self, Self) {
        let first = self.select(&Self::first(self.len() / 2));
        let second = self.difference(&first);
        (first, second)
    }

    /// The records that stand at `places` among those of this set; places behind its end count
    /// for nothing.
    ///
    /// Turns what an output says of the records that it was given into records of the chunk.
    #[must_use]
    pub fn select(&self, places: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut before = 0;
        for range in &self.ranges {
            let len = range.end - range.start;
            for place in places.within(before..before + len) {
                let offset = range.start - before;
                ranges.push(place.start + offset..place.end + offset);
            }
            before += len;
        }
        Self { ranges }
    }
}

impl From<Range<u64>> for RangeSet {
    fn from(range: Range<u64>) -> Self {
        std::iter::once(range).collect()
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set() -> impl Strategy<Value = RangeSet> {
        let range = (0_u64..40, 0_u64..8).prop_map(|(start, len)| start..start + len);
        proptest::collection::vec(range, 0..8).prop_map(|ranges| ranges.into_iter().collect())
    }

    fn places(set: &RangeSet) -> BTreeSet<u64> {
        set.ranges().flatten().collect()
    }

    /// Equal sets have equal ranges only if no two of them touch.
    fn of(places: impl IntoIterator<Item = u64>) -> RangeSet {
        places.into_iter().map(|place| place..place + 1).collect()
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_set_of_numbers(a in set(), b in set(), place in 0_u64..50) {
            let (x, y) = (places(&a), places(&b));
            prop_assert_eq!(a.len(), u64::try_from(x.len()).unwrap());
            prop_assert_eq!(a.contains(place), x.contains(&place));
            prop_assert_eq!(a.union(&b), of(x.union(&y).copied()));
            prop_assert_eq!(a.intersection(&b), of(x.intersection(&y).copied()));
            prop_assert_eq!(a.difference(&b), of(x.difference(&y).copied()));
        }

        #[test]
        fn halves_are_the_whole_in_order(a in set()) {
            let (first, second) = a.halves();
            prop_assert_eq!(first.union(&second), a.clone());
            prop_assert_eq!(first.len(), a.len() / 2);
            let last_of_first = places(&first).last().copied();
            let first_of_second = places(&second).first().copied();
            prop_assert!(last_of_first.is_none() || last_of_first < first_of_second);
        }

        #[test]
        fn selecting_gives_the_members_at_those_places(a in set(), b in set()) {
            let members: Vec<u64> = places(&a).into_iter().collect();
            let expected = places(&b)
                .into_iter()
                .filter_map(|place| members.get(usize::try_from(place).unwrap()).copied());
            prop_assert_eq!(a.select(&b), of(expected));
        }
    }
}
