//! The table of all families: the only place where one is named.
//!
//! A row says what the value is read from, and its labels follow from that: a family read from a
//! route has the label `route`, one read from an output of a route has `route` and `output`, and so
//! on. Names follow Prometheus: `_total` for counters, base units (`_bytes`, `_seconds`) last. What a
//! row says of itself is also what the page of the guide says (`page.rs`).

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use forebay_storage::Distribution;

use crate::filter::FilterStats;
use crate::input::InputStats;

use super::snapshot::{ChunkTotals, DestinationSample, RouteSample, Snapshot};

mod buffers;
mod daemon;
mod filters;
mod fluentbit;
mod inputs;
mod outputs;
mod process;
mod routes;
mod store;

/// Families that tell of the same thing.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) families: &'static [Family],
}

/// One family.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What is counted or measured.
    pub(super) unit: &'static str,
    pub(super) read: Read,
    pub(super) help: &'static str,
    /// What it is for.
    pub(super) purpose: &'static str,
}

/// Whether a family only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The values of a label, each with what it counts.
type Values<T> = &'static [(&'static str, fn(&T) -> u64)];

/// What a family's values are read from; `None` leaves the sample out.
pub(super) enum Read {
    /// The daemon; no labels.
    Daemon(fn(&Snapshot) -> Option<f64>),
    /// The daemon, by a label with these values.
    DaemonBy(&'static str, Values<Snapshot>),
    /// A distribution of the daemon; no labels.
    Spread(fn(&Snapshot) -> Spread),
    /// The program; labels `version` and, where it is known, `revision`.
    Build,
    /// Each input; label `input`.
    Input(fn(&InputStats) -> u64),
    /// Each filter; label `filter`.
    Filter(fn(&FilterStats) -> u64),
    /// Each filter, by a second label with these values.
    FilterBy(&'static str, Values<FilterStats>),
    /// Each route; label `route`.
    Route(fn(&RouteSample, &Snapshot) -> f64),
    /// Each route; labels `route` and `durability`.
    Durability,
    /// Each route, by a second label with these values.
    RouteBy(&'static str, Values<RouteSample>),
    /// A distribution of each route; label `route`.
    RouteSpread(fn(&RouteSample) -> Spread),
    /// Each route and state of its chunks; labels `route` and `state`.
    State(fn(&ChunkTotals) -> u64),
    /// Each output of each route; labels `route` and `output`.
    Output(fn(&DestinationSample, &Snapshot) -> Option<f64>),
    /// Each output of each route, by a third label with these values.
    OutputBy(&'static str, Values<DestinationSample>),
    /// A distribution of each output of each route; labels `route` and `output`.
    OutputSpread(fn(&DestinationSample) -> Spread),
    /// As [`Read::Input`] under the label `name`.
    NamedInput(fn(&InputStats) -> u64),
    /// As [`Read::Filter`] under the label `name`.
    NamedFilter(fn(&FilterStats) -> u64),
    /// Each output, summed over its routes; label `name`.
    NamedOutput(fn(&DestinationSample) -> u64),
}

/// A distribution in the unit of its family.
pub(super) struct Spread {
    /// Upper bounds with the count of all values up to them.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

/// All families but those that the configuration has to ask for.
pub(super) static SECTIONS: &[Section] = &[
    daemon::SECTION,
    inputs::SECTION,
    filters::SECTION,
    routes::SECTION,
    buffers::SECTION,
    outputs::SECTION,
    store::SECTION,
    process::SECTION,
];

/// The families of `admin.metrics.aliases: [fluentbit]`.
pub(super) static FLUENT_BIT: &Section = &fluentbit::SECTION;

/// The families of all [`SECTIONS`].
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    SECTIONS.iter().flat_map(|section| section.families)
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    read: Read,
    help: &'static str,
    purpose: &'static str,
) -> Family {
    family(Kind::Counter, name, unit, read, help, purpose)
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    read: Read,
    help: &'static str,
    purpose: &'static str,
) -> Family {
    family(Kind::Gauge, name, unit, read, help, purpose)
}

const fn histogram(
    name: &'static str,
    unit: &'static str,
    read: Read,
    help: &'static str,
    purpose: &'static str,
) -> Family {
    family(Kind::Histogram, name, unit, read, help, purpose)
}

const fn family(
    kind: Kind,
    name: &'static str,
    unit: &'static str,
    read: Read,
    help: &'static str,
    purpose: &'static str,
) -> Family {
    Family {
        name,
        kind,
        unit,
        read,
        help,
        purpose,
    }
}

impl Spread {
    /// Of whole units.
    fn of<const N: usize>(counted: &Distribution<N>) -> Self {
        Self::scaled(counted, 1.0)
    }

    /// Of nanoseconds, in seconds.
    fn of_ns<const N: usize>(counted: &Distribution<N>) -> Self {
        Self::scaled(counted, 1e9)
    }

    fn scaled<const N: usize>(counted: &Distribution<N>, per_unit: f64) -> Self {
        let bounds = counted.bounds.iter().map(|bound| count(*bound) / per_unit);
        Self {
            buckets: bounds.zip(counted.count_up_to).collect(),
            count: counted.count,
            sum: count(counted.sum) / per_unit,
        }
    }
}

/// Time since a moment of the wall clock, which may have gone back since.
fn age_s(since_unix_ns: Option<i64>, snapshot: &Snapshot) -> f64 {
    let age_ns = since_unix_ns.map_or(0, |since| snapshot.now_unix_ns.saturating_sub(since));
    seconds(age_ns.max(0))
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

fn counted(counter: &AtomicU64) -> f64 {
    count(load(counter))
}

/// Exact up to 2^53, as every value in Prometheus.
pub(super) fn count(value: u64) -> f64 {
    value as f64
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}
