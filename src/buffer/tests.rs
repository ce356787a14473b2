use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use forebay_storage::fs::sim::{Faults, SimFs};
use forebay_storage::{Durability, Route, RouteOptions, SealReason, Store, StoreOptions};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::chunk_key::{KeySpec, TimeKey, Zone};
use crate::clock::Clock;
use crate::config::plan::Overflow;
use crate::event::entries;
use crate::route::{TagMatcher, TagRouter};

mod ready;
mod repeats;

/// Deletes the oldest sealed chunk, as the engine's does.
struct EvictOldest(Route, Mutex<u32>);

impl Evict for EvictOldest {
    fn evict_oldest(&self) -> bool {
        let oldest = self
            .0
            .chunks()
            .into_iter()
            .filter(|chunk| !chunk.is_staged())
            .min_by_key(|chunk| chunk.id);
        let purged = oldest.and_then(|chunk| self.0.purge(chunk.id));
        *self.1.lock().unwrap() += u32::from(purged.is_some());
        purged.is_some()
    }
}

struct Setup {
    keys: KeySpec,
    chunk_limit_size: u64,
    chunk_limit_records: u64,
    total_limit_size: u64,
    overflow: Overflow,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            keys: KeySpec {
                tag: true,
                ..KeySpec::default()
            },
            chunk_limit_size: 1 << 20,
            chunk_limit_records: u64::MAX,
            total_limit_size: 1 << 30,
            overflow: Overflow::Block,
        }
    }
}

struct Fixture {
    fs: SimFs,
    intake: Intake,
    buffer: Arc<RouteBuffer>,
    stopping: CancellationToken,
    dropped: Arc<EvictOldest>,
    _store: Store,
}

fn fixture(setup: Setup) -> Fixture {
    let fs = SimFs::new();
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 16,
        id_seed: 1,
        now_ns: 0,
        clock: None,
    })
    .unwrap();
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: setup.chunk_limit_size,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: setup.total_limit_size,
    };
    let dead = RouteOptions {
        destinations: Vec::new(),
        chunk_limit_bytes: 1 << 30,
        total_limit_bytes: 1 << 30,
        ..options.clone()
    };
    let stopping = CancellationToken::new();
    let room = Arc::new(Room::new(stopping.clone()));
    let observer = Arc::new(Freed(Arc::clone(&room)));
    let (chunks, _) = store.route("r", options, observer).unwrap();
    let (dead_letters, _) = store.dead_letters("r", dead, Arc::new(())).unwrap();
    let dropped = Arc::new(EvictOldest(chunks.clone(), Mutex::default()));
    let buffer = Arc::new(RouteBuffer {
        name: "r".to_owned(),
        keys: setup.keys,
        chunks,
        dead_letters,
        chunk_limit_size: setup.chunk_limit_size,
        chunk_limit_records: setup.chunk_limit_records,
        overflow: setup.overflow,
        room,
        dead_room: Arc::new(Room::new(stopping.clone())),
        dead_evict: None,
        making_room: Semaphore::new(1),
        evict: Arc::clone(&dropped) as Arc<dyn Evict>,
        repeats: None,
        direct: Vec::new(),
        has_chunks: true,
        stats: Arc::default(),
        clock: Clock::start(),
    });
    let matcher = TagMatcher::parse("app.**").unwrap();
    let routes = TagRouter::new([(matcher, Arc::clone(&buffer))]);
    let intake = Intake::new(Arc::new(Router::new(routes, Arc::default())));
    Fixture {
        fs,
        intake,
        buffer,
        stopping,
        dropped,
        _store: store,
    }
}

impl Fixture {
    async fn accept(&self, payload: &[u8]) -> Result<(u64, u64), Refused> {
        let patience = Some(Duration::from_millis(10));
        let batch = Incoming {
            tag: "app.a",
            payload,
            batch_id: b"id",
            patience,
        };
        let pending = self.intake.accept(batch).await?;
        let counts = (pending.event_count, pending.set_aside_count);
        pending.durable().await?;
        Ok(counts)
    }

    /// The entries on disk, by the debug text of their chunk's key.
    fn stored(&self) -> BTreeMap<String, Vec<Vec<u8>>> {
        contents(&self.buffer.chunks)
    }
}

fn contents(route: &Route) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut contents: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for chunk in route.chunks() {
        let found = contents
            .entry(format!("{:?}", chunk.key().fields))
            .or_default();
        let mut reader = route.read(chunk.id).unwrap();
        while let Some(window) = reader.next_window().unwrap() {
            for frame in window.frames() {
                found.extend(entries(frame.payload).map(|entry| match entry {
                    Ok(entry) => entry.bytes.to_vec(),
                    Err(bad) => bad.bytes.to_vec(),
                }));
            }
        }
    }
    contents
}

/// `[time, {"k": value}]`; `value` is MessagePack.
fn entry(time: u8, value: &[u8]) -> Vec<u8> {
    [&[0x92, time, 0x81, 0xa1, b'k'], value].concat()
}

/// An entry of about `size` bytes.
fn large(size: u16) -> Vec<u8> {
    let head = [&[0xda][..], &size.to_be_bytes()].concat();
    entry(1, &[head, vec![b'x'; usize::from(size)]].concat())
}

#[tokio::test]
async fn a_batch_is_stored_as_it_came_and_once() {
    let fixture = fixture(Setup::default());
    let batch = [entry(1, &[1]), entry(2, &[2])];
    assert_eq!(fixture.accept(&batch.concat()).await, Ok((2, 0)));
    assert_eq!(fixture.stored()["[]"], batch);
}

#[tokio::test]
async fn a_batch_that_spans_keys_is_split_by_typed_values() {
    let keys = KeySpec::parse(["k"], None).unwrap();
    let fixture = fixture(Setup {
        keys,
        ..Setup::default()
    });
    let (number, text) = (entry(1, &[1]), entry(1, b"\xa11"));
    let batch = [number.clone(), text.clone(), number.clone()].concat();
    assert_eq!(fixture.accept(&batch).await, Ok((3, 0)));
    let mut stored: Vec<_> = fixture.stored().into_values().collect();
    stored.sort_by_key(Vec::len);
    assert_eq!(stored, [vec![text], vec![number.clone(), number]]);
}

#[tokio::test]
async fn events_of_one_window_share_a_chunk() {
    let time = TimeKey {
        len_s: 10,
        zone: Zone::utc(),
    };
    let keys = KeySpec::parse(["time"], Some(time)).unwrap();
    let fixture = fixture(Setup {
        keys,
        ..Setup::default()
    });
    let batch = [entry(1, &[1]), entry(12, &[2]), entry(9, &[3])].concat();
    assert_eq!(fixture.accept(&batch).await, Ok((3, 0)));
    let mut windows: Vec<_> = fixture
        .buffer
        .chunks
        .chunks()
        .iter()
        .map(|chunk| (chunk.key().window.unwrap().start_s, chunk.event_count))
        .collect();
    windows.sort_unstable();
    assert_eq!(windows, [(0, 2), (10, 1)]);
}

#[tokio::test]
async fn what_is_no_event_is_set_aside_and_the_rest_stored_once() {
    let fixture = fixture(Setup::default());
    let bad = [0x92, 1, 0xa1, b'x'];
    let batch = [&entry(1, &[1])[..], &bad, &entry(2, &[2])].concat();
    assert_eq!(fixture.accept(&batch).await, Ok((2, 1)));
    assert_eq!(fixture.stored()["[]"].len(), 2);
    assert_eq!(contents(&fixture.buffer.dead_letters)["[]"], [bad]);
    let dead = fixture.buffer.dead_letters.chunks();
    assert_eq!(dead[0].note().unwrap().answer, "record is not a map");
}

#[tokio::test]
async fn an_event_larger_than_a_chunk_is_set_aside_even_if_all_are_plain() {
    let fixture = fixture(Setup {
        chunk_limit_size: 100,
        ..Setup::default()
    });
    let batch = [entry(1, &[1]), large(200), entry(2, &[2])].concat();
    assert_eq!(fixture.accept(&batch).await, Ok((2, 1)));
    assert_eq!(contents(&fixture.buffer.dead_letters)["[]"], [large(200)]);
}

#[tokio::test]
async fn a_batch_larger_than_a_chunk_fills_several() {
    let setup = Setup {
        chunk_limit_size: 100,
        chunk_limit_records: 5,
        ..Setup::default()
    };
    let fixture = fixture(setup);
    let batch: Vec<_> = (1..=40).map(|n| entry(n, &[n])).collect();
    assert_eq!(fixture.accept(&batch.concat()).await, Ok((40, 0)));
    assert_eq!(fixture.stored()["[]"], batch);
    assert!(fixture.buffer.chunks.chunks().len() >= 3);
}

#[tokio::test]
async fn malformed_bytes_are_refused_with_their_place_and_nothing_is_stored() {
    let fixture = fixture(Setup::default());
    let batch = [&entry(1, &[1])[..], &[0xc1]].concat();
    let refused = fixture.accept(&batch).await;
    assert!(
        matches!(refused, Err(Refused::Malformed { offset: 6, .. })),
        "{refused:?}"
    );
    assert!(fixture.stored().is_empty());
}

#[tokio::test]
async fn a_tag_that_no_route_matches_is_counted_and_taken() {
    let fixture = fixture(Setup::default());
    let payload = entry(1, &[1]);
    let batch = Incoming {
        tag: "other",
        payload: &payload,
        batch_id: b"",
        patience: None,
    };
    let pending = fixture.intake.accept(batch).await.unwrap();
    assert_eq!(pending.event_count, 0);
    assert_eq!(pending.durable().await, Ok(()));
    assert!(fixture.stored().is_empty());
}

/// A route of two blocks, of which one sealed chunk takes the first.
async fn full(overflow: Overflow) -> Fixture {
    let setup = Setup {
        total_limit_size: 8 << 10,
        overflow,
        ..Setup::default()
    };
    let fixture = fixture(setup);
    fixture.accept(&large(3_000)).await.unwrap();
    fixture.buffer.chunks.seal_staged(SealReason::Request, 1);
    fixture.accept(&large(3_001)).await.unwrap();
    fixture
}

#[tokio::test]
async fn a_full_route_that_rejects_refuses_at_once() {
    let fixture = full(Overflow::Reject).await;
    let refused = fixture.accept(&large(3_002)).await;
    assert!(
        matches!(refused, Err(Refused::HeldBack { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_full_route_that_blocks_holds_the_sender_back_until_there_is_room() {
    let fixture = full(Overflow::Block).await;
    let refused = fixture.accept(&large(3_002)).await;
    assert!(
        matches!(refused, Err(Refused::HeldBack { .. })),
        "patience is over: {refused:?}"
    );
    assert_eq!(fixture.buffer.stats.senders_waiting(), 0);
    let payload = large(3_003);
    let batch = Incoming {
        tag: "app.a",
        payload: &payload,
        batch_id: b"",
        patience: None,
    };
    let free_then_wait = async {
        fixture.dropped.evict_oldest();
    };
    let (taken, ()) = tokio::join!(fixture.intake.accept(batch), free_then_wait);
    taken.unwrap().durable().await.unwrap();
}

#[tokio::test]
async fn a_sender_that_is_held_back_is_refused_when_the_daemon_stops() {
    let fixture = full(Overflow::Block).await;
    fixture.stopping.cancel();
    let payload = large(3_002);
    let batch = Incoming {
        tag: "app.a",
        payload: &payload,
        batch_id: b"",
        patience: None,
    };
    assert!(matches!(
        fixture.intake.accept(batch).await,
        Err(Refused::Stopping)
    ));
}

/// The observer of a route whose senders wait in `0`.
struct Freed(Arc<Room>);

impl forebay_storage::Observer for Freed {
    fn freed(&self) {
        self.0.freed();
    }
}

#[tokio::test]
async fn a_full_route_that_drops_deletes_the_oldest_chunk_and_no_more() {
    let total_limit_size = 16 << 10;
    let overflow = Overflow::DropOldestChunk;
    let fixture = fixture(Setup {
        total_limit_size,
        overflow,
        ..Setup::default()
    });
    for size in 3_000..3_004 {
        fixture.accept(&large(size)).await.unwrap();
        fixture.buffer.chunks.seal_staged(SealReason::Request, 1);
    }
    let before: Vec<_> = fixture
        .buffer
        .chunks
        .chunks()
        .iter()
        .map(|chunk| chunk.id)
        .collect();
    assert_eq!(fixture.accept(&large(3_004)).await, Ok((1, 0)));
    let after: Vec<_> = fixture
        .buffer
        .chunks
        .chunks()
        .iter()
        .map(|chunk| chunk.id)
        .collect();
    assert_eq!(*fixture.dropped.1.lock().unwrap(), 1);
    assert_eq!(after[..3], before[1..]);
}

#[tokio::test]
async fn a_batch_whose_sync_fails_is_not_acknowledged() {
    let fixture = fixture(Setup::default());
    fixture.fs.set_faults(Faults {
        failing_syncs: (0..100).collect(),
        ..Faults::default()
    });
    let refused = fixture.accept(&entry(1, &[1])).await;
    assert!(
        matches!(refused, Err(Refused::NotStored { .. })),
        "{refused:?}"
    );
}
