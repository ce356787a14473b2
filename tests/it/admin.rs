//! The admin API.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{guide, http, site::Site, tools, wait};

#[test]
fn the_api_shows_routes_chunks_and_their_events() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    wait::until_true("the chunk to be sealed", || {
        daemon.route("all")["staged"]["events"] == 0
    });

    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/status",
        "/api/v1/routes",
    ] {
        assert_eq!(http::get(site.admin(), path).status, 200, "{path}");
    }
    let page = http::get(site.admin(), "/api/v1/routes/all/chunks").json();
    let chunks = page["chunks"]
        .as_array()
        .unwrap_or_else(|| panic!("{page}"));
    assert_eq!(chunks.len(), 1, "{page}");
    let id = chunks[0]["id"].as_str().unwrap();
    let chunk = http::get(site.admin(), &format!("/api/v1/chunks/{id}")).json();
    assert_eq!(chunk["id"], id);
    assert_eq!(chunk["events"], 25, "{chunk}");
    let page = http::get(
        site.admin(),
        &format!("/api/v1/chunks/{id}/events?limit=10"),
    )
    .json();
    let events = page["events"]
        .as_array()
        .unwrap_or_else(|| panic!("{page}"));
    assert_eq!(events.len(), 10, "{page}");
    assert_eq!(events[0]["record"]["id"], ids[0].0, "{page}");

    for path in ["/api/v1/routes/none/chunks", "/api/v1/chunks/none", "/none"] {
        assert_eq!(http::get(site.admin(), path).status, 404, "{path}");
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics_and_none_is_missing() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let filter =
        "filters:\n  none: { type: grep, match: app, drop: { key: key, pattern: never } }\n";
    let config = format!("{}{filter}", site.config_to(&destination));
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    // Moments are shown once they were: of a failure, and of a success.
    wait::until_true("a delivery to fail", || {
        daemon.metric("forebay_output_failures_total", &[]) > 0.0
    });
    destination.come_back();
    destination.arrivals().wait_for(&ids);
    wait::until_true("the delivery to be confirmed", || {
        daemon.metric("forebay_output_delivered_events_total", &[]) > 0.0
    });

    let metrics = http::get(site.admin(), "/metrics").text();
    let mut command = Command::new(tools::find("promtool"));
    command
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut promtool = command.stderr(Stdio::piped()).spawn().unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.is_empty(),
        "{said}\n{metrics}"
    );
    assert!(!metrics.contains("app.web"), "tags never become labels");
    for family in guide::families() {
        let is_shown = metrics.contains(&format!("# TYPE {family} "));
        assert_eq!(is_shown, !family.starts_with("fluentbit_"), "{family}");
    }
}

#[test]
fn metrics_have_the_names_of_fluent_bit_too_where_they_are_asked_for() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination).replace(
        "admin: { listen",
        "admin: { metrics: { aliases: [fluentbit] }, listen",
    );
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    destination.arrivals().wait_for(&ids);
    let central = ["name=\"central\""];
    wait::until_true("the delivery to be confirmed", || {
        daemon.metric("fluentbit_output_proc_records_total", &central) > 24.0
    });
    let taken_in = daemon.metric("fluentbit_input_records_total", &["name=\"app\""]);
    assert!((taken_in - 25.0).abs() < 0.5, "{taken_in}");

    let metrics = http::get(site.admin(), "/metrics").text();
    // The filters' are shown where there are filters.
    let ours = |family: &String| family.starts_with("fluentbit_") && !family.contains("_filter_");
    for family in guide::families().iter().filter(|family| ours(family)) {
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{family}");
    }
}
