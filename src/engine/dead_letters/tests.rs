use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_storage::fs::sim::SimFs;
use forebay_storage::{
    Append, ChunkKey, DeadNote, Durability, Fs, Route, RouteOptions, SealReason, Store,
    StoreOptions,
};

use super::*;
use crate::event::{Timestamp, write_entry};
use crate::route::TagMatcher;

const DAY_NS: i64 = 86_400_000_000_000;

fn options(destinations: &[&str]) -> RouteOptions {
    RouteOptions {
        destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
        durability: Durability::Disk,
        chunk_limit_bytes: 1 << 20,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: 1 << 30,
    }
}

fn store(fs: &Arc<dyn Fs>, seed: u32) -> Store {
    Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::clone(fs),
        open_files_max: 16,
        id_seed: seed,
        now_ns: 0,
        clock: None,
    })
    .unwrap()
}

fn note(reason: &str, destination: Option<&str>) -> DeadNote {
    DeadNote {
        reason: reason.to_owned(),
        destination: destination.map(str::to_owned),
        attempts: 3,
        first_failure_ns: 1,
        last_failure_ns: 2,
        answer: "400 Bad Request".to_owned(),
        source: None,
    }
}

fn event(second: i64) -> Vec<u8> {
    let mut payload = Vec::new();
    write_entry(
        &mut payload,
        Timestamp::from_ns(second * 1_000_000_000),
        &[0x80],
    );
    payload
}

fn append(route: &Route, now_ns: i64, note: &DeadNote, tag: &str, payload: &[u8]) {
    let append = Append {
        tag,
        batch_id: b"",
        payload,
        event_count: 1,
        time_min_ns: 0,
        time_max_ns: 0,
    };
    let key = ChunkKey::default();
    let appended = route.append(now_ns, &key, Some(note), append).unwrap();
    appended.receipt.wait().unwrap();
}

/// A disk with dead letters of the route `web`: two rejected events of two tags in one, an
/// exhausted one from a day later, and one that is no event.
fn disk() -> Arc<dyn Fs> {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new());
    let store = store(&fs, 1);
    store
        .route("web", options(&["central", "archive"]), Arc::new(()))
        .unwrap();
    store
        .route("other", options(&["central"]), Arc::new(()))
        .unwrap();
    let (dead, _) = store
        .dead_letters("web", options(&[]), Arc::new(()))
        .unwrap();
    append(
        &dead,
        0,
        &note("rejected", Some("central")),
        "app.a",
        &event(1),
    );
    append(
        &dead,
        0,
        &note("rejected", Some("central")),
        "app.b",
        &event(2),
    );
    append(
        &dead,
        DAY_NS,
        &note("retries exhausted", Some("archive")),
        "app.a",
        &event(3),
    );
    append(&dead, DAY_NS, &note("not an event", None), "app.c", &[0xc0]);
    dead.seal_staged(SealReason::Request, DAY_NS);
    store.sync();
    drop(store);
    fs
}

fn open(fs: &Arc<dyn Fs>) -> Offline {
    Offline::open(fs, Path::new("/data"), DAY_NS, 2).unwrap()
}

fn tags(fs: &Arc<dyn Fs>, area: &str, route: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let dir = Path::new("/data").join(area).join(route);
    for report in inspect_dir(&**fs, &dir).unwrap() {
        let mut reader = forebay_storage::Reader::open(&**fs, report.path()).unwrap();
        let owed = reader.meta().destinations.to_vec();
        while let Some(window) = reader.next_window().unwrap() {
            found.extend(
                window
                    .frames()
                    .map(|frame| (frame.tag.to_owned(), owed.clone())),
            );
        }
    }
    found.sort();
    found
}

fn selected(offline: &Offline, selection: &Selection) -> Vec<u64> {
    let letters = offline.letters(selection);
    letters.iter().map(|letter| letter.event_count).collect()
}

#[test]
fn dead_letters_are_selected_by_everything_that_is_known_of_them() {
    let fs = disk();
    let offline = open(&fs);
    let all = Selection::default;
    assert_eq!(selected(&offline, &all()), [2, 1, 1]);
    let by_output = Selection {
        output: Some("archive".to_owned()),
        ..all()
    };
    assert_eq!(selected(&offline, &by_output), [1]);
    for (text, count) in [("rejected", 1), ("Bad Request", 3), ("nothing", 0)] {
        let by_reason = Selection {
            reason: Some(text.to_owned()),
            ..all()
        };
        assert_eq!(selected(&offline, &by_reason).len(), count, "{text}");
    }
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(
        selected(
            &offline,
            &Selection {
                older_than: hour,
                ..all()
            }
        ),
        [2]
    );
    assert_eq!(
        selected(
            &offline,
            &Selection {
                newer_than: hour,
                ..all()
            }
        ),
        [1, 1]
    );
    let elsewhere = Selection {
        route: Some("other".to_owned()),
        ..all()
    };
    assert!(selected(&offline, &elsewhere).is_empty());
}

#[test]
fn a_replay_is_owed_to_the_output_that_did_not_take_it_and_leaves_what_is_no_event() {
    let fs = disk();
    let mut offline = open(&fs);
    let mut bytes = 0;
    let totals = offline.replay(&Selection::default(), None, None, |more| bytes += more);
    let failure = totals.failures.iter().map(|(_, error)| error.to_string());
    assert_eq!(
        failure.collect::<Vec<_>>().len(),
        1,
        "nobody is known for what is no event"
    );
    assert_eq!((totals.letters, totals.events), (2, 3));
    assert!(bytes > 0);
    drop(offline);
    let central = || vec!["central".to_owned()];
    let archive = || vec!["archive".to_owned()];
    assert_eq!(
        tags(&fs, "routes", "web"),
        [
            ("app.a".to_owned(), archive()),
            ("app.a".to_owned(), central()),
            ("app.b".to_owned(), central()),
        ]
    );
    assert_eq!(tags(&fs, "dead", "web"), [("app.c".to_owned(), vec![])]);
}

#[test]
fn a_replay_may_go_to_another_route_and_output_and_takes_the_selected_tags_alone() {
    let fs = disk();
    let mut offline = open(&fs);
    let selection = Selection {
        tag: Some(TagMatcher::parse("app.b").unwrap()),
        ..Selection::default()
    };
    let output = "elsewhere".to_owned();
    let totals = offline.replay(&selection, Some("other"), Some(&output), |_| {});
    assert_eq!((totals.events, totals.failures.len()), (1, 0));
    drop(offline);
    assert_eq!(
        tags(&fs, "routes", "other"),
        [("app.b".to_owned(), vec![output])]
    );
    assert!(tags(&fs, "routes", "web").is_empty());
    let left: Vec<_> = tags(&fs, "dead", "web")
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(left, ["app.a", "app.a", "app.c"]);
    // What stays keeps its note.
    let offline = open(&fs);
    let rejected = Selection {
        reason: Some("rejected".to_owned()),
        ..Selection::default()
    };
    assert_eq!(selected(&offline, &rejected), [1]);
}

#[test]
fn an_unknown_route_changes_nothing() {
    let fs = disk();
    let mut offline = open(&fs);
    let totals = offline.replay(&Selection::default(), Some("nowhere"), None, |_| {});
    assert_eq!((totals.events, totals.failures.len()), (0, 3));
    drop(offline);
    assert_eq!(tags(&fs, "dead", "web").len(), 4);
}

#[test]
fn what_is_deleted_is_gone_and_the_rest_stays() {
    let fs = disk();
    let mut offline = open(&fs);
    let selection = Selection {
        tag: Some(TagMatcher::parse("app.a").unwrap()),
        ..Selection::default()
    };
    let totals = offline.delete(&selection, |_| {});
    assert_eq!((totals.letters, totals.events), (2, 2));
    drop(offline);
    let left: Vec<_> = tags(&fs, "dead", "web")
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(left, ["app.b", "app.c"]);
}

#[test]
fn listing_needs_no_lock() {
    let fs = disk();
    let _daemon = store(&fs, 3);
    let letters = list(&*fs, Path::new("/data"), &Selection::default(), DAY_NS).unwrap();
    assert_eq!(letters.len(), 3);
    assert!(
        Offline::open(&fs, Path::new("/data"), DAY_NS, 2).is_err(),
        "it is in use"
    );
}
