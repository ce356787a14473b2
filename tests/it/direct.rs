//! Outputs that are driven direct: the sender waits for the destination.

use std::io::ErrorKind;

use crate::harness::daemon::{self, Daemon};
use crate::harness::event::{self, EventId};
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

fn config(site: &Site, to: &str, destination: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"**\", to: {to} }}
outputs:
  far: {{ type: http, url: \"http://{}/${{tag}}\", buffered: false }}
",
        destination.address()
    ))
}

fn post(site: &Site, ids: &[EventId]) -> http::Response {
    let body = event::entries(ids, 1);
    http::post(site.http(), "/app", "application/msgpack", &body)
}

#[test]
fn f03_a_direct_output_s_failure_is_the_refusal_of_its_sender() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let daemon = Daemon::start(&site, &config(&site, "far", &destination));

    destination.answer("503 Service Unavailable\r\nretry-after: 7");
    let refused = post(&site, &EventId::run(1, 0, 3));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("7"));
    assert!(refused.text().contains("output far did not take the batch"));

    destination.answer("400 Bad Request");
    assert_eq!(post(&site, &EventId::run(1, 3, 3)).status, 422);

    destination.answer("503 Service Unavailable");
    let mut sender = Sender::connect(site.forward()).unwrap();
    let ids = EventId::run(2, 0, 3);
    sender.send("app", "c1", &event::entries(&ids, 1)).unwrap();
    let hung_up = sender.read_ack().unwrap_err();
    assert_ne!(
        hung_up.kind(),
        ErrorKind::WouldBlock,
        "no acknowledgement: {hung_up}"
    );

    assert_eq!(
        daemon.route("all")["queued"]["chunks"],
        0,
        "nothing was kept"
    );
    assert_eq!(destination.arrivals().count(), 0);
}

#[test]
fn f03_a_sender_is_acknowledged_when_the_destination_has_the_batch() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let daemon = Daemon::start(&site, &config(&site, "far", &destination));
    let ids = EventId::run(1, 0, 5);
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("app.web", &ids);
    assert_eq!(
        destination.arrivals().count(),
        ids.len(),
        "before the acknowledgement"
    );
    let requests = destination.take_requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].header("idempotency-key").is_none());
    assert_eq!(post(&site, &EventId::run(2, 0, 2)).status, 200);
    assert_eq!(daemon.output("all", "far")["events_delivered"], 7);
}

#[test]
fn f03_with_a_buffered_output_beside_it_both_are_waited_for() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let path = site.path("kept.ndjson");
    let config = format!(
        "{}  kept: {{ type: file, path: \"{}\" }}\n",
        config(&site, "[kept, far]", &destination),
        path.display()
    );
    let _daemon = Daemon::start(&site, &config);
    destination.answer("503 Service Unavailable");
    assert_eq!(post(&site, &EventId::run(1, 0, 2)).status, 503);
    destination.answer("204 No Content");
    let ids = EventId::run(2, 0, 2);
    assert_eq!(post(&site, &ids).status, 200);
    destination.arrivals().wait_for(&ids);
    wait::until_true("the file to have what was acknowledged", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        ids.iter()
            .all(|id| text.contains(&format!("\"id\":{}", id.0)))
    });
}

#[test]
fn f07_a_wish_for_no_buffer_against_a_buffer_section_is_an_error_that_names_both() {
    let site = Site::new();
    let config = site.config(
        "routes:
  all: { match: \"**\", buffer: {}, to: far }
outputs:
  far: { type: \"null\", buffered: false }
",
    );
    let file = site.path("forebay.yaml");
    std::fs::write(&file, config).unwrap();
    let (code, _, error) = daemon::run(&["check", "-c", file.to_str().unwrap()]);
    assert_eq!(code, Some(78));
    assert!(
        error.contains("this has no effect: the route `all` has a `buffer` section"),
        "{error}"
    );
}
