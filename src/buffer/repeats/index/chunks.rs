//! Which entries have a piece in which chunk.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::Range;

use forebay_storage::ChunkId;

use super::table::Table;
use crate::buffer::repeats::seed::Seed;
use crate::buffer::repeats::stamp::Fingerprint;

/// Entries of another chunk between two of this one that do not begin another span.
const GAP_MAX: u64 = 16;

/// A chunk's place, as pieces have it: a quarter of its id's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

/// The chunks that hold a piece that is remembered.
#[derive(Debug)]
pub(super) struct Chunks {
    seed: Seed,
    /// Their places.
    by_id: Table,
    chunks: Vec<Chunk>,
    free: Vec<Place>,
}

#[derive(Debug)]
struct Chunk {
    id: ChunkId,
    piece_count: u32,
    /// Where its pieces' entries are, of the last that came. Of many chunks most need no more.
    last: Span,
    /// Where the others are.
    #[expect(clippy::box_collection, reason = "few chunks have any, of very many")]
    earlier: Option<Box<VecDeque<Span>>>,
}

const _: () = assert!(size_of::<Chunk>() <= 48);

/// Some entries that follow one another.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    len: u32,
}

impl Span {
    const NONE: Self = Self { start: 0, len: 0 };

    fn one(entry: u64) -> Self {
        let (start, len) = (entry, 1);
        Self { start, len }
    }

    fn end(self) -> u64 {
        self.start + u64::from(self.len)
    }

    /// The same with one more entry; `None` if that lies too far away.
    fn with(self, entry: u64) -> Option<Self> {
        let is_near = (self.start..=self.end() + GAP_MAX).contains(&entry);
        let end = self.end().max(entry + 1);
        let len = u32::try_from(end - self.start).ok().filter(|_| is_near)?;
        Some(Self { len, ..self })
    }
}

impl Chunks {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            by_id: Table::default(),
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The chunk's place, which is its own until it is [released](Self::release) as often as it was
    /// held and [noted](Self::note).
    pub(super) fn hold(&mut self, id: ChunkId) -> Place {
        let place = self.find(id).unwrap_or_else(|| self.add(id));
        self.chunks[index(place)].piece_count += 1;
        place
    }

    /// Notes that the entry has one more piece in the chunk. There are none before `first`.
    pub(super) fn note(&mut self, place: Place, entry: u64, first: u64) {
        let chunk = &mut self.chunks[index(place)];
        chunk.piece_count += 1;
        if chunk.last.len == 0 {
            chunk.last = Span::one(entry);
        } else if let Some(longer) = chunk.last.with(entry) {
            chunk.last = longer;
        } else {
            let earlier = chunk.earlier.get_or_insert_default();
            earlier.push_back(chunk.last);
            chunk.last = Span::one(entry);
        }
        if let Some(earlier) = &mut chunk.earlier {
            while earlier.front().is_some_and(|span| span.end() <= first) {
                earlier.pop_front();
            }
        }
    }

    /// One piece less is in the chunk.
    pub(super) fn release(&mut self, place: Place) {
        let chunk = &mut self.chunks[index(place)];
        chunk.piece_count -= 1;
        if chunk.piece_count == 0 {
            chunk.earlier = None;
            let hash = hash(&self.seed, chunk.id);
            self.by_id.remove(hash, place.0.get());
            self.free.push(place);
        }
    }

    /// The chunk's place, and where the entries are of which it holds a piece: all of them, some perhaps
    /// twice, and perhaps others.
    pub(super) fn spans(&self, id: ChunkId) -> Option<(Place, Vec<Range<u64>>)> {
        let place = self.find(id)?;
        let chunk = &self.chunks[index(place)];
        let earlier = chunk.earlier.iter().flat_map(|earlier| earlier.iter());
        let spans = earlier.chain([&chunk.last]);
        Some((place, spans.map(|span| span.start..span.end()).collect()))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn find(&self, id: ChunkId) -> Option<Place> {
        let is_it = |place: u32| {
            let chunk = self.chunks.get(place as usize - 1);
            chunk.is_some_and(|chunk| chunk.id == id)
        };
        let place = self.by_id.find(hash(&self.seed, id), is_it)?;
        NonZeroU32::new(place).map(Place)
    }

    fn add(&mut self, id: ChunkId) -> Place {
        let chunk = Chunk {
            id,
            piece_count: 0,
            last: Span::NONE,
            earlier: None,
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
        self.by_id.insert(hash(&self.seed, id), place.0.get());
        place
    }
}

fn hash(seed: &Seed, id: ChunkId) -> u64 {
    seed.hash(Fingerprint(*id.as_bytes()))
}

fn index(place: Place) -> usize {
    place.0.get() as usize - 1
}
