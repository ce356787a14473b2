//! Examining one file. Sealed chunks cost one read of 4 KiB; unsealed ones are walked.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::{Entry, ahead};
use crate::chunk::Contents;
use crate::error::ReadError;
use crate::fs::Dir;
use crate::head::{FoundHead, Head, HeadError, HeadReader};
use crate::header::{Recorded, SlotState};
use crate::id::ChunkId;
use crate::meta::{ChunkMeta, CommonMeta};
use crate::reader::Reader;
use crate::walk::{Damage, DamageKind};

/// From so many files on a second thread pays.
const SHARED_FROM: usize = 128;

/// Files whose reports a thread makes at a time.
const BLOCK_COUNT: usize = 64;

/// Most threads that help.
const HELPER_COUNT_MAX: usize = 3;

/// What one file of a route's directory is.
#[derive(Clone, Debug)]
pub enum FileReport {
    /// A chunk with a readable head.
    Chunk(Box<ChunkReport>),
    /// A chunk's name, but nothing readable in it: why.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A chunk's name, and nothing but zeros in it.
    Blank {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version of the program.
    Newer {
        /// The file.
        path: PathBuf,
        /// The format version; `None` if only a frame in it is newer.
        version: Option<u16>,
    },
    /// The device did not give its bytes.
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        why: String,
    },
    /// Not a chunk's name.
    Unknown {
        /// The file or directory.
        path: PathBuf,
    },
}

/// A chunk as its file describes it.
#[derive(Clone, Debug)]
pub struct ChunkReport {
    /// The file.
    pub path: PathBuf,
    /// The chunk's id.
    pub id: ChunkId,
    /// Route, destinations, key and note.
    pub meta: Arc<ChunkMeta>,
    /// When it was created, Unix nanoseconds.
    pub created_ns: i64,
    /// Whether it has an intact seal record.
    pub is_sealed: bool,
    /// Frames in it: by the seal record, else as counted.
    pub frame_count: u32,
    /// Events in it, likewise.
    pub event_count: u64,
    /// Payload bytes in it, likewise.
    pub payload_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What is wrong with its header or metadata, which were taken from their copy.
    pub head_damage: Option<&'static str>,
    /// What walking an unsealed chunk found; `None` for a sealed one, which is not walked.
    pub tail: Option<Tail>,
    pub(super) head: Head,
    pub(super) contents: Contents,
    /// All of the file up to its last frame, if that was read with its head, it is sealed, and the
    /// caller wants it.
    pub(super) whole: Option<Vec<u8>>,
}

/// Whether a report keeps the bytes of a small file that were read anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    Keep,
    Forget,
}

/// What is in an unsealed chunk besides its frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Damage, in the order of the file, that behind the last frame included.
    pub damage: Vec<Damage>,
    /// Whether the chunk has a seal record that is damaged.
    pub is_seal_damaged: bool,
}

impl ChunkReport {
    /// What it owes, in the order of the destinations; `None` is a damaged record, which counts as
    /// owed.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = Option<SlotState>> {
        let slots = self.head.slots.iter();
        slots.map(|slot| slot.map(|slot| slot.state))
    }

    /// When it was sealed, Unix nanoseconds; `None` if it has no intact seal record.
    pub fn sealed_ns(&self) -> Option<i64> {
        match &self.head.seal {
            Recorded::Present(seal) => Some(seal.sealed_ns),
            Recorded::Absent | Recorded::Damaged => None,
        }
    }
}

impl FileReport {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            FileReport::Chunk(chunk) => &chunk.path,
            FileReport::Unreadable { path, .. }
            | FileReport::Blank { path }
            | FileReport::Newer { path, .. }
            | FileReport::Failed { path, .. }
            | FileReport::Unknown { path } => path,
        }
    }
}

/// Examines the files of one route's directory.
pub(super) struct Scan<'a> {
    pub(super) dir: &'a Path,
    pub(super) opened: &'a dyn Dir,
    /// What the metadata of most chunks has in common.
    pub(super) common: Option<&'a CommonMeta>,
    pub(super) bytes: Bytes,
}

impl Scan<'_> {
    /// Examines the files, which are in the order of their names; gives what they are, the last one
    /// first. With many, several threads do it: most of the time is spent in the system's calls.
    pub(super) fn newest_first(&self, entries: &[Entry], mut take: impl FnMut(FileReport)) {
        let blocks: Vec<_> = entries.rchunks(BLOCK_COUNT).collect();
        let helper_count = match entries.len() {
            ..SHARED_FROM => 0,
            _ => helper_count(),
        };
        let scan = |number: usize| self.block(blocks[number]);
        ahead::in_order(blocks.len(), helper_count, scan, |reports| {
            reports.into_iter().rev().for_each(&mut take);
        });
    }

    fn block(&self, entries: &[Entry]) -> Vec<FileReport> {
        let mut heads = HeadReader::sharing(self.common);
        let reports = entries.iter().map(|entry| match entry {
            Entry::Chunk(id) => self.chunk(&mut heads, *id),
            Entry::Other(name) => FileReport::Unknown {
                path: self.dir.join(name),
            },
        });
        reports.collect()
    }

    fn chunk(&self, heads: &mut HeadReader<'_>, id: ChunkId) -> FileReport {
        let name = id.file_name();
        let path = self.dir.join(name.as_str());
        let file = match self.opened.open(name.as_str()) {
            Ok(file) => file,
            Err(error) => {
                return FileReport::Failed {
                    path,
                    why: error.to_string(),
                };
            }
        };
        let found = match heads.find(&*file, id) {
            Ok(found) => found,
            Err(error) => return headless(path, error),
        };
        let head = &found.head;
        let contents = head
            .seal()
            .map(|seal| Contents::of_seal(head.data_start(), &seal));
        if let Some(contents) = contents {
            let mut chunk = report(path, found, contents, None);
            if self.bytes == Bytes::Keep {
                chunk.whole = heads.first(contents.end).map(<[u8]>::to_vec);
            }
            return FileReport::Chunk(chunk);
        }
        match Reader::of_head(file, &path, head.clone()).and_then(|reader| walk(reader, head)) {
            Ok((contents, tail)) => FileReport::Chunk(report(path, found, contents, Some(tail))),
            Err(ReadError::Newer { .. }) => FileReport::Newer {
                path,
                version: None,
            },
            Err(error) => FileReport::Failed {
                path,
                why: error.to_string(),
            },
        }
    }
}

/// As many as there are other processors, within reason; one at least, since a disk that is asked by
/// two answers sooner.
fn helper_count() -> usize {
    let thread_count = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (thread_count - 1).clamp(1, HELPER_COUNT_MAX)
}

fn headless(path: PathBuf, error: HeadError) -> FileReport {
    match error {
        HeadError::Io(error) => FileReport::Failed {
            path,
            why: error.to_string(),
        },
        HeadError::Newer(version) => FileReport::Newer {
            path,
            version: Some(version),
        },
        HeadError::Unreadable(why) => FileReport::Unreadable {
            path,
            why: why.to_owned(),
        },
        HeadError::Blank => FileReport::Blank { path },
    }
}

fn report(
    path: PathBuf,
    found: FoundHead,
    contents: Contents,
    tail: Option<Tail>,
) -> Box<ChunkReport> {
    let FoundHead {
        head,
        damage: head_damage,
    } = found;
    Box::new(ChunkReport {
        path,
        id: head.header.id,
        meta: Arc::clone(&head.meta),
        created_ns: head.header.created_ns,
        is_sealed: tail.is_none(),
        frame_count: contents.frame_count,
        event_count: contents.event_count,
        payload_bytes: contents.payload_len,
        file_bytes: head.file_len,
        head_damage,
        tail,
        head,
        contents,
        whole: None,
    })
}

/// Counts the frames and collects the damage; pieces that touch become one.
fn walk(mut reader: Reader, head: &Head) -> Result<(Contents, Tail), ReadError> {
    let mut contents = Contents::empty(head.data_start());
    let is_seal_damaged = head.seal != Recorded::Absent;
    let mut tail = Tail {
        damage: Vec::new(),
        is_seal_damaged,
    };
    while let Some(window) = reader.next_window()? {
        for frame in window.frames() {
            contents.count(&frame);
        }
        contents.end = contents.end.max(window.intact_end);
        window.damage().iter().for_each(|damage| tail.add(*damage));
    }
    Ok((contents, tail))
}

impl Tail {
    fn add(&mut self, damage: Damage) {
        match self.damage.last_mut() {
            Some(last) if last.end() == damage.offset && damage.kind != DamageKind::Body => {
                last.len += damage.len;
            }
            _ => self.damage.push(damage),
        }
    }
}
