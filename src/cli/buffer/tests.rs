//! The commands on a simulated disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_storage::fs::sim::SimFs;
use forebay_storage::{
    Append, ChunkKey, DeadNote, Durability, Route, RouteOptions, SealReason, Store, StoreOptions,
};
use serde_json::Value;

use super::verify::{Progress, Verdict, verify};
use super::{Error, Selection, cat, ls};
use crate::event::{Timestamp, write_entry};

mod repair;

const DIR: &str = "data";
const CREATED_NS: i64 = 1_795_248_000_000_000_000;
const NOW_NS: i64 = CREATED_NS + 90_000_000_000;

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

fn open(fs: &SimFs) -> Store {
    Store::open(StoreOptions {
        dir: DIR.into(),
        fs: Arc::new(fs.clone()),
        open_files_max: 16,
        id_seed: 1,
        now_ns: CREATED_NS,
        clock: None,
    })
    .unwrap()
}

fn tag(name: &str) -> ChunkKey {
    ChunkKey {
        tag: Some(name.to_owned()),
        ..ChunkKey::default()
    }
}

/// Appends two events whose record is `{"n": first}` and `{"n": first + 1}`.
fn append(route: &Route, key: &ChunkKey, note: Option<&DeadNote>, first: u8) {
    let mut payload = Vec::new();
    for n in [first, first + 1] {
        write_entry(
            &mut payload,
            Timestamp::from_ns(CREATED_NS),
            &[0x81, 0xa1, b'n', n],
        );
    }
    append_payload(route, key, note, &payload);
}

fn append_payload(route: &Route, key: &ChunkKey, note: Option<&DeadNote>, payload: &[u8]) {
    let append = Append {
        tag: "",
        batch_id: b"",
        payload,
        event_count: 2,
        time_min_ns: CREATED_NS,
        time_max_ns: CREATED_NS,
    };
    let appended = route.append(CREATED_NS, key, note, append).unwrap();
    appended.receipt.wait().unwrap();
}

/// A store with a sealed chunk that one of two outputs has, a staged one, and a dead letter.
fn store() -> SimFs {
    let fs = SimFs::new();
    let store = open(&fs);
    let (web, _) = store
        .route("web", options(&["central", "archive"]), Arc::new(()))
        .unwrap();
    append(&web, &tag("app.web"), None, 1);
    append(&web, &tag("app.web"), None, 3);
    web.seal_staged(SealReason::Age, CREATED_NS);
    store.sync();
    let sealed = web.chunks().remove(0).id;
    web.claim_for(sealed, "central")
        .unwrap()
        .commit(CREATED_NS)
        .unwrap();
    append(&web, &tag("app.api"), None, 5);
    append(&web, &tag("app.api"), None, 7);
    let (dead, _) = store
        .dead_letters("web", options(&[]), Arc::new(()))
        .unwrap();
    let note = DeadNote {
        reason: "rejected".to_owned(),
        destination: Some("archive".to_owned()),
        attempts: 1,
        first_failure_ns: 0,
        last_failure_ns: 0,
        answer: "400 Bad Request".to_owned(),
        source: None,
    };
    append_payload(&dead, &tag("app.bad"), Some(&note), b"\x92\x01\x80\x07");
    drop(store);
    fs.after_kill()
}

fn chunk_files(fs: &SimFs, kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(DIR).join(kind);
    let is_there = |path: &PathBuf| path.starts_with(&dir);
    fs.files().into_iter().filter(is_there).collect()
}

/// Inverts a byte in the place of `needle`, which is in the file.
fn damage(fs: &SimFs, path: &Path, needle: &[u8]) {
    let mut bytes = fs.bytes(path).unwrap();
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    bytes[at] ^= 0xff;
    fs.set_bytes(path, bytes);
}

fn listed(fs: &SimFs, is_json: bool) -> String {
    let mut out = Vec::new();
    ls::ls(fs, Path::new(DIR), is_json, NOW_NS, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn printed(fs: &SimFs, selection: &Selection) -> Result<(String, u64), Error> {
    let mut out = Vec::new();
    let damaged_bytes = cat::cat(fs, Path::new(DIR), selection, &mut out)?;
    Ok((String::from_utf8(out).unwrap(), damaged_bytes))
}

fn verified(fs: &SimFs) -> (Verdict, Value, String) {
    let report = verify(fs, Path::new(DIR), &Progress::hidden()).unwrap();
    let (mut json, mut text) = (Vec::new(), Vec::new());
    report.write_json(&mut json).unwrap();
    report.write_text(&mut text).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    (report.verdict(), json, String::from_utf8(text).unwrap())
}

#[test]
fn ls_shows_state_size_age_and_progress_of_each_chunk() {
    let fs = store();
    let rows: Vec<Value> = listed(&fs, true)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    let sealed = &rows[0];
    assert_eq!(sealed["route"], "web");
    assert_eq!(sealed["state"], "queued");
    assert_eq!(sealed["key"]["tag"], "app.web");
    assert_eq!(sealed["events"], 4);
    assert_eq!(sealed["age_s"], 90);
    assert_eq!(sealed["outputs"][0]["name"], "central");
    assert_eq!(sealed["outputs"][0]["state"], "committed");
    assert_eq!(sealed["outputs"][1]["state"], "owed");
    assert_eq!(rows[1]["state"], "staged");
    assert_eq!(rows[2]["state"], "dead");
    assert_eq!(rows[2]["dead"]["answer"], "400 Bad Request");
    let table = listed(&fs, false);
    assert!(
        table.contains("central=committed archive=owed tag=\"app.web\""),
        "{table}"
    );
    assert!(table.contains("1m30s"), "{table}");
    assert!(table.contains("answer=\"400 Bad Request\""), "{table}");
}

#[test]
fn cat_prints_one_event_a_line() {
    let (text, damaged_bytes) = printed(&store(), &Selection::default()).unwrap();
    assert_eq!(damaged_bytes, 0);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"tag":"app.web","time":"2026-11-21T08:00:00.000000000Z","record":{"n":1}}"#
    );
    assert_eq!(
        lines[9],
        r#"{"tag":"app.bad","fault":"entry is not an array of time and record","data":"Bw=="}"#
    );
    assert_eq!(lines.len(), 10);
}

fn only_chunk(id: &str) -> Selection {
    Selection {
        chunk: Some(id.parse().unwrap()),
        ..Selection::default()
    }
}

fn only_route(name: &str) -> Selection {
    Selection {
        route: Some(name.to_owned()),
        ..Selection::default()
    }
}

#[test]
fn cat_keeps_to_what_was_selected() {
    let fs = store();
    let count = |selection| {
        let (text, _) = printed(&fs, &selection).unwrap();
        text.lines().count()
    };
    let dead = Selection {
        dead: true,
        ..Selection::default()
    };
    let staged = chunk_files(&fs, "routes").remove(1);
    let id = staged.file_stem().unwrap().to_str().unwrap();
    assert_eq!(count(only_route("web")), 10);
    assert_eq!(count(dead), 2);
    assert_eq!(count(only_chunk(id)), 4);
}

#[test]
fn cat_says_what_there_is_not() {
    let fs = store();
    let no_chunk = printed(&fs, &only_chunk(&"0".repeat(32)));
    assert!(matches!(no_chunk, Err(Error::NoChunk(_))), "{no_chunk:?}");
    let no_route = printed(&fs, &only_route("wep"));
    assert!(matches!(no_route, Err(Error::NoRoute(_))), "{no_route:?}");
}

#[test]
fn a_healthy_store_is_clean() {
    let (verdict, json, text) = verified(&store());
    assert_eq!(verdict, Verdict::Clean, "{text}");
    assert_eq!(json["verdict"], "clean");
    assert_eq!(json["problems"], Value::Array(Vec::new()));
    assert_eq!(json["directories"][0]["events"], 8);
    assert!(
        text.contains("route web: 2 chunks, 4 frames, 8 events"),
        "{text}"
    );
    assert!(text.contains("the next start will resume"), "{text}");
}

#[test]
fn a_damaged_frame_is_lost_and_the_others_are_still_printed() {
    let fs = store();
    let sealed = chunk_files(&fs, "routes").remove(0);
    damage(&fs, &sealed, &[0x81, 0xa1, b'n', 1]);
    let (verdict, json, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Lost, "{text}");
    assert_eq!(json["problems"][0]["what"], "body");
    assert!(
        text.contains(&format!("LOST: {}: ", sealed.display())),
        "{text}"
    );
    let (printed, damaged_bytes) = printed(&fs, &Selection::default()).unwrap();
    assert!(damaged_bytes > 0);
    assert_eq!(printed.lines().count(), 8);
}

#[test]
fn an_unfinished_append_at_the_end_of_a_staged_chunk_is_not_lost() {
    let fs = store();
    let staged = chunk_files(&fs, "routes").remove(1);
    damage(&fs, &staged, &[0x81, 0xa1, b'n', 8]);
    let (verdict, json, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Repairable, "{text}");
    assert_eq!(json["directories"][0]["events"], 6);
}

#[test]
fn a_damaged_frame_with_another_behind_it_is_lost_in_a_staged_chunk_too() {
    let fs = store();
    let staged = chunk_files(&fs, "routes").remove(1);
    damage(&fs, &staged, &[0x81, 0xa1, b'n', 6]);
    let (verdict, _, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Lost, "{text}");
}

#[test]
fn a_file_without_a_readable_header_may_have_held_events() {
    let fs = store();
    let sealed = chunk_files(&fs, "routes").remove(0);
    fs.set_bytes(&sealed, vec![7; 4096]);
    let (verdict, _, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Lost, "{text}");
    assert!(
        listed(&fs, false).contains("unreadable"),
        "{}",
        listed(&fs, false)
    );
}

#[test]
fn a_directory_without_a_store_is_refused() {
    let fs = SimFs::new();
    let refused = verify(&fs, Path::new("nowhere"), &Progress::hidden());
    assert!(
        matches!(refused, Err(Error::NotADataDir { .. })),
        "{refused:?}"
    );
}

#[test]
fn looking_never_writes() {
    let fs = store();
    let before = fs.op_count();
    verified(&fs);
    listed(&fs, true);
    printed(&fs, &Selection::default()).unwrap();
    assert_eq!(fs.op_count(), before);
}
