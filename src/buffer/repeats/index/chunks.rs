//! Which entries have a piece in which chunk.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Range;

use forebay_storage::ChunkId;

/// Entries of another chunk between two of this one that do not begin another span.
const GAP_MAX: u64 = 16;

/// A chunk's place, as pieces have it: a quarter of its id's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

/// The chunks that hold a piece that is remembered.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    by_id: HashMap<ChunkId, Place>,
    chunks: Vec<Chunk>,
    free: Vec<Place>,
}

#[derive(Debug)]
struct Chunk {
    id: ChunkId,
    piece_count: usize,
    /// Where its pieces' entries are, of the last that came. Of many chunks most need no more.
    last: Range<u64>,
    /// Where the others are.
    earlier: VecDeque<Range<u64>>,
}

impl Chunks {
    /// The chunk's place, which is its own until it is [released](Self::release) as often as it was
    /// held and [noted](Self::note).
    pub(super) fn hold(&mut self, id: ChunkId) -> Place {
        let place = match self.by_id.get(&id) {
            Some(place) => *place,
            None => self.add(id),
        };
        self.chunks[index(place)].piece_count += 1;
        place
    }

    /// Notes that the entry has one more piece in the chunk. There are none before `first`.
    pub(super) fn note(&mut self, place: Place, entry: u64, first: u64) {
        let chunk = &mut self.chunks[index(place)];
        chunk.piece_count += 1;
        let last = &mut chunk.last;
        if last.is_empty() {
            *last = entry..entry + 1;
        } else if (last.start..=last.end + GAP_MAX).contains(&entry) {
            last.end = last.end.max(entry + 1);
        } else {
            let earlier = std::mem::replace(last, entry..entry + 1);
            chunk.earlier.push_back(earlier);
        }
        while chunk.earlier.front().is_some_and(|span| span.end <= first) {
            chunk.earlier.pop_front();
        }
    }

    /// One piece less is in the chunk.
    pub(super) fn release(&mut self, place: Place) {
        let chunk = &mut self.chunks[index(place)];
        chunk.piece_count -= 1;
        if chunk.piece_count == 0 {
            chunk.earlier = VecDeque::new();
            self.by_id.remove(&chunk.id);
            self.free.push(place);
        }
    }

    /// The chunk's place, and where the entries are of which it holds a piece: all of them, some perhaps
    /// twice, and perhaps others.
    pub(super) fn spans(&self, id: ChunkId) -> Option<(Place, Vec<Range<u64>>)> {
        let place = *self.by_id.get(&id)?;
        let chunk = &self.chunks[index(place)];
        let spans = chunk.earlier.iter().chain([&chunk.last]);
        Some((place, spans.cloned().collect()))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn add(&mut self, id: ChunkId) -> Place {
        let chunk = Chunk {
            id,
            piece_count: 0,
            last: 0..0,
            earlier: VecDeque::new(),
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.chunks[index(place)] = chunk;
                place
            }
            None => {
                self.chunks.push(chunk);
                let count = u32::try_from(self.chunks.len()).ok();
                let place = count.and_then(NonZeroU32::new);
                // Each holds a piece, and there are fewer of those.
                Place(place.expect("fewer than 2^32 chunks"))
            }
        };
        self.by_id.insert(id, place);
        place
    }
}

fn index(place: Place) -> usize {
    place.0.get() as usize - 1
}
