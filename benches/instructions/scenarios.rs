//! What is counted.

use std::hint::black_box;
use std::sync::Arc;

use forebay::chunk_key::{KeySpec, group};
use forebay::event::{Timestamp, check, entries_from_ndjson};
use forebay::msgpack::write;
use forebay::wire::forward::Scanner;
use forebay_storage::{Append, ChunkKey, Durability, RealFs, RouteOptions, Store, StoreOptions};

use super::events::{EVENT_COUNT, batch, write_ndjson};

/// A part of the hot path.
pub(crate) struct Scenario {
    /// What it is chosen by.
    pub(crate) name: &'static str,
    /// Events of one iteration.
    pub(crate) events: u64,
    /// Makes its input; what it returns is an iteration.
    pub(crate) prepare: fn() -> Box<dyn FnMut()>,
}

const BATCH: u64 = EVENT_COUNT as u64;

/// In the order in which an event meets them.
pub(crate) const ALL: [Scenario; 8] = [
    scenario("scan a message", BATCH, scan),
    scenario("check a batch", BATCH, check_batch),
    scenario("group by tag", BATCH, || group_by(&["tag"])),
    scenario("group by a field", BATCH, || group_by(&["level"])),
    scenario("append a batch", BATCH, || append(EVENT_COUNT)),
    scenario("append an event", 1, || append(1)),
    scenario("read NDJSON", BATCH, read_ndjson),
    scenario("write NDJSON", BATCH, write_lines),
];

const fn scenario(name: &'static str, events: u64, prepare: fn() -> Box<dyn FnMut()>) -> Scenario {
    Scenario {
        name,
        events,
        prepare,
    }
}

fn scan() -> Box<dyn FnMut()> {
    let mut message = Vec::new();
    write::array_head(&mut message, 2);
    write::str(&mut message, b"app.web");
    write::bin(&mut message, &batch(EVENT_COUNT));
    Box::new(move || {
        black_box(Scanner::new().advance(black_box(&message))).unwrap();
    })
}

fn check_batch() -> Box<dyn FnMut()> {
    let payload = batch(EVENT_COUNT);
    Box::new(move || {
        black_box(check(black_box(&payload)).unwrap());
    })
}

fn group_by(keys: &[&str]) -> Box<dyn FnMut()> {
    let payload = batch(EVENT_COUNT);
    let checked = check(&payload).unwrap();
    let spec = KeySpec::parse(keys.iter().copied(), None).unwrap();
    Box::new(move || {
        black_box(group(&spec, "app.web", black_box(&payload), &checked).unwrap());
    })
}

/// Into the page cache: a sync takes no instructions, but its thread's turns differ.
fn append(event_count: u32) -> Box<dyn FnMut()> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(StoreOptions {
        dir: dir.path().to_owned(),
        fs: Arc::new(RealFs),
        open_files_max: 16,
        id_seed: 1,
        now_ns: 1,
        clock: None,
    })
    .unwrap();
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Memory,
        chunk_limit_bytes: 8 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 30,
    };
    let (route, _) = store.route("bench", options, Arc::new(())).unwrap();
    let key = ChunkKey {
        tag: Some("app.web".to_owned()),
        ..ChunkKey::default()
    };
    let payload = batch(event_count);
    Box::new(move || {
        let append = Append {
            tag: "",
            batch_id: b"a batch's own id",
            payload: black_box(&payload),
            event_count,
            time_min_ns: 1,
            time_max_ns: 2,
        };
        black_box(route.append(1, &key, None, append).unwrap());
        // They live as long as the iterations.
        black_box((&store, &dir));
    })
}

fn read_ndjson() -> Box<dyn FnMut()> {
    let mut text = Vec::new();
    write_ndjson(&mut text, &batch(EVENT_COUNT));
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        entries_from_ndjson(&mut out, Timestamp::EPOCH, black_box(&text)).unwrap();
    })
}

fn write_lines() -> Box<dyn FnMut()> {
    let payload = batch(EVENT_COUNT);
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        write_ndjson(&mut out, black_box(&payload));
    })
}
