//! The store on the real file system.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use forebay_storage::{
    Append, ChunkKey, Durability, OpenError, RealFs, Route, RouteOptions, SealReason, Store,
    StoreOptions,
};

fn open(dir: &Path, open_files_max: usize) -> Store {
    try_open(dir, open_files_max).unwrap()
}

fn try_open(dir: &Path, open_files_max: usize) -> Result<Store, OpenError> {
    Store::open(StoreOptions {
        dir: dir.to_owned(),
        fs: Arc::new(RealFs),
        open_files_max,
        id_seed: 1,
        now_ns: 1,
        clock: None,
    })
}

fn options(destinations: &[&str]) -> RouteOptions {
    RouteOptions {
        destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
        durability: Durability::Disk,
        chunk_limit_bytes: 1 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 30,
    }
}

fn route(store: &Store, destinations: &[&str]) -> Route {
    store
        .route("web", options(destinations), Arc::new(()))
        .unwrap()
        .0
}

fn key(tag: &str) -> ChunkKey {
    ChunkKey {
        tag: Some(tag.to_owned()),
        ..ChunkKey::default()
    }
}

fn append(payload: &[u8]) -> Append<'_> {
    Append {
        tag: "",
        batch_id: b"b",
        payload,
        event_count: 1,
        time_min_ns: 5,
        time_max_ns: 9,
    }
}

fn payloads(route: &Route, id: forebay_storage::ChunkId) -> Vec<Vec<u8>> {
    let mut reader = route.read(id).unwrap();
    let mut payloads = Vec::new();
    while let Some(window) = reader.next_window().unwrap() {
        assert!(window.damage().is_empty());
        payloads.extend(window.frames().map(|frame| frame.payload.to_vec()));
    }
    payloads
}

#[test]
fn a_chunk_is_appended_sealed_claimed_and_purged_and_survives_a_restart_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let id = {
        let store = open(dir.path(), 16);
        let route = route(&store, &["out"]);
        let appended = route.append(10, &key("a"), None, append(b"one")).unwrap();
        appended.receipt.wait().unwrap();
        appended.chunk
    };
    let store = open(dir.path(), 16);
    let route = route(&store, &["out"]);
    let appended = route
        .append(11, &key("a"), None, append(&[7; 100_000]))
        .unwrap();
    assert_eq!(appended.chunk, id);
    appended.receipt.wait().unwrap();
    assert!(route.seal(id, SealReason::Request, 12));
    store.sync();
    assert_eq!(payloads(&route, id), [b"one".to_vec(), vec![7; 100_000]]);
    assert!(route.claim(id, 0).unwrap().commit(13).unwrap().is_purged);
    store.sync();
    assert_eq!(route.totals().file_bytes, 0);
    assert_eq!(
        std::fs::read_dir(dir.path().join("routes/web"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_second_opener_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path(), 16);
    let Err(OpenError::Locked { pid, .. }) = try_open(dir.path(), 16) else {
        panic!()
    };
    assert_eq!(pid, std::process::id().to_string());
}

#[test]
fn a_thousand_keys_need_no_more_files_than_allowed_and_recover() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 128;
    {
        let store = open(dir.path(), limit);
        let route = route(&store, &["out"]);
        let receipts: Vec<_> = (0..1000)
            .map(|n| {
                let key = key(&n.to_string());
                let receipt = route
                    .append(n, &key, None, append(b"event"))
                    .unwrap()
                    .receipt;
                assert!(store.stats().open_files <= limit as u64);
                receipt
            })
            .collect();
        receipts
            .into_iter()
            .for_each(|receipt| receipt.wait().unwrap());
        assert_eq!(route.totals().file_bytes, 1000 * 4096);
    }
    let store = open(dir.path(), limit);
    let (route, recovered) = store.route("web", options(&["out"]), Arc::new(())).unwrap();
    assert_eq!(recovered.chunks.len(), 1000);
    assert_eq!(route.totals().staged_events, 1000);
    assert!(recovered.failures.is_empty());
}

#[test]
fn many_threads_appending_to_few_keys_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 8);
    let route = route(&store, &["out"]);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let route = &route;
            scope.spawn(move || {
                for n in 0..200u64 {
                    let payload = (thread << 32 | n).to_le_bytes();
                    let key = key(&(n % 20).to_string());
                    let appended = route.append(1, &key, None, append(&payload)).unwrap();
                    if n % 50 == 0 {
                        appended.receipt.wait().unwrap();
                        route.seal(appended.chunk, SealReason::Age, 2);
                    }
                }
            });
        }
    });
    store.sync();
    let mut all: Vec<_> = route
        .chunks()
        .iter()
        .flat_map(|chunk| payloads(&route, chunk.id))
        .collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 1600);
}
