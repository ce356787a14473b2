//! Chunks out of a real store.

use std::path::Path;
use std::sync::Arc;

use forebay_storage::{
    Append, ChunkId, ChunkKey, Durability, ReadError, RealFs, Route, RouteOptions, SealReason,
    Store, StoreOptions,
};
use tempfile::TempDir;

use crate::clock::random_u64;
use crate::output::Chunk;

/// A store in a directory of its own, which lives as long as its chunks.
pub(super) struct Shelf {
    route: Route,
    // Dropped in this order: the store syncs into its directory when it is closed.
    _store: Store,
    _directory: TempDir,
}

impl Shelf {
    pub(super) fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let options = RouteOptions {
            destinations: vec!["central".to_owned()],
            durability: Durability::Memory,
            chunk_limit_bytes: 1 << 30,
            chunk_limit_events: None,
            chunk_full_threshold: 1.0,
            total_limit_bytes: 1 << 30,
        };
        let (route, _) = store.route("web", options, Arc::new(())).unwrap();
        Arc::new(Self {
            route,
            _store: store,
            _directory: directory,
        })
    }

    /// A sealed chunk of these frames: tag and payload, one event each.
    pub(super) fn chunk(self: &Arc<Self>, frames: &[(&str, &[u8])]) -> Chunk {
        self.chunk_of(&ChunkKey::default(), frames)
    }

    /// A sealed chunk with this key.
    pub(super) fn chunk_of(self: &Arc<Self>, key: &ChunkKey, frames: &[(&str, &[u8])]) -> Chunk {
        let ids: Vec<_> = frames
            .iter()
            .map(|(tag, payload)| self.append(key, tag, payload))
            .collect();
        let id = ids[0];
        assert!(self.route.seal(id, SealReason::Request, 0));
        let shelf = Arc::clone(self);
        let open = Box::new(move || shelf.route.read(id));
        Chunk::new(self.route.chunk(id).unwrap(), open)
    }

    /// A chunk whose file is gone.
    pub(super) fn unreadable_chunk(self: &Arc<Self>) -> Chunk {
        let id = self.append(&ChunkKey::default(), "a", b"\x90");
        let open = Box::new(|| Err(ReadError::Unknown));
        Chunk::new(self.route.chunk(id).unwrap(), open)
    }

    fn append(&self, key: &ChunkKey, tag: &str, payload: &[u8]) -> ChunkId {
        let append = Append {
            tag,
            batch_id: b"",
            payload,
            event_count: 1,
            time_min_ns: 0,
            time_max_ns: 0,
        };
        self.route.append(0, key, None, append).unwrap().chunk
    }
}

fn open(directory: &Path) -> Store {
    let options = StoreOptions {
        dir: directory.to_owned(),
        fs: Arc::new(RealFs),
        open_files_max: 64,
        // Chunks of two shelves must not have the same id.
        id_seed: (random_u64() >> 32).try_into().unwrap(),
        now_ns: 0,
        clock: None,
    };
    Store::open(options).unwrap()
}
