//! The admin API.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::certificate;
use crate::harness::daemon::{self, Daemon};
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

/// A daemon whose destination is away, with 25 events of `app.web` in one queued chunk.
fn with_a_queued_chunk(site: &Site) -> (Daemon, Destination, String) {
    let destination = Destination::away(site.address());
    let daemon = Daemon::start(site, &site.config_to(&destination));
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &EventId::run(1, 0, 25));
    let path = "/api/v1/routes/all/chunks?state=queued&key=app.web&output=central&order=newest";
    let id = wait::until("a chunk to be queued", || {
        let page = http::get(site.admin(), path).json();
        page["chunks"][0]["id"].as_str().map(str::to_owned)
    });
    (daemon, destination, id)
}

#[test]
fn a_chunk_is_taken_away_whole_in_every_form() {
    let site = Site::new();
    let (_daemon, _destination, id) = with_a_queued_chunk(&site);
    let ids = EventId::run(1, 0, 25);
    let get = |what: &str| http::get(site.admin(), &format!("/api/v1/chunks/{id}/{what}"));

    let lines = get("export").text();
    let events = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<_> = events.map(|event| event["record"]["id"].as_u64()).collect();
    assert_eq!(found, ids.iter().map(|id| Some(id.0)).collect::<Vec<_>>());

    let packed = get("export?format=msgpack");
    let mut rest = packed.body();
    for id in &ids {
        let event = rmpv::decode::read_value(&mut rest).unwrap();
        assert_eq!(event[0].as_str(), Some("app.web"));
        assert_eq!(event[2]["id"].as_u64(), Some(id.0));
    }
    assert!(rest.is_empty());

    let one = get(&format!("events?field=id:{}", ids[7].0)).json();
    assert_eq!(one["events"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(one["next"], Value::Null);

    let file = site
        .data_dir()
        .join("routes/all")
        .join(format!("{id}.chunk"));
    let raw = get("raw");
    let on_disk = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(raw.body(), on_disk);
}

#[test]
fn an_operator_holds_and_drops_and_it_is_written_down() {
    let site = Site::new();
    let (_daemon, mut destination, id) = with_a_queued_chunk(&site);
    let act = |action: &str, body: &str| {
        let path = format!("/api/v1/chunks/{id}/{action}");
        http::post(site.admin(), &path, "application/json", body.as_bytes())
    };
    assert_eq!(act("hold", "").json()["changed"], true);
    destination.come_back();
    assert_eq!(act("hold", "").json()["changed"], false);
    let refused = act("drop", r#"{"confirm":"yes"}"#);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains(&id));
    let dropped = act("drop", &format!(r#"{{"confirm":"{id}"}}"#));
    assert_eq!(
        (dropped.status, &dropped.json()["events"]),
        (200, &25.into())
    );
    assert_eq!(
        http::get(site.admin(), &format!("/api/v1/chunks/{id}")).status,
        404
    );
    assert_eq!(destination.arrivals().count(), 0);

    let audit = fs::read_to_string(site.data_dir().join("audit.log")).unwrap();
    let lines = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done: Vec<_> = lines
        .map(|line| {
            (
                line["action"].as_str().unwrap().to_owned(),
                line["status"].as_u64(),
            )
        })
        .collect();
    let expected = [
        ("hold_chunk", 200),
        ("hold_chunk", 200),
        ("drop_chunk", 422),
        ("drop_chunk", 200),
    ];
    assert_eq!(
        done,
        expected.map(|(action, status)| (action.to_owned(), Some(status)))
    );
}

#[test]
fn a_certificate_and_a_token_are_asked_for_over_tls() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    for name in ["localhost", "operator", "stranger"] {
        certificate::make(&site, name);
    }
    let secret = "admin-0123456789abcdef";
    let config = site.config_to(&destination).replace(
        &format!("admin: {{ listen: \"{}\" }}", site.admin()),
        &format!(
            "admin:
  listen: \"{}\"
  tls: {{ cert_path: localhost.pem, key_path: localhost.key, client_ca_path: operator.pem }}
  tokens: {{ ops: {{ role: admin, secret: {secret} }} }}",
            site.admin()
        ),
    );
    let daemon = Daemon::spawn(&site, &config, Command::new(daemon::binary()));
    let curl = |arguments: &[&str]| {
        let port = site.admin().port();
        let mut command = Command::new(tools::find("curl"));
        command
            .current_dir(site.folder())
            .args(["-sS", "--retry", "20", "--retry-connrefused"]);
        command.args([
            "--cacert",
            "localhost.pem",
            "-w",
            "%{http_code}",
            "-o",
            "answer",
        ]);
        command.args([
            "--resolve",
            &format!("localhost:{port}:{}", site.admin().ip()),
        ]);
        command
            .args(arguments)
            .arg(format!("https://localhost:{port}/api/v1/caller"));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let operator = ["--cert", "operator.pem", "--key", "operator.key"];
    let stranger = ["--cert", "stranger.pem", "--key", "stranger.key"];
    let token = format!("Authorization: Bearer {secret}");
    let with_token = ["-H", token.as_str()];
    assert_eq!(curl(&[&operator[..], &with_token].concat()), "200");
    let answer = fs::read_to_string(site.path("answer")).unwrap();
    assert!(answer.contains(r#""who":"ops""#), "{answer}");
    assert_eq!(curl(&operator), "401");
    assert_eq!(curl(&[&stranger[..], &with_token].concat()), "000");
    assert_eq!(curl(&with_token), "000");
    assert!(!daemon.log_text().contains(secret));
}

#[test]
fn a_tap_shows_what_passes_and_ends_when_it_has_shown_enough() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let admin = site.admin();
    let path = "/api/v1/tap?route=all&tag=app.*&limit=2";
    let tap = std::thread::spawn(move || http::get(admin, path).text());
    let mut sender = Sender::connect(site.forward()).unwrap();
    let mut ids = (0..).map(|number| EventId::run(1, number, 1));
    wait::until_true("the tap to have shown enough", || {
        sender.deliver("app.web", &ids.next().unwrap());
        tap.is_finished()
    });
    let shown = tap.join().unwrap();
    assert_eq!(shown.matches("event: event\n").count(), 2, "{shown}");
    assert_eq!(shown.matches(r#""tag":"app.web""#).count(), 2, "{shown}");
}
