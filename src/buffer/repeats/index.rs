//! What is remembered, in memory: pure, but for asking receipts what became of them.

use std::collections::{HashMap, VecDeque};

use forebay_storage::{ChunkId, Receipt};

use super::journal::Record;
use super::stamp::{Fingerprint, Stamp};

/// A piece that was stored, or is about to be.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) event_count: u32,
    /// The chunk that holds it; `None` once that is gone.
    pub(super) chunk: Option<ChunkId>,
    /// Says when it is durable; `None` if it is.
    pub(super) receipt: Option<Receipt>,
}

/// A batch all of whose pieces are stored, or about to be.
#[derive(Debug)]
pub(in crate::buffer) struct Whole {
    pub(in crate::buffer) event_count: u64,
    /// Of the pieces that are not durable yet.
    pub(in crate::buffer) receipts: Vec<Receipt>,
}

#[derive(Debug)]
pub(super) struct Index {
    window_ns: i64,
    /// Most pieces remembered.
    piece_count_max: usize,
    entries: HashMap<Fingerprint, Entry>,
    /// Oldest first. An item whose time is not its entry's is out of date and passed over.
    order: VecDeque<(i64, Fingerprint)>,
    /// Batches with a piece in the chunk, oldest first.
    by_chunk: HashMap<ChunkId, VecDeque<Fingerprint>>,
    /// Batches whose receipts had not resolved when they were last looked at, oldest first.
    unresolved: VecDeque<Fingerprint>,
    piece_count: usize,
}

#[derive(Debug)]
struct Entry {
    at_ns: i64,
    split: u64,
    /// By index; `None` is not stored.
    pieces: Box<[Option<Piece>]>,
}

impl Index {
    pub(super) fn new(window_ns: i64, piece_count_max: usize) -> Self {
        Self {
            window_ns,
            piece_count_max,
            entries: HashMap::new(),
            order: VecDeque::new(),
            by_chunk: HashMap::new(),
            unresolved: VecDeque::new(),
            piece_count: 0,
        }
    }

    /// Batches remembered, partly stored ones included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn unresolved_count(&self) -> usize {
        self.unresolved.len()
    }

    /// The batch, if no piece of it is missing.
    pub(super) fn whole(&self, batch: Fingerprint) -> Option<Whole> {
        let entry = self.entries.get(&batch)?;
        let mut whole = Whole {
            event_count: 0,
            receipts: Vec::new(),
        };
        for piece in &entry.pieces {
            let piece = piece.as_ref().filter(|piece| !piece.has_failed())?;
            whole.event_count += u64::from(piece.event_count);
            whole.receipts.extend(piece.receipt.clone());
        }
        Some(whole)
    }

    /// One piece, if it is there.
    pub(super) fn piece(&self, stamp: &Stamp) -> Option<&Piece> {
        let entry = self.entries.get(&stamp.batch)?;
        if !entry.is_split_as(stamp) {
            return None;
        }
        let piece = entry.pieces.get(index(stamp))?.as_ref();
        piece.filter(|piece| !piece.has_failed())
    }

    /// Remembers a piece, and forgets what there is no room or no time for any more. Pieces of another
    /// split of the batch are forgotten: they never make one batch with this.
    pub(super) fn remember(&mut self, stamp: &Stamp, piece: Piece, at_ns: i64) {
        let is_other_split = self
            .entries
            .get(&stamp.batch)
            .is_some_and(|entry| !entry.is_split_as(stamp));
        if is_other_split {
            self.remove(stamp.batch);
        }
        self.forget(at_ns, 1);
        self.let_go_of_receipts();
        if piece.receipt.is_some() {
            self.unresolved.push_back(stamp.batch);
        }
        let chunk = piece.chunk;
        let order = &mut self.order;
        let entry = self.entries.entry(stamp.batch).or_insert_with(|| {
            order.push_back((at_ns, stamp.batch));
            Entry::new(stamp, at_ns)
        });
        let was_there = entry.pieces[index(stamp)].replace(piece).is_some();
        self.piece_count += usize::from(!was_there);
        if let Some(chunk) = chunk {
            self.by_chunk
                .entry(chunk)
                // Of many chunks most hold one batch.
                .or_insert_with(|| VecDeque::with_capacity(1))
                .push_back(stamp.batch);
        }
    }

    /// A receipt keeps more memory than all else that is remembered of a piece, and says nothing
    /// any more once the piece is durable.
    fn let_go_of_receipts(&mut self) {
        while let Some(batch) = self.unresolved.front() {
            let entry = self.entries.get_mut(batch);
            if entry.is_some_and(|entry| !entry.let_go_of_receipts()) {
                break;
            }
            self.unresolved.pop_front();
        }
    }

    /// The chunk's file is about to be removed: its durable pieces.
    pub(super) fn leave_chunk(&mut self, chunk: ChunkId, at_ns: i64) -> Vec<Record> {
        let mut records = Vec::new();
        for batch in self.by_chunk.remove(&chunk).unwrap_or_default() {
            let Some(entry) = self.entries.get_mut(&batch) else {
                continue;
            };
            entry.leave_chunk(batch, chunk, at_ns, &mut records);
        }
        records
    }

    /// Forgets what is out of the window, and the oldest until there is room for more pieces.
    fn forget(&mut self, now_ns: i64, more: usize) {
        while let Some(&(at_ns, batch)) = self.order.front() {
            let is_old = now_ns.saturating_sub(at_ns) > self.window_ns;
            let is_many = self.piece_count.max(self.order.len()) + more > self.piece_count_max;
            if !is_old && !is_many {
                break;
            }
            self.order.pop_front();
            if self.entries.get(&batch).is_some_and(|e| e.at_ns == at_ns) {
                self.remove(batch);
            }
        }
    }

    fn remove(&mut self, batch: Fingerprint) {
        let Some(entry) = self.entries.remove(&batch) else {
            return;
        };
        for piece in entry.pieces.iter().flatten() {
            self.piece_count -= 1;
            if let Some(chunk) = piece.chunk {
                self.leave(chunk, batch);
            }
        }
    }

    /// Batches are forgotten in the order they came, so it is nearly always the first.
    fn leave(&mut self, chunk: ChunkId, batch: Fingerprint) {
        let Some(batches) = self.by_chunk.get_mut(&chunk) else {
            return;
        };
        if let Some(at) = batches.iter().position(|other| *other == batch) {
            batches.remove(at);
        }
        if batches.is_empty() {
            self.by_chunk.remove(&chunk);
        }
    }
}

impl Entry {
    fn new(stamp: &Stamp, at_ns: i64) -> Self {
        Self {
            at_ns,
            split: stamp.split,
            pieces: (0..stamp.total).map(|_| None).collect(),
        }
    }

    /// Says whether all have resolved.
    fn let_go_of_receipts(&mut self) -> bool {
        for piece in self.pieces.iter_mut().flatten() {
            match piece.receipt.as_ref().map(Receipt::outcome) {
                Some(None) => return false,
                Some(Some(Ok(()))) => piece.receipt = None,
                // What has failed is to be stored again.
                Some(Some(Err(_))) | None => {}
            }
        }
        true
    }

    fn is_split_as(&self, stamp: &Stamp) -> bool {
        self.split == stamp.split && self.pieces.len() == stamp.total as usize
    }

    fn leave_chunk(
        &mut self,
        batch: Fingerprint,
        chunk: ChunkId,
        at_ns: i64,
        records: &mut Vec<Record>,
    ) {
        let (split, total) = (self.split, u32::try_from(self.pieces.len()).unwrap_or(0));
        for (index, slot) in (0..).zip(&mut self.pieces) {
            let Some(piece) = slot.as_mut().filter(|piece| piece.chunk == Some(chunk)) else {
                continue;
            };
            piece.chunk = None;
            if !piece.is_durable() {
                continue;
            }
            piece.receipt = None;
            let stamp = Stamp {
                batch,
                split,
                index,
                total,
            };
            records.push(Record {
                stamp,
                event_count: piece.event_count,
                at_ns,
            });
        }
    }
}

impl Piece {
    fn has_failed(&self) -> bool {
        let outcome = self.receipt.as_ref().and_then(Receipt::outcome);
        matches!(outcome, Some(Err(_)))
    }

    fn is_durable(&self) -> bool {
        self.receipt
            .as_ref()
            .is_none_or(|receipt| matches!(receipt.outcome(), Some(Ok(()))))
    }
}

fn index(stamp: &Stamp) -> usize {
    stamp.index as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(batch: u8, split: u64, index: u32, total: u32) -> Stamp {
        Stamp {
            batch: Fingerprint([batch; 16]),
            split,
            index,
            total,
        }
    }

    fn piece(chunk: u8) -> Piece {
        Piece {
            event_count: 5,
            chunk: Some(ChunkId::from_bytes([chunk; 16])),
            receipt: None,
        }
    }

    fn is_whole(index: &Index, batch: u8) -> bool {
        index.whole(Fingerprint([batch; 16])).is_some()
    }

    #[test]
    fn a_batch_is_known_when_no_piece_is_missing() {
        let mut index = Index::new(100, 10);
        index.remember(&stamp(1, 9, 1, 2), piece(1), 0);
        assert!(!is_whole(&index, 1));
        assert!(index.piece(&stamp(1, 9, 1, 2)).is_some());
        assert!(index.piece(&stamp(1, 9, 0, 2)).is_none());
        index.remember(&stamp(1, 9, 0, 2), piece(2), 0);
        assert_eq!(index.whole(Fingerprint([1; 16])).unwrap().event_count, 10);
    }

    #[test]
    fn pieces_of_two_splits_never_make_one_batch() {
        let mut index = Index::new(100, 10);
        index.remember(&stamp(1, 8, 0, 2), piece(1), 0);
        index.remember(&stamp(1, 9, 1, 2), piece(1), 0);
        assert!(!is_whole(&index, 1));
        assert!(index.piece(&stamp(1, 8, 0, 2)).is_none());
    }

    #[test]
    fn the_oldest_are_forgotten_by_number_and_by_time() {
        let mut index = Index::new(100, 3);
        for batch in 1..=4 {
            index.remember(&stamp(batch, 0, 0, 1), piece(1), batch.into());
        }
        assert_eq!(
            [1, 2, 3, 4].map(|batch| is_whole(&index, batch)),
            [false, true, true, true]
        );
        index.remember(&stamp(5, 0, 0, 1), piece(1), 104);
        assert_eq!(
            [2, 3, 4, 5].map(|batch| is_whole(&index, batch)),
            [false, false, true, true]
        );
        let left = index.leave_chunk(ChunkId::from_bytes([1; 16]), 105);
        assert_eq!(left.len(), 2);
        assert!(index.by_chunk.is_empty());
        assert_eq!(index.piece_count, 2);
    }
}
