use super::*;
use crate::{ClaimError, DeadNote, Phase, SealReason};

#[test]
fn the_observer_hears_of_a_chunk_in_the_order_of_its_life() {
    let rig = rig();
    let id = rig.store("a", b"one").unwrap();
    assert!(rig.route.seal(id, SealReason::Age, 200));
    assert!(!rig.route.seal(id, SealReason::Age, 201));
    rig.store.sync();
    assert_eq!((rig.store.stats().open_files, rig.fs.open_count()), (0, 0));
    assert!(
        rig.route
            .claim(id, 0)
            .unwrap()
            .commit(300)
            .unwrap()
            .is_purged
    );
    rig.store.sync();
    let told = rig.diary.entries();
    assert_eq!(
        told,
        [
            format!("staged {id}"),
            format!("queued {id}"),
            format!("purged {id}"),
            "freed ".into()
        ]
    );
    assert!(rig.chunk_files().is_empty());
}

#[test]
fn a_claim_is_exclusive_until_it_is_dropped_and_final_once_committed() {
    let rig = rig_on(&SimFs::new(), two_destinations());
    let id = rig.store("a", b"one").unwrap();
    assert_eq!(rig.route.claim(id, 0).unwrap_err(), ClaimError::NotSealed);
    rig.route.seal(id, SealReason::Age, 200);
    rig.store.sync();
    let claim = rig.route.claim_for(id, "out").unwrap();
    assert_eq!(
        rig.route.claim(id, 0).unwrap_err(),
        ClaimError::AlreadyClaimed
    );
    assert!(rig.route.purge(id).is_none());
    claim.roll_back();
    assert!(
        !rig.route
            .claim(id, 0)
            .unwrap()
            .commit(300)
            .unwrap()
            .is_purged
    );
    assert_eq!(
        rig.route.claim(id, 0).unwrap_err(),
        ClaimError::AlreadyCommitted
    );
    assert_eq!(rig.route.claim(id, 2).unwrap_err(), ClaimError::Unknown);
    assert!(
        rig.route
            .claim(id, 1)
            .unwrap()
            .reject(301)
            .unwrap()
            .is_purged
    );
    assert_eq!(rig.route.claim(id, 1).unwrap_err(), ClaimError::Unknown);
}

#[test]
fn two_destinations_make_their_own_progress_across_a_restart() {
    let fs = SimFs::new();
    let id = {
        let rig = rig_on(&fs, two_destinations());
        let id = rig.store("a", b"one").unwrap();
        rig.route.seal(id, SealReason::Age, 200);
        rig.store.sync();
        rig.route
            .claim_for(id, "archive")
            .unwrap()
            .commit(300)
            .unwrap();
        id
    };
    let rig = rig_on(&fs, two_destinations());
    assert_eq!(
        rig.route.claim(id, 1).unwrap_err(),
        ClaimError::AlreadyCommitted
    );
    assert!(
        rig.route
            .claim(id, 0)
            .unwrap()
            .commit(400)
            .unwrap()
            .is_purged
    );
    drop(rig);
    assert!(rig_on(&fs, two_destinations()).recovered.chunks.is_empty());
}

#[test]
fn a_staged_chunk_goes_on_after_a_restart() {
    let fs = SimFs::new();
    let id = rig_on(&fs, options()).store("a", b"one").unwrap();
    let rig = rig_on(&fs, options());
    assert_eq!(rig.store("a", b"two").unwrap(), id);
    assert_eq!(rig.payloads(id), [b"one", b"two"]);
    assert_eq!(rig.route.chunk(id).unwrap().time_range_ns, None);
}

#[test]
fn a_staged_chunk_of_other_destinations_is_sealed_and_keeps_them() {
    let fs = SimFs::new();
    let id = rig_on(&fs, options()).store("a", b"one").unwrap();
    let rig = rig_on(&fs, two_destinations());
    assert_ne!(rig.store("a", b"two").unwrap(), id);
    rig.store.sync();
    let chunk = rig.route.chunk(id).unwrap();
    assert_eq!(
        (chunk.phase, chunk.destinations()),
        (Phase::Queued, &["out".to_owned()][..])
    );
    assert_eq!(rig.payloads(id), [b"one"]);
}

#[test]
fn a_chunk_that_reaches_its_limit_is_sealed_and_the_next_append_opens_another() {
    let limits = RouteOptions {
        chunk_limit_bytes: 1000,
        ..options()
    };
    let rig = rig_on(&SimFs::new(), limits);
    let first = rig.append("a", &[1; 600]).chunk;
    let second = rig.append("a", &[2; 500]).chunk;
    assert_ne!(first, second);
    let third = rig.append("a", &[3; 460]).chunk;
    assert_eq!(second, third);
    assert_ne!(rig.append("a", &[4; 1]).chunk, third);
    rig.store.sync();
    assert_eq!(
        rig.route.chunk(first).unwrap().sealed,
        Some((100, SealReason::Size))
    );
    assert_eq!(
        rig.route.chunk(second).unwrap().sealed,
        Some((100, SealReason::Size))
    );
    assert!(matches!(
        rig.try_append("a", &[5; 1001]),
        Err(AppendError::TooLarge { .. })
    ));
    assert!(matches!(
        rig.try_append("a", b""),
        Err(AppendError::Invalid(_))
    ));
}

#[test]
fn a_chunk_with_enough_events_is_sealed() {
    let limits = RouteOptions {
        chunk_limit_events: Some(2),
        ..options()
    };
    let rig = rig_on(&SimFs::new(), limits);
    let id = rig.append("a", b"one").chunk;
    assert_eq!(rig.append("a", b"two").chunk, id);
    assert_ne!(rig.append("a", b"three").chunk, id);
    assert_eq!(
        rig.route.chunk(id).unwrap().sealed,
        Some((100, SealReason::Count))
    );
}

/// Appends one by one, or in runs; gives the chunks' bytes without the zeros behind them.
fn files_of(limits: &RouteOptions, payloads: &[Vec<u8>], run_len: usize) -> Vec<Vec<u8>> {
    let rig = rig_on(&SimFs::new(), limits.clone());
    for mut run in payloads.chunks(run_len) {
        while !run.is_empty() {
            let appends: Vec<_> = run.iter().map(|payload| append(payload)).collect();
            let appended = if run_len == 1 {
                rig.append("a", &run[0]);
                1
            } else {
                let appended = rig.route.append_run(100, &key("a"), &appends).unwrap();
                assert!(appended.count <= run.len());
                appended.receipt.wait().unwrap();
                appended.count
            };
            run = &run[appended..];
        }
    }
    rig.store.sync();
    let used = |path: &PathBuf| {
        let mut bytes = rig.fs.bytes(path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bytes.truncate(used);
        bytes
    };
    rig.chunk_files().iter().map(used).collect()
}

#[test]
fn appends_in_runs_leave_the_files_that_appends_one_by_one_leave() {
    let payloads: Vec<Vec<u8>> = (0..200_usize)
        .map(|n| vec![u8::try_from(n % 255 + 1).unwrap(); 1 + n * 7919 % 900])
        .collect();
    for (chunk_limit_bytes, chunk_limit_events) in
        [(1_000, None), (5_000, Some(7)), (1 << 20, None)]
    {
        let limits = RouteOptions {
            chunk_limit_bytes,
            chunk_limit_events,
            ..options()
        };
        let one_by_one = files_of(&limits, &payloads, 1);
        for run_len in [2, 3, 64] {
            assert!(
                files_of(&limits, &payloads, run_len) == one_by_one,
                "{run_len}"
            );
        }
    }
}

#[test]
fn a_run_ends_before_what_cannot_be_appended() {
    let rig = rig();
    let appends = [append(b"one"), append(b""), append(b"two")];
    let appended = rig.route.append_run(1, &key("a"), &appends).unwrap();
    assert_eq!(appended.count, 1);
    let refused = rig.route.append_run(1, &key("a"), &appends[1..]);
    assert!(matches!(refused, Err(AppendError::Invalid(_))));
    let refused = rig.route.append_run(1, &key("a"), &[]);
    assert!(matches!(refused, Err(AppendError::Invalid(_))));
    rig.store.sync();
    assert_eq!(rig.all_payloads(), [b"one"]);
}

#[test]
fn dead_letters_are_kept_until_they_are_purged() {
    let fs = SimFs::new();
    let note = DeadNote {
        reason: "rejected".to_owned(),
        destination: Some("out".to_owned()),
        attempts: 3,
        first_failure_ns: 1,
        last_failure_ns: 2,
        answer: "400".to_owned(),
        source: None,
    };
    let dead = RouteOptions {
        destinations: vec![],
        ..options()
    };
    let id = {
        let store = open_store(&fs).unwrap();
        let (route, _) = store
            .dead_letters("web", dead.clone(), Arc::new(()))
            .unwrap();
        let first = route
            .append(1, &key("a"), Some(&note), append(b"bad"))
            .unwrap();
        let second = route
            .append(1, &key("a"), Some(&note), append(b"worse"))
            .unwrap();
        let other = route.append(1, &key("a"), None, append(b"other")).unwrap();
        assert_eq!(first.chunk, second.chunk);
        assert_ne!(first.chunk, other.chunk);
        assert_eq!(route.seal_staged(SealReason::Request, 2), 2);
        first.chunk
    };
    let store = open_store(&fs).unwrap();
    let (route, recovered) = store.dead_letters("web", dead, Arc::new(())).unwrap();
    assert_eq!(recovered.chunks.len(), 2);
    assert_eq!(route.chunk(id).unwrap().note(), Some(&note));
    assert_eq!(
        payloads_of(&route, id),
        [b"bad".to_vec(), b"worse".to_vec()]
    );
    assert_eq!(route.purge(id).unwrap().event_count, 2);
    assert!(route.chunk(id).is_none());
}

#[test]
fn durability_memory_needs_no_sync_and_survives_a_kill() {
    let memory = RouteOptions {
        durability: Durability::Memory,
        ..options()
    };
    let rig = rig_on(&SimFs::new(), memory.clone());
    let syncs = rig.store.stats().syncs;
    let id = rig.store("a", b"one").unwrap();
    assert_eq!(rig.payloads(id), [b"one"]);
    assert_eq!(rig.store.stats().syncs, syncs);
    let killed = rig_on(&rig.fs.after_kill(), memory);
    assert_eq!(killed.payloads(id), [b"one"]);
    rig.route.seal(id, SealReason::Age, 2);
    assert!(rig.route.claim(id, 0).is_ok());
}

#[test]
fn purging_drops_a_chunk_whatever_it_owes_and_frees_its_space() {
    let rig = rig();
    let appended = rig.append("a", b"one");
    assert_eq!(rig.route.purge(appended.chunk).unwrap().event_count, 1);
    appended.receipt.wait().unwrap();
    rig.store.sync();
    assert_eq!(
        (rig.route.totals().file_bytes, rig.chunk_files().len()),
        (0, 0)
    );
    assert_ne!(rig.append("a", b"two").chunk, appended.chunk);
}

#[test]
fn a_sealed_chunk_takes_no_more_blocks_than_its_data() {
    let rig = rig();
    for _ in 0..5 {
        rig.append("a", &[9; 5000]);
    }
    assert_eq!(rig.route.totals().file_bytes, 32 * 1024);
    rig.route.seal_staged(SealReason::Age, 2);
    rig.store.sync();
    assert_eq!(rig.route.totals().file_bytes, 28 * 1024);
    assert_eq!(rig.all_payloads(), vec![vec![9; 5000]; 5]);
}

#[test]
fn a_window_is_bounded_and_a_reader_can_go_on_where_it_was() {
    let large = RouteOptions {
        chunk_limit_bytes: 8 << 20,
        ..options()
    };
    let rig = rig_on(&SimFs::new(), large);
    let id = rig.append("a", &vec![1; 3 << 20]).chunk;
    (0..40).for_each(|n| drop(rig.append("a", &vec![n; 100 << 10])));
    rig.store.sync();
    let mut reader = rig.route.read(id).unwrap();
    let mut payload_lens = Vec::new();
    let mut positions = vec![reader.position()];
    while let Some(window) = reader.next_window().unwrap() {
        let lens: Vec<_> = window.frames().map(|frame| frame.payload.len()).collect();
        assert!(lens.len() == 1 || lens.iter().sum::<usize>() <= 1 << 20);
        payload_lens.extend(lens);
        positions.push(reader.position());
    }
    assert_eq!(payload_lens.len(), 41);
    reader.seek(positions[1]);
    assert_eq!(
        reader
            .next_window()
            .unwrap()
            .unwrap()
            .frames()
            .next()
            .unwrap()
            .payload[0],
        0
    );
}

#[test]
fn a_chunk_is_read_the_same_where_mappings_cannot_be_populated() {
    let rig = rig();
    let id = rig.append("a", &[1; 20_000]).chunk;
    rig.append("a", &[2; 9]);
    rig.route.seal_staged(SealReason::Age, 2);
    rig.store.sync();
    let faults = crate::fs::sim::Faults {
        is_populate_unsupported: true,
        ..Default::default()
    };
    rig.fs.set_faults(faults);
    assert_eq!(rig.payloads(id), [vec![1; 20_000], vec![2; 9]]);
    assert_eq!(rig.fs.open_count(), 0);
}

#[test]
fn what_the_engine_shares_between_threads_may_be_shared() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<Store>();
    is_shared::<Route>();
    is_shared::<crate::Claim>();
    is_shared::<crate::Receipt>();
    is_sent::<crate::Reader>();
    is_sent::<crate::Window<'static>>();
}

#[test]
fn routes_that_nobody_opened_are_named() {
    let fs = SimFs::new();
    drop(rig_on(&fs, options()));
    let store = open_store(&fs).unwrap();
    assert_eq!(store.stranded_routes().unwrap(), ["web"]);
    store.route("web", options(), Arc::new(())).unwrap();
    assert!(store.stranded_routes().unwrap().is_empty());
    assert!(matches!(
        store.route("web", options(), Arc::new(())),
        Err(crate::OpenError::AlreadyOpen(_))
    ));
    assert!(matches!(
        store.route("../web", options(), Arc::new(())),
        Err(crate::OpenError::InvalidRoute { .. })
    ));
}

#[test]
fn a_closed_store_refuses_appends() {
    let Rig { store, route, .. } = rig();
    drop(store);
    let refused = route.append(1, &key("a"), None, append(b"late"));
    assert!(matches!(refused, Err(AppendError::Closed)));
}

/// Panics on the committer's thread, which alone tells of freed space.
struct Panicking;

impl Observer for Panicking {
    fn freed(&self) {
        panic!("on purpose");
    }
}

#[test]
fn a_committer_that_panicked_keeps_nobody_waiting_and_is_no_secret() {
    let store = open_store(&SimFs::new()).unwrap();
    let (route, _) = store.route("web", options(), Arc::new(Panicking)).unwrap();
    assert!(!store.is_closed());
    let appended = route.append(1, &key("a"), None, append(b"kept")).unwrap();
    assert!(appended.receipt.wait().is_ok());
    route.purge(appended.chunk).unwrap();
    store.sync();
    assert!(store.is_closed());
    let refused = route.append(3, &key("a"), None, append(b"late"));
    assert!(matches!(refused, Err(AppendError::Closed)));
}

#[test]
fn a_separate_chunk_takes_its_owners_appends_alone_and_owes_to_its_own_destinations() {
    let rig = rig_on(&SimFs::new(), two_destinations());
    let only = vec!["archive".to_owned()];
    let separate = rig
        .route
        .separate_chunk(100, &key("a"), None, &only)
        .unwrap();
    assert!(
        rig.chunk_files().is_empty(),
        "no file before its first append"
    );
    let receipt = separate.append(101, append(b"one")).unwrap().unwrap();
    assert_ne!(rig.store("a", b"two").unwrap(), separate.id());
    receipt.wait().unwrap();
    assert!(separate.seal(SealReason::Request, 102));
    assert!(separate.append(103, append(b"three")).unwrap().is_none());
    rig.store.sync();
    let info = rig.route.chunk(separate.id()).unwrap();
    assert_eq!((info.destinations(), info.event_count), (&only[..], 1));
    let claim = rig.route.claim_for(separate.id(), "archive").unwrap();
    assert!(claim.commit(104).unwrap().is_purged);
}

#[test]
fn a_separate_chunk_that_was_not_sealed_takes_nothing_after_a_restart() {
    let fs = SimFs::new();
    let rig = rig_on(&fs, two_destinations());
    let only = vec!["archive".to_owned()];
    let separate = rig
        .route
        .separate_chunk(100, &key("a"), None, &only)
        .unwrap();
    let receipt = separate.append(101, append(b"one")).unwrap();
    receipt.unwrap().wait().unwrap();
    let id = separate.id();
    drop((separate, rig));
    let rig = rig_on(&fs, two_destinations());
    // It is owed to one of the two: what comes now must be owed to both.
    assert_ne!(rig.store("a", b"two").unwrap(), id);
    rig.store.sync();
    assert!(rig.route.claim_for(id, "archive").is_ok());
}

#[test]
fn options_that_change_go_for_new_chunks_and_what_is_there_keeps_its_own() {
    let rig = rig();
    rig.append("a", b"before");
    rig.append("b", b"before");
    let changed = RouteOptions {
        total_limit_bytes: 64 * 1024,
        ..two_destinations()
    };
    rig.route.set_options(changed.clone(), 5);
    assert_eq!(*rig.route.options(), changed);
    rig.append("a", b"after");
    rig.store.sync();
    let chunks = rig.route.chunks();
    let owed: Vec<_> = chunks
        .iter()
        .map(|chunk| (chunk.is_staged(), chunk.destinations().len()))
        .collect();
    assert_eq!(owed, [(false, 1), (false, 1), (true, 2)]);
    assert!(rig.route.claim_for(chunks[0].id, "out").is_ok());
    assert!(rig.route.claim_for(chunks[0].id, "archive").is_err());

    // A limit of the whole concerns no chunk.
    let larger = RouteOptions {
        total_limit_bytes: 1 << 20,
        ..changed
    };
    rig.route.set_options(larger, 6);
    assert!(rig.route.chunks()[2].is_staged());
    assert_eq!(rig.route.totals().limit_bytes, 1 << 20);
}

#[test]
fn what_was_stored_without_a_sync_is_synced_with_the_store_also_when_the_route_waits_now() {
    let memory = RouteOptions {
        durability: Durability::Memory,
        ..options()
    };
    let rig = rig_on(&SimFs::new(), memory);
    rig.append("a", b"unsynced");
    rig.route.set_options(options(), 5);
    rig.store.sync();
    let fs = rig.fs.after_power_cut(1);
    let rig = rig_on(&fs, options());
    assert_eq!(rig.all_payloads(), [b"unsynced"]);
}
