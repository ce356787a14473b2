//! What is no stream of events: starts, growth, idleness, size, speed of single functions.

mod backlog;
mod growth;
mod idle;
mod size;
mod start;
mod transcoding;

use std::panic::catch_unwind;

use super::aim::{Bound, shown};
use super::arguments::Arguments;

/// A number that was measured.
pub(crate) struct Fact {
    /// What it is of.
    pub(crate) what: String,
    /// The number.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What is to be reached.
    pub(crate) aim: Option<Bound>,
}

/// How much a probe does.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    rounds: u64,
    events: u64,
    backlog_mib: u64,
}

/// A way to facts.
pub(crate) struct Probe {
    /// What it is chosen by.
    pub(crate) name: &'static str,
    measure: fn(Extent) -> Vec<Fact>,
}

/// All of them.
pub(crate) const ALL: [Probe; 6] = [
    probe("start", start::measure),
    probe("growth", growth::measure),
    probe("backlog", backlog::measure),
    probe("idle", idle::measure),
    probe("size", size::measure),
    probe("transcoding", transcoding::measure),
];

const fn probe(name: &'static str, measure: fn(Extent) -> Vec<Fact>) -> Probe {
    Probe { name, measure }
}

/// Runs those that `arguments` want. One that fails leaves a fact that says so.
pub(crate) fn run(arguments: &Arguments) -> Vec<Fact> {
    let extent = Extent {
        rounds: arguments.rounds,
        events: arguments.events,
        backlog_mib: arguments.backlog_mib,
    };
    let wanted = ALL
        .into_iter()
        .filter(|probe| arguments.want([probe.name].into_iter()));
    let facts = wanted.flat_map(|probe| {
        eprintln!("{}", probe.name);
        let facts = catch_unwind(|| (probe.measure)(extent));
        let facts = facts.unwrap_or_else(|_| vec![Fact::failed(probe.name)]);
        for fact in &facts {
            eprintln!("  {}", fact.line().trim());
        }
        facts
    });
    facts.collect()
}

/// The table as Markdown.
pub(crate) fn markdown(facts: &[Fact]) -> String {
    let mut text = String::from("| what | measured | aim |\n|---|---|---|\n");
    for fact in facts {
        text.push_str(&fact.line());
    }
    text
}

impl Fact {
    fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            aim: None,
        }
    }

    fn aimed(self, aim: Bound) -> Self {
        Self {
            aim: Some(aim),
            ..self
        }
    }

    fn failed(name: &str) -> Self {
        Self::new(format!("{name}: **failed**"), f64::NAN, "")
    }

    fn line(&self) -> String {
        let judgement = self.aim.map_or(String::new(), |aim| aim.judge(self.value));
        let (what, value, unit) = (&self.what, shown(self.value), self.unit);
        format!("| {what} | {value} {unit} | {judgement} |\n")
    }
}
