//! A disk whose every sync takes long: strace holds the calls of the unmodified program up.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::results;
use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

/// What a sync takes at least.
const SYNC: Duration = Duration::from_millis(500);

const MEMORY_MAX: usize = 200 << 20;

#[test]
fn a_slow_disk_slows_the_acknowledgements_that_wait_for_it_and_nothing_else() {
    let mut random = Random::seeded("slow disk");
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let destination = Destination::listen(site.address());
    let config = config(&site, &destination);
    let daemon = Daemon::start_by(&site, &config, held_up(&site.path("strace.log")));
    let randoms = (0..4).map(|_| random.fork()).collect();
    let load = Load::start(
        site.forward(),
        &ledger,
        &["slow.web", "slow.db"],
        0,
        randoms,
    );

    let slow = latencies(&site, &ledger, "slow.app", 50, 4);
    assert!(slow[0] >= SYNC, "acknowledged before a sync: {slow:?}");
    let fast = latencies(&site, &ledger, "fast.app", 51, 21);
    assert!(median(&fast) < SYNC / 2, "another route waits: {fast:?}");
    let mut asked: Vec<_> = (0..21)
        .map(|_| took(|| assert_eq!(http::get(site.admin(), "/metrics").status, 200)))
        .collect();
    asked.sort();
    assert!(median(&asked) < SYNC / 2, "the admin waits: {asked:?}");
    println!(
        "slow disk: acknowledged after {:?} to {:?}; another route after {:?}; metrics after {:?}",
        slow[0],
        slow[slow.len() - 1],
        median(&fast),
        median(&asked)
    );
    let most = daemon.memory("VmHWM");
    assert!(most < MEMORY_MAX, "{most} bytes");
    daemon.kill();
    load.finish();

    let daemon = Daemon::start(&site, &config);
    let file_system = results::own_file_system();
    results::settle("slow disk", &file_system, 1, 1, &ledger, &destination);
    assert!(daemon.stop().success());
}

/// How long each of `count` batches took to be acknowledged, the shortest first.
fn latencies(site: &Site, ledger: &Ledger, tag: &str, client: u32, count: u32) -> Vec<Duration> {
    let mut sender = Sender::connect(site.forward()).unwrap();
    let mut latencies: Vec<_> = (0..count)
        .map(|batch| {
            let ids = EventId::run(client, batch * 10, 10);
            let chunk = format!("{tag}/{batch}");
            let latency = took(|| {
                sender.send(tag, &chunk, &event::entries(&ids, 1)).unwrap();
                assert_eq!(sender.read_ack().unwrap(), chunk);
            });
            ledger.acknowledge(&ids);
            latency
        })
        .collect();
    latencies.sort();
    latencies
}

fn took(work: impl FnOnce()) -> Duration {
    let began = wait::now();
    work();
    began.elapsed()
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

/// The daemon with strace beside it, which stops it at nothing but syncs.
fn held_up(log: &Path) -> Command {
    let calls = "fdatasync,fsync,syncfs";
    let injection = format!("inject={calls}:delay_enter={}", SYNC.as_micros());
    let mut command = Command::new(tools::find("strace"));
    command
        .args(["-D", "-f", "--seccomp-bpf", "-e"])
        .arg(format!("trace={calls}"))
        .args(["-e", &injection, "-o"])
        .arg(log)
        .arg(daemon::binary());
    command
}

/// One route that waits for the disk and one that does not.
fn config(site: &Site, destination: &Destination) -> String {
    site.config(&format!(
        "routes:
  slow: {{ match: \"slow.**\", buffer: {{ flush_interval: 100ms }}, to: central }}
  fast: {{ match: \"fast.**\", buffer: {{ flush_interval: 100ms, durability: memory }}, to: central }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 5s }}
",
        destination.address()
    ))
}
