//! The store on the real disk: appends, group commits, starts.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use forebay_storage::{
    Append, ChunkKey, Durability, RealFs, Receipt, Route, RouteOptions, SealReason, Store,
    StoreOptions,
};
use tempfile::TempDir;

use super::events::{EVENT_COUNT, batch};

/// Chunks are thrown away when their files have so many bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Chunks on the disk at a start.
const CHUNK_COUNT: u32 = 1000;

/// A store in a folder that goes away.
struct Rig {
    route: Route,
    store: Store,
    dir: TempDir,
}

impl Rig {
    fn new(durability: Durability) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (store, route) = open(dir.path(), durability);
        Self { route, store, dir }
    }

    fn append(&self, tag: &str, payload: &[u8], event_count: u32) -> Receipt {
        let key = ChunkKey {
            tag: Some(tag.to_owned()),
            ..ChunkKey::default()
        };
        let append = Append {
            tag: "",
            batch_id: b"a batch's own id",
            payload,
            event_count,
            time_min_ns: 1,
            time_max_ns: 2,
        };
        self.route.append(1, &key, None, append).unwrap().receipt
    }

    /// Keeps the disk from filling up.
    fn make_room(&self) {
        if self.route.file_bytes() > FILE_BYTES_MAX {
            self.route.seal_staged(SealReason::Request, 1);
            for chunk in self.route.chunks() {
                self.route.purge(chunk.id);
            }
            self.store.sync();
        }
    }
}

fn open(dir: &Path, durability: Durability) -> (Store, Route) {
    let store = Store::open(StoreOptions {
        dir: dir.to_owned(),
        fs: Arc::new(RealFs),
        open_files_max: 256,
        id_seed: 1,
        now_ns: 1,
        clock: None,
    })
    .unwrap();
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability,
        chunk_limit_bytes: 8 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 40,
    };
    let (route, _) = store.route("bench", options, Arc::new(())).unwrap();
    (store, route)
}

/// Without a sync: what an append itself costs.
pub(crate) fn appends(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    for event_count in [1, EVENT_COUNT] {
        let rig = Rig::new(Durability::Memory);
        let payload = batch(event_count);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(format!("{event_count} events"), |b| {
            b.iter(|| {
                rig.make_room();
                rig.append("app", black_box(&payload), event_count)
            });
        });
    }
    group.finish();
}

/// Until all receipts have resolved: mostly the disk's syncs.
pub(crate) fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    let payload = batch(1);
    // So many keys are as many chunks that one group commit must sync.
    for (append_count, key_count) in [(1, 1), (1_000, 1), (16, 16), (1_000, 1_000)] {
        let rig = Rig::new(Durability::Disk);
        let tags: Vec<String> = (0..key_count).map(|key| format!("app.{key}")).collect();
        group.throughput(Throughput::Elements(append_count as u64));
        group.sample_size(20);
        group.bench_function(format!("{append_count} appends, {key_count} chunks"), |b| {
            b.iter(|| {
                rig.make_room();
                let tags = tags.iter().cycle().take(append_count);
                let receipts: Vec<_> = tags.map(|tag| rig.append(tag, &payload, 1)).collect();
                for receipt in receipts {
                    receipt.wait().unwrap();
                }
            });
        });
    }
    group.finish();
}

/// A start with sealed chunks, and with staged ones.
pub(crate) fn recovery(c: &mut Criterion) {
    let mut group = c.benchmark_group("recovery");
    group.throughput(Throughput::Elements(u64::from(CHUNK_COUNT)));
    group.sample_size(20);
    for is_sealed in [true, false] {
        let dir = filled(is_sealed);
        let state = if is_sealed { "sealed" } else { "staged" };
        group.bench_function(format!("{CHUNK_COUNT} {state} chunks"), |b| {
            b.iter(|| open(dir.path(), Durability::Disk));
        });
    }
    group.finish();
}

/// A folder with [`CHUNK_COUNT`] chunks.
fn filled(is_sealed: bool) -> TempDir {
    let rig = Rig::new(Durability::Disk);
    let payload = batch(1);
    let receipts: Vec<_> = (0..CHUNK_COUNT)
        .map(|tag| rig.append(&tag.to_string(), &payload, 1))
        .collect();
    receipts
        .into_iter()
        .for_each(|receipt| receipt.wait().unwrap());
    if is_sealed {
        rig.route.seal_staged(SealReason::Request, 2);
    }
    drop(rig.route);
    drop(rig.store);
    rig.dir
}
