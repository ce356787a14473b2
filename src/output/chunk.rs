//! The chunk as an output sees it: its summary, and its frames a window at a time.
//!
//! What an output is given may be a part of the chunk: the records that its destination has not
//! taken yet, or half of those when one among them is looked for that it does not take. To the
//! output a part is a chunk like any other; [`Chunk::send_id`] tells them apart.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay_storage::{ChunkId, ChunkInfo, ChunkKey, ReadError, Reader};
use sha2::{Digest, Sha256};

use super::RangeSet;
use crate::chunk_key::Zone;
use crate::event::EntryFault;

mod format;
mod metadata;
mod part;
mod read;

pub use format::{Custom, Form, Format, Standard};
pub use metadata::Metadata;
use part::Cutter;
pub use read::{ByteReader, Records};

/// Chunks with up to so many bytes of payload are read in no time.
const SHORT_LEN_MAX: u64 = 64 << 10;

/// Opens a chunk for reading from its beginning.
pub type OpenChunk = Box<dyn Fn() -> Result<Reader, ReadError> + Send + Sync>;

/// A sealed chunk, in the form `F`. Cheap to clone; its bytes stay readable as long as a reader of
/// it lives.
#[derive(Clone)]
pub struct Chunk<F = Standard> {
    inner: Arc<Inner>,
    zone: Zone,
    /// `None`: the whole chunk.
    part: Option<Arc<RangeSet>>,
    form: F,
}

/// Why a chunk's bytes or records are not there.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// The chunk cannot be read.
    #[error("the chunk cannot be read")]
    Read(#[from] ReadError),
    /// A stored event is not what the intake lets in. Trying again does not help.
    #[error("a stored event of tag {tag} cannot be read")]
    Event {
        /// The event's tag.
        tag: String,
        /// What is wrong with it.
        source: EntryFault,
    },
    /// What the bytes are written to failed.
    #[error(transparent)]
    Write(#[from] io::Error),
}

struct Inner {
    info: ChunkInfo,
    open: OpenChunk,
    met_damage: AtomicBool,
}

impl Chunk {
    /// The chunk that `info` sums up and `open` reads.
    pub fn new(info: ChunkInfo, open: OpenChunk) -> Self {
        Self {
            inner: Arc::new(Inner {
                info,
                open,
                met_damage: AtomicBool::new(false),
            }),
            zone: Zone::utc(),
            part: None,
            form: Standard,
        }
    }

    /// The same chunk in another form.
    pub(super) fn in_form<F: Form>(self, form: F) -> Chunk<F> {
        Chunk {
            inner: self.inner,
            zone: self.zone,
            part: self.part,
            form,
        }
    }
}

impl<F> Chunk<F> {
    /// The part of the chunk that has only `records`.
    #[must_use]
    pub fn part(self, records: RangeSet) -> Self {
        Self {
            part: Some(Arc::new(records)),
            ..self
        }
    }

    /// The same chunk of a route whose time windows are those of `zone`; else they are UTC's.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// The zone of its time window, for writing that as a date.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Its id: printable with `to_string`, raw with `as_bytes`.
    #[must_use]
    pub fn id(&self) -> ChunkId {
        self.inner.info.id
    }

    /// Names what is sent: the chunk's id, or for a part of it one made of that id and of its
    /// records. Two different parts have different names; every attempt at the same part has the
    /// same one, also after a restart, so that a destination can recognise a repetition.
    #[must_use]
    pub fn send_id(&self) -> ChunkId {
        let id = self.id();
        let Some(part) = &self.part else {
            return id;
        };
        let mut digest = Sha256::new_with_prefix(id.as_bytes());
        for range in part.ranges() {
            digest.update(range.start.to_be_bytes());
            digest.update(range.end.to_be_bytes());
        }
        let mut bytes = *id.as_bytes();
        // The first half is the time of the chunk's creation, by which ids are ordered.
        bytes[8..].copy_from_slice(&digest.finalize()[..8]);
        ChunkId::from_bytes(bytes)
    }

    /// What all its events have in common.
    #[must_use]
    pub fn key(&self) -> &ChunkKey {
        self.inner.info.key()
    }

    /// The same as Fluentd has it: time key, tag and variables.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata::of(self.key())
    }

    /// How many events it has.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        match &self.part {
            None => self.inner.info.event_count,
            Some(part) => part.len(),
        }
    }

    /// Bytes of its events as MessagePack; of a part, its share of the chunk's by its number of
    /// events.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        let info = &self.inner.info;
        match &self.part {
            None => info.payload_bytes,
            Some(part) => {
                let whole = u128::from(info.event_count.max(1));
                let share = u128::from(info.payload_bytes) * u128::from(part.len()) / whole;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        }
    }

    /// When it was created, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn created_ns(&self) -> i64 {
        self.inner.info.created_ns
    }

    /// Reads it from its beginning as it was stored, a window at a time. May open a file.
    ///
    /// # Errors
    /// The file cannot be opened or its header not be read.
    pub fn windows(&self) -> Result<ChunkReader, ReadError> {
        let reader = (self.inner.open)()?;
        Ok(ChunkReader {
            reader,
            chunk: Chunk {
                inner: Arc::clone(&self.inner),
                zone: self.zone.clone(),
                part: self.part.clone(),
                form: Standard,
            },
            cutter: self.part.clone().map(Cutter::new),
        })
    }

    /// Whether a reader of it has met damage, so that the places of its records are not certain.
    #[must_use]
    pub fn met_damage(&self) -> bool {
        self.inner.met_damage.load(Ordering::Relaxed)
    }
}

/// Reads a chunk, a window of about 1 MiB at a time; only that window is in memory.
pub struct ChunkReader {
    reader: Reader,
    chunk: Chunk,
    cutter: Option<Cutter>,
}

impl ChunkReader {
    /// The next window, or `None` at the end. Reads from the disk without holding up the runtime; to
    /// let others have this thread costs more than to read a short chunk.
    ///
    /// # Errors
    /// The device does not give the bytes, or a newer version wrote them.
    #[expect(
        clippy::unused_async,
        reason = "it blocks in place, and may come to do it elsewhere"
    )]
    pub async fn next_window(&mut self) -> Result<Option<Window<'_>>, ReadError> {
        if self.chunk.inner.info.payload_bytes <= SHORT_LEN_MAX {
            self.next_window_blocking()
        } else {
            read::in_place(move || self.next_window_blocking())
        }
    }

    /// As [`next_window`](Self::next_window), for callers that may block.
    ///
    /// # Errors
    /// The same.
    pub fn next_window_blocking(&mut self) -> Result<Option<Window<'_>>, ReadError> {
        let chunk = &self.chunk;
        let tag = chunk.key().tag.as_deref().unwrap_or_default();
        let Some(window) = self.reader.next_window()? else {
            return Ok(None);
        };
        if !window.damage().is_empty() {
            chunk.inner.met_damage.store(true, Ordering::Relaxed);
        }
        let frames = match &mut self.cutter {
            None => Frames::All(window),
            Some(cutter) => Frames::Some(cutter.cut(&window, tag)),
        };
        Ok(Some(Window { frames, tag }))
    }
}

/// Frames that lie close together in a chunk, all of them intact. Of a part there may be none.
pub struct Window<'a> {
    frames: Frames<'a>,
    tag: &'a str,
}

enum Frames<'a> {
    All(forebay_storage::Window<'a>),
    Some(Vec<Frame<'a>>),
}

impl<'a> Window<'a> {
    /// The frames in the order they were appended.
    pub fn frames(&self) -> Box<dyn ExactSizeIterator<Item = Frame<'a>> + Send + 'a> {
        let tag = self.tag;
        match &self.frames {
            Frames::All(window) => Box::new(window.frames().map(|frame| Frame::of(frame, tag))),
            Frames::Some(frames) => Box::new(frames.clone().into_iter()),
        }
    }
}

/// One append: events of one tag as they came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The events' tag.
    pub tag: &'a str,
    /// What the sender called the batch; empty if it gave no name.
    pub batch_id: &'a [u8],
    /// MessagePack entries back to back.
    pub payload: &'a [u8],
    /// How many entries there are.
    pub event_count: u32,
}

impl<'a> Frame<'a> {
    fn of(frame: forebay_storage::Frame<'a>, chunk_tag: &'a str) -> Self {
        Self {
            tag: if frame.tag.is_empty() {
                chunk_tag
            } else {
                frame.tag
            },
            batch_id: frame.batch_id,
            payload: frame.payload,
            event_count: frame.event_count,
        }
    }
}

#[cfg(test)]
mod tests;
