//! What is to be run, and how much of it.

use std::path::PathBuf;

use super::{probes, workload};

/// What the command line and the environment ask for.
pub(crate) struct Arguments {
    /// Workloads and probes to run; empty for all.
    names: Vec<String>,
    /// Where the tables are written, beside standard output.
    pub(crate) write: Option<PathBuf>,
    /// Only say what there is.
    pub(crate) is_list: bool,
    /// Rounds of each workload: `FOREBAY_BENCH_ROUNDS` (3).
    pub(crate) rounds: u64,
    /// Events of a large workload: `FOREBAY_BENCH_EVENTS` (2,000,000). Of 225 bytes each, they are on
    /// the disk at once.
    pub(crate) events: u64,
    /// The backlog of the probe named so, in MiB: `FOREBAY_BENCH_BACKLOG_MIB` (10,240).
    pub(crate) backlog_mib: u64,
}

impl Arguments {
    /// # Panics
    /// If a name is of nothing that there is, or a number is none.
    pub(crate) fn parse(texts: &[String]) -> Self {
        let mut parsed = Self {
            names: Vec::new(),
            write: None,
            is_list: false,
            rounds: from_environment("FOREBAY_BENCH_ROUNDS", 3),
            events: from_environment("FOREBAY_BENCH_EVENTS", 2_000_000),
            backlog_mib: from_environment("FOREBAY_BENCH_BACKLOG_MIB", 10_240),
        };
        let mut texts = texts.iter();
        while let Some(text) = texts.next() {
            match text.as_str() {
                "--bench" => {}
                "--list" => parsed.is_list = true,
                "--write" => parsed.write = Some(texts.next().expect("--write FILE").into()),
                name => parsed.names.push(name.to_owned()),
            }
        }
        for name in &parsed.names {
            assert!(
                names().contains(&name.as_str()),
                "there is no {name}, but {:?}",
                names()
            );
        }
        parsed
    }

    /// Whether one of `names` is to be run.
    pub(crate) fn want(&self, mut names: impl Iterator<Item = &'static str>) -> bool {
        self.names.is_empty() || names.any(|name| self.names.iter().any(|wanted| wanted == name))
    }
}

/// Of everything that can be run.
pub(crate) fn names() -> Vec<&'static str> {
    let phases = workload::all(1).into_iter().flat_map(|load| load.phases);
    let names = phases.map(|phase| phase.name);
    names.chain(probes::ALL.map(|probe| probe.name)).collect()
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
