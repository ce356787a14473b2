//! What tests of outputs share.

use std::sync::Arc;

use forebay_storage::{
    Append, ChunkId, ChunkInfo, ChunkKey, Durability, ReadError, RealFs, Route, RouteOptions,
    SealReason, Store, StoreOptions,
};
use tempfile::TempDir;

use super::{Chunk, OpenChunk};
use crate::clock::random_u64;
use crate::event::{Timestamp, write_entry};

/// Entries with the times 1 s, 2 s, ... and the records `{"n":0}`, `{"n":1}`, ..., each of them
/// with `padding` bytes of text.
pub(crate) fn numbered(count: u32, padding: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    for n in 0..count {
        let mut record = Vec::new();
        let json = format!("{{\"n\":{n},\"p\":\"{}\"}}", "x".repeat(padding));
        crate::msgpack::from_json::value(&mut record, json.as_bytes()).unwrap();
        let time = Timestamp::from_ns(i64::from(n + 1) * 1_000_000_000);
        write_entry(&mut payload, time, &record);
    }
    payload
}

/// A sealed chunk with these frames, tag and payload, in a store of its own that lives as long.
pub(crate) fn chunk(frames: &[(&str, Vec<u8>)]) -> Chunk {
    chunk_with_key(&ChunkKey::default(), frames)
}

/// As [`chunk`], with this chunk key.
pub(crate) fn chunk_with_key(key: &ChunkKey, frames: &[(&str, Vec<u8>)]) -> Chunk {
    let frames: Vec<_> = frames
        .iter()
        .map(|(tag, payload)| (*tag, payload.clone(), 1))
        .collect();
    let (info, open) = stored(key, &frames);
    Chunk::new(info, open)
}

/// As [`chunk`], with the number of records that each frame says it has.
pub(crate) fn counted_chunk(frames: &[(&str, Vec<u8>, u32)]) -> Chunk {
    let (info, open) = stored(&ChunkKey::default(), frames);
    Chunk::new(info, open)
}

/// A chunk whose file cannot be opened.
pub(crate) fn unreadable_chunk() -> Chunk {
    let (info, _) = stored(&ChunkKey::default(), &[("t", numbered(1, 0), 1)]);
    Chunk::new(info, Box::new(|| Err(ReadError::Unknown)))
}

fn stored(key: &ChunkKey, frames: &[(&str, Vec<u8>, u32)]) -> (ChunkInfo, OpenChunk) {
    let directory = TempDir::new().unwrap();
    let store = Store::open(StoreOptions {
        dir: directory.path().to_owned(),
        fs: Arc::new(RealFs),
        open_files_max: 8,
        // Chunks of two stores must not have the same id.
        id_seed: u32::try_from(random_u64() >> 32).unwrap(),
        now_ns: 0,
        clock: None,
    })
    .unwrap();
    let (route, _) = store.route("r", options(), Arc::new(())).unwrap();
    let id = fill(&route, key, frames);
    let info = route.chunk(id).unwrap();
    let open = move || {
        let (_store, _directory) = (&store, &directory);
        route.read(id)
    };
    (info, Box::new(open))
}

fn options() -> RouteOptions {
    RouteOptions {
        destinations: vec!["d".to_owned()],
        durability: Durability::Memory,
        chunk_limit_bytes: 64 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: 1 << 30,
    }
}

fn fill(route: &Route, key: &ChunkKey, frames: &[(&str, Vec<u8>, u32)]) -> ChunkId {
    let mut ids = Vec::new();
    for (tag, payload, event_count) in frames {
        let append = Append {
            tag,
            batch_id: b"",
            payload,
            event_count: *event_count,
            time_min_ns: 0,
            time_max_ns: 0,
        };
        let appended = route.append(0, key, None, append).unwrap();
        appended.receipt.wait().unwrap();
        ids.push(appended.chunk);
    }
    ids.dedup();
    let [id] = ids[..] else {
        panic!("{} chunks instead of one", ids.len());
    };
    assert!(route.seal(id, SealReason::Size, 0));
    id
}
