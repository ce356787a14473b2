//! The gauges are what the files say, and the counters leave no event out.

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::event::{self, EventId};
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

/// Chunks, events and bytes of payload.
type Totals = [u64; 3];

/// A route for a part of the tags, so that some events have none.
fn config(site: &Site, destination: &Destination) -> String {
    let config = site.config_to(destination);
    assert!(config.contains("match: \"**\""));
    config.replace("match: \"**\"", "match: \"app.**\"")
}

/// What the chunk files say, offline: not dead, and dead.
fn in_files(site: &Site) -> [Totals; 2] {
    let dir = site.data_dir();
    let (code, listed, errors) = daemon::run(&["buffer", "ls", "--json", dir.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    let mut totals = [Totals::default(); 2];
    for line in listed.lines() {
        let chunk: Value = serde_json::from_str(line).unwrap();
        let area = usize::from(chunk["state"] == "dead");
        let number = |field: &str| chunk[field].as_u64().unwrap();
        let counted = [1, number("events"), number("bytes")];
        totals[area] = std::array::from_fn(|index| totals[area][index] + counted[index]);
    }
    totals
}

/// What the gauges say: not dead, and dead.
fn in_gauges(daemon: &Daemon) -> [Totals; 2] {
    let families = ["chunks", "events", "bytes"].map(|of| format!("forebay_buffer_{of}"));
    let of = |states: &[&str]| -> Totals {
        let sum = |family: &String| {
            let values = states.iter().map(|state| {
                let label = format!("state=\"{state}\"");
                daemon.metric(family, &[&label])
            });
            values.sum::<f64>()
        };
        std::array::from_fn(|index| whole(sum(&families[index])))
    };
    [of(&["staged", "queued", "in_flight"]), of(&["dead"])]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are small and whole"
)]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value}");
    value as u64
}

/// Waits until both say the same; they cannot be asked at the same moment.
fn recount(site: &Site, daemon: &Daemon) {
    wait::until_true("gauges and files to say the same", || {
        in_gauges(daemon) == in_files(site)
    });
}

#[test]
fn what_the_gauges_say_is_what_is_on_disk_whatever_happened_before() {
    let mut random = Random::seeded("recount");
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let config = config(&site, &destination);
    let mut daemon = Daemon::start(&site, &config);
    for round in 0..24 {
        let count = u32::try_from(random.within(1..200)).unwrap();
        let ids = EventId::run(1, round * 1_000, count);
        let mut sender = Sender::connect(site.forward()).unwrap();
        sender.deliver(&format!("app.{}", random.within(0..4)), &ids);
        match random.within(0..6) {
            0 => destination.come_back(),
            1 => destination.go_away(),
            2 => destination.behave(random.choose(&[Behaviour::Forget, Behaviour::Acknowledge])),
            3 => sender.deliver_entries("app.bad", &event::entry_without_map()),
            4 => {
                daemon.kill();
                daemon = Daemon::start(&site, &config);
            }
            _ => {
                assert!(daemon.stop().success());
                daemon = Daemon::start(&site, &config);
            }
        }
        recount(&site, &daemon);
    }
    destination.behave(Behaviour::Acknowledge);
    destination.come_back();
    wait::until_true("everything to be delivered", || {
        in_gauges(&daemon)[0] == Totals::default()
    });
    recount(&site, &daemon);
}

#[test]
fn the_counters_leave_no_event_out() {
    let site = Site::new();
    let mut destination = Destination::listen(site.address());
    let daemon = Daemon::start(&site, &config(&site, &destination));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("app.web", &EventId::run(1, 0, 100));
    // The same once more, by the same name: a repeat.
    sender.deliver("app.web", &EventId::run(1, 0, 100));
    sender.deliver("elsewhere", &EventId::run(1, 1_000, 7));
    let mut with_a_bad_one = event::entries(&EventId::run(1, 2_000, 5), 1);
    with_a_bad_one.extend(event::entry_without_map());
    sender.deliver_entries("app.bad", &with_a_bad_one);
    let delivered = || whole(daemon.metric("forebay_output_delivered_events_total", &[]));
    wait::until_true("the deliveries to be confirmed", || delivered() == 105);
    destination.go_away();
    sender.deliver("app.web", &EventId::run(1, 3_000, 30));

    let counted = |family: &str| whole(daemon.metric(family, &[]));
    let (taken_in, stored) = (
        counted("forebay_input_events_total"),
        counted("forebay_route_stored_events_total"),
    );
    let beside = [
        ("forebay_route_repeated_events_total", 100),
        ("forebay_route_set_aside_events_total", 1),
        ("forebay_unmatched_events_total", 7),
    ];
    for (family, count) in beside {
        assert_eq!(counted(family), count, "{family}");
    }
    assert_eq!(
        (taken_in, stored),
        (235, 135),
        "set aside and unmatched are no part"
    );
    let lost = || {
        counted("forebay_route_given_up_events_total")
            + counted("forebay_route_dropped_events_total")
    };
    // The gauges are asked one after the other, while the last events pass from state to state.
    wait::until_true("what was stored to be delivered, waiting or lost", || {
        let [waiting, dead] = in_gauges(&daemon);
        stored == delivered() + waiting[1] + lost() && (waiting[1], dead[1], lost()) == (30, 1, 0)
    });
}
