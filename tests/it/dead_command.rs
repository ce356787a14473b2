//! `forebay dead`: what was given up is looked at, delivered after all, deleted.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

/// Every batch becomes a chunk of its own, and a dead letter if it is refused.
fn config(site: &Site, web: &HttpDestination, other: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  spare: {{ match: \"spare.**\", to: other }}
  all: {{ match: \"**\", buffer: {{ flush_mode: immediate, retry_wait: 50ms, bisect: false, ordered: key }}, to: web }}
outputs:
  web: {{ type: http, url: \"http://{}/in\", format: ndjson }}
  other: {{ type: http, url: \"http://{}/in\", format: ndjson }}
",
        web.address(),
        other.address()
    ))
}

/// A site whose data directory has a dead letter for each of `ids`.
fn with_dead_letters(site: &Site, config: &str, web: &HttpDestination, ids: &[EventId]) {
    web.answer("400 Bad Request");
    let daemon = Daemon::start(site, config);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for id in ids {
        sender.deliver("app", &[*id]);
    }
    wait::until_true("the dead letters", || {
        daemon.route("all")["dead"]["events"] == ids.len()
    });
    assert!(daemon.stop().success());
    web.take_requests();
    web.answer("204 No Content");
}

fn dead(site: &Site, command: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = site.data_dir();
    let mut arguments = vec!["dead", command, folder.to_str().unwrap()];
    arguments.extend(options);
    daemon::run(&arguments)
}

fn ids_of(text: &str) -> Vec<EventId> {
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        EventId(event["record"]["id"].as_u64().unwrap())
    };
    text.lines().map(id).collect()
}

#[test]
fn dead_letters_are_listed_with_their_history_also_beside_a_daemon() {
    let site = Site::new();
    let web = HttpDestination::listen(site.address());
    let other = HttpDestination::listen(site.address());
    let config = config(&site, &web, &other);
    let ids = EventId::run(1, 0, 3);
    with_dead_letters(&site, &config, &web, &ids);
    let daemon = Daemon::start(&site, &config);
    let (code, text, errors) = dead(&site, "ls", &["--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["reason"], "rejected");
        assert_eq!(
            (&line["output"], &line["attempts"]),
            (&"web".into(), &1.into())
        );
        assert!(line["answer"].as_str().unwrap().contains("400"));
        assert_eq!(line["route"], "all");
    }
    let (code, text, _) = dead(&site, "cat", &["--reason", "Bad Request", "--tag", "app"]);
    assert_eq!(code, Some(0));
    assert_eq!(ids_of(&text), ids);
    assert!(text.contains("\"tag\":\"app\"") && text.contains("\"dead\":{\"reason\":\"rejected\""));
    let (_, text, _) = dead(&site, "cat", &["--tag", "other.**"]);
    assert_eq!(text, "");
    let (code, ..) = dead(&site, "ls", &["--route", "nowhere"]);
    assert_eq!(code, Some(66));
    // Changing them needs the directory for itself.
    for command in ["replay", "drop"] {
        let (code, _, errors) = dead(&site, command, &["--reason", "rejected"]);
        assert_eq!(code, Some(73), "{errors}");
    }
    assert_eq!(daemon.route("all")["dead"]["events"], 3);
}

#[test]
fn dead_letters_are_replayed_to_the_same_output_or_to_another_one() {
    let site = Site::new();
    let web = HttpDestination::listen(site.address());
    let other = HttpDestination::listen(site.address());
    let config = config(&site, &web, &other);
    let ids = EventId::run(1, 0, 6);
    with_dead_letters(&site, &config, &web, &ids);
    let (_, text, _) = dead(&site, "ls", &["--json"]);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let first = first["id"].as_str().unwrap();

    let (code, text, _) = dead(&site, "replay", &["--dry-run"]);
    assert_eq!((code, text.lines().count()), (Some(0), 6), "{text}");
    let one = [
        "--chunk",
        first,
        "--to-route",
        "spare",
        "--to-output",
        "other",
    ];
    let (code, text, errors) = dead(&site, "replay", &one);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.contains("1 events of 1 dead letters"), "{text}");
    let (code, text, errors) = dead(&site, "replay", &["--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["events"], &report["dead_letters"]),
        (&5.into(), &5.into())
    );

    let daemon = Daemon::start(&site, &config);
    web.arrivals().wait_for(&ids[1..]);
    other.arrivals().wait_for(&ids[..1]);
    assert_eq!((web.arrivals().count(), other.arrivals().count()), (5, 1));
    assert_eq!(daemon.route("all")["dead"]["events"], 0);
}

#[test]
fn dead_letters_are_deleted_only_when_it_is_said_which() {
    let site = Site::new();
    let web = HttpDestination::listen(site.address());
    let other = HttpDestination::listen(site.address());
    let config = config(&site, &web, &other);
    with_dead_letters(&site, &config, &web, &EventId::run(1, 0, 4));
    let (code, ..) = dead(&site, "drop", &[]);
    assert_eq!(code, Some(64));
    let (code, text, _) = dead(&site, "drop", &["--older-than", "1h"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("0 events"), "{text}");
    let (code, text, _) = dead(&site, "drop", &["--all"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("4 events of 4 dead letters"), "{text}");
    assert_eq!(dead(&site, "ls", &[]).1, "");
}

#[test]
fn a_replay_that_is_killed_loses_nothing_and_repeats_at_most_what_was_under_way() {
    let mut random = Random::seeded("kills in a replay");
    let site = Site::new();
    let web = HttpDestination::listen(site.address());
    let other = HttpDestination::listen(site.address());
    let config = config(&site, &web, &other);
    let ids = EventId::run(1, 0, 150);
    with_dead_letters(&site, &config, &web, &ids);
    let mut kills = 0;
    while !dead(&site, "ls", &[]).1.is_empty() {
        let mut replay = Command::new(daemon::binary())
            .args(["dead", "replay"])
            .arg(site.data_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The longer it takes the more it may do, so that it ends on any machine.
        wait::pause(Duration::from_millis(random.within(5..40 + 20 * kills)));
        replay.kill().unwrap();
        replay.wait().unwrap();
        kills += 1;
    }
    let _daemon = Daemon::start(&site, &config);
    web.arrivals().wait_for(&ids);
    let repeats = web.arrivals().repeat_count();
    assert!(repeats <= kills, "{repeats} repeats after {kills} kills");
    let arrived: BTreeSet<_> = ids.iter().filter(|id| web.arrivals().has(**id)).collect();
    assert_eq!(arrived.len(), ids.len());
    println!(
        "replay: {kills} kills, {repeats} of {} events repeated",
        ids.len()
    );
}
