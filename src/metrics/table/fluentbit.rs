//! The names of Fluent Bit's version 2 metrics, for dashboards that know them.
//!
//! Each has the meaning of Fluent Bit's as far as there is one: its instances are our inputs, filters
//! and outputs by their names; an output that several routes use is the sum over them. Chunks are
//! never in memory only, and those in flight are the busy ones.

use super::super::snapshot::{ChunkTotals, Snapshot};
use super::{Read, Section, age_s, count, counter, gauge, load, seconds};

pub(super) const SECTION: Section = Section {
    title: "Under Fluent Bit's names",
    about: "Shown besides the others with `admin: { metrics: { aliases: [fluentbit] } }`: the names \
            of Fluent Bit's `/api/v2/metrics/prometheus`, as far as there is something that means \
            the same. `name` is the name of an input, a filter or an output; an output of several \
            routes is their sum.",
    families: &[
        counter(
            "fluentbit_input_records_total",
            "events",
            Read::NamedInput(|i| load(&i.events)),
            "Number of input records.",
            "As `forebay_input_events_total`.",
        ),
        counter(
            "fluentbit_input_bytes_total",
            "bytes",
            Read::NamedInput(|i| load(&i.bytes)),
            "Number of input bytes.",
            "As `forebay_input_bytes_total`.",
        ),
        counter(
            "fluentbit_filter_records_total",
            "events",
            Read::NamedFilter(|f| load(&f.events)),
            "Total number of new records processed.",
            "As `forebay_filter_events_total`.",
        ),
        counter(
            "fluentbit_filter_add_records_total",
            "events",
            Read::NamedFilter(|f| load(&f.injected)),
            "Total number of new added records.",
            "As `forebay_filter_injected_events_total`.",
        ),
        counter(
            "fluentbit_filter_drop_records_total",
            "events",
            Read::NamedFilter(|f| load(&f.blocked)),
            "Total number of dropped records.",
            "As `forebay_filter_blocked_events_total`.",
        ),
        counter(
            "fluentbit_output_proc_records_total",
            "events",
            Read::NamedOutput(|o| load(&o.stats.events_delivered)),
            "Number of processed output records.",
            "As `forebay_output_delivered_events_total`.",
        ),
        counter(
            "fluentbit_output_proc_bytes_total",
            "bytes",
            Read::NamedOutput(|o| load(&o.stats.bytes_delivered)),
            "Number of processed output bytes.",
            "As `forebay_output_delivered_bytes_total`.",
        ),
        counter(
            "fluentbit_output_errors_total",
            "deliveries",
            Read::NamedOutput(|o| {
                let failures = &o.stats.failures;
                let failed = [
                    &failures.unreachable,
                    &failures.destination,
                    &failures.chunk,
                ];
                failed.map(load).iter().sum::<u64>() + load(&o.stats.timed_out)
            }),
            "Number of output errors.",
            "As `forebay_output_failures_total` and `forebay_output_timeouts_total` together.",
        ),
        counter(
            "fluentbit_output_retries_total",
            "deliveries",
            Read::NamedOutput(|o| load(&o.stats.retries)),
            "Number of output retries.",
            "As `forebay_output_retries_total`.",
        ),
        counter(
            "fluentbit_output_retries_failed_total",
            "chunks",
            Read::NamedOutput(|o| load(&o.stats.chunks_rejected)),
            "Number of abandoned batches because the maximum number of re-tries was reached.",
            "As `forebay_output_rejected_chunks_total`: they are dead letters, not gone.",
        ),
        counter(
            "fluentbit_output_dropped_records_total",
            "events",
            Read::NamedOutput(|o| load(&o.stats.events_rejected)),
            "Number of dropped records.",
            "As `forebay_output_rejected_events_total`: they are dead letters, not gone.",
        ),
        counter(
            "fluentbit_uptime",
            "seconds",
            Read::Daemon(|s| Some(age_s(Some(s.started_unix_ns), s))),
            "Number of seconds that Fluent Bit has been running.",
            "`time()` minus `forebay_start_time_seconds`.",
        ),
        gauge(
            "fluentbit_process_start_time_seconds",
            "seconds",
            Read::Daemon(|s| Some(seconds(s.started_unix_ns))),
            "Start time of the process since unix epoch in seconds.",
            "As `forebay_start_time_seconds`.",
        ),
        gauge(
            "fluentbit_build_info",
            "1",
            Read::Build,
            "Build version information.",
            "As `forebay_build_info`: the version is Forebay's.",
        ),
        gauge(
            "fluentbit_storage_fs_chunks",
            "chunks",
            Read::Daemon(|s| Some(count(all(s, |t| t.chunks)))),
            "The total number of chunks in the filesystem.",
            "As `forebay_buffer_chunks` without dead letters.",
        ),
        gauge(
            "fluentbit_storage_mem_chunks",
            "chunks",
            Read::Daemon(|_| Some(0.0)),
            "The total number of chunks in memory.",
            "Always 0: chunks are on disk from their first event on.",
        ),
        gauge(
            "fluentbit_storage_fs_chunks_busy",
            "chunks",
            Read::Daemon(|s| Some(count(in_flight(s, |t| t.chunks)))),
            "The total number of chunks in a busy state.",
            "As `forebay_buffer_chunks{state=\"in_flight\"}`.",
        ),
        gauge(
            "fluentbit_storage_fs_chunks_busy_bytes",
            "bytes",
            Read::Daemon(|s| Some(count(in_flight(s, |t| t.bytes)))),
            "The total bytes of chunks in a busy state.",
            "As `forebay_buffer_bytes{state=\"in_flight\"}`.",
        ),
    ],
};

fn all(snapshot: &Snapshot, of: fn(&ChunkTotals) -> u64) -> u64 {
    let routes = snapshot.routes.iter();
    routes
        .flat_map(|route| [&route.staged, &route.queued, &route.in_flight])
        .map(of)
        .sum()
}

fn in_flight(snapshot: &Snapshot, of: fn(&ChunkTotals) -> u64) -> u64 {
    let routes = snapshot.routes.iter();
    routes.map(|route| of(&route.in_flight)).sum()
}
