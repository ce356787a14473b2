//! The workloads, in turn with the bare receiver, several rounds.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use super::batch::EVENT_SIZE;
use super::generator::Work;
use super::process::{Process, Usage};
use super::table::{Figures, Row, markdown};
use super::{clock, disk, memory};

const FORWARD: &str = "127.55.1.1:20001";
const SINK: &str = "127.55.1.1:20002";
const BARE: &str = "127.55.1.1:20003";

/// Enough that the bare receiver never begins again within a run.
const BARE_FILE_SIZE: u64 = 1 << 30;

/// Runs everything and prints the table.
pub(crate) fn run() {
    let rounds = from_environment("FOREBAY_BENCH_ROUNDS", 3);
    let batches = from_environment("FOREBAY_BENCH_EVENTS", 2_000_000) / 4_000;
    let large = Work {
        connections: 4,
        batch_events: 1_000,
        batches,
        in_flight_max: 8,
    };
    let single = Work {
        connections: 16,
        batch_events: 1,
        batches: 10_000,
        in_flight_max: 64,
    };
    let row = |name| Row {
        name,
        ours: Vec::new(),
        bare: Vec::new(),
    };
    let mut rows = [
        row("in: 1,000 x 225 B, 4 connections, destination away"),
        row("drain of that backlog"),
        row("through: the same, destination up"),
        row("in: batches of 1, 16 connections, destination away"),
    ];
    let mut syncs_us = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        memory::warm(payload_bytes(large) * 12);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        syncs_us.push(disk::sync_latency_us(folder.path()));
        // Whoever comes second finds the disk tired by the first.
        for is_bare in [round % 2 == 1, round % 2 == 0] {
            if is_bare {
                rows[0].bare.push(bare(large));
                rows[3].bare.push(bare(single));
            } else {
                let (taken_in, drained) = in_and_drain(large);
                rows[0].ours.push(taken_in);
                rows[1].ours.push(drained);
                rows[2].ours.push(through(large));
                rows[3].ours.push(in_and_drain(single).0);
            }
        }
    }
    syncs_us.sort_unstable_by(f64::total_cmp);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{rounds} rounds, medians; {cores} cores, a 4 KiB sync takes {syncs_us:.0?} us");
    println!(
        "Everything is acknowledged after the sync.\n\n{}",
        markdown(&rows)
    );
}

/// What the bare receiver makes of `work`.
fn bare(work: Work) -> Figures {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("batches");
    let size = BARE_FILE_SIZE.to_string();
    let mut receiver = Process::role(&["bare", BARE, file.to_str().unwrap(), &size]);
    assert_eq!(receiver.hear(), "ready");
    let before = receiver.usage();
    let sent = generate(BARE, work);
    figures(work, sent.seconds, sent.late_ms, before, receiver.usage())
}

/// Takes `work` in while the destination is away, then delivers it.
fn in_and_drain(work: Work) -> (Figures, Figures) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let daemon = start_daemon(&folder);
    let before = daemon.usage();
    let sent = generate(FORWARD, work);
    let full = daemon.usage();
    let taken_in = figures(work, sent.seconds, sent.late_ms, before, full);
    let mut sink = start_sink();
    let seconds = drained_after(&mut sink, work);
    (taken_in, figures(work, seconds, 0.0, full, daemon.usage()))
}

/// Delivers `work` while it comes in; the time ends with the last confirmed delivery.
fn through(work: Work) -> Figures {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let daemon = start_daemon(&folder);
    let mut sink = start_sink();
    let before = daemon.usage();
    let started = clock::now();
    let sent = generate(FORWARD, work);
    drained_after(&mut sink, work);
    let seconds = started.elapsed().as_secs_f64();
    figures(work, seconds, sent.late_ms, before, daemon.usage())
}

struct Sent {
    seconds: f64,
    late_ms: f64,
}

fn generate(address: &str, work: Work) -> Sent {
    let numbers = [
        work.connections.to_string(),
        work.batch_events.to_string(),
        work.batches.to_string(),
        work.in_flight_max.to_string(),
    ];
    let [connections, events, batches, in_flight] = &numbers;
    let arguments = ["generate", address, connections, events, batches, in_flight];
    let line = Process::role(&arguments).hear();
    let nanoseconds: Vec<f64> = line
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    Sent {
        seconds: nanoseconds[0] / 1e9,
        late_ms: nanoseconds[2] / 1e6,
    }
}

fn start_sink() -> Process {
    let mut sink = Process::role(&["sink", SINK]);
    assert_eq!(sink.hear(), "ready");
    sink
}

/// Seconds from the sink's first message until it has acknowledged all of `work`.
fn drained_after(sink: &mut Process, work: Work) -> f64 {
    sink.say(&payload_bytes(work).to_string());
    sink.hear().parse::<f64>().unwrap() / 1e9
}

fn start_daemon(folder: &TempDir) -> Process {
    let config = folder.path().join("forebay.yaml");
    fs::write(&config, config_text(folder.path())).unwrap();
    let daemon = Process::daemon(&config, &folder.path().join("log"));
    clock::wait_until("the daemon to listen", || {
        TcpStream::connect(FORWARD).is_ok()
    });
    daemon
}

/// With the defaults but for short waits: of a second's `flush_interval` the last chunk of a short
/// run would spend most.
fn config_text(folder: &Path) -> String {
    format!(
        "data_dir: {}
inputs:
  bench: {{ type: forward, listen: \"{FORWARD}\" }}
routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 100ms, retry_wait: 50ms, retry_max_interval: 100ms }}, to: sink }}
outputs:
  sink: {{ type: forward, servers: [\"{SINK}\"] }}
",
        folder.join("data").display()
    )
}

fn figures(work: Work, seconds: f64, late_ms: f64, before: Usage, after: Usage) -> Figures {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = payload_bytes(work) as f64;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let events = bytes / EVENT_SIZE as f64;
    Figures {
        rate: events / seconds,
        cpu_us: (after.cpu_us - before.cpu_us) / events,
        memory_mib: after.memory_peak_kib / 1024.0,
        written_ratio: (after.written_bytes - before.written_bytes) / bytes,
        late_ms,
    }
}

fn payload_bytes(work: Work) -> u64 {
    let events = u64::try_from(work.connections * work.batch_events).unwrap() * work.batches;
    events * u64::try_from(EVENT_SIZE).unwrap()
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
