//! The workloads, as data.

use super::aim::Bound::{self, AtLeast, AtMost};
use super::daemon::Output;
use super::table::Figure;
use super::work::{Protocol, Work};

/// The order of what is done to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Events come in while the destination is away.
    In,
    /// That, and then the destination comes back: two phases.
    InThenDrain,
    /// Events come in and go out; the time ends with the last confirmed delivery.
    Through,
}

/// What has figures of its own.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    /// What it is chosen by.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) title: &'static str,
    /// What is to be reached.
    pub(crate) aims: Vec<(Figure, Bound)>,
}

/// One workload.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// What is sent.
    pub(crate) work: Work,
    /// Settings of the route's buffer.
    pub(crate) buffer: &'static str,
    /// Where it goes.
    pub(crate) output: Output,
    /// In which order.
    pub(crate) course: Course,
    /// A phase, or two of [`Course::InThenDrain`].
    pub(crate) phases: Vec<Phase>,
    /// Whether one round of it is enough, because it takes long.
    pub(crate) is_long: bool,
}

/// Peak memory under any load.
const MEMORY: (Figure, Bound) = (Figure::MemoryMib, AtMost(48.0));

/// Of the bare receiver, with single events.
const SINGLE: [(Figure, Bound); 3] = [
    (Figure::OfBare, AtLeast(0.9)),
    (Figure::LateSyncs, AtMost(3.0)),
    MEMORY,
];

/// All of them, with about `events` in each that is large.
pub(crate) fn all(events: u64) -> Vec<Workload> {
    let mut all = batches(events);
    all.extend(single_events());
    all.extend(chunk_keys(events));
    all.extend(other_protocols(events));
    all
}

/// Batches of 1,000 and 100 by the forward protocol.
fn batches(events: u64) -> Vec<Workload> {
    let large = Work::large(events);
    let hundred = Work {
        batch_events: 100,
        batches: large.batches * 5,
        in_flight_max: 32,
        ..large
    };
    vec![
        Workload {
            course: Course::InThenDrain,
            phases: vec![
                phase(
                    "in",
                    "in: 1,000 x 225 B, 4 connections, destination away",
                    &[
                        (Figure::OfBare, AtLeast(0.8)),
                        (Figure::CpuUs, AtMost(0.20)),
                        MEMORY,
                    ],
                ),
                phase(
                    "drain",
                    "drain of that backlog",
                    &[
                        (Figure::Rate, AtLeast(4e6)),
                        (Figure::OfTakenIn, AtLeast(1.0)),
                        MEMORY,
                    ],
                ),
            ],
            ..load(large)
        },
        Workload {
            course: Course::Through,
            phases: vec![phase(
                "through",
                "through: forward to forward",
                &[
                    (Figure::CpuUs, AtMost(0.30)),
                    (Figure::Rate, AtLeast(2e6)),
                    MEMORY,
                ],
            )],
            ..load(large)
        },
        Workload {
            buffer: "durability: memory",
            phases: vec![phase("in-memory", "in, `durability: memory`", &[MEMORY])],
            ..load(large)
        },
        Workload {
            buffer: "durability: memory",
            course: Course::Through,
            phases: vec![phase(
                "through-memory",
                "through, `durability: memory`",
                &[MEMORY],
            )],
            ..load(large)
        },
        Workload {
            buffer: "deduplicate: off",
            phases: vec![phase(
                "in-deduplicate-off",
                "in, `deduplicate: off`",
                &[(Figure::OfBare, AtLeast(0.8)), MEMORY],
            )],
            ..load(large)
        },
        Workload {
            phases: vec![phase("in-hundred", "in: batches of 100", &[MEMORY])],
            ..load(hundred)
        },
        Workload {
            phases: vec![phase("in-gzip", "in: gzip batches of 1,000", &[MEMORY])],
            ..load(Work {
                protocol: Protocol::Gzip,
                ..large
            })
        },
    ]
}

/// One event in a batch, on 16 connections.
fn single_events() -> Vec<Workload> {
    let pipelined = Work {
        connections: 16,
        batch_events: 1,
        batches: 10_000,
        in_flight_max: 64,
        ..Work::large(1)
    };
    vec![
        Workload {
            phases: vec![phase(
                "single",
                "in: single events, 16 connections, 64 in flight on each",
                &SINGLE,
            )],
            ..load(pipelined)
        },
        Workload {
            phases: vec![phase(
                "single-waiting",
                "in: single events, 16 connections, 1 in flight on each",
                &SINGLE,
            )],
            ..load(Work {
                in_flight_max: 1,
                batches: 500,
                ..pipelined
            })
        },
        Workload {
            buffer: "durability: memory",
            phases: vec![phase(
                "single-memory",
                "the same, `durability: memory`, 64 in flight",
                &[MEMORY],
            )],
            ..load(pipelined)
        },
    ]
}

/// What events are grouped by.
fn chunk_keys(events: u64) -> Vec<Workload> {
    let large = Work::large(events);
    let tags_of = |tags, batch_events, batches| Work {
        tags,
        batch_events,
        batches,
        in_flight_max: 32,
        ..large
    };
    let keyed = |buffer, name, title| Workload {
        buffer,
        phases: vec![phase(name, title, &[MEMORY])],
        ..load(large)
    };
    vec![
        Workload {
            phases: vec![phase("tags-100", "in: key tag, 100 values", &[MEMORY])],
            ..load(tags_of(100, 1_000, large.batches))
        },
        Workload {
            phases: vec![phase(
                "tags-10000",
                "in: key tag, 10,000 values, batches of 20",
                &[MEMORY],
            )],
            is_long: true,
            ..load(tags_of(10_000, 20, 2_500))
        },
        many_tags(),
        keyed(
            "keys: [host]",
            "key-field",
            "in: key of a record field, 10 values",
        ),
        keyed(
            "keys: [time], timekey: 1h, flush_mode: interval",
            "key-time",
            "in: key time, windows of 1 h",
        ),
    ]
}

/// One event for each of 100,000 tags.
fn many_tags() -> Workload {
    Workload {
        course: Course::InThenDrain,
        is_long: true,
        phases: vec![
            phase(
                "tags-100000",
                "in: key tag, 100,000 values, one event each",
                &[
                    (Figure::Seconds, AtMost(5.0)),
                    (Figure::MemoryMib, AtMost(96.0)),
                    (Figure::Descriptors, AtMost(1_024.0)),
                    (Figure::DiskPerBatch, AtMost(4_096.0)),
                ],
            ),
            phase(
                "tags-100000-drain",
                "drain of those",
                &[
                    (Figure::Seconds, AtMost(10.0)),
                    (Figure::MemoryMib, AtMost(96.0)),
                    (Figure::Descriptors, AtMost(1_024.0)),
                ],
            ),
        ],
        ..load(Work::one_each(100_000))
    }
}

/// HTTP in, HTTP out, files out.
fn other_protocols(events: u64) -> Vec<Workload> {
    let large = Work::large(events);
    let http = Work {
        protocol: Protocol::Http,
        connections: 8,
        batches: large.batches / 4 + 1,
        in_flight_max: 1,
        ..large
    };
    let out = |output, name, title| Workload {
        course: Course::Through,
        output,
        phases: vec![phase(name, title, &[MEMORY])],
        ..load(Work {
            batches: large.batches / 2 + 1,
            ..large
        })
    };
    vec![
        Workload {
            phases: vec![phase(
                "http-in",
                "in: HTTP NDJSON, 1,000 lines a request, 8 connections",
                &[(Figure::Rate, AtLeast(1e6)), MEMORY],
            )],
            ..load(http)
        },
        out(Output::Http, "http-out", "through: forward to HTTP NDJSON"),
        out(Output::File, "file-out", "through: forward to NDJSON file"),
    ]
}

fn load(work: Work) -> Workload {
    Workload {
        work,
        buffer: "",
        output: Output::Forward,
        course: Course::In,
        phases: Vec::new(),
        is_long: false,
    }
}

fn phase(name: &'static str, title: &'static str, aims: &[(Figure, Bound)]) -> Phase {
    Phase {
        name,
        title,
        aims: aims.to_vec(),
    }
}
