//! `forebay doctor`: what it says of real directories, and that it leaves nothing behind.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::daemon;
use crate::harness::site::Site;

fn examined(path: &Path) -> (Option<i32>, Value) {
    let (code, text, errors) = daemon::run(&["doctor", path.to_str().unwrap(), "--json"]);
    let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    (code, report)
}

#[test]
fn every_property_the_store_needs_is_tried_and_nothing_is_left() {
    let site = Site::new();
    let (code, report) = examined(site.folder());
    // A container's own file system is degraded; none on which tests run loses data.
    let verdict = &report["verdict"];
    let expected = if *verdict == "fine" { 0 } else { 1 };
    assert_eq!(code, Some(expected), "{report}");
    let findings = report["findings"].as_array().unwrap();
    for subject in [
        "file system",
        "mount options",
        "free space",
        "preallocation",
        "sync latency",
        "directory sync",
        "locks",
        "mapping",
        "rename",
    ] {
        let mut named = findings.iter().filter(|found| found["subject"] == subject);
        assert!(named.next().is_some(), "no {subject}: {report}");
    }
    assert_eq!(fs::read_dir(site.folder()).unwrap().count(), 0);
    let (_, text, _) = daemon::run(&["doctor", site.folder().to_str().unwrap()]);
    assert!(text.contains("durable"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_not_durable() {
    let (code, report) = examined(Path::new("/dev/shm"));
    assert_eq!(code, Some(2), "{report}");
    assert_eq!(report["verdict"], "not_durable");
    assert!(report.to_string().contains("it is in memory"), "{report}");
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_not_created() {
    let site = Site::new();
    let path = site.path("none");
    let (code, _, errors) = daemon::run(&["doctor", path.to_str().unwrap()]);
    assert_eq!(code, Some(66), "{errors}");
    assert!(errors.contains("is not a directory"), "{errors}");
    assert!(!path.exists());
}
