use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::table::{FAMILIES, Kind};
use super::*;
use crate::buffer::RouteStats;
use crate::flush::DestinationStats;
use crate::input::InputStats;

/// One input, one route, one output; something has happened everywhere.
fn snapshot() -> Snapshot {
    let input = InputStats::default();
    input.events.store(11, Relaxed);
    let route = RouteStats::default();
    route.stored(7, 700);
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
            dead_letter_limit_bytes: 1 << 20,
            oldest_created_unix_ns: Some(4_000_000_000),
            outputs: vec![DestinationSample {
                name: "central".into(),
                stats: Arc::new(output),
                owed_chunks: 6,
                bisections: 1,
            }],
        }],
        store: StoreSample {
            syncs: 8,
            sync_ns: 2_000_000_000,
            ..StoreSample::default()
        },
        catalog: CatalogSample::default(),
        disk_free_bytes: Some(12_345),
    }
}

fn rendered() -> String {
    Metrics::new(snapshot).unwrap().render().unwrap()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[test]
fn every_family_of_the_table_appears_with_type_and_help() {
    let text = rendered();
    for family in FAMILIES {
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert_line(&text, &format!("# TYPE {} {kind}", family.name));
        assert_line(&text, &format!("# HELP {} {}", family.name, family.help));
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(types.count(), FAMILIES.len());
}

#[test]
fn names_are_unique_and_follow_the_conventions() {
    let mut names = HashSet::new();
    for family in FAMILIES {
        let name = family.name;
        assert!(names.insert(name), "{name} stands there twice");
        assert!(name.starts_with("forebay_"), "{name}");
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
fn labels_are_none_that_a_sender_chooses() {
    let bounded = [
        "version",
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
    for family in FAMILIES {
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
        "forebay_output_delivery_duration_seconds_bucket{route=\"web\",output=\"central\",le=\"0.05\"} 1",
        "forebay_output_delivery_duration_seconds_count{route=\"web\",output=\"central\"} 1",
        "forebay_store_sync_duration_seconds_sum 2",
        "forebay_store_sync_duration_seconds_count 8",
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
    let text = Metrics::new(quiet).unwrap().render().unwrap();
    assert!(!text.contains("forebay_output_last_success_timestamp_seconds{"));
    assert!(text.contains("forebay_output_attempts_total{"));
}

#[test]
fn the_age_of_the_oldest_chunk_is_never_negative() {
    let ahead = || Snapshot {
        now_unix_ns: 3_000_000_000,
        ..snapshot()
    };
    let text = Metrics::new(ahead).unwrap().render().unwrap();
    assert_line(&text, "forebay_buffer_oldest_age_seconds{route=\"web\"} 0");
}
