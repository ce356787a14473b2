use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use forebay_storage::fs::sim::SimFs;
use forebay_storage::{ChunkKey, Durability, RouteOptions, Store, StoreOptions};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::buffer::Room;
use crate::catalog::Catalog;
use crate::chunk_key::Zone;
use crate::clock::Clock;
use crate::config::plan::{FlushMode, GivenUp, Ordered, RetryKind, RetryPlan};
use crate::engine::observe::RouteState;
use crate::engine::route::{Destination, Ended, LastResorts};
use crate::engine::seat::Seat;
use crate::engine::slot::Slot;
use crate::flush::{DestinationPolicy, DestinationStats, FlushPolicy, RetryState, Scheduler};
use crate::output::{BoxFuture, Buffered, Chunk, Lifecycle, Outcome, Output, Way};

/// Takes nothing.
struct Refusing;

impl Lifecycle for Refusing {}

impl Buffered for Refusing {
    fn write<'a>(&'a self, _: &'a Chunk) -> BoxFuture<'a, Outcome> {
        let reason = "400".to_owned();
        Box::pin(std::future::ready(Outcome::Reject { reason }))
    }
}

struct Rig {
    store: Store,
    route: Arc<RunningRoute>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

fn rig(dead_letter_limit_bytes: u64) -> Rig {
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
    let dead = RouteOptions {
        destinations: Vec::new(),
        total_limit_bytes: dead_letter_limit_bytes,
        ..options.clone()
    };
    let (chunks, _) = store.route("web", options, state.clone()).unwrap();
    let (dead_letters, _) = store.dead_letters("web", dead, Arc::new(())).unwrap();
    let (sender, ended) = mpsc::unbounded_channel();
    let route = RunningRoute {
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
            slot: Arc::new(Slot::new(
                "out",
                Output::of(Arc::new(Refusing)).buffered().into(),
            )),
            way: Way::Buffered,
            stats: Arc::new(DestinationStats::default()),
            last_error: Arc::default(),
            parked: crate::engine::room::Parked::default(),
        }],
        catalog: Catalog::disabled(),
        stats: Arc::default(),
        clock,
        zone: Zone::utc(),
        slow_delivery: Duration::MAX,
        claims: Mutex::new(HashMap::new()),
        ended: sender,
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        settled: Notify::new(),
    };
    Rig {
        store,
        route: Arc::new(route),
        ended,
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
        forever: false,
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
        max_concurrent: 1,
        take_back_after: None,
    };
    Scheduler::new(policy, &[destination], 1)
}

impl Rig {
    /// A sealed chunk of three frames of 3,000 bytes.
    fn sealed_chunk(&self) -> ChunkId {
        let append = Append {
            tag: "t",
            batch_id: b"",
            payload: &[0xc0; 3_000],
            event_count: 1,
            time_min_ns: 0,
            time_max_ns: 0,
        };
        let chunks = &self.route.chunks;
        let appended = [(); 3].map(|()| {
            let key = ChunkKey::default();
            chunks.append(1, &key, None, append).unwrap().chunk
        });
        chunks.seal(appended[0], SealReason::Request, 2);
        self.store.sync();
        appended[0]
    }
}

#[tokio::test(start_paused = true)]
async fn a_burial_that_finds_no_room_leaves_no_part_of_a_copy_behind() {
    let rig = rig(8_192);
    let chunk = rig.sealed_chunk();
    let claim = rig.route.chunks.claim(chunk, 0).unwrap();
    let retry = RetryState {
        failure_count: 1,
        first_failure_ns: 1,
        last_failure_ns: 1,
        next_attempt_ns: 1,
        last_reason: "400".to_owned(),
        left: None,
    };
    let burial = Burial {
        chunk,
        destination: 0,
        records: None,
        cause: Cause::Rejected,
        retry,
    };
    let buried = Arc::clone(&rig.route).bury(claim, burial).await;
    assert!(matches!(buried, Err(BuryError::NoRoom)), "{buried:?}");
    rig.store.sync();
    assert_eq!(rig.route.dead_letters.totals().file_bytes, 0);
    assert!(rig.route.dead_letters.chunks().is_empty());
    assert!(rig.route.chunks.claim(chunk, 0).is_ok(), "it stays owed");
}

#[tokio::test]
async fn a_driver_that_panics_makes_the_daemon_unready() {
    let mut rig = rig(1 << 30);
    // The scheduler knows a destination that the route does not have.
    Arc::get_mut(&mut rig.route).unwrap().destinations.clear();
    rig.sealed_chunk();
    let driver = Arc::clone(&rig.route).drive(rig.ended, CancellationToken::new());
    assert!(tokio::spawn(driver).await.unwrap_err().is_panic());
    assert_eq!(rig.route.state.faults.reasons_not_ready().len(), 1);
}

#[tokio::test]
async fn a_route_is_drained_when_its_last_chunk_is_buried() {
    let rig = rig(1 << 30);
    rig.sealed_chunk();
    let stop = CancellationToken::new();
    let driver = tokio::spawn(Arc::clone(&rig.route).drive(rig.ended, stop.clone()));
    let drained = tokio::time::timeout(Duration::from_secs(5), rig.route.drained(true)).await;
    assert!(drained.is_ok(), "it waits for its deadline");
    rig.store.sync();
    assert_eq!(rig.route.dead_letters.totals().sealed_events, 3);
    assert!(rig.route.chunks.chunks().is_empty());
    stop.cancel();
    driver.await.unwrap();
}
