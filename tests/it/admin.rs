//! The admin API.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

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
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    destination.arrivals().wait_for(&ids);

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
}
