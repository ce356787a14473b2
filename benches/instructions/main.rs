//! Instructions that the hot path takes, counted by valgrind: the same on a busy machine as on an idle
//! one, so that a change shows that the noise of a clock hides.
//!
//! `cargo bench --bench instructions`. Each scenario runs under callgrind twice, with few iterations and
//! with more: the difference is what the iterations take, without the start of the process and the
//! making of the input. Beside each number stands how it differs from the run before.
//!
//! A harness of our own, as all that is asked of one is a difference of two counts.
#![allow(clippy::unwrap_used)]

#[path = "../micro/events.rs"]
mod events;
mod scenarios;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use scenarios::{ALL, Scenario};

/// Iterations of the shorter run: what is set up at first use is not counted.
const WARM: u64 = 3;

/// What the longer run has besides.
const COUNTED: u64 = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("iterate") => iterate(&arguments[1], arguments[2].parse().unwrap()),
        // Built by `cargo test --all-targets` too, which is no time to measure.
        _ if arguments.iter().any(|argument| argument == "--bench") => report(),
        _ => println!("run me by `cargo bench --bench instructions`"),
    }
}

/// Under valgrind: does nothing but the scenario.
fn iterate(name: &str, count: u64) {
    let scenario = ALL.iter().find(|scenario| scenario.name == name).unwrap();
    let mut iteration = (scenario.prepare)();
    for _ in 0..count {
        iteration();
    }
}

fn report() {
    let before = read_last();
    let mut counts = BTreeMap::new();
    println!("| scenario | instructions an event | since the last run |\n|---|---|---|");
    for scenario in &ALL {
        let count = instructions(scenario);
        let change = before.get(scenario.name).map_or_else(String::new, |last| {
            format!("{:+.2} %", (count / last - 1.0) * 100.0)
        });
        println!("| {} | {count:.1} | {change} |", scenario.name);
        counts.insert(scenario.name.to_owned(), count);
    }
    fs::write(last_file(), serde_json::to_string(&counts).unwrap()).unwrap();
}

/// For each event of an iteration.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn instructions(scenario: &Scenario) -> f64 {
    let few = collected(scenario.name, WARM);
    let more = collected(scenario.name, WARM + COUNTED);
    (more - few) as f64 / (COUNTED * scenario.events) as f64
}

/// All instructions of a process with `count` iterations.
fn collected(name: &str, count: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(std::env::current_exe().unwrap());
    valgrind.args(["iterate", name, &count.to_string()]);
    let output = valgrind.output();
    let output = output.expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = text.lines().find_map(|line| {
        let number = line.split_once("Collected :")?.1;
        number.trim().parse().ok()
    });
    count.unwrap_or_else(|| panic!("valgrind counted nothing: {text}"))
}

fn last_file() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("instructions.json")
}

fn read_last() -> BTreeMap<String, f64> {
    let text = fs::read_to_string(last_file()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
