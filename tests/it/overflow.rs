//! What happens to senders when a route is full.

use std::io::ErrorKind;
use std::time::Duration;

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

/// Each batch is about 100 KiB; the route takes 1 MiB.
const BATCH_COUNT: u32 = 40;
const BATCH_EVENTS: u32 = 1_000;

#[test]
fn a_full_route_that_blocks_holds_its_senders_back_and_no_others() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let other = Destination::listen(site.address());
    let daemon = Daemon::start(&site, &config(&site, "block", &destination, &other));

    let mut held_back = Sender::connect(site.forward()).unwrap();
    let mut writer = Sender::connect(site.forward()).unwrap();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send_batches(&mut held_back));
        wait::until_true("a sender to be held back", || {
            daemon.route("full")["senders_waiting"] != 0
        });
        let ids = EventId::run(9, 0, 100);
        writer.deliver("other", &ids);
        other.arrivals().wait_for(&ids);
        destination.come_back();
        sending.join().unwrap();
    });
    for _ in 0..BATCH_COUNT {
        held_back.read_ack().unwrap();
    }
    destination
        .arrivals()
        .wait_for(&EventId::run(1, 0, BATCH_COUNT * BATCH_EVENTS));
}

#[test]
fn one_connection_goes_on_with_other_routes_after_its_batch_was_taken() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let other = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &config(&site, "block", &destination, &other));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("full", &EventId::run(1, 0, 10));
    let ids = EventId::run(2, 0, 10);
    sender.deliver("other", &ids);
    other.arrivals().wait_for(&ids);
}

#[test]
fn a_full_route_that_rejects_says_so_and_takes_again_when_there_is_room() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let other = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &config(&site, "reject", &destination, &other));

    let mut taken = Vec::new();
    let refused = wait::until("the route to be full", || {
        let first = u32::try_from(taken.len()).unwrap();
        let ids = EventId::run(1, first, BATCH_EVENTS);
        let answer = post(&site, &ids);
        if answer.status == 200 {
            taken.extend(ids);
            return None;
        }
        Some(answer)
    });
    assert!([429, 503].contains(&refused.status), "{}", refused.status);
    let retry_after = refused
        .header("retry-after")
        .and_then(|value| value.parse::<u64>().ok());
    assert!(retry_after.is_some(), "a refusal says when to come again");

    destination.come_back();
    destination.arrivals().wait_for(&taken);
    let ids = EventId::run(2, 0, 10);
    wait::until_true("the route to take again", || {
        post(&site, &ids).status == 200
    });
    destination.arrivals().wait_for(&ids);
}

#[test]
fn a_forward_sender_that_is_rejected_gets_no_acknowledgement() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let other = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &config(&site, "reject", &destination, &other));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender
        .stream()
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut taken = Vec::new();
    for batch in 0..BATCH_COUNT {
        let ids = EventId::run(1, batch * BATCH_EVENTS, BATCH_EVENTS);
        let sent = sender.send("full", "x", &event::entries(&ids, 1));
        match sent.and_then(|()| sender.read_ack()) {
            Ok(_) => taken.extend(ids),
            Err(error) => {
                assert_ne!(
                    error.kind(),
                    ErrorKind::WouldBlock,
                    "refusing is not silence"
                );
                break;
            }
        }
    }
    assert!(
        taken.len() < usize::try_from(BATCH_COUNT * BATCH_EVENTS).unwrap(),
        "never full"
    );
    destination.come_back();
    destination.arrivals().wait_for(&taken);
}

#[test]
fn what_drop_oldest_chunk_drops_is_counted() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let other = Destination::listen(site.address());
    let config = config(&site, "drop_oldest_chunk", &destination, &other);
    let daemon = Daemon::start(&site, &config);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for batch in 0..BATCH_COUNT {
        sender.deliver("full", &EventId::run(1, batch * BATCH_EVENTS, BATCH_EVENTS));
    }
    let dropped = daemon.metric("forebay_route_dropped_events_total", &["route=\"full\""]);
    assert!(dropped > 0.0, "nothing was dropped");
    destination.come_back();
    let sent = f64::from(BATCH_COUNT * BATCH_EVENTS);
    wait::until_true("everything else to be delivered", || {
        daemon.output("full", "central")["events_delivered"]
            .as_f64()
            .unwrap()
            + dropped
            >= sent
    });
    assert_eq!(destination.arrivals().count(), event_count(sent - dropped));
    let last = EventId::new(1, BATCH_COUNT * BATCH_EVENTS - 1);
    assert!(destination.arrivals().has(last), "the newest is kept");
}

fn config(site: &Site, overflow: &str, full: &Destination, other: &Destination) -> String {
    site.config(&format!(
        "routes:
  full:
    match: full
    buffer:
      flush_interval: 20ms
      chunk_limit_size: 128KiB
      total_limit_size: 1MiB
      overflow: {overflow}
      retry_wait: 50ms
      retry_max_interval: 200ms
    to: central
  other: {{ match: other, buffer: {{ flush_interval: 20ms }}, to: other }}
outputs:
  central: {{ type: forward, servers: [\"{}\"] }}
  other: {{ type: forward, servers: [\"{}\"] }}
",
        full.address(),
        other.address()
    ))
}

fn send_batches(sender: &mut Sender) {
    for batch in 0..BATCH_COUNT {
        let ids = EventId::run(1, batch * BATCH_EVENTS, BATCH_EVENTS);
        sender
            .send("full", &batch.to_string(), &event::entries(&ids, 1))
            .unwrap();
    }
}

fn post(site: &Site, ids: &[EventId]) -> http::Response {
    let lines = ids
        .iter()
        .map(|id| format!("{{\"id\":{},\"text\":\"{}\"}}\n", id.0, "x".repeat(80)));
    http::post(
        site.http(),
        "/full",
        "application/x-ndjson",
        lines.collect::<String>().as_bytes(),
    )
}

fn event_count(count: f64) -> usize {
    format!("{count:.0}").parse().unwrap()
}
