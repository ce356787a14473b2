//! Reading a chunk's frames, a window at a time.
//!
//! A window is about 1 MiB of the file (more if one frame is longer). Its bytes are read into
//! memory before they are looked at and given back when the next window is asked for, so that
//! memory use does not depend on the chunk's size. Every checksum has been compared when a frame
//! is handed out.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checksum::Seed;
use crate::error::{ReadError, StoreIoError};
use crate::fs::{Access, File, Fs};
use crate::head::{Head, HeadError};
use crate::id::ChunkId;
use crate::layout::{FRAME_ALIGN, FRAME_HEAD_LEN, align_up, to_usize};
use crate::meta::ChunkMeta;
use crate::walk::{Damage, DamageKind, Found, FrameAt, Stretch, Walked};

mod source;

use source::Source;

/// Bytes of a window, unless one frame is longer.
pub const WINDOW_LEN: u64 = 1 << 20;

/// Where a reader's damaged bytes go before anything can delete them.
pub(crate) trait DamageSink: Send + Sync {
    /// Called once for each piece met; `bytes` are the damaged ones, if there are any.
    fn damaged(&self, damage: &Damage, bytes: Option<&[u8]>);
}

/// Which part of a file a reader shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) data_start: u64,
    /// Where the data ends; the file may end before.
    pub(crate) data_end: u64,
    /// Whether zeros at the end are damage (a sealed chunk) or just unused (a staged one).
    pub(crate) is_exact: bool,
}

impl Extent {
    /// Up to the end of a sealed chunk; of one that is not, all there is.
    fn of(head: &Head) -> Extent {
        let data_start = head.data_start();
        match head.seal() {
            Some(seal) => Extent {
                data_start,
                data_end: data_start + seal.data_len,
                is_exact: true,
            },
            None => Extent {
                data_start,
                data_end: head.file_len,
                is_exact: false,
            },
        }
    }
}

/// Reads the frames of one chunk.
///
/// Pages that the device does not give cost the frames that lie on them, which are reported as
/// [`DamageKind::Unreadable`].
pub struct Reader {
    path: PathBuf,
    meta: Arc<ChunkMeta>,
    id: ChunkId,
    seed: Seed,
    source: Source,
    extent: Extent,
    /// Where the file ends, if that is before the data does.
    readable_end: u64,
    position: u64,
    found: Found,
    /// Zeros met at the end so far, in a chunk whose extent is not exact.
    blank: Option<Damage>,
    sink: Option<Arc<dyn DamageSink>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = out.debug_struct("Reader");
        out.field("path", &self.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a chunk file that no store has to have open: sealed up to its end, staged up to the
    /// zeros behind its last frame. Writes nothing.
    ///
    /// # Errors
    /// The file cannot be opened, has no readable header, or is of a newer version.
    pub fn open(fs: &dyn Fs, path: &Path) -> Result<Reader, ReadError> {
        let file = fs
            .open(path, Access::Read)
            .map_err(StoreIoError::on("open", path))?;
        let head = match ChunkId::of_file(path) {
            Some(id) => Head::find(&*file, id).map(|found| found.head),
            None => Head::read(&*file),
        };
        Reader::of_head(file, path, head.map_err(|error| head_error(error, path))?)
    }

    /// A reader of the frames behind `head`.
    pub(crate) fn of_head(
        file: Arc<dyn File>,
        path: &Path,
        head: Head,
    ) -> Result<Reader, ReadError> {
        let extent = Extent::of(&head);
        Reader::new(file, path, head.header.id, head.meta, extent, None)
    }

    /// A reader of the frames behind `head` in `bytes`, which are all of the file up to the last frame.
    pub(crate) fn of_bytes(bytes: Vec<u8>, path: PathBuf, head: Head) -> Reader {
        let extent = Extent::of(&head);
        let readable_end = extent
            .data_end
            .min(bytes.len() as u64)
            .max(extent.data_start);
        Reader {
            path,
            id: head.header.id,
            seed: Seed::new(head.header.id),
            meta: head.meta,
            source: Source::of_bytes(bytes),
            extent,
            readable_end,
            position: extent.data_start,
            found: Found::default(),
            blank: None,
            sink: None,
        }
    }

    pub(crate) fn new(
        file: Arc<dyn File>,
        path: &Path,
        id: ChunkId,
        meta: Arc<ChunkMeta>,
        extent: Extent,
        sink: Option<Arc<dyn DamageSink>>,
    ) -> Result<Reader, ReadError> {
        let file_len = file.len().map_err(StoreIoError::on("measure", path))?;
        let readable_end = extent.data_end.min(file_len).max(extent.data_start);
        let source = Source::new(file, readable_end, extent.is_exact)
            .map_err(StoreIoError::on("map", path))?;
        Ok(Reader {
            path: path.to_owned(),
            meta,
            id,
            seed: Seed::new(id),
            source,
            extent,
            readable_end,
            position: extent.data_start,
            found: Found::default(),
            blank: None,
            sink,
        })
    }

    /// The chunk's id.
    pub fn id(&self) -> ChunkId {
        self.id
    }

    /// The chunk's metadata.
    pub fn meta(&self) -> &ChunkMeta {
        &self.meta
    }

    /// The file offset where the next window begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `offset`: a frame's offset, or a position this reader has had.
    pub fn seek(&mut self, offset: u64) {
        self.position = offset.clamp(self.extent.data_start, self.extent.data_end);
        self.blank = None;
    }

    /// The next window, or `None` at the end.
    ///
    /// # Errors
    /// The device gives none of the window's bytes, or a frame was written by a newer version. The
    /// position stays, so that the call can be repeated.
    pub fn next_window(&mut self) -> Result<Option<Window<'_>>, ReadError> {
        self.source.release();
        while self.position < self.readable_end {
            let start = self.position;
            self.position = self.walk_window()?;
            if !self.extent.is_exact {
                self.hold_back_blank();
            }
            if !self.found.is_empty() {
                return Ok(Some(self.window(start)));
            }
            self.source.release();
        }
        Ok(self.missing_end())
    }

    /// Walks from the position on; returns how far that came.
    fn walk_window(&mut self) -> Result<u64, ReadError> {
        let mut end = self.readable_end.min(self.position + WINDOW_LEN);
        loop {
            let unreadable = self.show(self.position..end)?;
            let stretch = Stretch {
                seed: &self.seed,
                bytes: self.source.shown(),
                start: self.position,
                data_end: self.readable_end,
            };
            match self.found.walk(&stretch) {
                Walked::UpTo(walked) => {
                    self.found.mark_unreadable(&unreadable);
                    return Ok(walked);
                }
                Walked::NeedsUpTo(longer) => end = longer,
                Walked::Newer(offset) => {
                    return Err(ReadError::Newer {
                        path: self.path.clone(),
                        offset,
                    });
                }
            }
        }
    }

    /// Reads the range into memory; returns the pages that could not be read and show zeros.
    fn show(&mut self, range: Range<u64>) -> Result<Vec<Range<u64>>, ReadError> {
        let Err(error) = self.source.view(range.clone()) else {
            return Ok(Vec::new());
        };
        let offset = range.start;
        self.source
            .view_readable(range, error)
            .map_err(|source| ReadError::Unreadable {
                path: self.path.clone(),
                offset,
                source,
            })
    }

    /// Keeps zeros at the window's end until it is known whether anything follows them.
    fn hold_back_blank(&mut self) {
        let found = &mut self.found;
        let last_frame_offset = found.last().map_or(0, |frame| frame.offset);
        let trailing = found
            .damage
            .pop_if(|damage| damage.kind == DamageKind::Blank && damage.offset > last_frame_offset);
        if !found.is_empty() {
            found.damage.splice(0..0, self.blank.take());
        }
        self.blank = match (self.blank, trailing) {
            (Some(earlier), Some(later)) => Some(Damage {
                len: later.end() - earlier.offset,
                ..earlier
            }),
            (earlier, later) => earlier.or(later),
        };
    }

    fn window(&mut self, start: u64) -> Window<'_> {
        let window = Window {
            bytes: self.source.shown(),
            start,
            frames: &self.found.frames,
            damage: &self.found.damage,
            intact_end: self.found.last().map_or(start, FrameAt::end),
        };
        if let Some(sink) = &self.sink {
            window
                .damage
                .iter()
                .for_each(|damage| sink.damaged(damage, window.slice(damage)));
        }
        window
    }

    /// A window without frames that says how much the file is short, once.
    fn missing_end(&mut self) -> Option<Window<'_>> {
        if !self.extent.is_exact || self.position >= self.extent.data_end {
            return None;
        }
        let len = self.extent.data_end - self.position;
        let missing = Damage {
            offset: self.position,
            len,
            kind: DamageKind::Missing,
            event_count: None,
        };
        self.position = self.extent.data_end;
        self.found.replace(missing);
        let start = missing.offset;
        Some(self.window(start))
    }
}

fn head_error(error: HeadError, path: &Path) -> ReadError {
    let path = path.to_owned();
    match error {
        HeadError::Io(source) => StoreIoError {
            action: "read",
            path,
            source,
        }
        .into(),
        HeadError::Newer(_) => ReadError::Newer { path, offset: 0 },
        HeadError::Unreadable(why) => ReadError::Header { path, why },
        HeadError::Blank => ReadError::Header {
            path,
            why: "only zeros",
        },
    }
}

/// Frames that lie close together, and the damage between them.
#[derive(Debug)]
pub struct Window<'a> {
    /// The file's bytes from `start` on; all that the frames need.
    bytes: &'a [u8],
    start: u64,
    frames: &'a [FrameAt],
    damage: &'a [Damage],
    /// The offset after the last intact frame of any kind.
    pub(crate) intact_end: u64,
}

impl<'a> Window<'a> {
    /// The intact frames, in the order they were appended.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'a>> + use<'a> {
        let (bytes, start) = (self.bytes, self.start);
        self.frames
            .iter()
            .map(move |frame| Frame::new(bytes, start, frame))
    }

    /// What is not part of an intact frame. In a store its bytes have been set aside.
    pub fn damage(&self) -> &'a [Damage] {
        self.damage
    }

    /// The damaged bytes, if all of them could be read.
    fn slice(&self, damage: &Damage) -> Option<&'a [u8]> {
        if damage.kind == DamageKind::Unreadable {
            return None;
        }
        let first = to_usize(damage.offset.checked_sub(self.start)?);
        self.bytes
            .get(first..first.checked_add(to_usize(damage.len))?)
    }
}

/// One append, as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The events' tag; empty if the chunk's key has it.
    pub tag: &'a str,
    /// The sender's id for the batch; empty if it gave none.
    pub batch_id: &'a [u8],
    /// The events, as they were appended.
    pub payload: &'a [u8],
    /// How many events the payload has, as the appender counted them.
    pub event_count: u32,
    /// Where the frame begins in the file.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// Where the next frame may begin.
    pub(crate) fn end(&self) -> u64 {
        let body_len = self.tag.len() + self.batch_id.len() + self.payload.len();
        align_up(
            self.offset + (FRAME_HEAD_LEN + body_len) as u64,
            FRAME_ALIGN,
        )
    }

    fn new(bytes: &'a [u8], start: u64, at: &FrameAt) -> Frame<'a> {
        let body = to_usize(at.offset - start) + FRAME_HEAD_LEN;
        let body = &bytes[body..body + to_usize(at.head.body_len())];
        let (tag, rest) = body.split_at(usize::from(at.head.tag_len));
        let (batch_id, payload) = rest.split_at(usize::from(at.head.batch_id_len));
        Frame {
            // `append` takes a `&str`, and the checksum says that these are its bytes.
            tag: std::str::from_utf8(tag).unwrap_or_default(),
            batch_id,
            payload,
            event_count: at.head.event_count,
            offset: at.offset,
        }
    }
}
