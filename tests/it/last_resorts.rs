//! What a destination does not take: cut up, handed to the secondary output, kept or dropped.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::{HttpDestination, id_of_line};
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

/// A route to an HTTP destination with these buffer settings, and settings of the route.
fn config(site: &Site, destination: &HttpDestination, buffer: &str, route: &str) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms, {buffer} }}, to: web{route} }}
outputs:
  web: {{ type: http, url: \"http://{}/in\", format: ndjson }}
{}",
        destination.address(),
        if route.is_empty() { "" } else { "  rest: { type: file, path: rest.ndjson }\n" },
    ))
}

/// The ids of the dead letters, as `buffer cat` shows them.
fn dead_ids(site: &Site) -> Vec<EventId> {
    let folder = site.data_dir();
    let arguments = ["buffer", "cat", folder.to_str().unwrap(), "--dead"];
    let (code, events, errors) = daemon::run(&arguments);
    assert_eq!(code, Some(0), "{errors}");
    let record = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        id_of_line(&event["record"].to_string())
    };
    events.lines().map(record).collect()
}

/// The ids in the secondary output's file.
fn file_ids(site: &Site) -> Vec<EventId> {
    let text = fs::read_to_string(site.path("rest.ndjson")).unwrap_or_default();
    text.lines().map(id_of_line).collect()
}

fn send(site: &Site, ids: &[EventId]) {
    Sender::connect(site.forward()).unwrap().deliver("app", ids);
}

fn text_of(id: EventId) -> String {
    format!("\"id\":{},", id.0)
}

fn dead_events(daemon: &Daemon) -> u64 {
    daemon.route("all")["dead"]["events"].as_u64().unwrap()
}

#[test]
fn g07_a_record_that_is_refused_is_a_dead_letter_and_the_rest_is_delivered_once() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let ids = EventId::run(1, 0, 500);
    let (bad, large) = (ids[123], ids[400]);
    destination.answer_if(&text_of(bad), "400 Bad Request");
    destination.answer_if(&text_of(large), "413 Content Too Large");
    let daemon = Daemon::start(&site, &config(&site, &destination, "", ""));
    send(&site, &ids);
    wait::until_true("two dead letters", || dead_events(&daemon) == 2);
    wait::until_true("the rest to be confirmed", || {
        daemon.output("all", "web")["owed_chunks"] == 0
    });
    let good: Vec<_> = ids
        .iter()
        .copied()
        .filter(|id| *id != bad && *id != large)
        .collect();
    destination.arrivals().wait_for(&good);
    assert_eq!(destination.arrivals().count(), good.len());
    assert_eq!(destination.arrivals().repeat_count(), 0);
    let requests = destination.take_requests().len();
    assert!(requests <= 2 * 20, "{requests} requests");
    assert!((daemon.metric("forebay_output_bisections_total", &[]) - 1.0).abs() < 0.1);
    assert!(daemon.stop().success());

    let mut dead = dead_ids(&site);
    dead.sort_unstable();
    assert_eq!(dead, [bad, large]);
    let folder = site.data_dir();
    let (_, listing, _) = daemon::run(&["buffer", "ls", folder.to_str().unwrap()]);
    assert!(
        listing.contains("400") && listing.contains("413"),
        "{listing}"
    );
}

#[test]
fn s07_a_record_that_keeps_failing_is_given_up_and_the_rest_does_not_wait_for_that() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let ids = EventId::run(1, 0, 200);
    destination.answer_if(&text_of(ids[7]), "500 Internal Server Error");
    let settings = "retry_timeout: 5s";
    let daemon = Daemon::start(&site, &config(&site, &destination, settings, ""));
    send(&site, &ids);
    let good: Vec<_> = ids.iter().copied().filter(|id| *id != ids[7]).collect();
    destination.arrivals().wait_for(&good);
    assert_eq!(dead_events(&daemon), 0, "it has its own time for retries");
    wait::until_true("a dead letter", || dead_events(&daemon) == 1);
    assert!(daemon.stop().success());
    assert_eq!(dead_ids(&site), [ids[7]]);
}

#[test]
fn a_destination_that_refuses_everything_is_not_asked_about_every_record() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("400 Bad Request");
    let daemon = Daemon::start(&site, &config(&site, &destination, "", ""));
    send(&site, &EventId::run(1, 0, 1_000));
    wait::until_true("all to be dead letters", || dead_events(&daemon) == 1_000);
    let requests = destination.take_requests().len();
    assert!(requests <= 15, "{requests} requests");
}

#[test]
fn a_kill_in_the_middle_of_the_search_loses_nothing() {
    let mut random = Random::seeded("kills in a search");
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let ids = EventId::run(1, 0, 300);
    let bad: BTreeSet<_> = [3, 77, 78, 200, 299].map(|index| ids[index]).into();
    for id in &bad {
        destination.answer_if(&text_of(*id), "400 Bad Request");
    }
    let config = config(&site, &destination, "", "");
    let daemon = Daemon::start(&site, &config);
    send(&site, &ids);
    let mut daemon = Some(daemon);
    for _ in 0..6 {
        wait::pause(Duration::from_millis(random.within(0..60)));
        daemon.take().unwrap().kill();
        daemon = Some(Daemon::start(&site, &config));
    }
    let daemon = daemon.unwrap();
    wait::until_true("nothing to be owed", || {
        let route = daemon.route("all");
        daemon.output("all", "web")["owed_chunks"] == 0 && route["staged"]["chunks"] == 0
    });
    let good: Vec<_> = ids.iter().copied().filter(|id| !bad.contains(id)).collect();
    destination.arrivals().wait_for(&good);
    assert!(daemon.stop().success());
    // A burial that was cut short is repeated.
    let dead: BTreeSet<_> = dead_ids(&site).into_iter().collect();
    assert_eq!(dead, bad);
}

/// Fluentd gives such a chunk to the secondary output every time that the acknowledgement of the
/// primary one is overdue: five copies in 25 s.
#[test]
fn a_rejected_chunk_of_a_deferred_output_reaches_the_secondary_once() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    // The tag is made of a field that these events do not have, so that no attempt can succeed.
    let config = site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ keys: [missing], flush_interval: 20ms, delayed_commit_timeout: 500ms }}, to: central, secondary: rest }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], tag: \"${{missing}}\", ack_timeout: 300ms, connect_timeout: 300ms, send_timeout: 300ms }}
  rest: {{ type: file, path: rest.ndjson }}
",
        destination.address()
    ));
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 20);
    send(&site, &ids);
    wait::until_true("the secondary output's copy", || {
        file_ids(&site).len() == ids.len()
    });
    wait::until_true("nothing to be owed", || {
        daemon.output("all", "central")["owed_chunks"] == 0
    });
    // Several times as long as the primary output's acknowledgement may take.
    wait::pause(Duration::from_secs(3));
    assert_eq!(file_ids(&site).len(), ids.len(), "one copy");
    assert_eq!(dead_events(&daemon), 0);
    assert!((daemon.metric("forebay_route_secondary_events_total", &[]) - 20.0).abs() < 0.1);
}

#[test]
fn the_secondary_takes_over_at_its_threshold_and_the_primary_comes_first_afterwards() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let config = site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 100ms, retry_timeout: 4s, retry_secondary_threshold: 0.5 }}, to: central, secondary: rest }}
outputs:
  central: {{ type: forward, servers: [\"{}\"] }}
  rest: {{ type: file, path: rest.ndjson }}
",
        destination.address()
    ));
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 30);
    let sent = wait::now();
    send(&site, &ids);
    wait::until_true("the secondary output's copy", || {
        file_ids(&site).len() == ids.len()
    });
    let took = sent.elapsed();
    assert!(
        took >= Duration::from_secs(2),
        "not before the threshold: {took:?}"
    );
    destination.come_back();
    let later = EventId::run(2, 0, 30);
    send(&site, &later);
    destination.arrivals().wait_for(&later);
    assert_eq!(
        file_ids(&site).len(),
        ids.len(),
        "the primary output is the first again"
    );
    assert_eq!(destination.arrivals().count(), later.len());
    assert_eq!(dead_events(&daemon), 0);
}

#[test]
fn a_kill_between_primary_and_secondary_loses_nothing() {
    let mut random = Random::seeded("kills before the secondary");
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    let ids = EventId::run(1, 0, 100);
    let bad: BTreeSet<_> = [3, 50, 51].map(|index| ids[index]).into();
    for id in &bad {
        destination.answer_if(&text_of(*id), "400 Bad Request");
    }
    let config = config(&site, &destination, "", ", secondary: rest");
    let mut daemon = Daemon::start(&site, &config);
    send(&site, &ids);
    for _ in 0..5 {
        wait::pause(Duration::from_millis(random.within(0..40)));
        daemon.kill();
        daemon = Daemon::start(&site, &config);
    }
    wait::until_true("nothing to be owed", || {
        let route = daemon.route("all");
        daemon.output("all", "web")["owed_chunks"] == 0 && route["staged"]["chunks"] == 0
    });
    let good: Vec<_> = ids.iter().copied().filter(|id| !bad.contains(id)).collect();
    destination.arrivals().wait_for(&good);
    let by_secondary: BTreeSet<_> = file_ids(&site).into_iter().collect();
    assert_eq!(by_secondary, bad);
    assert_eq!(dead_events(&daemon), 0);
}

#[test]
fn what_the_secondary_cannot_take_is_a_dead_letter() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("400 Bad Request");
    // The secondary output's path is a folder.
    fs::create_dir(site.path("rest.ndjson")).unwrap();
    let settings = "retry_timeout: 1s, bisect: false";
    let daemon = Daemon::start(
        &site,
        &config(&site, &destination, settings, ", secondary: rest"),
    );
    let ids = EventId::run(1, 0, 3);
    send(&site, &ids);
    wait::until_true("dead letters", || dead_events(&daemon) == 3);
    assert!(daemon.stop().success());
    assert_eq!(dead_ids(&site), ids);
}

#[test]
fn what_is_to_be_dropped_is_dropped_and_counted() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("503 Service Unavailable");
    let settings = "retry_max_times: 1, on_exhausted: drop";
    let daemon = Daemon::start(&site, &config(&site, &destination, settings, ""));
    send(&site, &EventId::run(1, 0, 9));
    let dropped = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        daemon.metric("forebay_route_dropped_events_total", &[&label])
    };
    wait::until_true("the chunk to be dropped", || dropped("exhausted") > 8.5);
    assert_eq!(dead_events(&daemon), 0);
    assert!(dropped("expired") < 0.5);
}

#[test]
fn a_chunk_older_than_max_age_is_given_up_as_configured() {
    for (on_expired, dead, dropped) in [("dead_letter", 6, 0.0), ("drop", 0, 6.0)] {
        let site = Site::new();
        let destination = HttpDestination::listen(site.address());
        destination.answer("503 Service Unavailable");
        let settings = format!("max_age: 1s, on_expired: {on_expired}");
        let daemon = Daemon::start(&site, &config(&site, &destination, &settings, ""));
        send(&site, &EventId::run(1, 0, 6));
        wait::until_true("the chunk to expire", || {
            let label = "reason=\"expired\"";
            daemon.metric("forebay_route_given_up_events_total", &[label]) > 5.5
        });
        assert_eq!(dead_events(&daemon), dead, "{on_expired}");
        let label = "reason=\"expired\"";
        let counted = daemon.metric("forebay_route_dropped_events_total", &[label]);
        assert!((counted - dropped).abs() < 0.1, "{on_expired}: {counted}");
    }
}

#[test]
fn chunks_of_one_key_arrive_in_their_order_whatever_fails() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("503 Service Unavailable");
    let settings = "keys: [tag], flush_mode: immediate, ordered: key";
    let settings = settings.replace("flush_mode", "retry_randomize: false, flush_mode");
    let config = config(&site, &destination, &settings, "").replace("flush_interval: 20ms, ", "");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 40);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for id in &ids[..20] {
        sender.deliver("app", &[*id]);
    }
    wait::until_true("some failures", || destination.request_count() >= 3);
    destination.take_requests();
    destination.answer("204 No Content");
    for id in &ids[20..] {
        sender.deliver("app", &[*id]);
    }
    destination.arrivals().wait_for(&ids);
    let requests = destination.take_requests();
    let arrived: Vec<_> = requests
        .iter()
        .flat_map(|request| {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            text.lines().map(id_of_line).collect::<Vec<_>>()
        })
        .collect();
    let mut once = arrived.clone();
    once.dedup();
    assert_eq!(once, ids);
    drop(daemon);
}

#[test]
fn dead_letters_are_bounded_by_size_and_age_as_configured() {
    let site = Site::new();
    let destination = HttpDestination::listen(site.address());
    destination.answer("400 Bad Request");
    let settings = "bisect: false, ordered: key, dead_letter_limit_size: 32KiB, \
                    dead_letter_overflow: drop_oldest, flush_mode: immediate";
    let config = config(&site, &destination, settings, "").replace("flush_interval: 20ms, ", "");
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 40);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for id in &ids {
        sender.deliver("app", &[*id]);
    }
    let is_dropped = |daemon: &Daemon, reason: &str, count: u64| {
        let label = format!("reason=\"{reason}\"");
        let family = "forebay_route_dropped_dead_letter_events_total";
        let count = f64::from(u32::try_from(count).unwrap());
        (daemon.metric(family, &[&label]) - count).abs() < 0.1
    };
    wait::until_true("all to be given up", || {
        daemon.metric("forebay_route_given_up_events_total", &[]) > 39.5
    });
    let kept = dead_events(&daemon);
    assert!((1..=8).contains(&kept), "{kept} blocks of 4 KiB");
    assert!(is_dropped(&daemon, "drop_oldest", 40 - kept));
    assert!(daemon.stop().success());
    let newest = dead_ids(&site);
    assert_eq!(newest, ids[40 - newest.len()..], "the oldest went");

    let config = config.replace(
        "dead_letter_overflow",
        "dead_letter_max_age: 1s, dead_letter_overflow",
    );
    let daemon = Daemon::start(&site, &config);
    wait::until_true("dead letters to go for their age", || {
        dead_events(&daemon) == 0
    });
    assert!(is_dropped(&daemon, "max_age", kept));
}
