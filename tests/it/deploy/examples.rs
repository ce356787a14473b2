//! The example configurations: each is valid, and each is tried, with other addresses and folders: events go in and
//! are seen at the far end.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::daemon;

pub(super) mod place;
mod trials;

use place::Place;

/// Which trial shows which examples at work.
macro_rules! trials {
    ($($trial:ident: $($file:literal),+;)*) => {
        const TRIED: &[&str] = &[$($($file),+),*];
        $(
            #[test]
            fn $trial() {
                trials::$trial();
            }
        )*
    };
}

trials! {
    quick_start_prints_what_it_is_sent: "quick-start.yaml";
    the_service_writes_files_by_tag_and_day: "service.yaml";
    an_edge_sends_to_the_centre_over_tls: "edge.yaml", "central.yaml";
    an_aggregator_stands_between: "aggregator.yaml";
    tee_delivers_to_both: "tee.yaml";
    filters_parse_redact_and_route: "filters.yaml";
    http_events_come_to_files_by_hour: "hourly-files.yaml";
    what_a_service_does_not_take_is_rescued: "fan-out.yaml";
    only_the_record_that_is_refused_is_a_dead_letter: "dead-letters.yaml";
    measurements_arrive: "measurements.yaml";
    a_pipe_is_read_to_its_end: "pipe.yaml";
    each_account_keeps_its_order: "ordered.yaml";
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config")
}

/// The files themselves; the first minute of the README has a test of its own.
fn files() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".yaml")).collect()
}

#[test]
fn every_example_has_its_trial() {
    let tried: BTreeSet<_> = TRIED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files(), tried);
}

#[test]
fn every_example_passes_the_check() {
    for name in files() {
        let place = Place::new();
        let path = place.site.path("checked.yaml");
        fs::write(&path, place.text(&name)).unwrap();
        let mut command = std::process::Command::new(daemon::binary());
        let output = command
            .arg("check")
            .arg("-c")
            .arg(path)
            .envs(place::ENVIRONMENT);
        let output = output.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
    }
}
