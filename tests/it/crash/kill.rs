//! SIGKILL at random moments, under load.

use std::sync::Arc;
use std::time::Duration;

use super::results;
use crate::harness::daemon::Daemon;
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::{site::Site, wait};

const KILL_COUNT: u32 = 50;
const CONNECTION_COUNT: u32 = 4;
const TAGS: &[&str] = &["app.web", "app.db", "job"];

/// What the destination does between a start of the daemon and its end.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Up,
    Down,
    Flapping,
    Behaving(Behaviour),
}

const WEATHERS: &[Weather] = &[
    Weather::Up,
    Weather::Up,
    Weather::Down,
    Weather::Down,
    Weather::Flapping,
    Weather::Flapping,
    Weather::Behaving(Behaviour::Refuse),
    Weather::Behaving(Behaviour::Hang),
    Weather::Behaving(Behaviour::Lie),
    Weather::Behaving(Behaviour::Forget),
];

#[test]
fn every_acknowledged_event_arrives_whatever_is_killed_when() {
    let mut random = Random::seeded("kill");
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let mut destination = Destination::away(site.address());
    let config = config(&site, &destination);

    let cycles = results::cycle_count(KILL_COUNT);
    for number in 0..cycles {
        let weather = random.choose(WEATHERS);
        one_life(
            &site,
            &config,
            &ledger,
            &mut destination,
            weather,
            number,
            &mut random,
        );
    }

    destination.behave(Behaviour::Acknowledge);
    destination.come_back();
    let daemon = Daemon::start(&site, &config);
    let file_system = results::own_file_system();
    results::settle(
        "kill",
        &file_system,
        cycles,
        cycles.into(),
        &ledger,
        &destination,
    );
    assert!(ledger.acknowledged().len() > 1_000, "the load was none");
    wait::until_true("the buffer to be empty", || is_empty(&daemon));
    assert_eq!(daemon.route("all")["dead"]["events"], 0);
    assert!(daemon.stop().success());
}

/// Starts the daemon, lets senders loose on it, and kills it at a random moment.
fn one_life(
    site: &Site,
    config: &str,
    ledger: &Arc<Ledger>,
    destination: &mut Destination,
    weather: Weather,
    number: u32,
    random: &mut Random,
) {
    set(destination, weather);
    let daemon = Daemon::start(site, config);
    let randoms = (0..CONNECTION_COUNT).map(|_| random.fork()).collect();
    let load = Load::start(
        site.forward(),
        ledger,
        TAGS,
        number * CONNECTION_COUNT,
        randoms,
    );
    let steps = random.within(1..6);
    for _ in 0..steps {
        wait::pause(Duration::from_micros(random.within(0..50_000)));
        if matches!(weather, Weather::Flapping) {
            flap(destination, random);
        }
    }
    daemon.kill();
    load.finish();
}

fn set(destination: &mut Destination, weather: Weather) {
    match weather {
        Weather::Up | Weather::Flapping => {
            destination.behave(Behaviour::Acknowledge);
            destination.come_back();
        }
        Weather::Down => destination.go_away(),
        Weather::Behaving(behaviour) => {
            destination.behave(behaviour);
            destination.come_back();
        }
    }
}

fn flap(destination: &mut Destination, random: &mut Random) {
    if random.within(0..2) == 0 {
        destination.go_away();
    } else {
        destination.come_back();
    }
}

/// Two keys, so that each batch is split, and chunks small enough to be many.
pub(super) fn config(site: &Site, destination: &Destination) -> String {
    site.config(&format!(
        "routes:
  all:
    match: \"**\"
    buffer:
      keys: [tag, key]
      flush_interval: 30ms
      chunk_limit_size: 64KiB
      retry_wait: 20ms
      retry_max_interval: 100ms
      delayed_commit_timeout: 2s
    to: central
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 200ms }}
",
        destination.address()
    ))
}

pub(super) fn is_empty(daemon: &Daemon) -> bool {
    let route = daemon.route("all");
    ["staged", "queued", "in_flight"]
        .iter()
        .all(|state| route[state]["events"] == 0)
}
