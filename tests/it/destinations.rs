//! Several outputs of one route.

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

#[test]
fn each_destination_keeps_its_own_progress_across_a_kill() {
    let site = Site::new();
    let near = Destination::listen(site.address());
    let mut far = Destination::away(site.address());
    let config = config(&site, &near, &far);
    let ids = EventId::run(1, 0, 300);

    let daemon = Daemon::start(&site, &config);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    wait::until_true("the near destination to have confirmed", || {
        daemon.output("all", "near")["events_delivered"] == ids.len()
    });
    daemon.kill();

    let daemon = Daemon::start(&site, &config);
    far.come_back();
    far.arrivals().wait_for(&ids);
    wait::until_true("the buffer to be empty", || {
        daemon.route("all")["queued"]["events"] == 0
    });
    assert_eq!(
        near.arrivals().repeat_count(),
        0,
        "what was confirmed is not sent again"
    );
}

#[test]
fn a_destination_that_is_away_stops_no_other() {
    let site = Site::new();
    let near = Destination::listen(site.address());
    let far = Destination::away(site.address());
    let _daemon = Daemon::start(&site, &config(&site, &near, &far));
    let mut sender = Sender::connect(site.forward()).unwrap();
    for batch in 0..20 {
        let ids = EventId::run(1, batch * 10, 10);
        sender.deliver("app", &ids);
        near.arrivals().wait_for(&ids);
    }
}

#[test]
fn a_standby_server_is_used_while_the_first_is_away() {
    let site = Site::new();
    let mut first = Destination::listen(site.address());
    let standby = Destination::listen(site.address());
    let config = site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: pair }}
outputs:
  pair:
    type: forward
    ack_timeout: 1s
    servers:
      - \"{}\"
      - {{ address: \"{}\", standby: true }}
",
        first.address(),
        standby.address()
    ));
    let _daemon = Daemon::start(&site, &config);
    let mut sender = Sender::connect(site.forward()).unwrap();
    let ids = EventId::run(1, 0, 30);
    sender.deliver("app", &ids[..10]);
    first.arrivals().wait_for(&ids[..10]);
    assert_eq!(standby.arrivals().count(), 0);
    first.go_away();
    sender.deliver("app", &ids[10..]);
    standby.arrivals().wait_for(&ids[10..]);
}

fn config(site: &Site, near: &Destination, far: &Destination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: [near, far] }}
outputs:
  near: {{ type: forward, servers: [\"{}\"] }}
  far: {{ type: forward, servers: [\"{}\"] }}
",
        near.address(),
        far.address()
    ))
}
