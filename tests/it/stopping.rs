//! Signals, and starting again.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::daemon::Daemon;
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::event::EventId;
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

#[test]
fn sigusr1_flushes_what_is_held_lazily() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let daemon = Daemon::start(&site, &lazy(&site, &destination, ""));
    let ids = EventId::run(1, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    wait::until_true("the events to be staged", || {
        daemon.route("all")["staged"]["events"] == 10
    });
    assert_eq!(destination.arrivals().count(), 0, "lazy means held");
    daemon.signal(Signal::USR1);
    destination.arrivals().wait_for(&ids);
}

#[test]
fn sigterm_leaves_lazily_held_events_on_disk_for_the_next_start() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = lazy(&site, &destination, "");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    assert!(daemon.stop().success());
    assert_eq!(destination.arrivals().count(), 0);
    let daemon = Daemon::start(&site, &config);
    daemon.signal(Signal::USR1);
    destination.arrivals().wait_for(&ids);
}

#[test]
fn sigterm_flushes_first_where_the_route_says_so() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let daemon = Daemon::start(
        &site,
        &lazy(&site, &destination, "flush_at_shutdown: true,"),
    );
    let ids = EventId::run(1, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    assert!(daemon.stop().success());
    assert_eq!(destination.arrivals().count(), ids.len());
}

#[test]
fn sigterm_under_load_exits_with_0_and_loses_nothing() {
    let mut random = Random::seeded("sigterm");
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let daemon = Daemon::start(&site, &config);
    let randoms = (0..4).map(|_| random.fork()).collect();
    let load = Load::start(site.forward(), &ledger, &["app"], 0, randoms);
    wait::until_true("some load", || load.acknowledged_batch_count() > 50);
    assert!(daemon.stop().success());
    load.finish();
    let _daemon = Daemon::start(&site, &config);
    destination.arrivals().wait_for(&ledger.acknowledged());
}

#[test]
fn ilogtail_trap_c_sigterm_does_not_wait_for_a_destination_that_hangs() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    destination.behave(Behaviour::Hang);
    let config = format!("stop_timeout: 1s\n{}", site.config_to(&destination));
    let config = config.replace("ack_timeout: 1s", "ack_timeout: 60s");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    wait::until_true("a delivery under way", || {
        daemon.output("all", "central")["in_flight"] != 0
    });
    let asked = wait::now();
    assert!(daemon.stop().success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    destination.behave(Behaviour::Acknowledge);
    let _daemon = Daemon::start(&site, &config);
    destination.arrivals().wait_for(&ids);
}

fn lazy(site: &Site, destination: &Destination, more: &str) -> String {
    let config = site.config_to(destination);
    config.replace("flush_interval: 20ms", &format!("{more} flush_mode: lazy"))
}
