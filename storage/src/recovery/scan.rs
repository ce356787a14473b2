//! Examining one file. Sealed chunks cost one read of 4 KiB; unsealed ones are walked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::chunk::Contents;
use crate::error::ReadError;
use crate::fs::{Access, DirEntry, Fs};
use crate::head::{FoundHead, Head, HeadError};
use crate::header::{Recorded, SlotState};
use crate::id::ChunkId;
use crate::meta::ChunkMeta;
use crate::reader::Reader;
use crate::walk::{Damage, DamageKind};

/// From so many files on a second thread pays.
const SHARED_FROM: usize = 128;

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
    /// What it owes, in the order of the destinations; `None` is a damaged record, which counts
    /// as owed.
    pub slots: Vec<Option<SlotState>>,
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
    /// The whole file, if it was read with its head, is sealed, and the caller wants it.
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
    /// When it was sealed, Unix nanoseconds; `None` if it has no intact seal record.
    pub fn sealed_ns(&self) -> Option<i64> {
        match &self.head.seal {
            Recorded::Present(seal) => Some(seal.sealed_ns),
            Recorded::Absent | Recorded::Damaged => None,
        }
    }

    /// Replaces the metadata by an equal value.
    pub(super) fn share_meta(&mut self, sharing: impl FnOnce(&Arc<ChunkMeta>) -> Arc<ChunkMeta>) {
        self.meta = sharing(&self.meta);
        self.head.meta = Arc::clone(&self.meta);
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

/// Examines the files; the answers are in their order. With many, two threads do it: most of the
/// time is spent in the system's calls.
pub(super) fn scan_entries(
    fs: &dyn Fs,
    dir: &Path,
    entries: &[DirEntry],
    bytes: Bytes,
) -> Vec<FileReport> {
    let scan = |entries: &[DirEntry]| -> Vec<_> {
        let reports = entries
            .iter()
            .map(|entry| scan_entry(fs, dir, entry, bytes));
        reports.collect()
    };
    if entries.len() < SHARED_FROM {
        return scan(entries);
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("forebay-scan".to_owned());
        let helper = builder.spawn_scoped(scope, || scan(second));
        let mut reports = scan(first);
        reports.extend(match helper.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(others)) => others,
            // No thread is to be had, or it has panicked: then this one is to panic, too.
            Ok(Err(_)) | Err(_) => scan(second),
        });
        reports
    })
}

fn scan_entry(fs: &dyn Fs, dir: &Path, entry: &DirEntry, bytes: Bytes) -> FileReport {
    let path = dir.join(&entry.name);
    match ChunkId::of_file(&path) {
        Some(id) if !entry.is_dir => {
            let mut report = scan_chunk(fs, path, id);
            if let (Bytes::Forget, FileReport::Chunk(chunk)) = (bytes, &mut report) {
                chunk.whole = None;
            }
            report
        }
        _ => FileReport::Unknown { path },
    }
}

fn scan_chunk(fs: &dyn Fs, path: PathBuf, id: ChunkId) -> FileReport {
    let file = match fs.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) => {
            return FileReport::Failed {
                path,
                why: error.to_string(),
            };
        }
    };
    let found = match Head::find(&*file, id) {
        Ok(found) => found,
        Err(error) => return headless(path, error),
    };
    let head = &found.head;
    let contents = head
        .seal()
        .map(|seal| Contents::of_seal(head.data_start(), &seal));
    if let Some(contents) = contents {
        return report(path, found, contents, None);
    }
    match Reader::of_head(file, &path, head.clone()).and_then(|reader| walk(reader, head)) {
        Ok((contents, tail)) => report(path, found, contents, Some(tail)),
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

fn report(path: PathBuf, found: FoundHead, contents: Contents, tail: Option<Tail>) -> FileReport {
    let FoundHead {
        head,
        damage: head_damage,
        first,
    } = found;
    let is_whole = tail.is_none() && contents.end <= first.len() as u64;
    FileReport::Chunk(Box::new(ChunkReport {
        path,
        id: head.header.id,
        meta: Arc::clone(&head.meta),
        created_ns: head.header.created_ns,
        slots: head
            .slots
            .iter()
            .map(|slot| slot.map(|slot| slot.state))
            .collect(),
        is_sealed: tail.is_none(),
        frame_count: contents.frame_count,
        event_count: contents.event_count,
        payload_bytes: contents.payload_len,
        file_bytes: head.file_len,
        head_damage,
        tail,
        head,
        contents,
        whole: is_whole.then_some(first),
    }))
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
