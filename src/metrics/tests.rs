use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use forebay_storage::{Histogram, Quarantined, StoreStats};

use super::table::{FLUENT_BIT, Family, Kind, families};
use super::*;
use crate::buffer::RouteStats;
use crate::config::plan::Alias;
use crate::flush::DestinationStats;
use crate::input::InputStats;

/// One input, one route, one output; something has happened everywhere.
fn snapshot() -> Snapshot {
    let input = InputStats::default();
    input.events.store(11, Relaxed);
    let route = RouteStats::default();
    route.stored(7, 700);
    route.append_latency.observe(Duration::from_millis(3));
    route.refused_full.store(8, Relaxed);
    route.set_aside_too_large.store(3, Relaxed);
    route.dropped_chunk(5, 500);
    route.dropped_expired.count(4, 400);
    route.events_expired.store(6, Relaxed);
    route.dead_dropped_for_age.count(2, 200);
    route.secondary_events.store(9, Relaxed);
    let output = DestinationStats::default();
    output.started(1);
    output.started(2);
    output.ended();
    output.failures.unreachable.store(4, Relaxed);
    output.failed(2_500_000_000);
    output.delivered(7, 700, Duration::from_millis(20), 3_500_000_000);
    Snapshot {
        reloads: ReloadSample::default(),
        now_unix_ns: 10_000_000_000,
        started_unix_ns: 1_000_000_000,
        is_ready: true,
        events_unmatched: 2,
        inputs: vec![InputSample {
            name: "app".into(),
            stats: Arc::new(input),
        }],
        filters: vec![FilterSample {
            name: "tidy".into(),
            stats: Arc::default(),
        }],
        routes: vec![RouteSample {
            name: "web".into(),
            durability: "disk",
            stats: Arc::new(route),
            staged: ChunkTotals {
                chunks: 1,
                events: 2,
                bytes: 3,
            },
            queued: ChunkTotals::default(),
            in_flight: ChunkTotals::default(),
            dead: ChunkTotals::default(),
            used_bytes: 4_096,
            limit_bytes: 1 << 30,
            time_to_full_s: Some(90.5),
            chunk_limit_bytes: 1 << 23,
            dead_used_bytes: 8_192,
            dead_letter_limit_bytes: 1 << 20,
            is_paused: true,
            remembered_batches_max: 50,
            held_chunks: 2,
            oldest_created_unix_ns: Some(4_000_000_000),
            outputs: vec![DestinationSample {
                name: "central".into(),
                stats: Arc::new(output),
                in_flight_max: 16,
                is_paused: false,
                owed_chunks: 6,
                oldest_owed_unix_ns: Some(7_000_000_000),
                bisections: 1,
            }],
        }],
        store: store_stats(),
        open_files_max: 512,
        quarantined: Some(Quarantined {
            files: 2,
            bytes: 300,
        }),
        damages: 3,
        happenings_missed: 0,
        catalog: CatalogSample::default(),
        disk_free_bytes: Some(12_345),
        disk_size_bytes: Some(99_999),
        process: ProcessSample::read(),
    }
}

/// Two groups of appends were synced, of 1 and of 7 appends, within 2 seconds.
fn store_stats() -> StoreStats {
    let sync_ns = Histogram::new(&BOUNDS);
    sync_ns.observe(500_000_000);
    sync_ns.observe(1_500_000_000);
    let group_appends = Histogram::new(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048]);
    group_appends.observe(1);
    group_appends.observe(7);
    StoreStats {
        syncs: 5,
        sync_failures: 0,
        sync_ns: sync_ns.distribution(),
        group_appends: group_appends.distribution(),
        removal_failures: 0,
        open_files: 4,
        mappings: 1,
        mapped_bytes: 4_096,
        quarantined_bytes: 100,
    }
}

/// Nanoseconds, from one to fifteen tenths of a second.
static BOUNDS: [u64; 15] = {
    let mut bounds = [0; 15];
    let mut at = 0;
    while at < 15 {
        bounds[at] = (at as u64 + 1) * 100_000_000;
        at += 1;
    }
    bounds
};

fn rendered() -> String {
    Metrics::new(&[], snapshot).unwrap().render().unwrap()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[test]
fn every_family_of_the_table_appears_with_type_and_help() {
    let text = rendered();
    for family in families() {
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert_line(&text, &format!("# TYPE {} {kind}", family.name));
        assert_line(&text, &format!("# HELP {} {}", family.name, family.help));
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(types.count(), families().count());
}

#[test]
fn names_are_unique_and_follow_the_conventions() {
    let mut names = HashSet::new();
    for family in families() {
        let name = family.name;
        assert!(names.insert(name), "{name} stands there twice");
        let prefixes = ["forebay_", "process_"];
        assert!(prefixes.iter().any(|ours| name.starts_with(ours)), "{name}");
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(is_plain), "{name}");
        let is_counter = family.kind == Kind::Counter;
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        for reserved in ["_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(reserved), "{name}");
        }
        assert!(family.help.ends_with('.'), "{name}");
    }
}

#[test]
fn a_base_unit_stands_in_the_name_and_a_row_says_what_it_is_for() {
    let is_told = |family: &Family, unit: &str| {
        family.name.trim_end_matches("_total").ends_with(unit) == (family.unit == unit)
    };
    for family in families() {
        let name = family.name;
        assert!(
            is_told(family, "bytes") && is_told(family, "seconds"),
            "{name}"
        );
        assert!(family.purpose.ends_with(['.', '`']), "{name}");
        // They stand in a table of Markdown.
        for text in [family.help, family.purpose] {
            assert!(
                !text.contains('|') && text.matches('`').count() % 2 == 0,
                "{name}"
            );
        }
    }
}

#[test]
fn the_page_of_the_guide_is_made_from_the_table() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/metrics.md");
    let made = page();
    if std::env::var_os("FOREBAY_WRITE").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        found == made,
        "{PAGE} is not what the table says: FOREBAY_WRITE=1 cargo test --lib metrics"
    );
}

#[test]
fn the_names_of_fluent_bit_are_shown_where_they_are_asked_for() {
    assert!(!rendered().contains("fluentbit_"));
    let two_routes = || {
        let mut snapshot = snapshot();
        let mut other = snapshot.routes[0].clone();
        other.name = "other".into();
        snapshot.routes.push(other);
        snapshot
    };
    let text = Metrics::new(&[Alias::Fluentbit], two_routes)
        .unwrap()
        .render()
        .unwrap();
    for family in FLUENT_BIT.families {
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert_line(&text, &format!("# TYPE {} {kind}", family.name));
    }
    for line in [
        "fluentbit_input_records_total{name=\"app\"} 11",
        "fluentbit_output_proc_records_total{name=\"central\"} 14",
        "fluentbit_output_errors_total{name=\"central\"} 8",
        "fluentbit_filter_drop_records_total{name=\"tidy\"} 0",
        "fluentbit_storage_fs_chunks 2",
        "fluentbit_uptime 9",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn labels_are_none_that_a_sender_chooses() {
    let bounded = [
        "version",
        "revision",
        "result",
        "input",
        "filter",
        "route",
        "output",
        "durability",
        "reason",
        "went",
        "scope",
        "state",
    ];
    for family in families() {
        for label in family.read.labels() {
            assert!(bounded.contains(&label), "{} has {label}", family.name);
        }
    }
}

#[test]
fn values_are_read_from_the_counters() {
    let text = rendered();
    for line in [
        "forebay_ready 1",
        "forebay_unmatched_events_total 2",
        "forebay_input_events_total{input=\"app\"} 11",
        "forebay_route_durability_info{route=\"web\",durability=\"disk\"} 1",
        "forebay_route_stored_events_total{route=\"web\"} 7",
        "forebay_route_stored_bytes_total{route=\"web\"} 700",
        "forebay_route_set_aside_events_total{route=\"web\",reason=\"too-large\"} 3",
        "forebay_route_set_aside_events_total{route=\"web\",reason=\"malformed-record\"} 0",
        "forebay_route_dropped_events_total{route=\"web\",reason=\"drop_oldest_chunk\"} 5",
        "forebay_route_dropped_events_total{route=\"web\",reason=\"expired\"} 4",
        "forebay_route_given_up_events_total{route=\"web\",reason=\"expired\"} 6",
        "forebay_route_dropped_dead_letters_total{route=\"web\",reason=\"max_age\"} 1",
        "forebay_route_secondary_events_total{route=\"web\"} 9",
        "forebay_output_bisections_total{route=\"web\",output=\"central\"} 1",
        "forebay_buffer_chunks{route=\"web\",state=\"staged\"} 1",
        "forebay_buffer_events{route=\"web\",state=\"staged\"} 2",
        "forebay_buffer_bytes{route=\"web\",state=\"staged\"} 3",
        "forebay_buffer_bytes{route=\"web\",state=\"dead\"} 0",
        "forebay_buffer_limit_bytes{route=\"web\"} 1073741824",
        "forebay_buffer_oldest_age_seconds{route=\"web\"} 6",
        "forebay_output_attempts_total{route=\"web\",output=\"central\"} 2",
        "forebay_output_retries_total{route=\"web\",output=\"central\"} 1",
        "forebay_output_in_flight_chunks{route=\"web\",output=\"central\"} 1",
        "forebay_output_owed_chunks{route=\"web\",output=\"central\"} 6",
        "forebay_output_failures_total{route=\"web\",output=\"central\",scope=\"unreachable\"} 4",
        "forebay_output_last_success_timestamp_seconds{route=\"web\",output=\"central\"} 3.5",
        "forebay_output_last_failure_timestamp_seconds{route=\"web\",output=\"central\"} 2.5",
        "forebay_output_delivery_duration_seconds_bucket{route=\"web\",output=\"central\",le=\"0.01\"} 0",
        "forebay_output_delivery_duration_seconds_bucket{route=\"web\",output=\"central\",le=\"0.025\"} 1",
        "forebay_output_delivery_duration_seconds_count{route=\"web\",output=\"central\"} 1",
        "forebay_output_oldest_owed_age_seconds{route=\"web\",output=\"central\"} 3",
        "forebay_route_append_duration_seconds_bucket{route=\"web\",le=\"0.0025\"} 0",
        "forebay_route_append_duration_seconds_bucket{route=\"web\",le=\"0.005\"} 1",
        "forebay_route_refused_appends_total{route=\"web\",reason=\"full\"} 8",
        "forebay_buffer_dead_letter_used_bytes{route=\"web\"} 8192",
        "forebay_store_sync_duration_seconds_bucket{le=\"0.5\"} 1",
        "forebay_store_sync_duration_seconds_bucket{le=\"+Inf\"} 2",
        "forebay_store_sync_duration_seconds_sum 2",
        "forebay_store_sync_duration_seconds_count 2",
        "forebay_store_sync_group_appends_bucket{le=\"4\"} 1",
        "forebay_store_sync_group_appends_sum 8",
        "forebay_route_remembered_batches_limit{route=\"web\"} 50",
        "forebay_output_in_flight_limit_chunks{route=\"web\",output=\"central\"} 16",
        "forebay_route_paused{route=\"web\"} 1",
        "forebay_route_held_chunks{route=\"web\"} 2",
        "forebay_route_time_to_full_seconds{route=\"web\"} 90.5",
        "forebay_output_paused{route=\"web\",output=\"central\"} 0",
        "forebay_store_quarantined_files 2",
        "forebay_store_damages_total 3",
        "forebay_disk_size_bytes 99999",
        "forebay_disk_free_bytes 12345",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn a_moment_that_never_was_has_no_sample() {
    let quiet = || {
        let mut snapshot = snapshot();
        snapshot.routes[0].outputs[0].stats = Arc::default();
        snapshot
    };
    let text = Metrics::new(&[], quiet).unwrap().render().unwrap();
    assert!(!text.contains("forebay_output_last_success_timestamp_seconds{"));
    assert!(text.contains("forebay_output_attempts_total{"));
}

#[test]
fn a_route_that_does_not_grow_is_never_full() {
    let steady = || {
        let mut snapshot = snapshot();
        snapshot.routes[0].time_to_full_s = None;
        snapshot
    };
    let text = Metrics::new(&[], steady).unwrap().render().unwrap();
    assert_line(
        &text,
        "forebay_route_time_to_full_seconds{route=\"web\"} inf",
    );
}

#[test]
fn the_age_of_the_oldest_chunk_is_never_negative() {
    let ahead = || Snapshot {
        now_unix_ns: 3_000_000_000,
        ..snapshot()
    };
    let text = Metrics::new(&[], ahead).unwrap().render().unwrap();
    assert_line(&text, "forebay_buffer_oldest_age_seconds{route=\"web\"} 0");
}
