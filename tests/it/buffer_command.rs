//! `forebay buffer stat|export|drain`: counting, reading and delivering what a daemon left.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

/// Runs `forebay buffer` on the site's data directory.
fn buffer(site: &Site, command: &str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = site.data_dir();
    let mut arguments = vec!["buffer", command, folder.to_str().unwrap()];
    arguments.extend(options);
    daemon::run(&arguments)
}

fn drain(site: &Site, options: &[&str]) -> (Option<i32>, String, String) {
    let config = site.path("forebay.yaml");
    let mut arguments = vec!["buffer", "drain", "-c", config.to_str().unwrap()];
    arguments.extend(options);
    daemon::run(&arguments)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ids_of(ndjson: &str) -> Vec<EventId> {
    let id = |line: &str| EventId(json(line)["record"]["id"].as_u64().unwrap());
    let mut ids: Vec<_> = ndjson.lines().map(id).collect();
    ids.sort();
    ids
}

/// Two outputs, of which `web` refuses what it is sent for good.
fn config(site: &Site, destination: &Destination, web: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ keys: [tag], flush_mode: immediate, retry_wait: 50ms, retry_max_interval: 100ms, bisect: false }}, to: [central, web] }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
  web: {{ type: http, url: \"http://{}/in\" }}
",
        destination.address(),
        web.address(),
    ))
}

#[test]
fn stat_counts_by_state_and_destination_beside_a_daemon_and_after_it() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let web = HttpDestination::listen(site.address());
    web.answer("413 Content Too Large");
    let daemon = Daemon::start(&site, &config(&site, &destination, &web));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("a", &EventId::run(1, 0, 30));
    sender.deliver("b", &EventId::run(1, 30, 12));
    wait::until_true("the dead letters", || {
        daemon.route("all")["dead"]["events"] == 42
    });
    let stat = || {
        let (code, text, errors) = buffer(&site, "stat", &["--json"]);
        assert_eq!(code, Some(0), "{errors}");
        json(&text)
    };
    let owed = |stat: &Value, name: &str| {
        let outputs = stat["routes"][0]["outputs"].as_array().unwrap();
        let mut outputs = outputs.iter();
        let output = outputs.find(|output| output["name"] == name).unwrap();
        output["owed"]["events"].clone()
    };
    // A chunk is a dead letter first, and owed no more then.
    let beside = wait::until("what is refused to be owed no more", || {
        Some(stat()).filter(|stat| owed(stat, "web") == 0)
    });
    let (code, text, _) = buffer(&site, "stat", &["--route", "all"]);
    assert_eq!(code, Some(0));
    daemon.kill();
    let after = stat();
    let route = &after["routes"][0];
    for part in ["route", "staged", "queued", "dead", "outputs"] {
        let before = &beside["routes"][0][part];
        assert_eq!(route[part], *before, "a kill changes nothing");
    }
    assert_eq!(route["route"], "all");
    assert_eq!(
        (&route["queued"]["chunks"], &route["queued"]["events"]),
        (&2.into(), &42.into())
    );
    assert_eq!(route["staged"]["events"], 0);
    assert_eq!(
        (&route["dead"]["chunks"], &route["dead"]["events"]),
        (&2.into(), &42.into())
    );
    assert_eq!(
        (owed(&after, "central"), owed(&after, "web")),
        (42.into(), 0.into())
    );
    let dead = &route["dead_by_output"][0];
    assert_eq!(
        (&dead["output"], &dead["events"]),
        (&"web".into(), &42.into())
    );
    assert!(route["queued"]["oldest"].as_str().unwrap().ends_with('Z'));
    let on_disk = route["file_bytes"].as_u64().unwrap();
    assert!(on_disk >= route["queued"]["bytes"].as_u64().unwrap());
    for row in ["owed to central", "not taken by web"] {
        assert!(text.contains(row), "{text}");
    }
    let (code, _, errors) = buffer(&site, "stat", &["--route", "al"]);
    assert_eq!(code, Some(66), "{errors}");
}

#[test]
fn an_export_gives_every_event_in_either_form_and_place() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let web = HttpDestination::listen(site.address());
    web.answer("413 Content Too Large");
    let daemon = Daemon::start(&site, &config(&site, &destination, &web));
    let ids = EventId::run(1, 0, 50);
    let mut sender = Sender::connect(site.forward()).unwrap();
    for id in &ids {
        sender.deliver("app.web", &[*id]);
    }
    wait::until_true("the dead letters", || {
        daemon.route("all")["dead"]["events"] == 50
    });
    // Beside the daemon: each event once in the route and once as a dead letter.
    let (code, text, errors) = buffer(&site, "export", &["--dead"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(ids_of(&text), ids);
    daemon.kill();
    let (code, text, errors) = buffer(&site, "export", &["--json"]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(text.lines().count(), 100);
    let report = json(&errors);
    assert_eq!(report["events"], 100);
    // Two that came at the same time may share one.
    let chunks = report["chunks"].as_u64().unwrap();

    let folder = site.path("export");
    let to = folder.to_str().unwrap();
    let (code, text, errors) = buffer(&site, "export", &["--to", to, "--format", "msgpack"]);
    assert_eq!(code, Some(0), "{errors}");
    let said = format!("100 events of {chunks} chunks");
    assert!(text.contains(&said), "{text}");
    let mut file_count = 0;
    let mut found = Vec::new();
    for area in ["routes", "dead"] {
        for path in files(folder.join(area).join("all")) {
            assert_eq!(path.extension().unwrap(), "msgpack", "{path:?}");
            file_count += 1;
            let bytes = fs::read(path).unwrap();
            let mut left = bytes.as_slice();
            while !left.is_empty() {
                let message = rmpv::decode::read_value(&mut left).unwrap();
                let [tag, _, record] = message.as_array().unwrap().as_slice() else {
                    panic!("{message}");
                };
                assert_eq!(tag.as_str(), Some("app.web"));
                found.push(EventId::of_record(record));
            }
        }
    }
    assert_eq!((file_count, found.len()), (chunks, 100));
    found.sort();
    found.dedup();
    assert_eq!(found, ids);
}

#[test]
fn an_export_of_a_damaged_store_gives_what_is_left_and_names_the_rest() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut sender = Sender::connect(site.forward()).unwrap();
    for part in 0..3 {
        let ids = EventId::run(1, part * 20, 20);
        sender.deliver(&format!("app.{part}"), &ids);
        wait::until_true("the chunk to be sealed", || {
            daemon.route("all")["queued"]["chunks"] == part + 1
        });
    }
    daemon.kill();
    let chunks = files(site.data_dir().join("routes/all"));
    assert_eq!(chunks.len(), 3);
    // A byte of an event in one, everything in another.
    let mut bytes = fs::read(&chunks[0]).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"/healthz")
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&chunks[0], bytes).unwrap();
    fs::write(&chunks[2], b"not a chunk at all").unwrap();
    let to = site.path("export");
    for place in [&[][..], &["--to", to.to_str().unwrap()]] {
        let (code, text, errors) = buffer(&site, "export", &[place, &["--json"]].concat());
        assert_eq!(code, Some(2), "{errors}");
        let report = json(if place.is_empty() { &errors } else { &text });
        assert_eq!(report["events"], 20, "{report}");
        let missing = report["missing"].as_array().unwrap();
        assert_eq!(missing.len(), 2, "{report}");
        assert_eq!(missing[0]["events"], 20);
        assert_eq!(missing[0]["path"], chunks[0].display().to_string());
        assert_eq!(missing[1]["path"], chunks[2].display().to_string());
    }
    let (code, text, errors) = buffer(&site, "export", &[]);
    assert_eq!(code, Some(2));
    assert_eq!(ids_of(&text), EventId::run(1, 20, 20));
    assert_eq!(errors.matches("MISSING").count(), 2, "{errors}");
}

#[test]
fn a_drain_delivers_everything_and_takes_nothing_in() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    // Everything is still staged when the daemon is killed.
    let config = site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ keys: [time], timekey: 1h, retry_wait: 50ms }}, to: central }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
",
        destination.address()
    ));
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 700);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    let (code, _, errors) = drain(&site, &[]);
    assert_eq!(code, Some(73), "{errors}");
    assert!(errors.contains("POST /api/v1/drain"), "{errors}");
    daemon.kill();

    let (code, text, errors) = drain(&site, &["--json"]);
    assert_eq!(code, Some(75), "the destination is away: {text}{errors}");
    let report = json(&text);
    assert_eq!(
        (&report["events_before"], &report["events_left"]),
        (&700.into(), &700.into())
    );
    assert_eq!(report["left"][0]["output"], "central");
    assert!(
        report["left"][0]["last_error"]
            .as_str()
            .unwrap()
            .contains("refused"),
        "{report}"
    );

    destination.come_back();
    let (code, text, errors) = drain(&site, &[]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(text.contains("drained: 700 events; 0 left"), "{text}");
    destination.arrivals().wait_for(&ids);
    assert_eq!(destination.arrivals().count(), ids.len());
    assert_eq!(files(site.data_dir().join("routes/all")).len(), 0);
    let (code, text, _) = drain(&site, &[]);
    assert_eq!(code, Some(0), "{text}");
}

/// The chunk files of a folder, by name.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
