//! The chunk as an output sees it: its summary, and its frames a window at a time.

use std::sync::Arc;

use forebay_storage::{ChunkId, ChunkInfo, ChunkKey, ReadError, Reader};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::chunk_key::Zone;

/// Opens a chunk for reading from its beginning.
pub type OpenChunk = Box<dyn Fn() -> Result<Reader, ReadError> + Send + Sync>;

/// A sealed chunk. Cheap to clone; its bytes stay readable as long as a reader of it lives.
#[derive(Clone)]
pub struct Chunk {
    inner: Arc<Inner>,
    zone: Zone,
}

struct Inner {
    info: ChunkInfo,
    open: OpenChunk,
}

impl Chunk {
    /// The chunk that `info` sums up and `open` reads.
    pub fn new(info: ChunkInfo, open: OpenChunk) -> Self {
        Self {
            inner: Arc::new(Inner { info, open }),
            zone: Zone::utc(),
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

    /// Its id; printable with `to_string`.
    #[must_use]
    pub fn id(&self) -> ChunkId {
        self.inner.info.id
    }

    /// What all its events have in common.
    #[must_use]
    pub fn key(&self) -> &ChunkKey {
        self.inner.info.key()
    }

    /// How many events it has.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.inner.info.event_count
    }

    /// Bytes of its events as MessagePack.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        self.inner.info.payload_bytes
    }

    /// When it was created, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn created_ns(&self) -> i64 {
        self.inner.info.created_ns
    }

    /// Reads it from its beginning. May open a file.
    ///
    /// # Errors
    /// The file cannot be opened or its header not be read.
    pub fn reader(&self) -> Result<ChunkReader, ReadError> {
        let reader = (self.inner.open)()?;
        Ok(ChunkReader {
            reader,
            tag: self.key().tag.clone().unwrap_or_default(),
        })
    }
}

/// Reads a chunk, a window of about 1 MiB at a time; only that window is in memory.
pub struct ChunkReader {
    reader: Reader,
    tag: String,
}

impl ChunkReader {
    /// The next window, or `None` at the end. Reads from the disk without holding up the runtime.
    ///
    /// # Errors
    /// The device does not give the bytes, or a newer version wrote them.
    #[expect(
        clippy::unused_async,
        reason = "it blocks in place, and may come to do it elsewhere"
    )]
    pub async fn next_window(&mut self) -> Result<Option<Window<'_>>, ReadError> {
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(move || self.next_window_blocking())
            }
            _ => self.next_window_blocking(),
        }
    }

    /// As [`next_window`](Self::next_window), for callers that may block.
    ///
    /// # Errors
    /// The same.
    pub fn next_window_blocking(&mut self) -> Result<Option<Window<'_>>, ReadError> {
        let tag = self.tag.as_str();
        let window = self.reader.next_window()?;
        Ok(window.map(|window| Window { window, tag }))
    }
}

/// Frames that lie close together in a chunk, all of them intact.
pub struct Window<'a> {
    window: forebay_storage::Window<'a>,
    tag: &'a str,
}

impl<'a> Window<'a> {
    /// The frames in the order they were appended.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'a>> + use<'a> {
        let chunk_tag = self.tag;
        self.window.frames().map(move |frame| Frame {
            tag: if frame.tag.is_empty() {
                chunk_tag
            } else {
                frame.tag
            },
            batch_id: frame.batch_id,
            payload: frame.payload,
            event_count: frame.event_count,
        })
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
