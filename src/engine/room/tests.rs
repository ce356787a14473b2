use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_storage::fs::sim::SimFs;
use forebay_storage::{
    Append, ChunkKey, Durability, RouteOptions, SealReason, Store, StoreOptions,
};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::buffer::Room;
use crate::catalog::Catalog;
use crate::chunk_key::Zone;
use crate::clock::Clock;
use crate::config::plan::{FlushMode, GivenUp, Ordered, RetryKind, RetryPlan};
use crate::engine::observe::RouteState;
use crate::engine::route::{Destination, LastResorts};
use crate::engine::seat::Seat;
use crate::engine::slot::Slot;
use crate::flush::{DestinationPolicy, DestinationStats, FlushPolicy, Scheduler};
use crate::output::{Deferred, Delivery, Lifecycle, Output, Way};

/// Has room for one chunk of each tag, and keeps its deliveries until the test commits them.
#[derive(Default)]
struct OneEach {
    rooms: Mutex<HashMap<Option<String>, Arc<Semaphore>>>,
    kept: Mutex<Vec<Delivery>>,
    changed: Notify,
}

impl Lifecycle for OneEach {
    fn ready(&self, key: &ChunkKey) -> Ready {
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms
            .entry(key.tag.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(1)));
        Ready::within(room)
    }
}

impl Deferred for OneEach {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        self.kept.lock().unwrap().push(delivery);
        self.changed.notify_one();
        Box::pin(std::future::ready(()))
    }
}

impl OneEach {
    /// The tags of what it has, once that is `count` deliveries.
    async fn has(&self, count: usize) -> Vec<String> {
        while self.kept.lock().unwrap().len() < count {
            let changed = tokio::time::timeout(Duration::from_secs(20), self.changed.notified());
            changed.await.expect("a delivery");
        }
        let kept = self.kept.lock().unwrap();
        let tag = |delivery: &Delivery| delivery.chunk().key().tag.clone().unwrap();
        let mut tags: Vec<_> = kept.iter().map(tag).collect();
        tags.sort();
        tags
    }

    fn commit(&self, tag: &str) {
        let mut kept = self.kept.lock().unwrap();
        let is_it = |delivery: &Delivery| delivery.chunk().key().tag.as_deref() == Some(tag);
        let at = kept.iter().position(is_it).unwrap();
        kept.remove(at).commit();
    }
}

struct Rig {
    _store: Store,
    route: Arc<RunningRoute>,
    output: Arc<OneEach>,
    stop: CancellationToken,
}

/// A route whose driver runs, with two deliveries at a time.
fn rig() -> Rig {
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(SimFs::new()),
        open_files_max: 16,
        id_seed: 1,
        now_ns: 0,
        clock: None,
    })
    .unwrap();
    let clock = Clock::start();
    let room = || Arc::new(Room::new(CancellationToken::new()));
    let state = Arc::new(RouteState::new(
        "web".into(),
        clock,
        vec!["out".to_owned()],
        room(),
        None,
        Arc::default(),
        Ordered::None,
        scheduler(),
    ));
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: 1 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: 1 << 30,
    };
    let (chunks, _) = store.route("web", options.clone(), state.clone()).unwrap();
    let (dead_letters, _) = store.dead_letters("web", options, Arc::new(())).unwrap();
    let (sender, ended) = mpsc::unbounded_channel();
    let output = Arc::new(OneEach::default());
    let opened = Output::of(Arc::clone(&output)).deferred().into();
    let route = Arc::new(RunningRoute {
        seat: Arc::new(Seat::new(Arc::clone(&state))),
        state,
        chunks,
        dead_letters,
        dead_room: room(),
        dead_evict: None,
        secondary: None,
        last_resorts: LastResorts {
            on_exhausted: GivenUp::DeadLetter,
            on_expired: GivenUp::DeadLetter,
        },
        destinations: vec![Destination {
            name: "out".into(),
            slot: Arc::new(Slot::new("out", opened)),
            way: Way::Deferred,
            stats: Arc::new(DestinationStats::default()),
            last_error: Arc::default(),
            parked: Parked::default(),
        }],
        catalog: Catalog::disabled(),
        stats: Arc::default(),
        clock,
        zone: Zone::utc(),
        slow_delivery: Duration::MAX,
        claims: Mutex::default(),
        ended: sender,
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        settled: Notify::new(),
    });
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&route).drive(ended, stop.clone()));
    Rig {
        _store: store,
        route,
        output,
        stop,
    }
}

fn scheduler() -> Scheduler {
    let retry = RetryPlan {
        kind: RetryKind::Periodic,
        wait: Duration::from_secs(1),
        exponential_base: 2.0,
        max_interval: Duration::from_secs(60),
        randomization: 0.0,
        timeout: Duration::from_secs(3_600),
        max_times: None,
        forever: true,
    };
    let policy = FlushPolicy {
        mode: FlushMode::Lazy,
        interval: Duration::from_secs(1),
        window_wait: Duration::ZERO,
        retry,
        bisect: true,
        secondary_threshold: 0.8,
        max_age: None,
    };
    let destination = DestinationPolicy {
        max_concurrent: 2,
        take_back_after: None,
    };
    Scheduler::new(policy, &[destination], 1)
}

impl Rig {
    /// Queues a chunk of `tag`.
    fn queue(&self, tag: &str) {
        let key = ChunkKey {
            tag: Some(tag.to_owned()),
            ..ChunkKey::default()
        };
        let append = Append {
            tag: "",
            batch_id: b"",
            payload: &[0x92, 1, 0x80],
            event_count: 1,
            time_min_ns: 0,
            time_max_ns: 0,
        };
        let appended = self.route.chunks.append(0, &key, None, append).unwrap();
        self.route
            .chunks
            .seal(appended.chunk, SealReason::Request, 0);
        appended.receipt.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ilogtail_trap_b_i03_a_key_without_room_holds_up_no_other_and_takes_no_place() {
    let rig = rig();
    for tag in ["full", "full", "full", "free"] {
        rig.queue(tag);
    }
    assert_eq!(rig.output.has(2).await, ["free", "full"]);
    assert_eq!(rig.route.destinations[0].parked.count(), 2);
    rig.output.commit("full");
    assert_eq!(
        rig.output.has(2).await,
        ["free", "full"],
        "the room went to the next"
    );
    rig.output.commit("full");
    assert_eq!(rig.output.has(2).await, ["free", "full"]);
    rig.output.commit("full");
    rig.output.commit("free");
    let drained = tokio::time::timeout(Duration::from_secs(20), rig.route.drained(true));
    drained.await.expect("nothing is owed any more");
    assert_eq!(rig.route.destinations[0].parked.count(), 0);
    rig.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn i03_who_waits_for_room_does_not_hold_up_the_end() {
    let rig = rig();
    rig.queue("full");
    rig.queue("full");
    rig.output.has(1).await;
    rig.stop.cancel();
    let by = tokio::time::Instant::now() + Duration::from_secs(20);
    rig.route.ended(by).await;
    assert!(tokio::time::Instant::now() < by);
    assert!(rig.route.tasks.is_empty());
}
