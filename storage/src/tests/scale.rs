//! Very many chunks with hardly anything in them: what each of them costs, by counting.

use std::mem::size_of;

use super::*;
use crate::SealReason;
use crate::chunk::Chunk;
use crate::fs::sim::Op;

/// What a file was asked for, without which file it was.
fn words(ops: &[Op]) -> Vec<&'static str> {
    let word = |op: &Op| match op {
        Op::Create(_) => "create",
        Op::CreateDirs(_) => "create directories",
        Op::Write(..) => "write",
        Op::SetLen(..) => "set length",
        Op::SyncData(_) => "sync",
        Op::SyncDir(_) => "sync directory",
        Op::SyncAll => "sync all",
        Op::Rename(..) => "rename",
        Op::Remove(_) => "remove",
        Op::Note(_) => "note",
    };
    ops.iter().map(word).collect()
}

#[test]
fn a_chunk_of_one_event_costs_no_more_calls_than_it_must() {
    let rig = rig();
    let mut seen = rig.fs.log().len();
    let mut since = || {
        let log = rig.fs.log();
        let new = words(&log[seen..]);
        seen = log.len();
        new
    };
    let id = rig.store("a", b"one").unwrap();
    assert_eq!(since(), ["create", "write", "sync", "sync directory"]);
    rig.route.seal(id, SealReason::Age, 200);
    rig.store.sync();
    assert_eq!(since(), ["write", "sync"]);
    drop(rig.payloads(id));
    assert_eq!(since(), [""; 0]);
    rig.route.claim(id, 0).unwrap().commit(300).unwrap();
    rig.store.sync();
    assert_eq!(since(), ["write", "remove", "sync directory"]);
}

#[test]
fn a_thousand_chunk_keys_take_a_block_each_and_no_more_descriptors_than_allowed() {
    const COUNT: u64 = 1000;
    let rig = rig();
    let used_before = rig.fs.used_bytes();
    for number in 0..COUNT {
        drop(rig.append(&format!("key{number}"), b"one"));
        // Those that are open, and the directory's or another that is being closed.
        assert!(rig.fs.open_count() <= 64 + 2, "{}", rig.fs.open_count());
    }
    rig.store.sync();
    assert_eq!(rig.fs.used_bytes() - used_before, COUNT * 4096);
    assert_eq!(rig.route.totals().staged_chunks, COUNT);
    assert_eq!(rig.route.totals().staged_events, COUNT);
    assert_eq!(rig.route.seal_staged(SealReason::Age, 2), 1000);
    rig.store.sync();
    assert_eq!(rig.store.stats().open_files, 0);
    assert_eq!(rig.route.totals().sealed_bytes, COUNT * 3);
}

#[test]
fn a_chunk_that_waits_for_its_delivery_keeps_little_in_memory() {
    // Each byte here is 100 kB with 100,000 chunk keys.
    assert!(size_of::<Chunk>() <= 200, "{}", size_of::<Chunk>());
    let rig = rig();
    let appended = rig.append("a", b"one");
    let chunk = rig.route.0.chunk(appended.chunk).unwrap();
    rig.route.seal(appended.chunk, SealReason::Age, 200);
    assert!(chunk.has_waiters_book());
    appended.receipt.wait().unwrap();
    rig.store.sync();
    assert!(!chunk.has_waiters_book());
}
