//! What is remembered of each batch, in the order in which they came.

use std::collections::VecDeque;

use super::chunks::Place;
use super::runs::RunNumber;
use crate::buffer::repeats::stamp::{Fingerprint, Stamp};

/// Room for so many is made at first.
const CAPACITY_MIN: usize = 64;

/// A piece that was stored, or is about to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) event_count: u32,
    /// The chunk that holds it; `None` once that is gone.
    pub(super) chunk: Option<Place>,
    /// Says when it is durable.
    pub(super) run: RunNumber,
}

/// A batch.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) batch: Fingerprint,
    /// When its first piece came.
    pub(super) at_ns: i64,
    pieces: Pieces,
}

#[derive(Debug)]
enum Pieces {
    /// Of nearly all batches. None stands for a batch that is forgotten though older ones are not.
    One(Option<Piece>),
    Many(Box<Parts>),
}

#[derive(Debug)]
struct Parts {
    split: u64,
    /// By index; `None` is not stored.
    pieces: Box<[Option<Piece>]>,
    missing_count: usize,
}

const _: () = assert!(size_of::<Entry>() <= 48);

impl Entry {
    /// One without its pieces.
    pub(super) fn new(stamp: &Stamp, at_ns: i64) -> Self {
        let pieces = match stamp {
            Stamp {
                split: 0, total: 1, ..
            } => Pieces::One(None),
            _ => Pieces::Many(Box::new(Parts {
                split: stamp.split,
                pieces: vec![None; stamp.total as usize].into(),
                missing_count: stamp.total as usize,
            })),
        };
        Self {
            batch: stamp.batch,
            at_ns,
            pieces,
        }
    }

    pub(super) fn is_split_as(&self, stamp: &Stamp) -> bool {
        self.split() == stamp.split && self.pieces().len() == stamp.total as usize
    }

    /// The pieces that are in the chunk.
    pub(super) fn pieces_in(&mut self, chunk: Place) -> impl Iterator<Item = (Stamp, &mut Piece)> {
        let (batch, split, total) = (self.batch, self.split(), self.pieces().len());
        let stamp = move |index| Stamp {
            batch,
            split,
            index,
            total: u32::try_from(total).unwrap_or(0),
        };
        (0..)
            .zip(self.pieces_mut())
            .filter_map(move |(index, slot)| {
                let piece = slot.as_mut()?;
                (piece.chunk == Some(chunk)).then_some((stamp(index), piece))
            })
    }

    /// By index; `None` is not stored.
    pub(super) fn pieces(&self) -> &[Option<Piece>] {
        match &self.pieces {
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Many(parts) => &parts.pieces,
        }
    }

    /// Whether no piece is missing.
    pub(super) fn is_complete(&self) -> bool {
        match &self.pieces {
            Pieces::One(piece) => piece.is_some(),
            Pieces::Many(parts) => parts.missing_count == 0,
        }
    }

    /// Puts a piece in its place; gives what was there.
    pub(super) fn put(&mut self, index: usize, piece: Piece) -> Option<Piece> {
        let slot = self.pieces_mut().get_mut(index)?;
        let before = slot.replace(piece);
        if let (None, Pieces::Many(parts)) = (before, &mut self.pieces) {
            parts.missing_count -= 1;
        }
        before
    }

    pub(super) fn pieces_mut(&mut self) -> &mut [Option<Piece>] {
        match &mut self.pieces {
            Pieces::One(piece) => std::slice::from_mut(piece),
            Pieces::Many(parts) => &mut parts.pieces,
        }
    }

    fn split(&self) -> u64 {
        match &self.pieces {
            Pieces::One(_) => 0,
            Pieces::Many(parts) => parts.split,
        }
    }

    pub(super) fn is_forgotten(&self) -> bool {
        matches!(self.pieces, Pieces::One(None))
    }

    /// Leaves an entry that says nothing, in its place.
    pub(super) fn take(&mut self) -> Self {
        Self {
            batch: self.batch,
            at_ns: self.at_ns,
            pieces: std::mem::replace(&mut self.pieces, Pieces::One(None)),
        }
    }
}

/// Entries by number. Numbers go up by one and never come again.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the oldest.
    first: u64,
    /// Most entries, for which room is made.
    len_max: usize,
}

impl Ring {
    pub(super) fn new(len_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            len_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The whole number of the entry whose lower half is `low`.
    pub(super) fn number(&self, low: u32) -> u64 {
        self.first + u64::from(low.wrapping_sub(low_half(self.first)))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        let index = number.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Entry> {
        let index = number.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    /// Gives the entry's number.
    pub(super) fn push(&mut self, entry: Entry) -> u64 {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            // Twice as many, but no more than ever come.
            let room = self.len_max.saturating_sub(len).min(len.max(CAPACITY_MIN));
            self.entries.reserve_exact(room.max(1));
        }
        self.entries.push_back(entry);
        self.first + len as u64
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.front()
    }

    pub(super) fn pop_oldest(&mut self) {
        if self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// What a slot of the table has of a number.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
pub(super) fn low_half(number: u64) -> u32 {
    number as u32
}
