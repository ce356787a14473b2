use super::*;
use crate::event::{Timestamp, entries, write_entry};
use crate::output::testing::{self, numbered};

/// A chunk of frames with these numbers of records; the n-th record of all has the time n.
fn chunk(counts: &[u32]) -> Chunk {
    let mut second = 0;
    let mut frames = Vec::new();
    for count in counts {
        let mut payload = Vec::new();
        for _ in 0..*count {
            write_entry(
                &mut payload,
                Timestamp::from_ns(second * 1_000_000_000 + 1),
                &[0x80],
            );
            second += 1;
        }
        frames.push(("t", payload, *count));
    }
    testing::counted_chunk(&frames)
}

/// The numbers of the records that a reader shows.
fn read(chunk: &Chunk) -> Vec<u64> {
    let mut reader = chunk.windows().unwrap();
    let mut places = Vec::new();
    while let Some(window) = reader.next_window_blocking().unwrap() {
        for frame in window.frames() {
            let before = places.len();
            places.extend(
                entries(frame.payload)
                    .map(|entry| u64::try_from(entry.unwrap().time.ns() / 1_000_000_000).unwrap()),
            );
            let count = u32::try_from(places.len() - before).unwrap();
            assert_eq!(frame.event_count, count, "a frame says how many it has");
        }
    }
    places
}

proptest::proptest! {
    #[test]
    fn a_part_shows_its_records_and_no_other(
        counts in proptest::collection::vec(1_u32..6, 1..6),
        ranges in proptest::collection::vec((0_u64..30, 1_u64..6), 0..5),
    ) {
        let total: u64 = counts.iter().copied().map(u64::from).sum();
        let set: RangeSet = ranges.into_iter().map(|(start, len)| start..start + len).collect();
        let set = set.intersection(&RangeSet::first(total));
        let part = chunk(&counts).part(set.clone());
        proptest::prop_assert_eq!(read(&part), set.ranges().flatten().collect::<Vec<_>>());
        proptest::prop_assert_eq!(part.event_count(), set.len());
    }
}

#[test]
fn a_part_has_a_name_of_its_own_that_stays_the_same() {
    let whole = chunk(&[4]);
    let part = |range| whole.clone().part(RangeSet::from(range));
    assert_eq!(whole.send_id(), whole.id());
    assert_eq!(part(0..2).send_id(), part(0..2).send_id());
    assert_ne!(part(0..2).send_id(), part(2..4).send_id());
    assert_ne!(part(0..2).send_id(), whole.id());
    assert_eq!(part(0..2).id(), whole.id());
}

#[test]
fn a_frame_that_lies_about_its_records_is_shown_whole() {
    let payload = numbered(3, 0);
    let part = testing::counted_chunk(&[("t", payload, 2)]).part(RangeSet::from(0..1));
    let mut reader = part.windows().unwrap();
    let window = reader.next_window_blocking().unwrap().unwrap();
    let frames: Vec<_> = window
        .frames()
        .map(|frame| entries(frame.payload).count())
        .collect();
    assert_eq!(frames, [3]);
}
