//! Over a real folder: sled has no other disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::worker::Update;
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn key(chunk: u8) -> RetryKey {
    RetryKey {
        chunk_id: [chunk; 16],
        output: "central".to_owned(),
    }
}

fn record(attempts: u32) -> RetryRecord {
    RetryRecord {
        attempts,
        first_failure_ns: 1,
        last_failure_ns: 2,
        next_attempt_ns: 3,
        last_reason: "connection refused".to_owned(),
        left: None,
    }
}

/// Writes entries for chunks 1..=count and closes.
fn fill(dir: &Path, count: u8) {
    let opened = Catalog::open(dir, |_| true);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    for chunk in 1..=count {
        opened.catalog.put(key(chunk), record(u32::from(chunk)));
    }
    assert!(opened.catalog.close(PATIENCE));
}

/// The files of the database of the first generation, the greatest first.
fn database_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir.join("1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    files
}

#[test]
fn history_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3);
    let opened = Catalog::open(dir.path(), |_| true);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    let expected: Vec<_> = (1..=3).map(|n| (key(n), record(u32::from(n)))).collect();
    assert_eq!(opened.retries, expected);
}

#[test]
fn the_last_update_of_a_chunk_wins() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 2);
    let opened = Catalog::open(dir.path(), |_| true);
    opened.catalog.put(key(1), record(9));
    opened.catalog.remove(key(2));
    assert!(opened.catalog.close(PATIENCE));
    let opened = Catalog::open(dir.path(), |_| true);
    assert_eq!(opened.retries, [(key(1), record(9))]);
}

#[test]
fn history_of_chunks_that_are_gone_is_forgotten_for_good() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 3);
    let opened = Catalog::open(dir.path(), |id| id[0] == 2);
    assert_eq!(opened.retries, [(key(2), record(2))]);
    assert!(opened.catalog.close(PATIENCE));
    let opened = Catalog::open(dir.path(), |_| true);
    assert_eq!(opened.retries, [(key(2), record(2))]);
}

#[test]
fn a_database_that_cannot_be_opened_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("1"), b"a file where a folder should be").unwrap();
    let opened = Catalog::open(dir.path(), |_| true);
    assert_eq!(opened.problems.len(), 1);
    assert!(opened.retries.is_empty());
    assert!(dir.path().join("1.aside").is_file());
    opened.catalog.put(key(1), record(1));
    assert!(opened.catalog.close(PATIENCE));
    let opened = Catalog::open(dir.path(), |_| true);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.retries, [(key(1), record(1))]);
}

#[test]
fn a_database_that_is_locked_for_a_moment_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1);
    let file = fs::File::open(dir.path().join("1/db")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let opened = thread::scope(|scope| {
        let opening = scope.spawn(|| Catalog::open(dir.path(), |_| true));
        thread::park_timeout(Duration::from_millis(100));
        drop(file);
        opening.join().unwrap()
    });
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.retries.len(), 1);
}

#[test]
fn only_the_last_database_set_aside_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    for generation in ["1", "2", "3"] {
        let _ = fs::remove_dir_all(dir.path().join(generation));
        fs::write(dir.path().join(generation), b"").unwrap();
        let opened = Catalog::open(dir.path(), |_| true);
        assert!(opened.catalog.close(PATIENCE));
    }
    assert!(!dir.path().join("1.aside").exists());
    assert!(!dir.path().join("2.aside").exists());
    assert!(dir.path().join("3.aside").exists());
    assert!(dir.path().join("4").is_dir());
}

/// Whatever sled makes of the damage, the catalogue works afterwards and what it gives is either
/// what was put in or nothing.
#[test]
fn damage_costs_no_more_than_history() {
    let whole = tempfile::tempdir().unwrap();
    fill(whole.path(), 40);
    let files = database_files(whole.path());
    for (index, file) in files.iter().enumerate() {
        for damage in [cut, overwrite, scatter] {
            let dir = tempfile::tempdir().unwrap();
            copy(&whole.path().join("1"), &dir.path().join("1"));
            damage(&dir.path().join("1").join(file.file_name().unwrap()));
            let opened = Catalog::open(dir.path(), |_| true);
            for (key, record) in &opened.retries {
                assert_eq!(record.attempts, u32::from(key.chunk_id[0]), "file {index}");
            }
            opened.catalog.put(key(200), record(200));
            assert!(opened.catalog.stats().is_enabled);
            assert!(opened.catalog.close(PATIENCE));
        }
    }
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn overwrite(path: &Path) {
    let len = fs::read(path).unwrap().len();
    fs::write(path, vec![0xa5; len]).unwrap();
}

fn scatter(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for byte in bytes.iter_mut().step_by(97) {
        *byte ^= 0x10;
    }
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_database_that_takes_too_long_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1);
    let (release, hang) = mpsc::channel::<()>();
    let hang = Arc::new(Mutex::new(hang));
    // Hangs in the first database only: the second holds nothing to ask about.
    let is_known = move |_: &[u8; 16]| hang.lock().unwrap().recv().is_ok();
    let opened = open::open_within(dir.path(), Duration::from_secs(2), is_known);
    assert_eq!(opened.problems.len(), 1, "{:?}", opened.problems);
    assert!(opened.catalog.stats().is_enabled);
    assert!(dir.path().join("2").is_dir());
    drop(release);
}

#[test]
fn where_no_folder_can_be_made_the_catalogue_is_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let opened = Catalog::open(&file.join("catalog"), |_| true);
    assert_eq!(opened.problems.len(), 1);
    assert!(!opened.catalog.stats().is_enabled);
    opened.catalog.put(key(1), record(1));
    opened.catalog.remove(key(1));
    assert!(opened.catalog.close(PATIENCE));
}

#[test]
fn an_update_that_finds_the_channel_full_is_dropped_and_counted() {
    let (sender, waiting) = mpsc::sync_channel::<Update>(1);
    let (_alive, ended) = mpsc::channel();
    let catalog = Catalog::new(Some(sender), ended, Arc::new(Counters::default()));
    catalog.put(key(1), record(1));
    catalog.put(key(2), record(2));
    catalog.remove(key(1));
    assert_eq!(catalog.stats().updates_dropped, 2);
    assert!(matches!(waiting.recv(), Ok(Update::Put(first, _)) if first == key(1)));
}

#[test]
fn closing_waits_no_longer_than_it_is_told() {
    let (_alive, ended) = mpsc::channel();
    let catalog = Catalog::new(None, ended, Arc::new(Counters::default()));
    assert!(!catalog.close(Duration::from_millis(1)));
}
