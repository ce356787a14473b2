//! The group commit and its receipts under thousands of random schedules. A lost wake-up or a
//! lock-up is a deadlock, which the scheduler reports with the schedule that replays it.
//!
//! `FOREBAY_SCHEDULES` sets how many each test tries.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use forebay_storage_shuttle::fs::sim::{Faults, SimFs, Survivors};
use forebay_storage_shuttle::{
    Append, AppendError, ChunkKey, Durability, Receipt, Route, RouteOptions, SealReason, Store,
    StoreOptions, SyncError,
};
use shuttle::thread;

fn explore(what: &str, scenario: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("FOREBAY_SCHEDULES");
    let schedules = schedules.map_or(600, |text| text.parse().unwrap());
    shuttle::check_random(scenario, schedules);
    println!("| schedules: {what} | simulated disk | {schedules} | - | - | - | - | - |");
}

fn open(fs: &SimFs) -> (Store, Route) {
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 8,
        id_seed: 7,
        now_ns: 1,
        clock: None,
    })
    .unwrap();
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: 64 * 1024,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 30,
    };
    let (route, _) = store.route("web", options, Arc::new(())).unwrap();
    (store, route)
}

fn append(route: &Route, tag: &str, payload: &str) -> Result<Receipt, AppendError> {
    let key = ChunkKey {
        tag: Some(tag.to_owned()),
        ..ChunkKey::default()
    };
    let append = Append {
        tag: "",
        batch_id: b"",
        payload: payload.as_bytes(),
        event_count: 1,
        time_min_ns: 1,
        time_max_ns: 1,
    };
    let appended = route.append(1, &key, None, append)?;
    Ok(appended.receipt)
}

/// Fails unless the payload survives a power cut that spares nothing unsynced.
fn assert_durable(fs: &SimFs, payload: &str) {
    let image = fs.after_power_cut_leaving(Survivors::Nothing);
    let holds = |bytes: Vec<u8>| {
        bytes
            .windows(payload.len())
            .any(|part| part == payload.as_bytes())
    };
    let is_durable = image
        .files()
        .iter()
        .any(|path| image.bytes(path).is_some_and(holds));
    assert!(is_durable, "{payload} was acknowledged and is not durable");
}

/// Appends and waits, as a thread or as a future does; what resolves must be durable.
fn store(
    fs: &SimFs,
    route: &Route,
    tag: &str,
    payload: &str,
    is_async: bool,
) -> Result<(), SyncError> {
    let Ok(receipt) = append(route, tag, payload) else {
        return Err(SyncError::Closed);
    };
    let outcome = if is_async {
        shuttle::future::block_on(receipt)
    } else {
        receipt.wait()
    };
    if outcome.is_ok() {
        assert_durable(fs, payload);
    }
    outcome
}

/// Runs the same work in two threads, one of which waits as a future does.
fn in_two_threads(
    fs: &SimFs,
    route: &Route,
    work: fn(&SimFs, &Route, &str, bool),
) -> [thread::JoinHandle<()>; 2] {
    [("one", false), ("two", true)].map(|(name, is_async)| {
        let (fs, route) = (fs.clone(), route.clone());
        thread::spawn(move || work(&fs, &route, name, is_async))
    })
}

fn join(threads: [thread::JoinHandle<()>; 2]) {
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn every_receipt_resolves_and_none_before_its_bytes_are_durable() {
    explore("receipts", || {
        let fs = SimFs::new();
        let (_store, route) = open(&fs);
        let threads = in_two_threads(&fs, &route, |fs, route, name, is_async| {
            store(fs, route, "shared", &format!("{name} first"), is_async).unwrap();
            store(fs, route, name, &format!("{name} second"), is_async).unwrap();
        });
        join(threads);
    });
}

#[test]
fn closing_while_appends_run_answers_every_receipt() {
    explore("closing", || {
        let fs = SimFs::new();
        let (store_to_close, route) = open(&fs);
        let threads = in_two_threads(&fs, &route, |fs, route, name, is_async| {
            for n in 0..2 {
                let _ = store(fs, route, name, &format!("{name} {n}"), is_async);
            }
        });
        drop(store_to_close);
        join(threads);
        assert!(matches!(
            append(&route, "late", "late"),
            Err(AppendError::Closed)
        ));
    });
}

#[test]
fn a_failing_sync_refuses_or_is_made_good_but_never_acknowledged() {
    explore("failing sync", || {
        let fs = SimFs::new();
        let (_store, route) = open(&fs);
        fs.set_faults(Faults {
            failing_syncs: [1].into(),
            failing_dir_syncs: [1].into(),
            ..Faults::default()
        });
        let threads = in_two_threads(&fs, &route, |fs, route, name, is_async| {
            let _ = store(fs, route, "shared", &format!("{name} first"), is_async);
            let _ = store(fs, route, name, &format!("{name} second"), is_async);
        });
        join(threads);
    });
}

#[test]
fn sealing_delivering_and_purging_beside_appends_locks_nobody_up() {
    explore("delivery", || {
        let fs = SimFs::new();
        let (store_open, route) = open(&fs);
        let threads = in_two_threads(&fs, &route, |fs, route, _, is_async| {
            store(fs, route, "shared", "unlike any other", is_async).unwrap();
        });
        // Only what nobody waits for is removed: a delivered event need not be on the disk.
        append(&route, "other", "delivered")
            .unwrap()
            .wait()
            .unwrap();
        let other = |chunk: &forebay_storage_shuttle::ChunkInfo| {
            chunk.key().tag.as_deref() == Some("other")
        };
        let id = route.chunks().into_iter().find(other).unwrap().id;
        route.seal(id, SealReason::Age, 2);
        store_open.sync();
        assert!(route.claim(id, 0).unwrap().commit(3).unwrap().is_purged);
        store_open.sync();
        join(threads);
        assert!(route.chunk(id).is_none());
    });
}

#[test]
fn appends_to_more_files_than_may_be_open_get_their_turn() {
    explore("few descriptors", || {
        let fs = SimFs::new();
        let (_store, route) = open(&fs);
        let threads = in_two_threads(&fs, &route, |_, route, name, _| {
            let receipts: Vec<_> = (0..5)
                .map(|n| append(route, &format!("{name} {n}"), "event").unwrap())
                .collect();
            receipts
                .into_iter()
                .for_each(|receipt| receipt.wait().unwrap());
        });
        join(threads);
    });
}
