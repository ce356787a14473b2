//! Damaged, newer and foreign files under a daemon: it starts, says so, and delivers the rest.

use std::fs;
use std::path::PathBuf;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

/// A site whose destination is away, with one sealed chunk for each of `tags`, in that order.
fn stored(site: &Site, destination: &Destination, tags: &[&str]) -> Vec<(PathBuf, Vec<EventId>)> {
    let daemon = Daemon::start(site, &config(site, destination));
    let mut stored = Vec::new();
    for (client, tag) in (1..).zip(tags) {
        let ids = EventId::run(client, 0, 20);
        Sender::connect(site.forward()).unwrap().deliver(tag, &ids);
        wait::until_true("the chunk to be sealed", || {
            daemon.route("all")["staged"]["events"] == 0
        });
        stored.push(ids);
    }
    daemon.kill();
    chunk_files(site).into_iter().zip(stored).collect()
}

fn config(site: &Site, destination: &Destination) -> String {
    let config = site.config_to(destination);
    config.replace("buffer: {", "buffer: { keys: [tag],")
}

fn route_dir(site: &Site) -> PathBuf {
    site.data_dir().join("routes/all")
}

/// By name, which is by age.
fn chunk_files(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(route_dir(site)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

/// Runs the program, which exits with `code` and prints nothing but JSON, one value a line.
fn assert_json(arguments: &[&str], code: i32) {
    let (exited, text, errors) = daemon::run(arguments);
    assert_eq!(exited, Some(code), "{arguments:?}: {text}{errors}");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let count = values.map(Result::unwrap).count();
    assert!(count > 0, "{arguments:?}: {text}");
}

fn reasons(site: &Site) -> String {
    http::get(site.admin(), "/healthz").text()
}

#[test]
fn a_daemon_delivers_from_damaged_files_and_leaves_alone_what_it_does_not_know() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let stored = stored(&site, &destination, &["a", "b", "c", "d"]);
    let [header, frame, newer, whole] = &stored[..] else {
        panic!("{stored:?}")
    };
    flip(&header.0, 20);
    let bytes = fs::read(&frame.0).unwrap();
    let in_payload = bytes.windows(3).position(|part| part == b"\xa2id");
    flip(&frame.0, in_payload.unwrap());
    let mut bytes = fs::read(&newer.0).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&crc);
    fs::write(&newer.0, &bytes).unwrap();
    let garbage = route_dir(&site).join(format!("{}.chunk", "1".repeat(32)));
    fs::write(&garbage, b"garbage").unwrap();
    let notes = route_dir(&site).join("notes.txt");
    fs::write(&notes, b"mine").unwrap();

    let folder = site.data_dir();
    let (code, text, _) = daemon::run(&["buffer", "verify", folder.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{text}");
    assert_json(&["buffer", "verify", "--json", folder.to_str().unwrap()], 2);

    destination.come_back();
    let daemon = Daemon::start(&site, &config(&site, &destination));
    destination.arrivals().wait_for(&header.1);
    destination.arrivals().wait_for(&whole.1);
    wait::until_true("the rest to be gone", || chunk_files(&site).len() == 2);
    assert_eq!(
        destination.arrivals().count(),
        40,
        "nothing damaged or newer arrives"
    );
    assert_eq!(
        fs::read(&newer.0).unwrap(),
        bytes,
        "a newer chunk is not touched"
    );
    assert_eq!(fs::read(&notes).unwrap(), b"mine");
    assert!(!garbage.exists());
    assert!(
        daemon
            .log_text()
            .contains("a newer version of the program wrote it")
    );
    assert!(
        reasons(&site).contains("damaged pieces"),
        "{}",
        reasons(&site)
    );
    assert!(daemon.metric("forebay_store_quarantined_bytes", &[]) > 0.0);
    let kept = fs::read_dir(folder.join("quarantine")).unwrap().count();
    assert_eq!(kept, 3, "the header, the frame and the file without either");
    let quarantined = daemon.route("all")["quarantined"].clone();
    assert_eq!(quarantined["files"], 3, "{quarantined}");
    let bytes = daemon.metric("forebay_store_quarantined_bytes", &[]);
    assert_eq!(quarantined["bytes"].as_f64(), Some(bytes));
}

#[test]
fn repair_refuses_while_a_daemon_runs_and_mends_without_one() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let stored = stored(&site, &destination, &["a", "b"]);
    flip(&stored[0].0, 3);
    let folder = site.data_dir();
    let folder = folder.to_str().unwrap();
    let repair = ["buffer", "repair", folder];

    assert_json(&["buffer", "verify", folder, "--json"], 1);
    let (code, text, _) = daemon::run(&["buffer", "repair", folder, "--dry-run"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the next start will restore"), "{text}");
    assert_json(&["buffer", "repair", folder, "--dry-run", "--json"], 1);
    assert_json(&["buffer", "verify", folder, "--json"], 1);
    let (code, text, errors) = daemon::run(&repair);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.contains("done: restore"), "{text}");
    let (code, text, _) = daemon::run(&["buffer", "verify", folder]);
    assert_eq!(code, Some(0), "{text}");

    let daemon = Daemon::start(&site, &config(&site, &destination));
    let (code, _, errors) = daemon::run(&repair);
    assert_eq!(code, Some(73), "{errors}");
    let pid = daemon.pid().as_raw_nonzero().to_string();
    assert!(errors.contains(&pid), "no {pid} in {errors}");
    destination.come_back();
    for (_, ids) in &stored {
        destination.arrivals().wait_for(ids);
    }
}
