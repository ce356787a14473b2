//! Damaged, cut and foreign files: what is lost, what is set aside, what is left alone.

use super::*;
use crate::fs::sim::Faults;
use crate::recovery::{self, Action};
use crate::{Reader, SealReason};

const PAYLOADS: [&[u8]; 3] = [b"first", &[0xaa; 70], b"third"];

/// A disk with one sealed (or staged) chunk of three frames.
fn disk(is_sealed: bool) -> (SimFs, ChunkId, PathBuf) {
    let rig = rig();
    let id = PAYLOADS.map(|payload| rig.store("a", payload).unwrap())[0];
    if is_sealed {
        rig.route.seal(id, SealReason::Age, 2);
    }
    let path = rig.route.path(id);
    (rig.fs.clone(), id, path)
}

/// The disk with the chunk's bytes changed.
fn changed(fs: &SimFs, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> SimFs {
    let copy = fs.after_kill();
    let mut bytes = copy.bytes(path).unwrap();
    change(&mut bytes);
    copy.set_bytes(path, bytes);
    copy
}

#[test]
fn damage_met_while_delivering_is_copied_once_before_the_chunk_is_removed() {
    let (fs, id, path) = disk(true);
    let at = position(&fs, &path, PAYLOADS[1]);
    let rig = rig_on(&changed(&fs, &path, |bytes| bytes[at] ^= 1), options());
    let claim = rig.route.claim(id, 0).unwrap();
    for _ in 0..2 {
        let mut reader = claim.reader().unwrap();
        let window = reader.next_window().unwrap().unwrap();
        assert_eq!((window.frames().len(), window.damage().len()), (2, 1));
    }
    claim.commit(9).unwrap();
    rig.store.sync();
    let [copy] = &rig.quarantined()[..] else {
        panic!("{:?}", rig.quarantined())
    };
    let copied = rig.fs.bytes(copy).unwrap();
    assert!(copied.windows(60).any(|bytes| bytes == &PAYLOADS[1][1..61]));
    assert_eq!(
        rig.diary
            .entries()
            .iter()
            .filter(|entry| entry.starts_with("damaged"))
            .count(),
        1
    );
}

#[test]
fn damage_that_cannot_be_copied_moves_the_file_instead_of_removing_it() {
    let (fs, id, path) = disk(true);
    let at = position(&fs, &path, PAYLOADS[1]);
    let rig = rig_on(&changed(&fs, &path, |bytes| bytes[at] ^= 1), options());
    rig.fs.set_faults(Faults {
        capacity_bytes: Some(0),
        ..Faults::default()
    });
    assert_eq!(rig.payloads(id).len(), 2);
    rig.route.claim(id, 0).unwrap().commit(9).unwrap();
    rig.store.sync();
    assert_eq!(
        rig.quarantined(),
        [PathBuf::from(format!("{QUARANTINE}/web-{id}.chunk"))]
    );
    assert!(rig.chunk_files().is_empty());
}

#[test]
fn a_copy_that_a_crash_left_half_made_does_not_pass_for_one() {
    let (fs, id, path) = disk(true);
    let at = position(&fs, &path, PAYLOADS[1]);
    let damaged = changed(&fs, &path, |bytes| bytes[at] ^= 1);
    for ops_before_power_off in 0..8 {
        let fs = damaged.after_kill();
        let rig = rig_on(&fs, options());
        fs.set_faults(Faults {
            power_off_after: Some(fs.op_count() + ops_before_power_off),
            ..Faults::default()
        });
        if let Ok(mut reader) = rig.route.read(id) {
            let _ = reader.next_window();
        }
        let rig = rig_on(&fs.after_kill(), options());
        assert_eq!(rig.payloads(id).len(), 2);
        rig.route.claim(id, 0).unwrap().commit(9).unwrap();
        rig.store.sync();
        let kept = rig.quarantined();
        let whole = kept.iter().filter(|path| {
            let bytes = rig.fs.bytes(path).unwrap();
            bytes.windows(60).any(|bytes| bytes == &PAYLOADS[1][1..61])
        });
        assert_eq!(whole.count(), 1, "{ops_before_power_off}: {kept:?}");
    }
}

#[test]
fn a_torn_tail_that_cannot_be_copied_is_not_forgotten_by_a_restart() {
    let (fs, id, path) = disk(false);
    let end = Reader::open(&fs, &path).unwrap();
    let end = { end }
        .next_window()
        .unwrap()
        .unwrap()
        .frames()
        .last()
        .unwrap()
        .end();
    let end = usize::try_from(end).unwrap();
    let torn = changed(&fs, &path, |bytes| {
        bytes[end..end + 5].copy_from_slice(b"torn!")
    });
    torn.set_faults(Faults {
        capacity_bytes: Some(0),
        ..Faults::default()
    });
    let full = rig_on(&torn, options());
    full.store.sync();
    assert!(full.quarantined().is_empty());
    let rig = rig_on(&full.fs.after_kill(), options());
    assert_eq!(rig.payloads(id), PAYLOADS);
    rig.route.claim(id, 0).unwrap().commit(9).unwrap();
    rig.store.sync();
    let [copy] = &rig.quarantined()[..] else {
        panic!("{:?}", rig.quarantined())
    };
    assert_eq!(rig.fs.bytes(copy).unwrap(), b"torn!\0\0\0");
}

#[test]
fn a_chunk_whose_seal_recovery_cannot_write_is_announced_all_the_same() {
    let (fs, id, path) = disk(false);
    let torn = changed(&fs, &path, |bytes| *bytes.last_mut().unwrap() = 1);
    torn.set_faults(Faults {
        failing_writes: (0..100).collect(),
        ..Faults::default()
    });
    let rig = rig_on(&torn, options());
    let entries = rig.diary.entries();
    assert!(entries.contains(&format!("queued {id}")), "{entries:?}");
    assert!(entries.contains(&"failed ".to_owned()), "{entries:?}");
}

#[test]
fn an_unreadable_page_costs_the_frames_on_it_and_the_file_is_kept() {
    let rig = rig();
    let ids: Vec<_> = (0..10).map(|n| rig.append("a", &[n; 3000]).chunk).collect();
    rig.route.seal(ids[0], SealReason::Age, 2);
    rig.store.sync();
    rig.fs.set_faults(Faults {
        unreadable: Some(8192..12288),
        ..Faults::default()
    });
    let found = rig.payloads(ids[0]);
    let kept: Vec<_> = [0, 1, 4, 5, 6, 7, 8, 9]
        .iter()
        .map(|n| vec![*n; 3000])
        .collect();
    assert_eq!(found, kept);
    rig.route.claim(ids[0], 0).unwrap().commit(9).unwrap();
    rig.store.sync();
    assert_eq!(
        rig.quarantined(),
        [PathBuf::from(format!("{QUARANTINE}/web-{}.chunk", ids[0]))]
    );
    let gone = Faults {
        unreadable: Some(0..1 << 20),
        ..Faults::default()
    };
    let id = rig.store("b", b"event").unwrap();
    rig.fs.set_faults(gone);
    assert!(matches!(
        rig.route.read(id).unwrap().next_window(),
        Err(crate::ReadError::Unreadable { .. })
    ));
}

#[test]
fn a_torn_tail_is_set_aside_and_the_frames_before_it_are_kept() {
    let (fs, id, path) = disk(false);
    let end = Reader::open(&fs, &path).unwrap();
    let end = { end }
        .next_window()
        .unwrap()
        .unwrap()
        .frames()
        .last()
        .unwrap()
        .end();
    let end = usize::try_from(end).unwrap();
    let torn = changed(&fs, &path, |bytes| {
        bytes[end..end + 5].copy_from_slice(b"torn!")
    });
    let before = torn.bytes(&path).unwrap();
    let rig = rig_on(&torn, options());
    assert_eq!(rig.payloads(id), PAYLOADS);
    rig.store.sync();
    let [copy] = &rig.quarantined()[..] else {
        panic!("{:?}", rig.quarantined())
    };
    assert_eq!(rig.fs.bytes(copy).unwrap(), b"torn!\0\0\0");
    assert_eq!(rig.fs.bytes(&path).unwrap()[end..], before[end..]);
    assert_ne!(rig.store("a", b"next").unwrap(), id);
}

#[test]
fn foreign_newer_and_blank_files_are_left_left_and_removed() {
    let (fs, id, path) = disk(true);
    let newer = changed(&fs, &path, |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    let at = |name: &str| Path::new(ROUTE_DIR).join(name);
    newer.set_bytes(&at("notes.txt"), b"mine".to_vec());
    newer.set_bytes(&at(&format!("{}.chunk", "0".repeat(32))), vec![0; 4096]);
    newer.set_bytes(
        &at(&format!("{}.chunk", "1".repeat(32))),
        b"garbage".to_vec(),
    );
    let rig = rig_on(&newer, options());
    let actions: Vec<_> = rig.recovered.steps.iter().map(|step| step.action).collect();
    assert_eq!(actions.len(), 4);
    for action in [Action::Leave, Action::Remove, Action::Quarantine] {
        assert!(actions.contains(&action), "{:?}", rig.recovered.steps);
    }
    let text = rig
        .recovered
        .steps
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        text.contains("a newer version") && text.contains("not a chunk file"),
        "{text}"
    );
    assert!(rig.chunk_files().contains(&path) && rig.chunk_files().contains(&at("notes.txt")));
    assert!(rig.route.chunk(id).is_none());
}

#[test]
fn examining_a_directory_changes_nothing() {
    let (fs, _, path) = disk(false);
    let damaged = changed(&fs, &path, |bytes| bytes[40] ^= 1);
    let ops = damaged.op_count();
    let reports = recovery::inspect_dir(&damaged, Path::new(ROUTE_DIR)).unwrap();
    let steps = recovery::plan(&reports, &["out".to_owned()]);
    assert_eq!(steps.len(), 1);
    assert_eq!(damaged.op_count(), ops);
}

fn position(fs: &SimFs, path: &Path, part: &[u8]) -> usize {
    let bytes = fs.bytes(path).unwrap();
    bytes
        .windows(part.len())
        .position(|window| window == part)
        .unwrap()
}
