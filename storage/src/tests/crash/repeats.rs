//! How long after a commit a power cut may still repeat the delivery.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::removals::PAUSE_NS;
use crate::{SealReason, SlotState};

/// A clock that a test sets.
type Hands = Arc<AtomicU64>;

/// Generous: reached only where nothing is synced.
const PATIENCE: Duration = Duration::from_secs(20);

/// A rig whose store has the clock.
fn rig_with_clock(options: RouteOptions) -> (Rig, Hands) {
    let (fs, hands) = (SimFs::new(), Hands::default());
    let clock = Arc::clone(&hands);
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 64,
        id_seed: 7,
        now_ns: 1_000,
        clock: Some(Arc::new(move || clock.load(Ordering::SeqCst))),
    });
    let store = store.unwrap();
    let (route, recovered) = store.route("web", options, Arc::new(())).unwrap();
    let diary = Arc::default();
    let rig = Rig {
        fs,
        store,
        route,
        recovered,
        diary,
    };
    (rig, hands)
}

/// Stores an append in a chunk of its own and commits it to the first destination.
fn deliver(rig: &Rig, tag: &str) -> ChunkId {
    let id = rig.store(tag, tag.as_bytes()).unwrap();
    rig.route.seal(id, SealReason::Age, 2);
    rig.store.sync();
    rig.route.claim(id, 0).unwrap().commit(3).unwrap();
    id
}

/// Two rounds: what was committed before is removed when the second one begins.
fn pass_rounds(rig: &Rig) {
    rig.store("busy", b"round").unwrap();
    rig.store("busy", b"round").unwrap();
}

/// Whether a power cut that spares nothing unsynced brings a chunk's file back.
fn comes_back(rig: &Rig, id: ChunkId) -> bool {
    let image = rig.fs.after_power_cut_leaving(Survivors::Nothing);
    let rig = rig_on(&image, RouteOptions::clone(&rig.route.options()));
    rig.route.chunk(id).is_some()
}

#[test]
fn a_commit_is_durable_a_pause_later_though_nothing_else_happens() {
    let (rig, _) = rig_with_clock(options());
    pass_rounds(&rig);
    let id = deliver(&rig, "a");
    pass_rounds(&rig);
    let syncs = rig.fs.dir_sync_count();
    // The clock stands still: the committer has to wake up by itself.
    assert!(rig.fs.wait_for_dir_syncs(syncs + 1, PATIENCE));
    assert!(!comes_back(&rig, id));
}

#[test]
fn a_commit_is_durable_a_pause_later_though_the_committer_never_rests() {
    let (rig, hands) = rig_with_clock(options());
    pass_rounds(&rig);
    let id = deliver(&rig, "a");
    pass_rounds(&rig);
    hands.store(PAUSE_NS, Ordering::SeqCst);
    pass_rounds(&rig);
    assert!(!comes_back(&rig, id));
}

#[test]
fn removals_share_a_sync_and_one_for_a_new_file_covers_them() {
    let (rig, hands) = rig_with_clock(options());
    pass_rounds(&rig);
    let ids: Vec<_> = (0..20)
        .map(|n| rig.store(&format!("{n}"), b"one").unwrap())
        .collect();
    rig.route.seal_staged(SealReason::Age, 2);
    rig.store.sync();
    let commit = |id: &ChunkId| rig.route.claim(*id, 0).unwrap().commit(3).unwrap();
    let syncs = rig.fs.dir_sync_count();
    for id in &ids[..10] {
        commit(id);
    }
    pass_rounds(&rig);
    hands.store(PAUSE_NS, Ordering::SeqCst);
    pass_rounds(&rig);
    // The first round had a new file.
    assert!((1..=2).contains(&(rig.fs.dir_sync_count() - syncs)));
    for id in &ids[10..] {
        commit(id);
    }
    pass_rounds(&rig);
    let syncs = rig.fs.dir_sync_count();
    rig.store("new", b"file").unwrap();
    assert!(ids.iter().all(|id| !comes_back(&rig, *id)));
    hands.store(3 * PAUSE_NS, Ordering::SeqCst);
    pass_rounds(&rig);
    assert_eq!(rig.fs.dir_sync_count(), syncs + 1);
}

/// The first of two destinations commits: no file is removed, and the slot is synced like an append.
#[test]
fn a_commit_that_leaves_the_chunk_is_durable_with_the_next_round() {
    let (rig, _) = rig_with_clock(two_destinations());
    let id = deliver(&rig, "a");
    pass_rounds(&rig);
    let image = rig.fs.after_power_cut_leaving(Survivors::Nothing);
    let chunk = rig_on(&image, two_destinations()).route.chunk(id).unwrap();
    assert_eq!(chunk.slots[0].state, SlotState::Delivered);
    assert_eq!(chunk.slots[1].state, SlotState::Owed);
}

#[test]
fn a_removal_whose_sync_fails_is_counted_and_refuses_nothing() {
    let (rig, hands) = rig_with_clock(options());
    pass_rounds(&rig);
    let id = deliver(&rig, "a");
    pass_rounds(&rig);
    rig.fs.set_faults(Faults {
        failing_dir_syncs: [0].into(),
        ..Faults::default()
    });
    hands.store(PAUSE_NS, Ordering::SeqCst);
    pass_rounds(&rig);
    assert_eq!(rig.store.stats().sync_failures, 1);
    // It is delivered again after a power cut, and that is all.
    assert!(comes_back(&rig, id));
    rig.store("new", b"file").unwrap();
}
