//! `forebay buffer repair` on a simulated disk.

use forebay_storage::Fs;

use super::super::repair::{Repaired, Run, repair};
use super::*;

fn repaired(fs: &SimFs) -> Result<Repaired, Error> {
    let run = Run {
        now_ns: NOW_NS,
        id_seed: 9,
    };
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    repair(&fs, Path::new(DIR), run, &Progress::hidden())
}

fn printed(repaired: &Repaired) -> (Value, String) {
    let (mut json, mut text) = (Vec::new(), Vec::new());
    repaired.write_json(&mut json).unwrap();
    repaired.write_text(&mut text).unwrap();
    let json = serde_json::from_slice(&json).unwrap();
    (json, String::from_utf8(text).unwrap())
}

#[test]
fn a_healthy_store_is_not_touched() {
    let fs = store();
    let files = || {
        let paths = chunk_files(&fs, "routes").into_iter();
        paths.map(|path| fs.bytes(&path)).collect::<Vec<_>>()
    };
    let before = files();
    let (json, text) = printed(&repaired(&fs).unwrap());
    assert!(text.contains("nothing was to be repaired"), "{text}");
    assert_eq!(json["done"], Value::Array(Vec::new()));
    assert_eq!(files(), before);
}

#[test]
fn a_damaged_header_and_a_torn_tail_are_mended_without_loss() {
    let fs = store();
    let [sealed, staged] = &chunk_files(&fs, "routes")[..] else {
        panic!()
    };
    damage(&fs, sealed, b"FOREBAY\0");
    damage(&fs, staged, &[0x81, 0xa1, b'n', 8]);
    let (verdict, _, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Repairable, "{text}");
    let (json, text) = printed(&repaired(&fs).unwrap());
    assert!(
        text.contains("done: restore") && text.contains("done: seal"),
        "{text}"
    );
    assert!(text.contains("repaired: no event is lost"), "{text}");
    let set_aside = json["set_aside"].as_array().unwrap();
    assert_eq!(set_aside.len(), 2, "{text}");
    assert_eq!(set_aside[0]["kind"], "head");
    assert_eq!(set_aside[1]["events"], 2);
    assert_eq!(chunk_files(&fs, "quarantine").len(), 2);
    let (verdict, json, text) = verified(&fs);
    assert_eq!(verdict, Verdict::Clean, "{text}");
    assert_eq!(json["directories"][0]["events"], 6);
}

#[test]
fn a_damaged_frame_is_set_aside_and_named_as_lost() {
    let fs = store();
    let sealed = chunk_files(&fs, "routes").remove(0);
    damage(&fs, &sealed, &[0x81, 0xa1, b'n', 1]);
    let repaired = repaired(&fs).unwrap();
    let (json, text) = printed(&repaired);
    assert_eq!(json["found"]["verdict"], "lost");
    assert_eq!(json["set_aside"][0]["events"], 2, "{text}");
    assert!(
        text.contains("(body, 2 events) in data/quarantine/"),
        "{text}"
    );
    assert_eq!(chunk_files(&fs, "quarantine").len(), 1);
}

#[test]
fn a_directory_in_use_is_refused_with_its_process_id() {
    let fs = store();
    let _held = open(&fs);
    let before = fs.op_count();
    let error = repaired(&fs).unwrap_err();
    let pid = std::process::id().to_string();
    assert!(matches!(&error, Error::InUse { pid: owner, .. } if *owner == pid));
    assert!(error.to_string().contains("admin API"), "{error}");
    let made: Vec<_> = fs.log().split_off(usize::try_from(before).unwrap());
    assert!(
        !made.iter().any(|op| format!("{op:?}").contains("Write")),
        "{made:?}"
    );
}

#[test]
fn a_directory_without_a_store_gets_none() {
    let fs = SimFs::new();
    assert!(matches!(repaired(&fs), Err(Error::NotADataDir { .. })));
    assert!(fs.files().is_empty());
}
