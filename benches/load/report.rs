//! Everything that is asked for, and the page that comes of it.

use std::fs;
use std::process::Command;

use super::arguments::{self, Arguments};
use super::{clock, disk, probes, rounds, table};

/// Runs what the command line asks for and prints the tables.
pub(crate) fn run(texts: &[String]) {
    let arguments = Arguments::parse(texts);
    if arguments.is_list {
        println!("{}", arguments::names().join("\n"));
        return;
    }
    let started = clock::now();
    let mut text = head(&arguments);
    let rows = rounds::run(&arguments);
    if !rows.is_empty() {
        text.push_str(LOADS);
        text.push_str(&table::markdown(&rows));
    }
    let facts = probes::run(&arguments);
    if !facts.is_empty() {
        text.push_str(PROBES);
        text.push_str(&probes::markdown(&facts));
    }
    println!("{text}");
    eprintln!("took {:.0} s", started.elapsed().as_secs_f64());
    if let Some(path) = &arguments.write {
        fs::write(path, text).unwrap();
    }
}

const LOADS: &str = "
## Under load

Everything is acknowledged after the sync, but where a row says otherwise. An event has 225 bytes and ten fields.
Processor time is the process's own, system calls included. The bare receiver reads, finds each batch's end, writes,
syncs in groups and acknowledges; it looks at no event and sends nothing on. It takes the same batches in by the
forward protocol in turn with each row. Waits are multiples of the time that a sync of 4 KiB takes on the disk at rest.

";

const PROBES: &str = "
## At rest, at the start, and as it grows

";

/// What must be known to read the numbers.
fn head(arguments: &Arguments) -> String {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sync_us = disk::sync_latency_us(folder.path());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# What Forebay reaches\n\n\
         Made by `cargo bench-load -- --write benches/RESULTS.md`; medians of {} rounds.\n\n\
         | | |\n|---|---|\n\
         | date | {} |\n| commit | {} |\n| kernel | Linux {} |\n| cores | {cores} |\n\
         | file system | {} |\n| a sync of 4 KiB | {sync_us:.0} us |\n| load average before | {} |\n",
        arguments.rounds,
        clock::date(),
        commit(),
        kernel.trim(),
        output_of(
            "findmnt",
            &["-n", "-o", "FSTYPE", "-T", env!("CARGO_TARGET_TMPDIR")]
        ),
        load_average(),
    )
}

/// Says whether what was measured differs from it.
fn commit() -> String {
    let changed = output_of("git", &["status", "--porcelain", "src", "storage"]);
    let suffix = if changed.is_empty() {
        ""
    } else {
        " and changes"
    };
    format!(
        "{}{suffix}",
        output_of("git", &["rev-parse", "--short=12", "HEAD"])
    )
}

/// Others' work on the same cores is in the numbers.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
