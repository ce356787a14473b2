//! The table of all families: the only place where one is named.
//!
//! A row says what the value is read from, and its labels follow from that: a family read from a
//! route has the label `route`, one read from an output of a route has `route` and `output`, and so
//! on. Names follow Prometheus: `_total` for counters, base units (`_bytes`, `_seconds`) last.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::filter::FilterStats;
use crate::flush::LatencySnapshot;
use crate::input::InputStats;

use super::snapshot::{ChunkTotals, DestinationSample, RouteSample, Snapshot};

/// One family.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) read: Read,
}

/// Whether a family only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// The values of a label, each with what it counts.
type Values<T> = &'static [(&'static str, fn(&T) -> u64)];

/// What a family's values are read from; `None` leaves the sample out.
pub(super) enum Read {
    /// The daemon; no labels.
    Daemon(fn(&Snapshot) -> Option<f64>),
    /// The program; label `version`.
    Build,
    /// The store's syncs; no labels.
    Syncs(fn(&Snapshot) -> (u64, f64)),
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
    /// Each route and state of its chunks; labels `route` and `state`.
    State(fn(&ChunkTotals) -> u64),
    /// Each output of each route; labels `route` and `output`.
    Output(fn(&DestinationSample) -> Option<f64>),
    /// Each output of each route, by a third label with these values.
    OutputBy(&'static str, Values<DestinationSample>),
    /// A distribution of each output of each route; labels `route` and `output`.
    Latency(fn(&DestinationSample) -> LatencySnapshot),
}

const fn counter(name: &'static str, read: Read, help: &'static str) -> Family {
    family(Kind::Counter, name, read, help)
}

const fn gauge(name: &'static str, read: Read, help: &'static str) -> Family {
    family(Kind::Gauge, name, read, help)
}

const fn family(kind: Kind, name: &'static str, read: Read, help: &'static str) -> Family {
    Family {
        name,
        kind,
        help,
        read,
    }
}

/// All families.
pub(super) static FAMILIES: &[Family] = &[
    gauge(
        "forebay_build_info",
        Read::Build,
        "Always 1; the version is the label.",
    ),
    gauge(
        "forebay_start_time_seconds",
        Read::Daemon(|s| Some(seconds(s.started_unix_ns))),
        "When the daemon was started, in seconds since the Unix epoch.",
    ),
    gauge(
        "forebay_ready",
        Read::Daemon(|s| Some(flag(s.is_ready))),
        "1 if every input takes events in and every route can store them.",
    ),
    counter(
        "forebay_unmatched_events_total",
        Read::Daemon(|s| Some(count(s.events_unmatched))),
        "Events that no route matched; acknowledged and not kept.",
    ),
    gauge(
        "forebay_input_connections",
        Read::Input(|i| load(&i.connections_open)),
        "Connections open.",
    ),
    gauge(
        "forebay_input_connections_limit",
        Read::Input(|i| load(&i.connections_max)),
        "Connections that may be open.",
    ),
    gauge(
        "forebay_input_read_memory_bytes",
        Read::Input(|i| load(&i.read_memory)),
        "Memory taken for what is being read and unpacked.",
    ),
    gauge(
        "forebay_input_read_memory_limit_bytes",
        Read::Input(|i| load(&i.read_memory_max)),
        "Memory that may be taken for it; one message at a time may go beyond.",
    ),
    counter(
        "forebay_input_accepted_connections_total",
        Read::Input(|i| load(&i.connections_total)),
        "Connections accepted.",
    ),
    counter(
        "forebay_input_failed_connections_total",
        Read::Input(|i| load(&i.connections_failed)),
        "Connections closed because of what came over them.",
    ),
    counter(
        "forebay_input_batches_total",
        Read::Input(|i| load(&i.batches)),
        "Batches taken in.",
    ),
    counter(
        "forebay_input_events_total",
        Read::Input(|i| load(&i.events)),
        "Events taken in.",
    ),
    counter(
        "forebay_input_bytes_total",
        Read::Input(|i| load(&i.bytes)),
        "Bytes of payload taken in, unpacked.",
    ),
    counter(
        "forebay_input_refused_batches_total",
        Read::Input(|i| load(&i.batches_refused)),
        "Batches refused to the sender.",
    ),
    counter(
        "forebay_input_failed_reads_total",
        Read::Input(|i| load(&i.reads_failed)),
        "Reads that failed.",
    ),
    gauge(
        "forebay_input_stuck",
        Read::Input(|i| load(&i.stuck)),
        "1 while a read takes longer than it may.",
    ),
    counter(
        "forebay_input_undecoded_events_total",
        Read::Input(|i| load(&i.undecoded)),
        "Events whose bytes could not be decoded; set aside.",
    ),
    counter(
        "forebay_input_unknown_decoder_events_total",
        Read::Input(|i| load(&i.unknown_decoders)),
        "Events that asked for a decoder that is not there; set aside.",
    ),
    counter(
        "forebay_filter_events_total",
        Read::Filter(|f| load(&f.events)),
        "Events that came to the filter.",
    ),
    counter(
        "forebay_filter_blocked_events_total",
        Read::Filter(|f| load(&f.blocked)),
        "Events that the filter let go no further.",
    ),
    counter(
        "forebay_filter_failed_events_total",
        Read::FilterBy(
            "went",
            &[
                ("on_unchanged", |f| load(&f.failed_kept)),
                ("on_tagged", |f| load(&f.failed_tagged)),
                ("to_dead_letters", |f| load(&f.failed_dead)),
            ],
        ),
        "Events that the filter failed on, and where they went.",
    ),
    counter(
        "forebay_filter_failed_ticks_total",
        Read::Filter(|f| load(&f.failed_ticks)),
        "Calls by time in which the filter failed.",
    ),
    counter(
        "forebay_filter_injected_events_total",
        Read::Filter(|f| load(&f.injected)),
        "Events that the filter has made.",
    ),
    counter(
        "forebay_filter_refused_injections_total",
        Read::Filter(|f| load(&f.injections_refused)),
        "Events that the filter was not allowed to make: too many, or made of made events over and over.",
    ),
    counter(
        "forebay_filter_lost_injections_total",
        Read::Filter(|f| load(&f.injected_lost)),
        "Events that the filter has made and that no route had room for, at a stop or for too long.",
    ),
    counter(
        "forebay_filter_unknown_routes_total",
        Read::Filter(|f| load(&f.unknown_routes)),
        "Routes that the filter named and that are not there.",
    ),
    gauge(
        "forebay_route_durability_info",
        Read::Durability,
        "Always 1; what an acknowledgement means is the label: disk (synced) or memory (page cache).",
    ),
    counter(
        "forebay_route_stored_batches_total",
        Read::Route(|r, _| counted(&r.stats.batches_stored)),
        "Batches, or parts of batches, stored.",
    ),
    counter(
        "forebay_route_stored_events_total",
        Read::Route(|r, _| counted(&r.stats.events_stored)),
        "Events stored.",
    ),
    counter(
        "forebay_route_stored_bytes_total",
        Read::Route(|r, _| counted(&r.stats.bytes_stored)),
        "Bytes of payload stored.",
    ),
    counter(
        "forebay_route_set_aside_events_total",
        Read::RouteBy(
            "reason",
            &[
                ("malformed-record", |r| load(&r.stats.set_aside_malformed)),
                ("too-large", |r| load(&r.stats.set_aside_too_large)),
            ],
        ),
        "Events that can never be stored in a chunk and were kept as dead letters, by reason.",
    ),
    counter(
        "forebay_route_dropped_chunks_total",
        Read::RouteBy(
            "reason",
            &[
                ("drop_oldest_chunk", |r| load(&r.stats.chunks_dropped)),
                ("exhausted", |r| load(&r.stats.dropped_exhausted.chunks)),
                ("expired", |r| load(&r.stats.dropped_expired.chunks)),
                ("operator", |r| load(&r.stats.dropped_by_operator.chunks)),
            ],
        ),
        "Chunks deleted undelivered because the configuration or the operator says so, by reason.",
    ),
    counter(
        "forebay_route_dropped_events_total",
        Read::RouteBy(
            "reason",
            &[
                ("drop_oldest_chunk", |r| load(&r.stats.events_dropped)),
                ("exhausted", |r| load(&r.stats.dropped_exhausted.events)),
                ("expired", |r| load(&r.stats.dropped_expired.events)),
                ("operator", |r| load(&r.stats.dropped_by_operator.events)),
            ],
        ),
        "Events in chunks deleted undelivered, by reason.",
    ),
    counter(
        "forebay_route_dropped_bytes_total",
        Read::RouteBy(
            "reason",
            &[
                ("drop_oldest_chunk", |r| load(&r.stats.bytes_dropped)),
                ("exhausted", |r| load(&r.stats.dropped_exhausted.bytes)),
                ("expired", |r| load(&r.stats.dropped_expired.bytes)),
                ("operator", |r| load(&r.stats.dropped_by_operator.bytes)),
            ],
        ),
        "Bytes of payload in chunks deleted undelivered, by reason.",
    ),
    counter(
        "forebay_route_given_up_events_total",
        Read::RouteBy(
            "reason",
            &[
                ("rejected", |r| load(&r.stats.events_rejected)),
                ("exhausted", |r| load(&r.stats.events_exhausted)),
                ("expired", |r| load(&r.stats.events_expired)),
                ("operator", |r| load(&r.stats.events_buried_by_operator)),
            ],
        ),
        "Events that became dead letters, or were dropped, instead of being delivered, by reason.",
    ),
    counter(
        "forebay_route_dropped_dead_letters_total",
        Read::RouteBy(
            "reason",
            &[
                ("drop_oldest", |r| {
                    load(&r.stats.dead_dropped_for_room.chunks)
                }),
                ("max_age", |r| load(&r.stats.dead_dropped_for_age.chunks)),
                ("operator", |r| {
                    load(&r.stats.dead_dropped_by_operator.chunks)
                }),
            ],
        ),
        "Dead letters deleted because the configuration bounds them or the operator says so, by reason.",
    ),
    counter(
        "forebay_route_dropped_dead_letter_events_total",
        Read::RouteBy(
            "reason",
            &[
                ("drop_oldest", |r| {
                    load(&r.stats.dead_dropped_for_room.events)
                }),
                ("max_age", |r| load(&r.stats.dead_dropped_for_age.events)),
                ("operator", |r| {
                    load(&r.stats.dead_dropped_by_operator.events)
                }),
            ],
        ),
        "Events in those dead letters, by reason.",
    ),
    counter(
        "forebay_route_secondary_deliveries_total",
        Read::Route(|r, _| counted(&r.stats.secondary_deliveries)),
        "Deliveries that the route's secondary output has confirmed.",
    ),
    counter(
        "forebay_route_secondary_events_total",
        Read::Route(|r, _| counted(&r.stats.secondary_events)),
        "Events in them.",
    ),
    counter(
        "forebay_route_repeated_batches_total",
        Read::Route(|r, _| counted(&r.stats.batches_repeated)),
        "Batches that a sender repeated and that were not stored again.",
    ),
    counter(
        "forebay_route_repeated_events_total",
        Read::Route(|r, _| counted(&r.stats.events_repeated)),
        "Events that a sender repeated and that were not stored again.",
    ),
    gauge(
        "forebay_route_remembered_batches",
        Read::Route(|r, _| counted(&r.stats.batches_remembered)),
        "Batches that would be recognised if a sender repeated them.",
    ),
    counter(
        "forebay_route_refused_appends_total",
        Read::Route(|r, _| counted(&r.stats.appends_refused)),
        "Appends refused: the route was full or could not store them.",
    ),
    gauge(
        "forebay_route_waiting_senders",
        Read::Route(|r, _| count(r.stats.senders_waiting())),
        "Senders held back because the route is full.",
    ),
    gauge(
        "forebay_buffer_chunks",
        Read::State(|t| t.chunks),
        "Chunks on disk, by state.",
    ),
    gauge(
        "forebay_buffer_events",
        Read::State(|t| t.events),
        "Events in chunks on disk, by state.",
    ),
    gauge(
        "forebay_buffer_bytes",
        Read::State(|t| t.bytes),
        "Bytes of payload in chunks on disk, by state.",
    ),
    gauge(
        "forebay_buffer_used_bytes",
        Read::Route(|r, _| count(r.used_bytes)),
        "Bytes that count toward the route's total_limit_size.",
    ),
    gauge(
        "forebay_buffer_limit_bytes",
        Read::Route(|r, _| count(r.limit_bytes)),
        "The route's total_limit_size.",
    ),
    gauge(
        "forebay_buffer_dead_letter_limit_bytes",
        Read::Route(|r, _| count(r.dead_letter_limit_bytes)),
        "The route's dead_letter_limit_size.",
    ),
    gauge(
        "forebay_buffer_oldest_age_seconds",
        Read::Route(oldest_age_s),
        "Time since the oldest undelivered chunk was created; 0 if there is none.",
    ),
    counter(
        "forebay_output_delivered_chunks_total",
        Read::Output(|o| Some(counted(&o.stats.chunks_delivered))),
        "Chunks confirmed by the destination.",
    ),
    counter(
        "forebay_output_delivered_events_total",
        Read::Output(|o| Some(counted(&o.stats.events_delivered))),
        "Events in confirmed chunks.",
    ),
    counter(
        "forebay_output_delivered_bytes_total",
        Read::Output(|o| Some(counted(&o.stats.bytes_delivered))),
        "Bytes of payload in confirmed chunks.",
    ),
    counter(
        "forebay_output_attempts_total",
        Read::Output(|o| Some(counted(&o.stats.attempts))),
        "Deliveries started.",
    ),
    counter(
        "forebay_output_retries_total",
        Read::Output(|o| Some(counted(&o.stats.retries))),
        "Deliveries started that were not a chunk's first.",
    ),
    counter(
        "forebay_output_part_attempts_total",
        Read::Output(|o| Some(counted(&o.stats.part_attempts))),
        "Deliveries started of a part of a chunk only.",
    ),
    counter(
        "forebay_output_bisections_total",
        Read::Output(|o| Some(count(o.bisections))),
        "Chunks cut up to find the records that the destination does not take.",
    ),
    counter(
        "forebay_output_failures_total",
        Read::OutputBy(
            "scope",
            &[
                ("unreachable", |o| load(&o.stats.failures.unreachable)),
                ("destination", |o| load(&o.stats.failures.destination)),
                ("chunk", |o| load(&o.stats.failures.chunk)),
            ],
        ),
        "Deliveries that failed, by whom the failure speaks about.",
    ),
    counter(
        "forebay_output_timeouts_total",
        Read::Output(|o| Some(counted(&o.stats.timed_out))),
        "Deliveries taken back because they were not confirmed in time.",
    ),
    counter(
        "forebay_output_late_commits_total",
        Read::Output(|o| Some(counted(&o.stats.late_commits))),
        "Confirmations that came after the delivery was taken back.",
    ),
    counter(
        "forebay_output_rejected_chunks_total",
        Read::Output(|o| Some(counted(&o.stats.chunks_rejected))),
        "Chunks given up: rejected, or out of retries.",
    ),
    counter(
        "forebay_output_rejected_events_total",
        Read::Output(|o| Some(counted(&o.stats.events_rejected))),
        "Events in chunks given up.",
    ),
    gauge(
        "forebay_output_in_flight_chunks",
        Read::Output(|o| Some(count(o.stats.in_flight()))),
        "Deliveries under way.",
    ),
    gauge(
        "forebay_output_owed_chunks",
        Read::Output(|o| Some(count(o.owed_chunks))),
        "Sealed chunks that the destination has not confirmed.",
    ),
    gauge(
        "forebay_output_breaker_open",
        Read::Output(|o| Some(flag(o.stats.breaker_is_open.load(Relaxed)))),
        "1 while the destination counts as down and is only probed.",
    ),
    gauge(
        "forebay_output_last_success_timestamp_seconds",
        Read::Output(|o| o.stats.last_success_unix_ns().map(seconds)),
        "When the destination last confirmed a chunk; absent before the first.",
    ),
    gauge(
        "forebay_output_last_failure_timestamp_seconds",
        Read::Output(|o| o.stats.last_failure_unix_ns().map(seconds)),
        "When a delivery last failed; absent before the first.",
    ),
    family(
        Kind::Histogram,
        "forebay_output_delivery_duration_seconds",
        Read::Latency(|o| o.stats.latency.snapshot()),
        "How long confirmed deliveries took.",
    ),
    family(
        Kind::Summary,
        "forebay_store_sync_duration_seconds",
        Read::Syncs(|s| (s.store.syncs, nanoseconds(s.store.sync_ns))),
        "How long groups of appends took to sync.",
    ),
    counter(
        "forebay_store_synced_appends_total",
        Read::Daemon(|s| Some(count(s.store.synced_appends))),
        "Appends that were synced; divided by the number of syncs, the size of a group.",
    ),
    counter(
        "forebay_store_sync_failures_total",
        Read::Daemon(|s| Some(count(s.store.sync_failures))),
        "Groups that could not be synced.",
    ),
    gauge(
        "forebay_store_open_files",
        Read::Daemon(|s| Some(count(s.store.open_files))),
        "Chunk files that are open.",
    ),
    gauge(
        "forebay_store_open_files_limit",
        Read::Daemon(|s| Some(count(s.store.open_files_max))),
        "Chunk files that may be open.",
    ),
    gauge(
        "forebay_store_mapped_bytes",
        Read::Daemon(|s| Some(count(s.store.mapped_bytes))),
        "Address space that chunk files are mapped into.",
    ),
    gauge(
        "forebay_store_quarantined_bytes",
        Read::Daemon(|s| Some(count(s.store.quarantined_bytes))),
        "Damaged bytes set aside.",
    ),
    gauge(
        "forebay_disk_free_bytes",
        Read::Daemon(|s| s.disk_free_bytes.map(count)),
        "Free space on the file system of the data directory.",
    ),
    gauge(
        "forebay_catalog_enabled",
        Read::Daemon(|s| Some(flag(s.catalog.is_enabled))),
        "1 if the history of retries is kept across restarts.",
    ),
    counter(
        "forebay_catalog_updates_total",
        Read::Daemon(|s| Some(count(s.catalog.updates))),
        "Changes of the history of retries that were kept.",
    ),
    counter(
        "forebay_catalog_dropped_updates_total",
        Read::Daemon(|s| Some(count(s.catalog.updates_dropped))),
        "Changes of the history of retries that were lost; they cost no event.",
    ),
];

fn oldest_age_s(route: &RouteSample, snapshot: &Snapshot) -> f64 {
    let created = route.oldest_created_unix_ns;
    let age_ns = created.map_or(0, |created| snapshot.now_unix_ns.saturating_sub(created));
    // The wall clock may have gone back since.
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

fn nanoseconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
