//! The filters before a real router, over a simulated disk.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use forebay_storage::fs::sim::{Calls, Faults, SimFs};
use forebay_storage::{Durability, RouteOptions, Store, StoreOptions};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::super::{Chain, Strain};
use super::*;
use crate::buffer::{Accept as _, Evict, Incoming, Refused, Room, RouteBuffer, Router};
use crate::chunk_key::KeySpec;
use crate::clock::Clock;
use crate::config::plan::Overflow;
use crate::route::{TagMatcher, TagRouter};

/// The filters before one route for everything.
struct Site {
    fs: SimFs,
    strain: Arc<Strain>,
    buffer: Arc<RouteBuffer>,
    _store: Store,
}

struct Nothing;

impl Evict for Nothing {
    fn evict_oldest(&self) -> bool {
        false
    }
}

/// Injects an event under `told` for every one that it sees.
struct Tells;

impl Filter for Tells {
    fn apply(&self, _: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        context.injector.inject(event("told", &[("n", 1)]))?;
        Ok(Verdict::Keep)
    }
}

impl Site {
    fn new(filter: impl Filter) -> Self {
        let fs = SimFs::new();
        let options = StoreOptions {
            dir: PathBuf::from("/data"),
            fs: Arc::new(fs.clone()),
            open_files_max: 16,
            id_seed: 1,
            now_ns: 0,
            clock: None,
        };
        let store = Store::open(options).unwrap();
        let buffer = Arc::new(buffer(&store));
        let matcher = TagMatcher::parse("**").unwrap();
        let routes = TagRouter::new([(matcher, Arc::clone(&buffer))]);
        let router = Router::new(routes, Default::default());
        let mut link = link("own", filter, OnError::Keep);
        link.matcher = Some(TagMatcher::parse("app").unwrap());
        let chain = Chain::new(vec![link], router.names());
        let strain = Strain::new(chain, Arc::new(router), Clock::start());
        Self {
            fs,
            strain: Arc::new(strain),
            buffer,
            _store: store,
        }
    }

    async fn accept(&self, tag: &str) -> Result<(), Refused> {
        let batch = Incoming {
            tag,
            payload: b"\x92\x05\x81\xa1n\x02",
            batch_id: b"",
            patience: Some(Duration::from_millis(1)),
        };
        self.strain.accept(batch).await?.durable().await
    }

    fn stored(&self) -> u64 {
        self.buffer.chunks.totals().staged_events + self.buffer.chunks.totals().sealed_events
    }

    async fn until_stored(&self, count: u64) {
        while self.stored() < count {
            tokio::task::yield_now().await;
        }
    }
}

fn buffer(store: &Store) -> RouteBuffer {
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
        ..options.clone()
    };
    let room = || Arc::new(Room::new(CancellationToken::new()));
    RouteBuffer {
        name: "r".to_owned(),
        keys: KeySpec {
            tag: true,
            ..KeySpec::default()
        },
        chunks: store.route("r", options, Arc::new(())).unwrap().0,
        dead_letters: store.dead_letters("r", dead, Arc::new(())).unwrap().0,
        chunk_limit_size: 1 << 20,
        chunk_limit_records: u64::MAX,
        overflow: Overflow::Block,
        room: room(),
        dead_room: room(),
        dead_evict: None,
        making_room: Semaphore::new(1),
        evict: Arc::new(Nothing),
        repeats: None,
        direct: Vec::new(),
        has_chunks: true,
        stats: Default::default(),
        clock: Clock::start(),
    }
}

#[tokio::test]
async fn h13_a_batch_is_acknowledged_with_all_that_came_of_it() {
    let site = Site::new(Tells);
    site.accept("app").await.unwrap();
    assert_eq!(site.stored(), 2);
    site.accept("other").await.unwrap();
    assert_eq!(
        site.stored(),
        3,
        "nothing is injected for what is not matched"
    );
}

#[tokio::test]
async fn h13_injected_events_outlive_the_refusal_of_the_batch_that_caused_them() {
    let site = Site::new(Tells);
    site.fs.set_faults(Faults {
        failing_syncs: Calls::from_on(0),
        ..Faults::default()
    });
    assert!(site.accept("app").await.is_err());
    let appended = || site.buffer.stats.events_stored.load(Relaxed);
    assert_eq!(
        appended(),
        2,
        "the event and what it caused, neither of them durable"
    );
    site.fs.set_faults(Faults::default());
    let stop = CancellationToken::new();
    let driving = tokio::spawn(Arc::clone(&site.strain).drive(stop.clone()));
    // The sender would come again with its event, but nobody with what it caused.
    let stored = async {
        while appended() == 2 {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), stored).await;
    assert!(in_time.is_ok(), "it is lost");
    stop.cancel();
    driving.await.unwrap();
}

#[tokio::test]
async fn the_short_way_is_open_only_to_what_no_filter_looks_at() {
    let site = Site::new(Tells);
    let batch = |tag| Incoming {
        tag,
        payload: b"\x92\x05\x81\xa1n\x02",
        batch_id: b"",
        patience: None,
    };
    assert!(site.strain.accept_ready(&[batch("app")]).is_none());
    // Small batches take it once their chunk is there.
    site.accept("other").await.unwrap();
    let ready = site.strain.accept_ready(&[batch("other"), batch("app")]);
    assert_eq!(ready.map(|ready| ready.batch_count), Some(1));
}

/// Tells once, 5 ms after the first event.
#[derive(Default)]
struct Late(Mutex<Option<Duration>>);

impl Filter for Late {
    fn apply(&self, _: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        *self.0.lock().unwrap() = Some(context.now.monotonic + Duration::from_millis(5));
        Ok(Verdict::Block)
    }

    fn next_tick(&self) -> Option<Duration> {
        *self.0.lock().unwrap()
    }

    fn tick(&self, _: Now, injector: &mut Injector) -> Result<(), Failure> {
        *self.0.lock().unwrap() = None;
        injector.inject(event("told", &[]))?;
        Ok(())
    }
}

#[tokio::test]
async fn h15_a_filter_is_called_when_its_time_comes_and_not_again() {
    let site = Site::new(Late::default());
    let stop = CancellationToken::new();
    let driving = tokio::spawn(Arc::clone(&site.strain).drive(stop.clone()));
    for round in 1..=3 {
        site.accept("app").await.unwrap();
        assert_eq!(site.stored(), round - 1, "it blocks");
        site.until_stored(round).await;
    }
    stop.cancel();
    driving.await.unwrap();
    assert_eq!(site.stored(), 3);
}
