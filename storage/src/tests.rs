//! The whole store on the simulated file system.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::fs::sim::SimFs;
use crate::recovery::Recovered;
use crate::sync::lock;
use crate::{
    Append, AppendError, Appended, ChunkId, ChunkInfo, ChunkKey, DamageReport, Durability,
    Observer, Route, RouteOptions, Store, StoreOptions, SyncError,
};

mod churn;
mod crash;
mod damage;
mod every_damage;
mod golden;
mod life;
mod recovering;
mod refusal;
mod scale;

const ROUTE_DIR: &str = "/data/routes/web";
const QUARANTINE: &str = "/data/quarantine";

/// Writes down what it is told, as `word id`.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn note(&self, word: &str, id: impl std::fmt::Display) {
        lock(&self.0).push(format!("{word} {id}"));
    }

    fn entries(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl Observer for Diary {
    fn staged(&self, chunk: &ChunkInfo) {
        self.note("staged", chunk.id);
    }
    fn queued(&self, chunk: &ChunkInfo) {
        self.note("queued", chunk.id);
    }
    fn purged(&self, chunk: &ChunkInfo) {
        self.note("purged", chunk.id);
    }
    fn freed(&self) {
        self.note("freed", "");
    }
    fn damaged(&self, damage: &DamageReport) {
        self.note("damaged", damage.offset);
    }
    fn sync_failed(&self, _: &Path, _: &std::io::Error) {
        self.note("failed", "");
    }
}

/// An open store with one route on a simulated disk.
struct Rig {
    fs: SimFs,
    store: Store,
    route: Route,
    recovered: Recovered,
    diary: Arc<Diary>,
}

fn options() -> RouteOptions {
    RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: 64 * 1024,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 30,
    }
}

fn two_destinations() -> RouteOptions {
    RouteOptions {
        destinations: vec!["out".to_owned(), "archive".to_owned()],
        ..options()
    }
}

fn open_store(fs: &SimFs) -> Result<Store, crate::OpenError> {
    Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 64,
        id_seed: 7 + u32::try_from(fs.op_count()).unwrap(),
        now_ns: 1_000,
        clock: None,
    })
}

fn try_rig(fs: &SimFs, options: RouteOptions) -> Result<Rig, crate::OpenError> {
    let store = open_store(fs)?;
    let diary = Arc::new(Diary::default());
    let observer = Arc::clone(&diary) as Arc<dyn Observer>;
    let (route, recovered) = store.route("web", options, observer)?;
    Ok(Rig {
        fs: fs.clone(),
        store,
        route,
        recovered,
        diary,
    })
}

fn rig_on(fs: &SimFs, options: RouteOptions) -> Rig {
    try_rig(fs, options).unwrap()
}

fn rig() -> Rig {
    rig_on(&SimFs::new(), options())
}

fn key(tag: &str) -> ChunkKey {
    ChunkKey {
        tag: Some(tag.to_owned()),
        ..ChunkKey::default()
    }
}

fn append(payload: &[u8]) -> Append<'_> {
    Append {
        tag: "t",
        batch_id: b"id",
        payload,
        event_count: 1,
        time_min_ns: 5,
        time_max_ns: 9,
    }
}

impl Rig {
    fn try_append(&self, tag: &str, payload: &[u8]) -> Result<Appended, AppendError> {
        self.route.append(100, &key(tag), None, append(payload))
    }

    fn append(&self, tag: &str, payload: &[u8]) -> Appended {
        self.try_append(tag, payload).unwrap()
    }

    /// Appends and waits for the receipt.
    fn store(&self, tag: &str, payload: &[u8]) -> Result<ChunkId, SyncError> {
        let appended = self.append(tag, payload);
        appended.receipt.wait().map(|()| appended.chunk)
    }

    fn payloads(&self, id: ChunkId) -> Vec<Vec<u8>> {
        payloads_of(&self.route, id)
    }

    /// The payloads of all chunks, oldest chunk first.
    fn all_payloads(&self) -> Vec<Vec<u8>> {
        self.route
            .chunks()
            .iter()
            .flat_map(|chunk| self.payloads(chunk.id))
            .collect()
    }

    fn quarantined(&self) -> Vec<PathBuf> {
        self.fs
            .files()
            .into_iter()
            .filter(|path| path.starts_with(QUARANTINE))
            .collect()
    }

    fn chunk_files(&self) -> Vec<PathBuf> {
        self.fs
            .files()
            .into_iter()
            .filter(|path| path.starts_with(ROUTE_DIR))
            .collect()
    }
}

fn payloads_of(route: &Route, id: ChunkId) -> Vec<Vec<u8>> {
    let mut reader = route.read(id).unwrap();
    let mut payloads = Vec::new();
    while let Some(window) = reader.next_window().unwrap() {
        for frame in window.frames() {
            assert_eq!((frame.tag, frame.batch_id), ("t", b"id".as_slice()));
            payloads.push(frame.payload.to_vec());
        }
    }
    payloads
}
