//! Filters between an input and the routes, through the whole daemon.

use std::fs;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

/// Everything goes to `destination`, but what filters make under `told.**`, which is printed.
fn config(site: &Site, destination: &Destination, filters: &str) -> String {
    site.config(&format!(
        "filters:
{filters}
routes:
  told: {{ match: \"told.**\", buffer: {{ flush_mode: immediate }}, to: printed }}
  all:
    match: \"**\"
    buffer:
      flush_interval: 20ms
      chunk_limit_size: 128KiB
      total_limit_size: 1MiB
      retry_wait: 50ms
      retry_max_interval: 200ms
    to: central
outputs:
  printed: {{ type: stdout }}
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
",
        destination.address()
    ))
}

/// What all daemons of the site have printed.
fn printed(site: &Site) -> String {
    let files = fs::read_dir(site.folder()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let outs = paths.filter(|path| path.extension().is_some_and(|end| end == "out"));
    outs.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn h10_h11_h14_events_pass_the_filters_and_what_is_blocked_arrives_nowhere() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let filters =
        "  kinds: { type: counter, match: app, keys: key, interval: 50ms, tag: told.kinds }
  half: { type: grep, match: app, drop: { key: key, pattern: \"^k1$\" } }
  mark: { type: record_transformer, match: app, add: { seen_by: forebay } }";
    let daemon = Daemon::start(&site, &config(&site, &destination, filters));
    let ids = EventId::run(1, 0, 1_000);
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver_entries("app", &event::entries(&ids, 2));
    let (kept, blocked): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.0 % 2 == 0);
    destination.arrivals().wait_for(&kept);
    wait::until_true("both counts to be told", || {
        let told = daemon.output_text();
        told.matches("\"count\":500").count() == 2
    });
    assert_eq!(destination.arrivals().count(), kept.len());
    assert_eq!(
        daemon.metric("forebay_filter_blocked_events_total", &["filter=\"half\""]),
        500.0
    );
    assert_eq!(
        daemon.metric("forebay_filter_events_total", &["filter=\"mark\""]),
        500.0
    );
    let marked = |payload: &[u8]| {
        payload
            .windows(7)
            .filter(|seven| *seven == b"seen_by")
            .count()
    };
    let marked: usize = destination
        .taken()
        .iter()
        .map(|taken| marked(&taken.payload))
        .sum();
    assert_eq!(marked, kept.len());
    assert!(!blocked.is_empty());

    // What no filter matches is handed on as it came, in the bytes it came in.
    let others = event::entries(&EventId::run(2, 0, 10), 2);
    sender.deliver_entries("other", &others);
    destination.arrivals().wait_for(&EventId::run(2, 0, 10));
    assert!(
        destination
            .taken()
            .iter()
            .any(|taken| taken.payload == others)
    );
}

#[test]
fn h15_a_source_that_falls_silent_is_told_while_nothing_comes() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let filters = "  watch: { type: heartbeat_watch, match: \"host.**\", timeout: 50ms, missing_tag: told.missing, back_tag: told.back }";
    let daemon = Daemon::start(&site, &config(&site, &destination, filters));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("host.a", &EventId::run(1, 0, 1));
    wait::until_true("the silence to be told", || {
        daemon.output_text().contains("\"status\":\"missing\"")
    });
    sender.deliver("host.a", &EventId::run(1, 1, 1));
    wait::until_true("the return to be told", || {
        daemon.output_text().contains("\"status\":\"back\"")
    });
    destination.arrivals().wait_for(&EventId::run(1, 0, 2));
}

#[test]
fn h13_what_is_acknowledged_is_durable_with_all_that_filters_made_of_it() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let filters = "  parse: { type: parser, match: app, key: text, decoder: text }
  copies: { type: route, match: app, add: told }";
    let config = config(&site, &destination, filters);
    let ids = EventId::run(1, 0, 20);
    for id in &ids {
        let daemon = Daemon::start(&site, &config);
        let mut sender = Sender::connect(site.forward()).unwrap();
        sender.deliver("app", std::slice::from_ref(id));
        daemon.kill();
    }
    destination.come_back();
    let daemon = Daemon::start(&site, &config);
    destination.arrivals().wait_for(&ids);
    // The copies were printed by whichever of the daemons came to it.
    wait::until_true("every copy to be printed", || {
        let printed = printed(&site);
        ids.iter()
            .all(|id| printed.contains(&format!("\"id\":{}", id.0)))
    });
    assert!(daemon.stop().success());
}

#[test]
fn what_a_filter_fails_on_is_a_dead_letter_with_its_reason() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let filters =
        "  parse: { type: parser, match: app, key: text, decoder: json, on_error: dead_letter }";
    let daemon = Daemon::start(&site, &config(&site, &destination, filters));
    let ids = EventId::run(1, 0, 5);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    // Acknowledged means that it is there already.
    assert_eq!(daemon.route("all")["dead"]["events"], 5);
    assert_eq!(
        daemon.metric(
            "forebay_filter_failed_events_total",
            &["went=\"to_dead_letters\""]
        ),
        5.0
    );
    daemon.kill();
    let folder = site.data_dir();
    let (_, listing, errors) = daemon::run(&["buffer", "ls", folder.to_str().unwrap()]);
    assert!(listing.contains("parse: not JSON"), "{listing}{errors}");
    assert_eq!(destination.arrivals().count(), 0);
}

#[test]
fn a_repeat_of_a_filtered_batch_is_recognised_while_the_filters_give_the_same() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let filters = "  half: { type: grep, match: app, drop: { key: key, pattern: \"^k1$\" } }
  tag: { type: rewrite_tag, match: app, rules: { key: key, pattern: \"(.*)\", tag: \"app.$1\" } }";
    let config = config(&site, &destination, filters).replace(
        "      flush_interval",
        "      deduplicate: on\n      flush_interval",
    );
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 100);
    let entries = event::entries(&ids, 2);
    let kept: Vec<_> = ids.into_iter().filter(|id| id.0 % 2 == 0).collect();
    for _ in 0..3 {
        let mut sender = Sender::connect(site.forward()).unwrap();
        sender.send("app", "one", &entries).unwrap();
        assert_eq!(sender.read_ack().unwrap(), "one");
    }
    destination.arrivals().wait_for(&kept);
    assert_eq!(
        daemon.metric("forebay_route_repeated_batches_total", &["route=\"all\""]),
        2.0
    );
    assert_eq!(destination.arrivals().repeat_count(), 0);
}

#[test]
fn a_full_route_holds_filtered_senders_back_and_nothing_is_lost() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let filters = "  mark: { type: record_transformer, match: app, add: { seen_by: forebay } }";
    let daemon = Daemon::start(&site, &config(&site, &destination, filters));
    let mut sender = Sender::connect(site.forward()).unwrap();
    let batches: Vec<_> = (0..20)
        .map(|batch| EventId::run(1, batch * 1_000, 1_000))
        .collect();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for (number, ids) in batches.iter().enumerate() {
                let chunk = number.to_string();
                sender.send("app", &chunk, &event::entries(ids, 1)).unwrap();
            }
        });
        wait::until_true("a sender to be held back", || {
            daemon.route("all")["senders_waiting"] != 0
        });
        destination.come_back();
        sending.join().unwrap();
    });
    for _ in &batches {
        sender.read_ack().unwrap();
    }
    destination.arrivals().wait_for(&batches.concat());
}

#[test]
fn an_orderly_stop_tells_what_filters_have_gathered() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let filters =
        "  count: { type: counter, match: app, interval: 1h, tag: told.count, drop: true }";
    let config = config(&site, &destination, filters);
    let daemon = Daemon::start(&site, &config);
    let answer = http::post(
        site.http(),
        "/app",
        "application/json",
        b"[{\"id\":1},{\"id\":2}]",
    );
    assert_eq!(
        (answer.status, answer.text().contains("\"events\":0")),
        (200, true),
        "swallowed"
    );
    assert!(daemon.stop().success());
    let daemon = Daemon::start(&site, &config);
    wait::until_true("the count to be told", || {
        printed(&site).contains("\"count\":2")
    });
    assert!(daemon.stop().success());
}
