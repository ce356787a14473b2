//! Batches that come again: on the simulated disk, across kills at any operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use forebay_storage::{ChunkId, ChunkInfo, Observer, Reader};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::config::plan::DeduplicatePlan;

/// A route of two keys and small chunks, so that nearly every batch is split.
struct Rig {
    fs: SimFs,
    intake: Intake,
    buffer: Arc<RouteBuffer>,
    store: Store,
}

struct Observed(Arc<Room>, Arc<Repeats>);

impl Observer for Observed {
    fn recovering(&self, chunk: &ChunkInfo, reader: Reader) {
        self.1
            .recovering(chunk, reader, Clock::start().now().unix_ns);
    }

    fn removing(&self, id: ChunkId, path: &Path) {
        self.1.chunk_goes(id, path, Clock::start().now().unix_ns);
    }

    fn freed(&self) {
        self.0.freed();
    }
}

const PLAN: DeduplicatePlan = DeduplicatePlan {
    window: Duration::from_secs(3_600),
    batches_max: 1_000,
};

impl Rig {
    fn open(fs: SimFs, keys: KeySpec) -> Self {
        let now_ns = Clock::start().now().unix_ns;
        let store = Store::open(StoreOptions {
            dir: PathBuf::from("/data"),
            fs: Arc::new(fs.clone()),
            open_files_max: 16,
            id_seed: 1,
            now_ns,
            clock: None,
        })
        .unwrap();
        let options = RouteOptions {
            destinations: vec!["out".to_owned()],
            durability: Durability::Disk,
            chunk_limit_bytes: 1 << 20,
            chunk_limit_events: None,
            chunk_full_threshold: 1.0,
            total_limit_bytes: 1 << 30,
        };
        let stopping = CancellationToken::new();
        let room = Arc::new(Room::new(stopping.clone()));
        let (repeats, problem) = Repeats::open(
            Arc::new(fs.clone()),
            PathBuf::from("/data/repeats/r"),
            &PLAN,
            Room::new(stopping.clone()),
        );
        assert!(problem.is_none(), "{problem:?}");
        let repeats = Arc::new(repeats);
        let observer = Arc::new(Observed(Arc::clone(&room), Arc::clone(&repeats)));
        // As the engine does, for which this may be over before any file is read.
        store.sync_files().unwrap();
        let (chunks, recovered) = store.route("r", options.clone(), observer).unwrap();
        let (dead_letters, _) = store.dead_letters("r", options, Arc::new(())).unwrap();
        repeats.load(&chunks, &recovered.chunks, now_ns);
        let evict = Arc::new(EvictOldest(chunks.clone(), Mutex::default()));
        let buffer = Arc::new(RouteBuffer {
            name: "r".to_owned(),
            keys,
            chunks,
            dead_letters,
            chunk_limit_size: 1 << 20,
            chunk_limit_records: 2,
            overflow: Overflow::Block,
            room,
            dead_room: Arc::new(Room::new(stopping)),
            dead_evict: None,
            making_room: Semaphore::new(1),
            evict,
            repeats: Some(repeats),
            direct: Vec::new(),
            has_chunks: true,
            stats: Arc::default(),
            clock: Clock::start(),
        });
        let matcher = TagMatcher::parse("app.**").unwrap();
        let routes = TagRouter::new([(matcher, Arc::clone(&buffer))]);
        let intake = Intake::new(Arc::new(Router::new(routes, Arc::default())));
        Self {
            fs,
            intake,
            buffer,
            store,
        }
    }

    async fn send(&self, id: &[u8], payload: &[u8]) -> Result<u64, Refused> {
        self.send_as("app.a", id, payload).await
    }

    async fn send_as(&self, tag: &str, id: &[u8], payload: &[u8]) -> Result<u64, Refused> {
        let batch = Incoming {
            tag,
            payload,
            batch_id: id,
            patience: Some(Duration::from_millis(10)),
        };
        let pending = self.intake.accept(batch).await?;
        let event_count = pending.event_count;
        pending.durable().await?;
        Ok(event_count)
    }

    /// As the program's end leaves it, at whatever operation that came.
    fn killed(self) -> SimFs {
        self.fs.after_kill()
    }

    /// Delivers every chunk; `delivered` has what arrived, by chunk, so that a chunk that was under way
    /// when the program was killed counts once.
    fn deliver(&self, delivered: &mut HashMap<ChunkId, Vec<Vec<u8>>>) {
        let now_ns = self.buffer.clock.now().unix_ns;
        self.buffer.chunks.seal_staged(SealReason::Request, now_ns);
        self.store.sync();
        for chunk in self.buffer.chunks.chunks() {
            let Ok(claim) = self.buffer.chunks.claim(chunk.id, 0) else {
                continue;
            };
            let Some(entries) = entries_of(&self.buffer.chunks, chunk.id) else {
                continue;
            };
            delivered.insert(chunk.id, entries);
            let _cut_short = claim.commit(now_ns);
        }
        self.store.sync();
    }
}

fn entries_of(route: &Route, id: ChunkId) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut reader = route.read(id).ok()?;
    while let Some(window) = reader.next_window().ok()? {
        for frame in window.frames() {
            found.extend(entries(frame.payload).map(|entry| entry.unwrap().bytes.to_vec()));
        }
    }
    Some(found)
}

fn by_key() -> KeySpec {
    KeySpec::parse(["k"], None).unwrap()
}

fn by_tag() -> KeySpec {
    KeySpec::parse(["tag"], None).unwrap()
}

/// How often each entry is stored or was delivered.
fn counts(rig: &Rig, delivered: &HashMap<ChunkId, Vec<Vec<u8>>>) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    let chunks = rig.buffer.chunks.chunks();
    let waiting = chunks
        .iter()
        .filter(|chunk| !delivered.contains_key(&chunk.id));
    let waiting = waiting.filter_map(|chunk| entries_of(&rig.buffer.chunks, chunk.id));
    for entry in waiting.chain(delivered.values().cloned()).flatten() {
        *counts.entry(entry).or_default() += 1;
    }
    counts
}

/// Batch `number`: five events over two keys, each of them like no other.
fn batch(number: u8) -> Vec<u8> {
    let event = |index: u8| {
        let field = [&[0xa1, b'n'][..], &[0x92, 0xcc, number, index]].concat();
        [&[0x92, 1, 0x82, 0xa1, b'k', index % 2][..], &field].concat()
    };
    (0..5).flat_map(event).collect()
}

fn events(payload: &[u8]) -> Vec<Vec<u8>> {
    entries(payload)
        .map(|entry| entry.unwrap().bytes.to_vec())
        .collect()
}

#[tokio::test]
async fn a_repeat_is_acknowledged_and_not_stored_again() {
    let rig = Rig::open(SimFs::new(), by_key());
    let none = HashMap::new();
    assert_eq!(rig.send(b"id", &batch(1)).await, Ok(5));
    assert_eq!(rig.send(b"id", &batch(1)).await, Ok(5));
    assert!(counts(&rig, &none).values().all(|count| *count == 1));
    assert_eq!(rig.buffer.stats.batches_repeated.load(Relaxed), 1);
    assert_eq!(rig.buffer.stats.events_repeated.load(Relaxed), 5);
    assert_eq!(rig.buffer.stats.batches_remembered.load(Relaxed), 1);
}

#[tokio::test]
async fn receipts_are_let_go_when_they_have_resolved() {
    let rig = Rig::open(SimFs::new(), by_key());
    let mut kept = Vec::new();
    for number in 1..=20 {
        rig.send(&[number], &batch(number)).await.unwrap();
        kept.push(rig.buffer.repeats.as_ref().unwrap().unresolved_count());
    }
    // Those of the last batch.
    assert!(kept.iter().all(|count| *count <= 4), "{kept:?}");
    assert_eq!(rig.buffer.stats.batches_remembered.load(Relaxed), 20);
}

#[tokio::test]
async fn another_batch_with_the_same_id_is_stored() {
    let rig = Rig::open(SimFs::new(), by_key());
    for number in [1, 2, 3] {
        rig.send(b"id", &batch(number)).await.unwrap();
    }
    assert_eq!(counts(&rig, &HashMap::new()).len(), 15);
    assert_eq!(rig.buffer.stats.batches_repeated.load(Relaxed), 0);
}

#[tokio::test]
async fn a_batch_without_an_id_is_stored_each_time() {
    let rig = Rig::open(SimFs::new(), by_key());
    for _ in 0..2 {
        rig.send(b"", &batch(1)).await.unwrap();
    }
    assert!(
        counts(&rig, &HashMap::new())
            .values()
            .all(|count| *count == 2)
    );
}

#[tokio::test]
async fn a_batch_is_known_after_its_chunks_were_delivered_and_the_program_killed_twice() {
    let rig = Rig::open(SimFs::new(), by_key());
    let mut delivered = HashMap::new();
    rig.send(b"id", &batch(1)).await.unwrap();
    rig.deliver(&mut delivered);
    assert!(rig.buffer.chunks.chunks().is_empty());
    let rig = Rig::open(rig.killed(), by_key());
    let rig = Rig::open(rig.killed(), by_key());
    assert_eq!(rig.send(b"id", &batch(1)).await, Ok(5));
    assert!(counts(&rig, &delivered).values().all(|count| *count == 1));
}

#[tokio::test]
async fn what_very_many_chunks_remember_is_known_after_a_start() {
    const COUNT: u8 = 200;
    let rig = Rig::open(SimFs::new(), by_tag());
    for number in 0..COUNT {
        rig.send_as(&format!("app.{number}"), b"id", &batch(number))
            .await
            .unwrap();
    }
    let rig = Rig::open(rig.killed(), by_tag());
    assert_eq!(rig.buffer.repeats.as_ref().unwrap().len(), u64::from(COUNT));
    for number in 0..COUNT {
        rig.send_as(&format!("app.{number}"), b"id", &batch(number))
            .await
            .unwrap();
    }
    assert_eq!(
        rig.buffer.stats.batches_repeated.load(Relaxed),
        u64::from(COUNT)
    );
    assert!(
        counts(&rig, &HashMap::new())
            .values()
            .all(|count| *count == 1)
    );
}

#[tokio::test]
async fn small_chunks_and_large_ones_are_remembered_across_a_kill() {
    const SIZES: [u32; 4] = [1, 100, 5_000, 50_000];
    // [1, {"k": "m..."}], the text with the head of a str 32.
    let message = |size: u32| {
        let text = vec![b'm'; usize::try_from(size).unwrap()];
        [
            &[0x92, 1, 0x81, 0xa1, b'k', 0xdb][..],
            &size.to_be_bytes(),
            &text,
        ]
        .concat()
    };
    let rig = Rig::open(SimFs::new(), KeySpec::default());
    let now_ns = Clock::start().now().unix_ns;
    for (number, size) in (1..).zip(SIZES) {
        rig.send(&[number], &message(size)).await.unwrap();
        rig.buffer.chunks.seal_staged(SealReason::Request, now_ns);
    }
    rig.store.sync();
    let rig = Rig::open(rig.killed(), KeySpec::default());
    let known = rig.buffer.repeats.as_ref().unwrap().len();
    assert_eq!(known, SIZES.len() as u64);
    for (number, size) in (1..).zip(SIZES) {
        assert_eq!(rig.send(&[number], &message(size)).await, Ok(1));
    }
    assert_eq!(rig.buffer.stats.batches_repeated.load(Relaxed), 4);
}

#[tokio::test]
async fn a_batch_whose_sync_failed_is_stored_when_it_comes_again() {
    let rig = Rig::open(SimFs::new(), by_key());
    rig.fs.set_faults(Faults {
        failing_syncs: (0..100).collect(),
        ..Faults::default()
    });
    assert!(rig.send(b"id", &batch(1)).await.is_err());
    rig.fs.set_faults(Faults::default());
    assert_eq!(rig.send(b"id", &batch(1)).await, Ok(5));
    let counts = counts(&rig, &HashMap::new());
    assert_eq!(counts.len(), 5);
    assert!(counts.values().all(|count| *count == 1));
}

#[tokio::test]
async fn two_that_bring_the_same_batch_at_once_store_it_once_and_both_wait_for_the_sync() {
    let rig = Rig::open(SimFs::new(), by_key());
    let payload = batch(1);
    let (one, two) = tokio::join!(rig.send(b"id", &payload), rig.send(b"id", &payload));
    assert_eq!((one, two), (Ok(5), Ok(5)));
    assert!(
        counts(&rig, &HashMap::new())
            .values()
            .all(|count| *count == 1)
    );
}

#[tokio::test]
async fn a_batch_of_which_something_was_set_aside_is_stored_again() {
    let rig = Rig::open(SimFs::new(), by_key());
    let payload = [&batch(1)[..], &[0x92, 1, 0xa1, b'x']].concat();
    for _ in 0..2 {
        rig.send(b"id", &payload).await.unwrap();
    }
    assert!(
        counts(&rig, &HashMap::new())
            .values()
            .all(|count| *count == 2)
    );
}

/// A kill after every operation of a batch and its delivery: the sender sends again, and what was
/// stored in part is completed.
#[test]
fn a_batch_is_stored_once_whichever_operation_the_kill_comes_after() {
    let runtime = Runtime::new().unwrap();
    for op in 0.. {
        let mut delivered = HashMap::new();
        let rig = Rig::open(SimFs::new(), by_key());
        let first_op = rig.fs.op_count();
        rig.fs.set_faults(Faults {
            power_off_after: Some(first_op + op),
            ..Faults::default()
        });
        let _cut_short = runtime.block_on(rig.send(b"id", &batch(1)));
        rig.deliver(&mut delivered);
        let is_over = rig.fs.op_count() < first_op + op;
        let rig = Rig::open(rig.killed(), by_key());
        assert_eq!(runtime.block_on(rig.send(b"id", &batch(1))), Ok(5), "{op}");
        rig.deliver(&mut delivered);
        let counts = counts(&rig, &delivered);
        let all: BTreeMap<_, _> = events(&batch(1)).into_iter().map(|e| (e, 1)).collect();
        assert_eq!(counts, all, "killed after operation {op}");
        if is_over {
            assert!(op > 10, "the scenario was none");
            break;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends batch `.0`; it may have been sent before.
    Send(u8),
    Deliver,
    /// The program is killed after so many more operations, or at the next kill.
    KillAfter(u64),
    Kill,
    PowerCut(u64),
}

fn step(with_power_cuts: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8).prop_map(Step::Send),
        2 => Just(Step::Deliver),
        2 => (0..20_u64).prop_map(Step::KillAfter),
        2 => any::<u64>().prop_map(move |seed| {
            if with_power_cuts { Step::PowerCut(seed) } else { Step::Kill }
        }),
    ]
}

/// Takes the steps; returns how often each event arrived, and the batches that were acknowledged.
fn take(steps: &[Step]) -> (BTreeMap<Vec<u8>, usize>, BTreeSet<u8>) {
    let runtime = Runtime::new().unwrap();
    let mut delivered = HashMap::new();
    let mut acknowledged = BTreeSet::new();
    let mut is_dying = false;
    let mut rig = Rig::open(SimFs::new(), by_key());
    for step in steps {
        match *step {
            Step::Send(number) => {
                if runtime.block_on(rig.send(b"id", &batch(number))).is_ok() {
                    acknowledged.insert(number);
                }
            }
            Step::Deliver => rig.deliver(&mut delivered),
            // The disk does not come back before the process has ended.
            Step::KillAfter(_) if is_dying => {}
            Step::KillAfter(op_count) => {
                is_dying = true;
                rig.fs.set_faults(Faults {
                    power_off_after: Some(rig.fs.op_count() + op_count),
                    ..Faults::default()
                });
            }
            Step::Kill => {
                is_dying = false;
                rig = Rig::open(rig.killed(), by_key());
            }
            Step::PowerCut(seed) => {
                is_dying = false;
                rig = Rig::open(rig.fs.after_power_cut(seed), by_key());
            }
        }
    }
    let rig = Rig::open(rig.killed(), by_key());
    rig.deliver(&mut delivered);
    (counts(&rig, &delivered), acknowledged)
}

fn lost(counts: &BTreeMap<Vec<u8>, usize>, acknowledged: &BTreeSet<u8>) -> usize {
    let expected = acknowledged
        .iter()
        .flat_map(|number| events(&batch(*number)));
    expected.filter(|event| !counts.contains_key(event)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_killed_when_nothing_is_lost_and_nothing_repeated(
        steps in prop::collection::vec(step(false), 1..25),
    ) {
        let (counts, acknowledged) = take(&steps);
        prop_assert_eq!(lost(&counts, &acknowledged), 0);
        prop_assert!(counts.values().all(|count| *count == 1), "{:?}", counts);
    }

    #[test]
    fn whenever_the_power_fails_nothing_acknowledged_is_lost(
        steps in prop::collection::vec(step(true), 1..25),
    ) {
        let (counts, acknowledged) = take(&steps);
        prop_assert_eq!(lost(&counts, &acknowledged), 0);
    }
}

#[tokio::test]
async fn a_batch_taken_with_others_is_recognised_and_never_taken_twice_in_one_run() {
    let fs = SimFs::new();
    let rig = Rig::open(fs.clone(), KeySpec::default());
    let payloads = [entry(1, &[1]), entry(2, &[2])];
    let batch = |payload, id| Incoming {
        tag: "app.a",
        payload,
        batch_id: id,
        patience: None,
    };
    let [first, second] = [batch(&payloads[0], b"one"), batch(&payloads[1], b"two")];
    let ready = rig.intake.accept_ready(&[first, second, first, second]);
    let ready = ready.unwrap();
    assert_eq!(ready.batch_count, 2);
    ready.pending.durable().await.unwrap();
    assert!(rig.intake.accept_ready(&[first]).is_none());
    assert_eq!(rig.send(b"two", &payloads[1]).await, Ok(1));
    let after = Rig::open(fs.after_kill(), KeySpec::default());
    assert!(after.intake.accept_ready(&[second]).is_none());
    assert_eq!(after.send(b"one", &payloads[0]).await, Ok(1));
    assert_eq!(contents(&after.buffer.chunks)["[]"], payloads);
}
