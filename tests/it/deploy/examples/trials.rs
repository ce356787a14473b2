//! What is sent into each example, and what has to come of it.

use std::process::Command;

use rmpv::Value;
use rustix::process::Signal;

use super::place::{self, Place};
use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::{HttpDestination, id_of_line};
use crate::harness::sender::Sender;
use crate::harness::{http, tools, wait};

/// Sends one event by HTTP.
fn post(place: &Place, tag: &str, event: &str) {
    let path = format!("/{tag}");
    let answer = http::post(
        place.site.http(),
        &path,
        "application/json",
        event.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Sends events by the forward protocol.
fn send(place: &Place, tag: &str, ids: &[EventId]) {
    let mut sender = Sender::connect(place.site.forward()).unwrap();
    sender.deliver(tag, ids);
}

/// Sends one event of these fields by the forward protocol.
fn send_fields(place: &Place, tag: &str, fields: &[(&str, Value)]) {
    let fields = fields.iter();
    let record = fields.map(|(name, value)| (Value::from(*name), value.clone()));
    let entry = Value::Array(vec![1_700_000_000.into(), Value::Map(record.collect())]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &entry).unwrap();
    let mut sender = Sender::connect(place.site.forward()).unwrap();
    sender.deliver_entries(tag, &bytes);
}

/// A forward server where the example says it is.
fn destination(place: &mut Place, written: &str) -> Destination {
    let destination = Destination::listen(place.site.address());
    place.put(written, &destination.address().to_string());
    destination
}

/// The HTTP server at 127.0.0.1:8080.
fn service(place: &mut Place) -> HttpDestination {
    let service = HttpDestination::listen(place.site.address());
    place.put("127.0.0.1:8080", &service.address().to_string());
    service
}

pub(super) fn quick_start_prints_what_it_is_sent() {
    let place = Place::new();
    let daemon = place.start("quick-start.yaml");
    post(&place, "app.test", "{\"hello\": \"world\"}");
    wait::until_true("the event to be printed", || {
        daemon.output_text().contains("world")
    });
}

pub(super) fn the_service_writes_files_by_tag_and_day() {
    let place = Place::new();
    let _daemon = place.start("service.yaml");
    post(&place, "app.test", "{\"hello\": \"world\"}");
    let file = place.wait_for_text("log", "world");
    assert!(file.starts_with("app.test"), "{file:?}");
}

pub(super) fn an_edge_sends_to_the_centre_over_tls() {
    let (mut edge, centre) = (Place::new(), Place::new());
    centre.make_certificates("logs.example.com");
    edge.share_certificates(&centre);
    edge.put("logs.example.com:24224", &centre.site.forward().to_string());
    let _centre = centre.start("central.yaml");
    let _edge = edge.start("edge.yaml");
    send(&edge, "app.web", &[EventId(7_001)]);
    let file = centre.wait_for_text("log", "7001");
    assert!(file.starts_with("app.web"), "{file:?}");
}

pub(super) fn an_aggregator_stands_between() {
    let (mut edge, mut aggregator) = (Place::new(), Place::new());
    aggregator.make_certificates("logs.example.com");
    edge.share_certificates(&aggregator);
    let address = aggregator.site.forward().to_string();
    edge.put("logs.example.com:24224", &address);
    let one = destination(&mut aggregator, "central-1.example.com:24224");
    let other = destination(&mut aggregator, "central-2.example.com:24224");
    let text = aggregator.text("aggregator.yaml");
    let daemon = Daemon::spawn(&aggregator.site, &text, place::command());
    wait_until_let_in(&aggregator);
    let _edge = edge.start("edge.yaml");
    let ids = EventId::run(1, 0, 40);
    for (number, id) in ids.iter().enumerate() {
        send(&edge, &format!("app.{number}"), &[*id]);
    }
    wait::until_true("every event at one server or the other", || {
        let has = |id: &EventId| one.arrivals().has(*id) || other.arrivals().has(*id);
        ids.iter().all(has)
    });
    assert!(daemon.stop().success());
}

/// Waits until the admin API, which speaks TLS, says that the daemon is ready and answers who has the token.
fn wait_until_let_in(place: &Place) {
    let asked = |path: &str, header: &str| {
        let url = format!("https://{}{path}", place.site.admin());
        let mut command = Command::new(tools::find("curl"));
        command.args([
            "-sk",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            header,
            &url,
        ]);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    };
    let (_, token) = place::ENVIRONMENT[1];
    let bearer = format!("Authorization: Bearer {token}");
    wait::until_true("the aggregator to be ready", || {
        asked("/readyz", &bearer) == "200"
    });
    assert_eq!(asked("/api/v1/status", &bearer), "200");
    assert_eq!(asked("/api/v1/status", "Accept: */*"), "401");
}

pub(super) fn tee_delivers_to_both() {
    let mut place = Place::new();
    let central = destination(&mut place, "127.0.0.1:24225");
    let _daemon = place.start("tee.yaml");
    send(&place, "app.web", &[EventId(7_001)]);
    send(&place, "other", &[EventId(7_002)]);
    central
        .arrivals()
        .wait_for(&[EventId(7_001), EventId(7_002)]);
    let file = place.wait_for_text("archive", "7001");
    assert!(file.starts_with("app.web"), "{file:?}");
}

pub(super) fn filters_parse_redact_and_route() {
    let mut place = Place::new();
    let central = destination(&mut place, "127.0.0.1:24225");
    let _daemon = place.start("filters.yaml");
    let line = "10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] \"GET /index 1\" 200 512";
    let [visit, login] = [7_001, 7_002].map(EventId);
    send_fields(
        &place,
        "nginx.access",
        &[("id", visit.0.into()), ("message", line.into())],
    );
    send_fields(
        &place,
        "app.login",
        &[
            ("id", login.0.into()),
            ("level", "error".into()),
            ("password", "secret".into()),
        ],
    );
    let file = place.wait_for_text("archive", "7002");
    assert_eq!(file.to_str(), Some("error.app.login.ndjson"));
    wait::until_true("the parsed line", || {
        let taken = central.taken();
        let mut payloads = taken.iter().map(|taken| &taken.payload);
        payloads.any(|payload| String::from_utf8_lossy(payload).contains("/index"))
    });
    let kept = std::fs::read_to_string(place.site.path("archive").join(file)).unwrap();
    assert!(!kept.contains("secret") && kept.contains("host"), "{kept}");
}

pub(super) fn http_events_come_to_files_by_hour() {
    let place = Place::new();
    let daemon = place.start("hourly-files.yaml");
    post(&place, "audit.login", "{\"user\": \"kim\"}");
    daemon.signal(Signal::USR1);
    let file = place.wait_for_text("log", "kim");
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_eq!(name.len(), "20261122-10.ndjson.gz".len(), "{name}");
}

pub(super) fn what_a_service_does_not_take_is_rescued() {
    let mut place = Place::new();
    let service = service(&mut place);
    service.answer("503 Service Unavailable");
    let central = destination(&mut place, "127.0.0.1:24225");
    place.put("retry_timeout: 1h", "retry_timeout: 1s");
    let _daemon = place.start("fan-out.yaml");
    send(&place, "app.web", &[EventId(7_001)]);
    central.arrivals().wait_for(&[EventId(7_001)]);
    let file = place.wait_for_text("log/rescued", "7001");
    assert_eq!(file.to_str(), Some("app.web.ndjson"));
    let requests = service.take_requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer mill"));
}

pub(super) fn only_the_record_that_is_refused_is_a_dead_letter() {
    let mut place = Place::new();
    let service = service(&mut place);
    service.answer_if("7002", "400 Bad Request");
    let daemon = place.start("dead-letters.yaml");
    post(
        &place,
        "app",
        "[{\"id\": 7001}, {\"id\": 7002}, {\"id\": 7003}]",
    );
    service.arrivals().wait_for(&[7_001, 7_003].map(EventId));
    wait::until_true("the dead letter", || {
        daemon.route("everything")["dead"]["events"] == 1
    });
    assert!(daemon.stop().success());
    let data = place.site.data_dir();
    let (code, listing, errors) = daemon::run(&["dead", "cat", data.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        listing.contains("7002") && !listing.contains("7001"),
        "{listing}"
    );
}

pub(super) fn measurements_arrive() {
    let mut place = Place::new();
    let central = destination(&mut place, "127.0.0.1:24225");
    let _daemon = place.start("measurements.yaml");
    let ids = EventId::run(1, 0, 10);
    send(&place, "metrics.cpu", &ids);
    central.arrivals().wait_for(&ids);
}

pub(super) fn a_pipe_is_read_to_its_end() {
    let mut place = Place::new();
    let central = destination(&mut place, "127.0.0.1:24225");
    let mut command = Command::new("sh");
    let script = "printf '{\"id\": 7001}\\n{\"id\": 7002}\\n' | \"$0\" \"$@\"";
    command.args(["-c", script]).arg(daemon::binary());
    let mut daemon = Daemon::spawn(&place.site, &place.text("pipe.yaml"), command);
    central.arrivals().wait_for(&[7_001, 7_002].map(EventId));
    assert!(daemon.wait_for_exit().success(), "{}", daemon.log_text());
}

pub(super) fn each_account_keeps_its_order() {
    let mut place = Place::new();
    let service = service(&mut place);
    service.answer("503 Service Unavailable");
    let _daemon = place.start("ordered.yaml");
    let mut ids = Vec::new();
    for number in 0..20 {
        let (account, id) = (number % 2, EventId(7_000 + number));
        let event = format!("{{\"id\": {}, \"account\": {account}}}", id.0);
        post(&place, "account.change", &event);
        ids.push(id);
    }
    wait::until_true("an attempt", || service.request_count() > 0);
    service.take_requests();
    service.answer("204 No Content");
    service.arrivals().wait_for(&ids);
    let requests = service.take_requests();
    let bodies = requests
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body));
    let lines: Vec<_> = bodies
        .flat_map(|body| body.lines().map(id_of_line).collect::<Vec<_>>())
        .collect();
    for account in 0..2 {
        let mut ours: Vec<_> = lines.iter().filter(|id| id.0 % 2 == account).collect();
        // One that was under way when the service came back has been sent twice.
        ours.dedup();
        assert!(ours.len() == 10 && ours.is_sorted(), "{ours:?}");
    }
}
