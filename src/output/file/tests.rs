use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::config::plan::FileFormat;
use forebay_storage::{ChunkKey, TimeWindow};

use crate::chunk_key::Zone;
use crate::output::testing::{chunk, chunk_with_key, numbered, unreadable_chunk};
use crate::wire::compression::Codec;

fn plan(directory: &TempDir, name: &str) -> FileOutputPlan {
    FileOutputPlan {
        path: template(directory.path().join(name).to_str().unwrap()),
        append: true,
        format: FileFormat::Json,
        compress: Compression::None,
    }
}

fn template(text: &str) -> Template {
    Template::compile(text).unwrap()
}

fn whole(plan: FileOutputPlan) -> FileOutputPlan {
    FileOutputPlan {
        append: false,
        ..plan
    }
}

async fn deliver(plan: &FileOutputPlan, chunk: &Chunk) -> Outcome {
    FileOutput::open(plan).unwrap().write(chunk).await
}

fn two() -> Chunk {
    chunk(&[("t", numbered(2, 0))])
}

/// A chunk whose third frame cannot be encoded, behind much that can.
fn broken() -> Chunk {
    let good = numbered(1_000, 200);
    chunk(&[("t", good.clone()), ("t", good), ("t", b"\xc1".to_vec())])
}

const TWO: &str = "{\"n\":0,\"p\":\"\"}\n{\"n\":1,\"p\":\"\"}\n";

/// The names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry(failure) => failure,
        other => panic!("{other:?} is no retry"),
    }
}

#[tokio::test]
async fn appended_chunks_follow_one_another_in_directories_that_are_made() {
    let directory = TempDir::new().unwrap();
    let plan = plan(&directory, "a/b/events.json");
    let output = FileOutput::open(&plan).unwrap();
    for _ in 0..3 {
        assert_eq!(output.write(&two()).await, Outcome::Delivered);
    }
    let text = fs::read_to_string(directory.path().join("a/b/events.json")).unwrap();
    assert_eq!(text, TWO.repeat(3));
}

#[tokio::test]
async fn concurrent_appends_of_one_path_are_not_mixed() {
    let directory = TempDir::new().unwrap();
    let output = Arc::new(FileOutput::open(&plan(&directory, "events.json")).unwrap());
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let output = Arc::clone(&output);
            let chunk = chunk(&[("t", numbered(1_000, 150))]);
            tokio::spawn(async move { output.write(&chunk).await })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), Outcome::Delivered);
    }
    let text = fs::read_to_string(directory.path().join("events.json")).unwrap();
    let once = text.len() / 8;
    assert!(text == text[..once].repeat(8));
}

#[tokio::test]
async fn f21_a_chunk_of_its_own_file_replaces_its_first_attempt_and_leaves_nothing_else() {
    let directory = TempDir::new().unwrap();
    let plan = whole(plan(&directory, "events.json"));
    let chunk = two();
    assert_eq!(deliver(&plan, &chunk).await, Outcome::Delivered);
    assert_eq!(deliver(&plan, &chunk).await, Outcome::Delivered);
    let name = format!("events.{}.json", chunk.id());
    assert_eq!(names(directory.path()), [name.as_str()]);
    assert_eq!(
        fs::read_to_string(directory.path().join(name)).unwrap(),
        TWO
    );
}

#[tokio::test]
async fn what_a_crash_left_under_the_hidden_name_is_not_taken_over() {
    let directory = TempDir::new().unwrap();
    let plan = whole(plan(&directory, "events.json"));
    let chunk = two();
    let name = format!("events.{}.json", chunk.id());
    let hidden = directory.path().join(format!(".{name}.tmp"));
    fs::write(&hidden, "half a li").unwrap();
    assert_eq!(deliver(&plan, &chunk).await, Outcome::Delivered);
    assert_eq!(
        fs::read_to_string(directory.path().join(name)).unwrap(),
        TWO
    );
    assert!(!hidden.exists());
}

#[tokio::test]
async fn h23_a_failed_attempt_leaves_the_file_as_it_was() {
    for compress in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let directory = TempDir::new().unwrap();
        let plan = FileOutputPlan {
            compress,
            ..plan(&directory, "events")
        };
        let path = directory.path().join("events");
        assert_eq!(deliver(&plan, &two()).await, Outcome::Delivered);
        let before = fs::read(&path).unwrap();
        let outcome = deliver(&plan, &broken()).await;
        assert!(matches!(outcome, Outcome::Reject { .. }), "{outcome:?}");
        assert!(fs::read(&path).unwrap() == before, "{compress:?}");
    }
}

#[tokio::test]
async fn a_failed_attempt_at_a_file_of_its_own_leaves_none() {
    let directory = TempDir::new().unwrap();
    let plan = whole(plan(&directory, "events.json"));
    let outcome = deliver(&plan, &broken()).await;
    assert!(matches!(outcome, Outcome::Reject { .. }), "{outcome:?}");
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn each_append_is_a_member_of_its_own() {
    for (compress, codec) in [
        (Compression::Gzip, Codec::Gzip),
        (Compression::Zstd, Codec::Zstd),
    ] {
        let directory = TempDir::new().unwrap();
        let plan = FileOutputPlan {
            compress,
            ..plan(&directory, "events")
        };
        for _ in 0..2 {
            assert_eq!(deliver(&plan, &two()).await, Outcome::Delivered);
        }
        let packed = fs::read(directory.path().join("events")).unwrap();
        let text = codec.unpack(&packed, 10_000).unwrap();
        assert_eq!(text, TWO.repeat(2).as_bytes(), "{compress:?}");
    }
}

#[tokio::test]
async fn half_a_line_that_a_crash_left_stays_a_line_of_its_own() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let json = plan(&directory, "events");
    fs::write(&path, "{\"n\":").unwrap();
    assert_eq!(deliver(&json, &two()).await, Outcome::Delivered);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{{\"n\":\n{TWO}")
    );

    // MessagePack has no lines: nothing is put in between.
    fs::write(&path, b"\x01").unwrap();
    let msgpack = FileOutputPlan {
        format: FileFormat::Msgpack,
        ..json
    };
    assert_eq!(deliver(&msgpack, &two()).await, Outcome::Delivered);
    let expected = [b"\x01", numbered(2, 0).as_slice()].concat();
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[tokio::test]
async fn a_full_disk_is_a_failing_destination() {
    let plan = FileOutputPlan {
        path: template("/dev/full"),
        append: true,
        format: FileFormat::Json,
        compress: Compression::None,
    };
    let failure = failure(deliver(&plan, &two()).await);
    assert_eq!(failure.scope, FailureScope::Destination);
    assert!(failure.reason.contains("/dev/full"), "{}", failure.reason);
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_tried_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    for name in ["file/events", "."] {
        let plan = plan(&directory, name);
        let outcome = deliver(&plan, &two()).await;
        assert_ne!(outcome, Outcome::Delivered, "{name}");
    }
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_again() {
    let directory = TempDir::new().unwrap();
    let output = FileOutput::open(&plan(&directory, "sub/events")).unwrap();
    assert_eq!(output.write(&two()).await, Outcome::Delivered);
    fs::remove_dir_all(directory.path().join("sub")).unwrap();
    failure(output.write(&two()).await);
    assert_eq!(output.write(&two()).await, Outcome::Delivered);
}

#[tokio::test]
async fn a_file_that_somebody_has_locked_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let theirs = File::create(&path).unwrap();
    theirs.lock().unwrap();
    let failure = failure(deliver(&plan(&directory, "events"), &two()).await);
    assert_eq!(failure.scope, FailureScope::Chunk);
    assert!(fs::read(&path).unwrap().is_empty());
}

#[test]
fn a_file_that_vanishes_while_it_is_written_is_no_success() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let result: io::Result<()> = append::append(&path, true, |mut file| {
        file.write_all(b"lost\n")?;
        fs::remove_file(&path)
    });
    assert!(result.is_err());
}

#[test]
fn no_reader_sees_part_of_a_file_of_its_own() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let result: io::Result<()> = whole::write_whole(&path, |mut file| {
        file.write_all(b"part")?;
        assert!(!path.exists());
        file.write_all(b" and rest")
    });
    result.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"part and rest");
}

fn keyed(tag: &str) -> Chunk {
    let key = ChunkKey {
        tag: Some(tag.to_owned()),
        window: Some(TimeWindow {
            // 2025-11-21T15:00:00Z, midnight in Tokyo.
            start_s: 1_763_737_200,
            len_s: 86_400,
        }),
        fields: Box::default(),
    };
    chunk_with_key(&key, &[("", numbered(2, 0))])
}

#[tokio::test]
async fn placeholders_name_the_file_in_the_zone_of_the_route() {
    let directory = TempDir::new().unwrap();
    let plan = FileOutputPlan {
        format: FileFormat::Ndjson,
        ..plan(&directory, "%Y/${tag[0]}/${tag}-%m%d.log")
    };
    let tokyo = Zone::parse("+09:00").unwrap();
    for chunk in [keyed("app.web"), keyed("app.web").in_zone(tokyo)] {
        assert_eq!(deliver(&plan, &chunk).await, Outcome::Delivered);
    }
    let made = directory.path().join("2025/app");
    assert_eq!(names(&made), ["app.web-1121.log", "app.web-1122.log"]);
    // The chunk's frames have no tag of their own.
    let text = fs::read_to_string(made.join("app.web-1121.log")).unwrap();
    assert!(text.contains("\"tag\":\"app.web\""), "{text}");
}

#[tokio::test]
async fn a_tag_cannot_lead_out_of_the_path_or_to_another_file() {
    for (tag, append) in [
        ("../../etc/passwd", true),
        ("..", true),
        ("", true),
        ("", false),
        (".", true),
        ("app/", false),
        ("a\0b", true),
    ] {
        let directory = TempDir::new().unwrap();
        let plan = FileOutputPlan {
            append,
            ..plan(&directory, "logs/${tag}")
        };
        let outcome = deliver(&plan, &keyed(tag)).await;
        assert!(
            matches!(outcome, Outcome::Reject { .. }),
            "{tag:?}: {outcome:?}"
        );
        assert!(names(directory.path()).is_empty(), "{tag:?}");
    }
}

#[tokio::test]
async fn a_chunk_that_cannot_be_read_is_tried_again_and_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    for plan in [plan(&directory, "a"), whole(plan(&directory, "a"))] {
        let failure = failure(deliver(&plan, &unreadable_chunk()).await);
        assert_eq!(failure.scope, FailureScope::Chunk);
        assert!(
            failure.reason.contains("no such chunk"),
            "{}",
            failure.reason
        );
    }
    assert_eq!(names(directory.path()), ["a"]);
    assert!(fs::read(directory.path().join("a")).unwrap().is_empty());
}
