//! A whole chunk file: examined, read, and found by a store that opens on it.
//!
//! Input: a byte (bit 0: the head gets right checksums; bits 1 to 6: so do the first frames), then
//! the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_storage::fs::sim::SimFs;
use forebay_storage::fuzzing::{has_header, read_head, stamp_frame, stamp_head};
use forebay_storage::{
    ChunkId, Durability, MAX_DESTINATIONS, Observer, ReadError, Reader, Route, RouteOptions, Store,
    StoreOptions, inspect_dir,
};

const DIR: &str = "/data/routes/web";

/// A frame as it was read: tag, batch id, payload.
type Owned = (String, Vec<u8>, Vec<u8>);

pub(crate) fn run(bytes: &[u8]) {
    let [stamps, file @ ..] = bytes else {
        return;
    };
    let mut file = file.to_vec();
    let id = stamp(&mut file, *stamps);
    let path = PathBuf::from(format!("{DIR}/{id}.chunk"));
    let fs = SimFs::new();
    drop(open(&fs));
    fs.set_bytes(&path, file.clone());
    the_head_is_consistent(&fs, &path, &file);
    let frames = read(Reader::open(&fs, &path));
    let reports = inspect_dir(&fs, Path::new(DIR)).expect("the folder is there");
    assert_eq!(reports.len(), 1);
    assert_eq!(fs.bytes(&path), Some(file), "reading never writes");
    the_store_delivers_what_was_read(&fs, frames);
}

/// Makes checksums right where the bits say so. Gives the id that the file should be named by.
fn stamp(file: &mut [u8], stamps: u8) -> ChunkId {
    let mut copy = file.to_vec();
    let stamped = if stamps & 1 == 0 {
        stamp_head(&mut copy)
    } else {
        stamp_head(file)
    };
    let Some((id, mut at)) = stamped else {
        return ChunkId::from_bytes([0; 16]);
    };
    for bit in 1..7 {
        let Some(rest) = file.get_mut(at..) else {
            break;
        };
        let mut copy = rest.to_vec();
        let frame = if stamps & (1 << bit) == 0 {
            &mut copy
        } else {
            rest
        };
        let Some(len) = stamp_frame(id, frame, at as u64) else {
            break;
        };
        at += len;
    }
    id
}

fn the_head_is_consistent(fs: &SimFs, path: &Path, file: &[u8]) {
    let Some(head) = read_head(fs, path) else {
        return;
    };
    assert!(has_header(file));
    assert_eq!(head.file_len, file.len() as u64);
    assert!(head.data_start <= head.file_len && head.data_start.is_multiple_of(8));
    assert!(head.slot_count <= MAX_DESTINATIONS);
    assert_eq!(head.slot_count, head.meta.destinations.len());
    assert!(has_header(&head.header_bytes));
    if let Some(len) = head.sealed_data_len {
        assert!(head.data_start.checked_add(len).is_some());
    }
}

fn the_store_delivers_what_was_read(fs: &SimFs, frames: Vec<Owned>) {
    let (store, route) = open(fs);
    let recovered = route.chunks();
    assert!(recovered.len() <= 1);
    for chunk in &recovered {
        assert_eq!(read(route.read(chunk.id)), frames);
    }
    drop((store, route));
    let (_store, route) = open(fs);
    for chunk in route.chunks() {
        assert_eq!(read(route.read(chunk.id)), frames, "stable");
    }
}

/// Every frame that can be read, up to the first that is of a newer version.
fn read(reader: Result<Reader, ReadError>) -> Vec<Owned> {
    let mut frames = Vec::new();
    let Ok(mut reader) = reader else {
        return frames;
    };
    while let Ok(Some(window)) = reader.next_window() {
        frames.extend(window.frames().map(|frame| {
            let (tag, batch_id) = (frame.tag.to_owned(), frame.batch_id.to_vec());
            (tag, batch_id, frame.payload.to_vec())
        }));
    }
    frames
}

/// Hears nothing.
struct Deaf;

impl Observer for Deaf {}

fn open(fs: &SimFs) -> (Store, Route) {
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 64,
        id_seed: 7,
        now_ns: 1_000,
        clock: None,
    });
    let store = store.expect("no file keeps a store from opening");
    let options = RouteOptions {
        destinations: vec!["out".to_owned(), "archive".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: 64 * 1024,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 30,
    };
    let (route, _) = store
        .route("web", options, Arc::new(Deaf))
        .expect("no file keeps a route from opening");
    (store, route)
}
