//! A destination that fails, and comes back.

use std::time::Duration;

use crate::harness::daemon::Daemon;
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

/// 2 s, and what a loaded machine may add.
const RECOVERY_MAX: Duration = Duration::from_millis(2_500);

#[test]
fn events_flow_within_two_seconds_after_a_refused_destination_returns() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    // The waits of the defaults, which grow to a minute.
    let config = site
        .config_to(&destination)
        .replace("retry_wait: 50ms, retry_max_interval: 200ms", "");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 50);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for id in &ids {
        sender.deliver("app", &[*id]);
    }
    // With growing waits the next would be due 4 s, then 8 s later.
    wait::until_true("four attempts to fail", || {
        daemon.output("all", "central")["attempts"]
            .as_u64()
            .unwrap()
            >= 4
    });
    let returned = wait::now();
    destination.come_back();
    destination.arrivals().wait_for(&ids);
    let recovery = returned.elapsed();
    assert!(recovery < RECOVERY_MAX, "{recovery:?}");
    println!("recovery: delivered {recovery:?} after the destination returned");
}

#[test]
fn a_destination_that_misbehaves_gets_everything_once_it_behaves() {
    for behaviour in [
        Behaviour::Refuse,
        Behaviour::Hang,
        Behaviour::Lie,
        Behaviour::Forget,
    ] {
        let site = Site::new();
        let destination = Destination::listen(site.address());
        destination.behave(behaviour);
        let daemon = Daemon::start(&site, &site.config_to(&destination));
        let ids = EventId::run(1, 0, 50);
        Sender::connect(site.forward())
            .unwrap()
            .deliver("app", &ids);
        wait::until_true("a second attempt", || {
            daemon.output("all", "central")["attempts"]
                .as_u64()
                .unwrap()
                >= 2
        });
        assert_eq!(
            daemon.output("all", "central")["chunks_delivered"],
            0,
            "{behaviour:?}"
        );
        destination.behave(Behaviour::Acknowledge);
        destination.arrivals().wait_for(&ids);
        wait::until_true("the chunk to be confirmed", || {
            daemon.output("all", "central")["events_delivered"] == ids.len()
        });
    }
}

#[test]
fn an_http_server_that_is_overloaded_is_tried_again_with_the_same_key() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("503 Service Unavailable\r\nretry-after: 1");
    let config = http_config(&site, &destination);
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 5);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    wait::until_true("a second attempt", || destination.request_count() >= 2);
    daemon.kill();
    destination.answer("200 OK");
    let _daemon = Daemon::start(&site, &config);
    destination.arrivals().wait_for(&ids);
    let requests = destination.take_requests();
    let keys: Vec<_> = requests
        .iter()
        .map(|request| request.header("idempotency-key"))
        .collect();
    assert!(keys.len() >= 3 && keys[0].is_some(), "{keys:?}");
    assert!(
        keys.iter().all(|key| *key == keys[0]),
        "stable across retries and restarts: {keys:?}"
    );
}

#[test]
fn s01_stanza_trap_d_a_chunk_out_of_retries_goes_to_the_dead_letters() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("500 Internal Server Error");
    let config = http_config(&site, &destination).replace(
        "retry_wait: 50ms",
        "bisect: false, retry_wait: 50ms, retry_forever: false, retry_max_times: 2",
    );
    let daemon = Daemon::start(&site, &config);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &EventId::run(1, 0, 5));
    wait::until_true("a dead letter", || {
        daemon.route("all")["dead"]["events"] == 5
    });
    assert_eq!(
        destination.take_requests().len(),
        3,
        "one attempt and two retries"
    );
}

fn http_config(site: &Site, destination: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: web }}
outputs:
  web: {{ type: http, url: \"http://{}/in\", format: ndjson }}
",
        destination.address()
    ))
}
