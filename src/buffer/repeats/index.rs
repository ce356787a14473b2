//! What is remembered, in memory: pure, but for asking receipts what became of them.
//!
//! Batches stand in a [`Ring`] in the order in which they came, which is the order in which they are
//! forgotten; a [`Table`] finds them by fingerprint, and [`Chunks`] by the chunk that holds them. A new
//! batch of one piece allocates nothing, and touches memory in two places that are not at hand: the
//! table's line for it, and the one for the batch that it pushes out.

use std::ops::Range;

use forebay_storage::{ChunkId, Receipt};

use super::journal::Record;
use super::seed::Seed;
use super::stamp::{Fingerprint, Stamp};

mod chunks;
mod ring;
mod runs;
mod table;

use chunks::Chunks;
use ring::{Entry, Piece, Ring, low_half};
use runs::{Fate, Promise, RunNumber, Runs};
use table::Table;

/// Where pieces were stored, or are about to be.
#[derive(Clone, Debug)]
pub(super) struct Stored<R = Receipt> {
    /// The chunk that holds them; `None` if that is gone.
    pub(super) chunk: Option<ChunkId>,
    /// Says when they are durable; `None` if they are.
    pub(super) receipt: Option<R>,
}

/// A batch all of whose pieces are stored, or about to be.
#[derive(Debug)]
pub(in crate::buffer) struct Whole<R = Receipt> {
    pub(in crate::buffer) event_count: u64,
    /// Of the pieces that are not durable yet.
    pub(in crate::buffer) receipts: Vec<R>,
}

#[derive(Debug)]
pub(super) struct Index<R = Receipt> {
    window_ns: i64,
    /// Most pieces remembered.
    piece_count_max: usize,
    seed: Seed,
    entries: Ring,
    by_batch: Table,
    chunks: Chunks,
    unresolved: Runs<R>,
    piece_count: usize,
}

impl<R: Promise> Index<R> {
    pub(super) fn new(window_ns: i64, piece_count_max: usize, seed: Seed) -> Self {
        // The table tells no more entries apart.
        let piece_count_max = piece_count_max.min(1 << 31);
        Self {
            window_ns,
            piece_count_max,
            seed,
            entries: Ring::new(piece_count_max),
            by_batch: Table::default(),
            chunks: Chunks::new(seed),
            unresolved: Runs::new(),
            piece_count: 0,
        }
    }

    /// Batches remembered, partly stored ones included.
    pub(super) fn len(&self) -> usize {
        self.by_batch.len()
    }

    #[cfg(test)]
    pub(super) fn unresolved_count(&self) -> usize {
        self.unresolved.len()
    }

    /// The batch, if no piece of it is missing.
    pub(super) fn whole(&self, batch: Fingerprint) -> Option<Whole<R>> {
        let entry = self.entries.get(self.find(batch)?)?;
        if !entry.is_complete() {
            return None;
        }
        let mut whole = Whole {
            event_count: 0,
            receipts: Vec::new(),
        };
        for piece in entry.pieces() {
            let piece = piece.as_ref()?;
            match self.unresolved.fate(piece.run) {
                Fate::Durable => {}
                Fate::Pending(receipt) => whole.receipts.push(receipt.clone()),
                Fate::Failed => return None,
            }
            whole.event_count += u64::from(piece.event_count);
        }
        Some(whole)
    }

    /// Whether no piece of the batch is missing, in however many it was split; whatever became of them.
    pub(super) fn is_complete(&self, batch: Fingerprint) -> bool {
        let entry = self.find(batch).and_then(|number| self.entries.get(number));
        entry.is_some_and(Entry::is_complete)
    }

    /// Whether a piece is there: its receipt, unless it is durable.
    pub(super) fn piece(&self, stamp: &Stamp) -> Option<Option<R>> {
        let entry = self.entries.get(self.find(stamp.batch)?)?;
        if !entry.is_split_as(stamp) {
            return None;
        }
        let piece = entry.pieces().get(index(stamp))?.as_ref()?;
        match self.unresolved.fate(piece.run) {
            Fate::Durable => Some(None),
            Fate::Pending(receipt) => Some(Some(receipt.clone())),
            Fate::Failed => None,
        }
    }

    /// Remembers pieces that were stored together, each with its number of events, and forgets what
    /// there is no room or no time for any more. Pieces of another split of a batch are forgotten: they
    /// never make one batch with these.
    pub(super) fn remember(
        &mut self,
        pieces: impl Iterator<Item = (Stamp, u32)>,
        stored: Stored<R>,
        at_ns: i64,
    ) {
        self.let_go_of_receipts();
        let is_pending = stored.receipt.is_some();
        let run = is_pending.then(|| self.unresolved.next());
        let chunk = stored.chunk.map(|chunk| self.chunks.hold(chunk));
        let mut span = None;
        for (stamp, event_count) in pieces {
            let piece = Piece {
                event_count,
                chunk,
                run: run.unwrap_or(RunNumber::DURABLE),
            };
            let entry = self.place(&stamp, piece, at_ns);
            span = Some(with(span, entry));
        }
        if let (Some(receipt), Some(span)) = (stored.receipt, span) {
            self.unresolved.push(receipt, span);
        }
        if let Some(chunk) = chunk {
            self.chunks.release(chunk);
        }
    }

    /// The chunk's file is about to be removed: its durable pieces.
    pub(super) fn leave_chunk(&mut self, chunk: ChunkId, at_ns: i64) -> Vec<Record> {
        let mut records = Vec::new();
        let Some((chunk, spans)) = self.chunks.spans(chunk) else {
            return records;
        };
        let first = self.entries.first();
        let numbers = spans.into_iter();
        for number in numbers.flat_map(|span| span.start.max(first)..span.end) {
            let Some(entry) = self.entries.get_mut(number) else {
                continue;
            };
            for (stamp, piece) in entry.pieces_in(chunk) {
                piece.chunk = None;
                self.chunks.release(chunk);
                if matches!(self.unresolved.fate(piece.run), Fate::Durable) {
                    let event_count = piece.event_count;
                    records.push(Record {
                        stamp,
                        event_count,
                        at_ns,
                    });
                }
            }
        }
        records
    }

    /// The number of the batch's entry.
    fn find(&self, batch: Fingerprint) -> Option<u64> {
        let is_it = |low| {
            let entry = self.entries.get(self.entries.number(low));
            entry.is_some_and(|entry| entry.batch == batch)
        };
        let low = self.by_batch.find(self.seed.hash(batch), is_it)?;
        Some(self.entries.number(low))
    }

    /// Remembers one piece; gives the number of its entry.
    fn place(&mut self, stamp: &Stamp, piece: Piece, at_ns: i64) -> u64 {
        self.forget(at_ns);
        let number = self.entry_for(stamp, at_ns);
        if let Some(chunk) = piece.chunk {
            self.chunks.note(chunk, number, self.entries.first());
        }
        let entry = self.entries.get_mut(number);
        match entry.and_then(|entry| entry.put(index(stamp), piece)) {
            None => self.piece_count += 1,
            Some(before) => self.leave(before),
        }
        number
    }

    /// The number of the entry that the piece belongs to, which is made if there is none.
    fn entry_for(&mut self, stamp: &Stamp, at_ns: i64) -> u64 {
        if let Some(number) = self.find(stamp.batch) {
            let entry = self.entries.get(number);
            if entry.is_some_and(|entry| entry.is_split_as(stamp)) {
                return number;
            }
            self.remove(number);
        }
        let number = self.entries.push(Entry::new(stamp, at_ns));
        let hash = self.seed.hash(stamp.batch);
        self.by_batch.insert(hash, low_half(number));
        number
    }

    /// Marks what has failed: it is to be stored again.
    fn let_go_of_receipts(&mut self) {
        while let Some(failed) = self.unresolved.pop_resolved() {
            let Some((run, span)) = failed else {
                continue;
            };
            for number in span.start.max(self.entries.first())..span.end {
                let pieces = self.entries.get_mut(number).map(Entry::pieces_mut);
                let pieces = pieces.into_iter().flatten().flatten();
                for piece in pieces.filter(|piece| piece.run == run) {
                    piece.run = RunNumber::FAILED;
                }
            }
        }
    }

    /// Forgets what is out of the window, and the oldest until there is room for one more piece.
    fn forget(&mut self, now_ns: i64) {
        while let Some(oldest) = self.entries.oldest() {
            let is_old = now_ns.saturating_sub(oldest.at_ns) > self.window_ns;
            let is_many = self.piece_count.max(self.entries.len()) >= self.piece_count_max;
            if !is_old && !is_many {
                break;
            }
            if !oldest.is_forgotten() {
                self.remove(self.entries.first());
            }
            self.entries.pop_oldest();
        }
    }

    /// Forgets one batch; its entry keeps its place.
    fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.get_mut(number).map(Entry::take) else {
            return;
        };
        let hash = self.seed.hash(entry.batch);
        self.by_batch.remove(hash, low_half(number));
        for piece in entry.pieces().iter().flatten() {
            self.piece_count -= 1;
            self.leave(*piece);
        }
    }

    /// A piece is forgotten.
    fn leave(&mut self, piece: Piece) {
        if let Some(chunk) = piece.chunk {
            self.chunks.release(chunk);
        }
    }
}

fn index(stamp: &Stamp) -> usize {
    stamp.index as usize
}

/// The span with one more entry in it.
fn with(span: Option<Range<u64>>, entry: u64) -> Range<u64> {
    span.map_or(entry..entry + 1, |span| {
        span.start.min(entry)..span.end.max(entry + 1)
    })
}

#[cfg(test)]
mod tests;
