//! What of a chunk is still owed to one destination, and the search for the record that it does
//! not take.
//!
//! A destination is offered the whole chunk, or what is left of it. When it refuses that, or keeps
//! failing because of it, the records are halved until the ones that it does not take stand alone:
//! one record in `n` is found with `log2 n` refusals and as many confirmations. The search is
//! bounded: it may meet so many refusals as lead to one record, a few more, and
//! [`REFUSALS_PER_CONFIRMATION`] for each part that is confirmed. A destination that refuses
//! everything is therefore offered little more than `log2 n` parts, not every record.
//!
//! Nothing here knows of time or queues; each record is in exactly one of the lists below until it
//! is confirmed or buried.

use super::decision::{Cause, Via};
use super::ranges::RangeSet;

/// What a part that is confirmed is worth: a bad record next to a good one costs three refusals.
const REFUSALS_PER_CONFIRMATION: u32 = 4;

/// Refusals beyond those on the way to one record that a search without any success may meet.
const REFUSALS_SPARE: u32 = 3;

/// Records that will not be offered to the destination again, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) records: RangeSet,
    pub(super) cause: Cause,
    /// The destination's answer.
    pub(super) answer: String,
    /// Attempts that failed, at the chunk or at parts of it.
    pub(super) attempt_count: u32,
    pub(super) first_failure_ns: i64,
    pub(super) last_failure_ns: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Off,
    On {
        refusals_left: u32,
        /// The retries are spent: what fails alone is given up at once.
        is_last: bool,
    },
    /// It has been made; what is left waits for its retries.
    Over,
}

/// What is owed, cut into what is offered at a time.
#[derive(Debug)]
pub(super) struct Remainder {
    event_count: u64,
    /// The last is offered next.
    parts: Vec<RangeSet>,
    /// Records that failed alone in a search; offered again when nothing else is left.
    lone: Vec<RangeSet>,
    for_secondary: Vec<Refused>,
    to_bury: Vec<Refused>,
    burying: Option<Refused>,
    search: Search,
}

impl Remainder {
    /// All of a chunk with so many events, or what is `left` of it.
    pub(super) fn new(event_count: u64, left: Option<RangeSet>) -> Self {
        // A chunk that says it is empty is offered all the same.
        let event_count = event_count.max(1);
        let whole = RangeSet::first(event_count);
        let left = left.map(|left| left.intersection(&whole));
        Self {
            event_count,
            parts: vec![left.filter(|left| !left.is_empty()).unwrap_or(whole)],
            lone: Vec::new(),
            for_secondary: Vec::new(),
            to_bury: Vec::new(),
            burying: None,
            search: Search::Off,
        }
    }

    /// What is offered next; `None` is the whole chunk.
    pub(super) fn offered(&self) -> Option<RangeSet> {
        self.unless_whole(self.parts.last()?)
    }

    /// What is not settled; `None` is the whole chunk.
    pub(super) fn left(&self) -> Option<RangeSet> {
        let refused = self.for_secondary.iter().chain(&self.to_bury);
        let refused = refused.chain(&self.burying).map(|refused| &refused.records);
        let all = self.parts.iter().chain(&self.lone).chain(refused);
        self.unless_whole(&all.flat_map(RangeSet::ranges).collect())
    }

    /// How many records the part that is offered has.
    pub(super) fn offered_count(&self) -> u64 {
        self.parts.last().map_or(0, RangeSet::len)
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(super) fn has_to_bury(&self) -> bool {
        !self.to_bury.is_empty()
    }

    pub(super) fn is_searching(&self) -> bool {
        matches!(self.search, Search::On { .. })
    }

    /// Whether a search may begin before the retries are spent.
    pub(super) fn may_search_early(&self) -> bool {
        self.search == Search::Off
    }

    /// The part that was offered is confirmed; returns how many records that were.
    pub(super) fn confirm(&mut self) -> u64 {
        if let Search::On { refusals_left, .. } = &mut self.search {
            *refusals_left = refusals_left.saturating_add(REFUSALS_PER_CONFIRMATION);
        }
        let part = self.pop();
        self.forget_refusal(&part);
        part.len()
    }

    /// Of the part that was offered, the records at these places are confirmed; returns how many.
    pub(super) fn confirm_some(&mut self, places: &RangeSet) -> u64 {
        let Some(part) = self.parts.last_mut() else {
            return 0;
        };
        let done = part.select(places);
        *part = part.difference(&done);
        self.drop_empty_part();
        self.forget_refusal(&done);
        done.len()
    }

    /// The records of the part that was offered that stand at `places`.
    pub(super) fn at(&self, places: &RangeSet) -> RangeSet {
        self.parts
            .last()
            .map_or_else(RangeSet::new, |part| part.select(places))
    }

    /// Records of the part that was offered are refused.
    pub(super) fn refuse(&mut self, refused: Refused, to: LastResort) {
        if let Some(part) = self.parts.last_mut() {
            *part = part.difference(&refused.records);
        }
        self.drop_empty_part();
        self.give(refused, to);
    }

    /// The part that was offered is refused.
    pub(super) fn refuse_offered(&mut self, why: Refused, to: LastResort) {
        let records = self.pop();
        self.give(Refused { records, ..why }, to);
    }

    /// Everything that would still be offered is refused.
    pub(super) fn refuse_all(&mut self, why: Refused, to: LastResort) {
        let all = self.parts.drain(..).chain(self.lone.drain(..));
        let records = all
            .flat_map(|part| part.ranges().collect::<Vec<_>>())
            .collect();
        self.search = Search::Over;
        self.give(Refused { records, ..why }, to);
    }

    /// Everything is buried, also what waits for the secondary output.
    pub(super) fn bury_all(&mut self, why: Refused) {
        self.refuse_all(why, LastResort::Burial);
        let waiting = std::mem::take(&mut self.for_secondary);
        waiting
            .into_iter()
            .for_each(|refused| self.give(refused, LastResort::Burial));
    }

    /// The secondary output does not take the part that it was offered: each record is buried for
    /// the reason for which it came there, with `answer` behind the destination's own.
    pub(super) fn refused_by_secondary(&mut self, why: &Refused) {
        let mut records = why.records.clone();
        if let Some(part) = self.parts.last_mut() {
            *part = part.difference(&records);
        }
        self.drop_empty_part();
        for mut waiting in std::mem::take(&mut self.for_secondary) {
            let buried = Refused {
                records: waiting.records.intersection(&records),
                answer: format!("{}; the secondary output: {}", waiting.answer, why.answer),
                attempt_count: waiting.attempt_count.max(why.attempt_count),
                last_failure_ns: why.last_failure_ns,
                ..waiting
            };
            waiting.records = waiting.records.difference(&buried.records);
            records = records.difference(&buried.records);
            self.give(waiting, LastResort::Secondary);
            self.give(buried, LastResort::Burial);
        }
        let rest = Refused {
            records,
            ..why.clone()
        };
        self.give(rest, LastResort::Burial);
    }

    /// The secondary output does not take what it was offered.
    pub(super) fn secondary_refuses_offered(&mut self, why: Refused) {
        let records = self.parts.last().cloned().unwrap_or_default();
        self.refused_by_secondary(&Refused { records, ..why });
    }

    /// Makes what waits for the secondary output the part that is offered; false if nothing does.
    pub(super) fn offer_to_secondary(&mut self) -> bool {
        let waiting = self.for_secondary.iter();
        let all: RangeSet = waiting
            .flat_map(|refused| refused.records.ranges())
            .collect();
        let has_any = !all.is_empty();
        self.parts.extend(has_any.then_some(all));
        has_any
    }

    /// Halves the part that was offered and failed, or notes that a record failed alone. False if
    /// the search has met so many refusals that it is over: what is left is one part again.
    pub(super) fn search(&mut self, is_last: bool) -> bool {
        let count = self.offered_count();
        let Search::On { refusals_left, .. } = &mut self.search else {
            let on_the_way = 64 - count.leading_zeros();
            self.search = Search::On {
                refusals_left: on_the_way + REFUSALS_SPARE,
                is_last,
            };
            self.halve();
            return true;
        };
        *refusals_left = refusals_left.saturating_sub(1);
        if *refusals_left == 0 {
            self.end_search();
            return false;
        }
        if count > 1 {
            self.halve();
        }
        true
    }

    /// Whether what fails alone in the search under way is given up at once.
    pub(super) fn is_last_search(&self) -> bool {
        matches!(self.search, Search::On { is_last: true, .. })
    }

    /// The record that failed alone is offered again when nothing else is left.
    pub(super) fn set_apart(&mut self) {
        if let Some(part) = self.parts.pop() {
            self.lone.push(part);
        }
        self.offer_lone();
    }

    /// The part that failed is offered after the others.
    pub(super) fn put_last(&mut self) {
        self.parts.rotate_right(1);
    }

    /// Takes the next group of records to bury: those with one reason and answer.
    pub(super) fn begin_burial(&mut self) -> Option<&Refused> {
        let mut group = self.to_bury.pop()?;
        self.to_bury.retain(|other| {
            let is_alike = (other.cause, &other.answer, other.attempt_count)
                == (group.cause, &group.answer, group.attempt_count);
            if is_alike {
                group.records = group.records.union(&other.records);
            }
            !is_alike
        });
        Some(self.burying.insert(group))
    }

    /// What was to be buried is.
    pub(super) fn end_burial(&mut self) {
        self.burying = None;
    }

    /// What was to be buried could not be: it is offered again, to the output `via`.
    pub(super) fn undo_burials(&mut self, via: Via) {
        let back: Vec<_> = self.burying.take().into_iter().collect();
        let back = [back, std::mem::take(&mut self.to_bury)].concat();
        let all: RangeSet = back
            .iter()
            .flat_map(|refused| refused.records.ranges())
            .collect();
        self.parts.extend((!all.is_empty()).then_some(all));
        if via == Via::Secondary {
            self.for_secondary.extend(back);
        }
    }

    /// The records of a burial; `None` is the whole chunk.
    pub(super) fn unless_whole(&self, records: &RangeSet) -> Option<RangeSet> {
        (records.len() < self.event_count).then(|| records.clone())
    }

    fn give(&mut self, refused: Refused, to: LastResort) {
        if refused.records.is_empty() {
            return;
        }
        match to {
            LastResort::Secondary => self.for_secondary.push(refused),
            LastResort::Burial => self.to_bury.push(refused),
        }
    }

    fn halve(&mut self) {
        if let Some(part) = self.parts.pop() {
            let (first, second) = part.halves();
            self.parts.extend([second, first]);
        }
    }

    fn pop(&mut self) -> RangeSet {
        let part = self.parts.pop().unwrap_or_default();
        self.offer_lone();
        part
    }

    fn drop_empty_part(&mut self) {
        self.parts.pop_if(|part| part.is_empty());
        self.offer_lone();
    }

    fn offer_lone(&mut self) {
        if self.parts.is_empty() {
            self.parts.append(&mut self.lone);
            self.search = Search::Over;
        }
    }

    fn end_search(&mut self) {
        let all = self.parts.drain(..).chain(self.lone.drain(..));
        let all = all
            .flat_map(|part| part.ranges().collect::<Vec<_>>())
            .collect();
        self.parts.push(all);
        self.search = Search::Over;
    }

    /// Records that the secondary output has taken wait for it no more.
    fn forget_refusal(&mut self, taken: &RangeSet) {
        for refused in &mut self.for_secondary {
            refused.records = refused.records.difference(taken);
        }
        self.for_secondary
            .retain(|refused| !refused.records.is_empty());
    }
}

/// Where refused records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastResort {
    Secondary,
    Burial,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn why() -> Refused {
        Refused {
            records: RangeSet::new(),
            cause: Cause::Rejected,
            answer: "400".to_owned(),
            attempt_count: 1,
            first_failure_ns: 0,
            last_failure_ns: 0,
        }
    }

    /// Offers everything to a destination that refuses parts with a record in `bad`; returns how
    /// often it refused and confirmed, and what is to be buried.
    fn offer_all(count: u64, bad: &BTreeSet<u64>) -> (u32, u32, BTreeSet<u64>) {
        let mut remainder = Remainder::new(count, None);
        let (mut refusals, mut confirmations) = (0, 0);
        while remainder.has_parts() {
            let part = remainder.offered().unwrap_or(RangeSet::first(count));
            if !bad.iter().any(|place| part.contains(*place)) {
                remainder.confirm();
                confirmations += 1;
                continue;
            }
            refusals += 1;
            if part.len() == 1 && !remainder.is_searching() {
                remainder.refuse_offered(why(), LastResort::Burial);
            } else if !remainder.search(true) {
                remainder.refuse_all(why(), LastResort::Burial);
            } else if part.len() == 1 {
                remainder.refuse_offered(why(), LastResort::Burial);
            }
        }
        let buried = remainder.to_bury.iter();
        let buried =
            buried.flat_map(|refused| refused.records.ranges().flatten().collect::<Vec<_>>());
        (refusals, confirmations, buried.collect())
    }

    #[test]
    fn one_bad_record_is_found_with_log2_refusals_and_the_rest_is_confirmed() {
        for place in [0, 1, 500, 998, 999] {
            let bad = BTreeSet::from([place]);
            let (refusals, confirmations, buried) = offer_all(1_000, &bad);
            assert_eq!(buried, bad);
            assert!(
                refusals <= 11 && confirmations <= 10,
                "{refusals} {confirmations}"
            );
        }
    }

    #[test]
    fn a_destination_that_refuses_everything_is_not_offered_every_record() {
        let bad: BTreeSet<u64> = (0..100_000).collect();
        let (refusals, confirmations, buried) = offer_all(100_000, &bad);
        assert_eq!((confirmations, buried.len()), (0, 100_000));
        assert!(refusals <= 22, "{refusals}");
    }

    proptest::proptest! {
        #[test]
        fn all_that_is_good_is_confirmed_and_the_work_is_bounded(
            count in 1_u64..400,
            places in proptest::collection::btree_set(0_u64..400, 0..6),
        ) {
            let bad: BTreeSet<u64> = places.into_iter().filter(|place| *place < count).collect();
            let (refusals, confirmations, buried) = offer_all(count, &bad);
            let log2 = count.ilog2() + 1;
            let bound = u32::try_from(bad.len()).unwrap() * (log2 + 1);
            proptest::prop_assert!(refusals <= bound);
            proptest::prop_assert!(confirmations <= bound + 1);
            // A search that meets nothing but refusals is called off with what is left.
            if confirmations > 0 || bad.len() <= 1 {
                proptest::prop_assert_eq!(buried, bad);
            } else {
                proptest::prop_assert!(buried.is_superset(&bad));
            }
        }

        #[test]
        fn every_other_record_is_told_apart(count in 2_u64..300) {
            let bad: BTreeSet<u64> = (0..count).step_by(2).collect();
            let (_, _, buried) = offer_all(count, &bad);
            proptest::prop_assert_eq!(buried, bad);
        }
    }

    #[test]
    fn what_is_done_is_not_offered_again_and_the_rest_is() {
        let mut remainder = Remainder::new(10, None);
        assert_eq!(remainder.offered(), None, "the whole");
        assert_eq!(remainder.confirm_some(&RangeSet::from(0..4)), 4);
        assert_eq!(remainder.offered(), Some(RangeSet::from(4..10)));
        // Places are those of the part that was offered.
        assert_eq!(remainder.at(&RangeSet::from(0..1)), RangeSet::from(4..5));
        assert_eq!(remainder.confirm(), 6);
        assert!(!remainder.has_parts());
    }

    #[test]
    fn what_the_secondary_refuses_is_buried_for_both_reasons() {
        let mut remainder = Remainder::new(4, None);
        remainder.refuse_offered(why(), LastResort::Secondary);
        assert!(remainder.offer_to_secondary());
        remainder.confirm_some(&RangeSet::from(0..1));
        remainder.refused_by_secondary(&Refused {
            records: RangeSet::from(1..4),
            answer: "disk full".to_owned(),
            ..why()
        });
        assert!(!remainder.has_parts() && remainder.for_secondary.is_empty());
        let buried = remainder.begin_burial().unwrap();
        assert_eq!(buried.records, RangeSet::from(1..4));
        assert_eq!(buried.answer, "400; the secondary output: disk full");
        assert_eq!(remainder.left(), Some(RangeSet::from(1..4)));
        remainder.end_burial();
        assert_eq!(remainder.left(), Some(RangeSet::new()));
    }
}
