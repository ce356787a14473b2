//! More chunks than descriptors.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

const CHUNK_COUNT: u32 = 3_000;

/// Generous for a debug build beside other tests; with a cost that grows with the descriptors that
/// are missing, a start takes much longer.
const START_MAX: Duration = Duration::from_secs(5);

#[test]
fn three_thousand_chunks_and_256_descriptors_lose_nothing() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let config = config(&site, &destination);
    let ids = EventId::run(1, 0, CHUNK_COUNT);

    let daemon = Daemon::start_by(&site, &config, with_descriptors(256));
    let entries = event::entries(&ids, u64::from(CHUNK_COUNT));
    Sender::connect(site.forward())
        .unwrap()
        .deliver_entries("app", &entries);
    daemon.kill();
    let chunk_count = usize::try_from(CHUNK_COUNT).unwrap();
    assert_eq!(chunk_files(&site.data_dir()), chunk_count);

    let started = wait::now();
    let daemon = Daemon::start_by(&site, &config, with_descriptors(256));
    let start = started.elapsed();
    assert!(start < START_MAX, "the start took {start:?}");
    destination.come_back();
    destination.arrivals().wait_for(&ids);
    println!("descriptors: ready after {start:?}");
    let repeats = destination.arrivals().repeat_count();
    println!("| 256 descriptors | - | 1 | - | - | {CHUNK_COUNT} | 0 | {repeats} |");
    assert!(daemon.stop().success());
}

/// A chunk for every value of the field, none of them full.
fn config(site: &Site, destination: &Destination) -> String {
    site.config(&format!(
        "routes:
  all:
    match: \"**\"
    buffer: {{ keys: [key], flush_mode: interval, flush_interval: 100ms, retry_wait: 100ms, retry_max_interval: 500ms }}
    to: central
outputs:
  central: {{ type: forward, servers: [\"{}\"] }}
",
        destination.address()
    ))
}

/// The daemon with a limit, soft and hard, on its descriptors.
fn with_descriptors(count: u32) -> Command {
    let mut command = Command::new("bash");
    let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(daemon::binary());
    command
}

fn chunk_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let counts = entries.map(|path| {
        if path.is_dir() {
            chunk_files(&path)
        } else {
            usize::from(
                path.extension()
                    .is_some_and(|extension| extension == "chunk"),
            )
        }
    });
    counts.sum()
}
