//! What is run, in this order: what fails soonest comes first.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::tally::Tally;

/// A `cargo test`.
pub(crate) struct Suite {
    pub(crate) what: &'static str,
    /// Which packages and targets; `--workspace` has the features, and so the build, of the usual test run.
    cargo: &'static [&'static str],
    /// Which of their tests; none is all.
    filters: &'static [&'static str],
}

pub(crate) const SUITES: [Suite; 5] = [
    Suite {
        what: "simulated disk: crash points, failing calls, damage, random lives; the store on a real one",
        cargo: &["-p", "forebay-storage"],
        filters: &[],
    },
    Suite {
        what: "group commit under random schedules",
        cargo: &["-p", "forebay-storage-shuttle"],
        filters: &[],
    },
    Suite {
        what: "corpora and mutations of them through the fuzz targets",
        cargo: &["--workspace", "--test", "corpus"],
        filters: &[],
    },
    Suite {
        what: "repeated batches on the simulated disk; verify and repair",
        cargo: &[
            "--workspace",
            "--exclude",
            "forebay-storage-shuttle",
            "--lib",
        ],
        filters: &["buffer::tests::repeats", "cli::buffer", "cli::doctor"],
    },
    Suite {
        what: "the built program: kills, power cuts, full, slow and failing disks, damage, hostile senders",
        cargo: &["--workspace", "--test", "it"],
        filters: &["crash::", "damage::", "doctor::", "hostile::"],
    },
];

/// How much is tried: variables that the tests read.
pub(crate) struct Effort(&'static [(&'static str, &'static str)]);

pub(crate) const USUAL: Effort = Effort(&[
    ("FOREBAY_CRASH_CYCLES", "60"),
    ("FOREBAY_CRASH_SEEDS", "4"),
    ("FOREBAY_MODEL_CASES", "500"),
    ("FOREBAY_SCHEDULES", "1000"),
    ("FOREBAY_FUZZ_SECONDS", "5"),
]);

pub(crate) const LONG: Effort = Effort(&[
    ("FOREBAY_CRASH_CYCLES", "400"),
    ("FOREBAY_CRASH_SEEDS", "30"),
    ("FOREBAY_MODEL_CASES", "5000"),
    ("FOREBAY_SCHEDULES", "20000"),
    ("FOREBAY_FUZZ_SECONDS", "60"),
]);

impl Suite {
    /// Runs it and lets `tally` read what it prints.
    ///
    /// # Errors
    /// Cargo cannot be started. Tests that fail are in the tally.
    pub(crate) fn run(&self, effort: &Effort, tally: &mut Tally) -> io::Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        // What `cargo run` says about us: build scripts that look at it would run again, each time.
        let ours = std::env::vars_os().map(|(name, _)| name);
        ours.filter(|name| is_about_a_package(&name.to_string_lossy()))
            .for_each(|name| {
                command.env_remove(name);
            });
        let mut child = command
            .args(["test", "--locked", "--no-fail-fast"])
            .args(self.cargo)
            .args(["--", "--nocapture"])
            .args(self.filters)
            .envs(effort.0.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, lines) = channel();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || pass_on(pipe, &sender));
        }
        drop(sender);
        for line in lines {
            println!("{line}");
            tally.read(&line);
        }
        tally.ended(child.wait()?.success());
        Ok(())
    }
}

fn is_about_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// Line by line, so that two pipes never mix within one.
fn pass_on(pipe: impl Read, sender: &Sender<String>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if sender.send(text).is_err() {
            break;
        }
    }
}
