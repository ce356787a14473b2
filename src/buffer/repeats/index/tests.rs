//! By hand, and against a model that does everything the slow way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

/// A receipt that resolves when the test says so.
type Answer = Rc<Cell<Option<bool>>>;

impl Promise for Answer {
    fn is_kept(&self) -> Option<bool> {
        self.get()
    }
}

fn index(window_ns: i64, piece_count_max: usize) -> Index<Answer> {
    Index::new(window_ns, piece_count_max, Seed::random())
}

fn fingerprint(batch: u8) -> Fingerprint {
    Fingerprint([batch; 16])
}

fn stamp(batch: u8, split: u64, index: u32, total: u32) -> Stamp {
    Stamp {
        batch: fingerprint(batch),
        split,
        index,
        total,
    }
}

fn chunk(number: u8) -> ChunkId {
    ChunkId::from_bytes([number; 16])
}

fn durable(number: u8) -> Stored<Answer> {
    Stored {
        chunk: Some(chunk(number)),
        receipt: None,
    }
}

fn remember(index: &mut Index<Answer>, stamp: Stamp, stored: Stored<Answer>, at_ns: i64) {
    index.remember([(stamp, 5)].into_iter(), stored, at_ns);
}

fn is_whole(index: &Index<Answer>, batch: u8) -> bool {
    index.whole(fingerprint(batch)).is_some()
}

#[test]
fn a_batch_is_known_when_no_piece_is_missing() {
    let mut index = index(100, 10);
    remember(&mut index, stamp(1, 9, 1, 2), durable(1), 0);
    assert!(!is_whole(&index, 1));
    assert!(index.piece(&stamp(1, 9, 1, 2)).is_some());
    assert!(index.piece(&stamp(1, 9, 0, 2)).is_none());
    remember(&mut index, stamp(1, 9, 0, 2), durable(2), 0);
    assert_eq!(index.whole(fingerprint(1)).unwrap().event_count, 10);
}

#[test]
fn pieces_of_two_splits_never_make_one_batch() {
    let mut index = index(100, 10);
    remember(&mut index, stamp(1, 8, 0, 2), durable(1), 0);
    remember(&mut index, stamp(1, 9, 1, 2), durable(1), 0);
    assert!(!is_whole(&index, 1));
    assert!(index.piece(&stamp(1, 8, 0, 2)).is_none());
}

#[test]
fn the_oldest_are_forgotten_by_number_and_by_time() {
    let mut index = index(100, 3);
    for batch in 1..=4 {
        remember(&mut index, stamp(batch, 0, 0, 1), durable(1), batch.into());
    }
    assert_eq!(
        [1, 2, 3, 4].map(|batch| is_whole(&index, batch)),
        [false, true, true, true]
    );
    remember(&mut index, stamp(5, 0, 0, 1), durable(1), 104);
    assert_eq!(
        [2, 3, 4, 5].map(|batch| is_whole(&index, batch)),
        [false, false, true, true]
    );
    let left = index.leave_chunk(chunk(1), 105);
    assert_eq!(left.len(), 2);
    assert_eq!(index.chunks.len(), 0);
    assert_eq!(index.piece_count, 2);
}

#[test]
fn all_of_a_run_share_its_receipt_and_its_failure() {
    let mut index = index(100, 10);
    let (first, second) = (Answer::default(), Answer::default());
    for (batches, receipt) in [(1..=3, &first), (4..=6, &second)] {
        let pieces = batches.map(|batch| (stamp(batch, 0, 0, 1), 5));
        let stored = Stored {
            chunk: Some(chunk(1)),
            receipt: Some(Rc::clone(receipt)),
        };
        index.remember(pieces, stored, 0);
    }
    assert_eq!(Rc::strong_count(&first), 2);
    assert_eq!(index.whole(fingerprint(2)).unwrap().receipts.len(), 1);
    first.set(Some(false));
    second.set(Some(true));
    for _ in 0..2 {
        let known = [1, 2, 3, 4, 5, 6].map(|batch| is_whole(&index, batch));
        assert_eq!(known, [false, false, false, true, true, true]);
        // Lets go of the receipts.
        remember(&mut index, stamp(7, 0, 0, 1), durable(1), 0);
        assert_eq!(Rc::strong_count(&first), 1);
    }
    let left = index.leave_chunk(chunk(1), 0);
    assert_eq!(left.len(), 4);
}

/// Everything that was remembered, oldest first, one piece after the other.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<ModelBatch>,
}

#[derive(Debug)]
struct ModelBatch {
    /// `None` if it was forgotten.
    stamp: Option<Stamp>,
    at_ns: i64,
    pieces: BTreeMap<u32, ModelPiece>,
}

#[derive(Clone, Debug)]
struct ModelPiece {
    event_count: u32,
    stored: Stored<Answer>,
}

impl ModelPiece {
    /// Whether it is durable or failed.
    fn is_kept(&self) -> Option<bool> {
        let receipt = self.stored.receipt.as_ref();
        receipt.map_or(Some(true), |receipt| receipt.get())
    }
}

impl ModelBatch {
    fn is_split_as(&self, stamp: &Stamp) -> bool {
        self.stamp == Some(Stamp { index: 0, ..*stamp })
    }

    fn is_of(&self, batch: Fingerprint) -> bool {
        self.stamp.is_some_and(|stamp| stamp.batch == batch)
    }
}

impl Model {
    fn piece_count(&self) -> usize {
        self.batches.iter().map(|batch| batch.pieces.len()).sum()
    }

    fn len(&self) -> usize {
        let is_there = |batch: &&ModelBatch| batch.stamp.is_some();
        self.batches.iter().filter(is_there).count()
    }

    /// Its events, and how many of its pieces are not durable yet.
    fn whole(&self, batch: Fingerprint) -> Option<(u64, usize)> {
        let batch = self.batches.iter().find(|other| other.is_of(batch))?;
        let pieces: Vec<_> = batch.pieces.values().collect();
        let total = batch.stamp?.total as usize;
        if pieces.len() < total || pieces.iter().any(|piece| piece.is_kept() == Some(false)) {
            return None;
        }
        let events = pieces
            .iter()
            .map(|piece| u64::from(piece.event_count))
            .sum();
        let pending = pieces.iter().filter(|piece| piece.is_kept().is_none());
        Some((events, pending.count()))
    }

    /// Whether it is not durable yet.
    fn piece(&self, stamp: &Stamp) -> Option<bool> {
        let batch = self.batches.iter().find(|batch| batch.is_split_as(stamp))?;
        let piece = batch.pieces.get(&stamp.index)?;
        (piece.is_kept() != Some(false)).then_some(piece.is_kept().is_none())
    }

    fn remember(&mut self, stamp: &Stamp, piece: ModelPiece, at_ns: i64, limits: (i64, usize)) {
        let (window_ns, piece_count_max) = limits;
        while let Some(oldest) = self.batches.first() {
            let count = self.piece_count().max(self.batches.len());
            if at_ns - oldest.at_ns <= window_ns && count < piece_count_max {
                break;
            }
            self.batches.remove(0);
        }
        let mut others = self.batches.iter_mut();
        if let Some(other) = others.find(|b| b.is_of(stamp.batch) && !b.is_split_as(stamp)) {
            other.stamp = None;
            other.pieces.clear();
        }
        let known = self.batches.iter_mut().find(|b| b.is_split_as(stamp));
        if let Some(batch) = known {
            batch.pieces.insert(stamp.index, piece);
            return;
        }
        self.batches.push(ModelBatch {
            stamp: Some(Stamp { index: 0, ..*stamp }),
            at_ns,
            pieces: [(stamp.index, piece)].into(),
        });
    }

    fn leave_chunk(&mut self, chunk: ChunkId, at_ns: i64) -> Vec<Record> {
        let mut records = Vec::new();
        for batch in &mut self.batches {
            let stamp = batch.stamp;
            for (index, piece) in &mut batch.pieces {
                if piece.stored.chunk != Some(chunk) {
                    continue;
                }
                piece.stored.chunk = None;
                if let (Some(stamp), Some(true)) = (stamp, piece.is_kept()) {
                    records.push(Record {
                        stamp: Stamp {
                            index: *index,
                            ..stamp
                        },
                        event_count: piece.event_count,
                        at_ns,
                    });
                }
            }
        }
        records
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Pieces that are stored together: in a chunk or in none, durable or not.
    Remember(Vec<(Stamp, u32)>, Option<u8>, bool),
    /// The receipt that was given at this time resolves.
    Resolve(usize, bool),
    LeaveChunk(u8),
    Wait(i64),
}

const BATCH_COUNT: u8 = 12;

fn any_stamp() -> impl Strategy<Value = Stamp> {
    let shape = prop_oneof![
        4 => Just((0, 1)),
        1 => Just((7, 1)),
        2 => Just((1, 3)),
        1 => Just((2, 3)),
    ];
    (0..BATCH_COUNT, shape, 0..3_u32)
        .prop_map(|(batch, (split, total), index)| stamp(batch, split, index % total, total))
}

fn any_step() -> impl Strategy<Value = Step> {
    let pieces = prop::collection::vec((any_stamp(), 1..9_u32), 1..6);
    prop_oneof![
        6 => (pieces, prop::option::weighted(0.9, 0..5_u8), any::<bool>())
            .prop_map(|(pieces, chunk, is_durable)| Step::Remember(pieces, chunk, is_durable)),
        4 => (any::<usize>(), prop::bool::weighted(0.7))
            .prop_map(|(which, is_kept)| Step::Resolve(which, is_kept)),
        1 => (0..5_u8).prop_map(Step::LeaveChunk),
        2 => (0..40_i64).prop_map(Step::Wait),
    ]
}

/// By stamp, as their order says nothing.
fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| (record.stamp.batch, record.stamp.index));
    records
}

fn compare(index: &Index<Answer>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(index.len(), model.len());
    prop_assert_eq!(index.piece_count, model.piece_count());
    for batch in 0..BATCH_COUNT {
        let whole = index.whole(fingerprint(batch));
        let whole = whole.map(|whole| (whole.event_count, whole.receipts.len()));
        prop_assert_eq!(whole, model.whole(fingerprint(batch)));
        for (split, total) in [(0, 1), (7, 1), (1, 3), (2, 3)] {
            for piece in 0..total {
                let stamp = stamp(batch, split, piece, total);
                let found = index.piece(&stamp).map(|receipt| receipt.is_some());
                prop_assert_eq!(found, model.piece(&stamp), "{:?}", stamp);
            }
        }
    }
    Ok(())
}

fn chunk_count(model: &Model) -> usize {
    let pieces = model.batches.iter().flat_map(|batch| batch.pieces.values());
    let chunks: std::collections::BTreeSet<_> =
        pieces.filter_map(|piece| piece.stored.chunk).collect();
    chunks.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_knows_what_a_list_of_everything_knows(
        steps in prop::collection::vec(any_step(), 1..120),
        piece_count_max in 1..30_usize,
    ) {
        let (mut index, mut model) = (index(100, piece_count_max), Model::default());
        let (mut now_ns, mut receipts) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Remember(pieces, number, is_durable) => {
                    let receipt = (!is_durable).then(Answer::default);
                    receipts.extend(receipt.clone());
                    let stored = Stored { chunk: number.map(chunk), receipt };
                    index.remember(pieces.iter().copied(), stored.clone(), now_ns);
                    for (stamp, event_count) in pieces {
                        let piece = ModelPiece { event_count, stored: stored.clone() };
                        model.remember(&stamp, piece, now_ns, (100, piece_count_max));
                    }
                }
                Step::Resolve(_, _) if receipts.is_empty() => {}
                Step::Resolve(which, is_kept) => {
                    let which = which % receipts.len();
                    receipts.swap_remove(which).set(Some(is_kept));
                }
                Step::LeaveChunk(number) => {
                    let left = index.leave_chunk(chunk(number), now_ns);
                    let expected = model.leave_chunk(chunk(number), now_ns);
                    prop_assert_eq!(sorted(left), sorted(expected));
                }
                Step::Wait(ns) => now_ns += ns,
            }
            compare(&index, &model)?;
            prop_assert_eq!(index.chunks.len(), chunk_count(&model));
        }
    }
}
