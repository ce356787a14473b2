//! `forebay send`: ends well only when everything is acknowledged.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::{site::Site, wait};

/// Runs `forebay send` with `arguments` on `input`: exit code and standard error.
fn send(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(daemon::binary())
        .arg("send")
        .args(arguments)
        .env_remove("FOREBAY_SHARED_KEY")
        .env("FOREBAY_PASSWORD", "wheel")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.stdout, b"",
        "it prints nothing that a cron job would mail"
    );
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors)
}

/// The events in the site's buffer, as `buffer cat` prints them.
fn stored(site: &Site) -> Vec<Value> {
    let folder = site.data_dir();
    let (code, text, errors) = daemon::run(&["buffer", "cat", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    let line = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

/// A daemon that keeps what it is given.
fn keeper(site: &Site) -> Daemon {
    let config = site.config(
        "routes:
  all: { match: \"**\", buffer: { flush_mode: lazy, keys: [tag] }, to: nowhere }
outputs:
  nowhere: { type: forward, servers: [\"127.0.0.1:9\"] }
",
    );
    Daemon::start(site, &config)
}

#[test]
fn lines_texts_json_and_whole_events_are_stored_as_they_are_meant() {
    let site = Site::new();
    let _daemon = keeper(&site);
    let to = site.forward().to_string();
    let to = ["--to", &to];
    let sent = |options: &[&str], input: &str| {
        let (code, errors) = send(&[&to[..], options].concat(), input);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{options:?}");
    };
    sent(&["-t", "a.lines"], "one\n\ntwo\r\n");
    sent(&["-t", "b.texts", "x y", "z"], "");
    sent(
        &[
            "-t",
            "c.json",
            "--json",
            "--time-key",
            "at",
            "--time-format",
            "unix",
        ],
        "{\"at\":1700000000,\"n\":1}\n",
    );
    sent(&["-t", "d.count", "--count", "2500"], "");
    let event = r#"{"tag":"e.event","time":"2026-11-21T08:00:00.000000001Z","record":{"n":18446744073709551615}}"#;
    sent(&["--format", "event"], &format!("{event}\n"));
    sent(&["-t", "f.logfmt", "--format", "logfmt"], "level=info ok");
    let events = stored(&site);
    let of = |tag: &str| {
        let events = events.iter().filter(|event| event["tag"] == tag);
        events
            .map(|event| event["record"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("a.lines"),
        [r#"{"message":"one"}"#, r#"{"message":"two"}"#]
    );
    assert_eq!(
        of("b.texts"),
        [r#"{"message":"x y"}"#, r#"{"message":"z"}"#]
    );
    assert_eq!(of("c.json"), [r#"{"n":1}"#]);
    assert_eq!(of("d.count").len(), 2500);
    assert_eq!(of("f.logfmt"), [r#"{"level":"info","ok":true}"#]);
    let json = events
        .iter()
        .find(|event| event["tag"] == "c.json")
        .unwrap();
    assert_eq!(json["time"], "2023-11-14T22:13:20.000000000Z");
    let whole = events
        .iter()
        .find(|event| event["tag"] == "e.event")
        .unwrap();
    assert_eq!(
        whole.to_string(),
        serde_json::from_str::<Value>(event).unwrap().to_string()
    );
}

#[test]
fn what_an_export_prints_can_be_sent_again() {
    let (site, other) = (Site::new(), Site::new());
    let daemon = keeper(&site);
    let to = site.forward().to_string();
    assert_eq!(
        send(&["--to", &to, "-t", "a", "--count", "20"], "").0,
        Some(0)
    );
    assert_eq!(
        send(&["--to", &to, "-t", "b", "--count", "20"], "").0,
        Some(0)
    );
    daemon.kill();
    let folder = site.data_dir();
    let (code, exported, _) = daemon::run(&["buffer", "export", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let _daemon = keeper(&other);
    let to = other.forward().to_string();
    let (code, errors) = send(&["--to", &to, "--format", "event"], &exported);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(stored(&other), stored(&site));
}

#[test]
fn an_unacknowledged_batch_is_sent_again_under_the_same_name_until_it_is() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    destination.behave(Behaviour::Forget);
    let address = destination.address().to_string();
    let id = EventId::new(1, 1);
    let line = format!("{{\"id\":{}}}\n", id.0);
    thread::scope(|scope| {
        let sending =
            scope.spawn(|| send(&["--to", &address, "--json", "--timeout", "60s"], &line));
        wait::until_true("three attempts", || destination.visits().len() >= 3);
        destination.behave(Behaviour::Acknowledge);
        let (code, errors) = sending.join().unwrap();
        assert_eq!(code, Some(0), "{errors}");
    });
    destination.arrivals().wait_for(&[id]);
    let visits = destination.visits();
    assert!(
        visits
            .iter()
            .all(|(name, _)| *name == visits[0].0 && name.len() == 24),
        "{visits:?}"
    );
}

#[test]
fn nothing_but_an_acknowledgement_is_an_acknowledgement() {
    let site = Site::new();
    let mut destination = Destination::listen(site.address());
    let address = destination.address().to_string();
    let try_it = || {
        let limits = ["--timeout", "600ms", "--ack-timeout", "300ms"];
        send(
            &[&["--to", &address, "--json"], &limits[..]].concat(),
            "{\"id\":5}\n",
        )
    };
    for behaviour in [
        Behaviour::Hang,
        Behaviour::Lie,
        Behaviour::Refuse,
        Behaviour::Forget,
    ] {
        destination.behave(behaviour);
        let (code, errors) = try_it();
        assert_eq!(code, Some(75), "{behaviour:?}: {errors}");
        assert!(errors.contains("0 events before"), "{errors}");
    }
    destination.go_away();
    let (code, errors) = try_it();
    assert_eq!(code, Some(75), "{errors}");
    assert!(errors.contains("refused"), "{errors}");
}

#[test]
fn a_bad_line_ends_it_after_what_stood_before() {
    let site = Site::new();
    let _daemon = keeper(&site);
    let to = site.forward().to_string();
    let (code, errors) = send(
        &["--to", &to, "--json"],
        "{\"n\":1}\n{\"n\":2}\n[3]\n{\"n\":4}\n",
    );
    assert_eq!(code, Some(65), "{errors}");
    assert!(
        errors.contains("line 3: not an object; 2 events before"),
        "{errors}"
    );
    assert_eq!(stored(&site).len(), 2);
    for wrong in [
        &["--batch", "0"][..],
        &["--to", "h:x"],
        &["--count", "1", "text"],
        &["--tag", ""],
    ] {
        assert_eq!(send(wrong, "").0, Some(64), "{wrong:?}");
    }
}

#[test]
fn http_inputs_take_it_too_and_their_refusals_are_final() {
    let site = Site::new();
    let _daemon = keeper(&site);
    let url = format!("http://{}", site.http());
    let (code, errors) = send(&["--http", &url, "-t", "web.x", "--count", "1500"], "");
    assert_eq!(code, Some(0), "{errors}");
    let events = stored(&site);
    assert_eq!(events.len(), 1500);
    assert!(events.iter().all(|event| event["tag"] == "web.x"));

    let web = HttpDestination::listen(site.address());
    web.answer("413 Content Too Large");
    let url = format!("http://{}/in", web.address());
    let (code, errors) = send(&["--http", &url, "text"], "");
    assert_eq!(code, Some(69), "{errors}");
    assert!(errors.contains("413"), "{errors}");
    assert_eq!(web.take_requests()[0].first_line, "POST /in/send HTTP/1.1");
    web.answer("503 Service Unavailable");
    let (code, errors) = send(&["--http", &url, "--timeout", "500ms", "text"], "");
    assert_eq!(code, Some(75), "{errors}");
    let keys = web.take_requests().into_iter().map(|request| {
        let mut headers = request.headers.into_iter();
        headers
            .find(|(name, _)| name == "idempotency-key")
            .unwrap()
            .1
    });
    let keys: Vec<_> = keys.collect();
    assert!(
        keys.len() >= 2 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[test]
fn keys_users_and_certificates_are_proven_and_checked() {
    let site = Site::new();
    for name in ["edge", "central"] {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(site.path(&format!("{name}.pem")), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        std::fs::write(site.path(&format!("{name}.key")), key).unwrap();
    }
    for (name, secret) in [("key", "river\n"), ("wrong", "sea\n")] {
        std::fs::write(site.path(name), secret).unwrap();
    }
    let folder = site.folder().display().to_string();
    let destination = Destination::away(site.address());
    let config = site.config_to(&destination).replace(
        "type: forward, listen",
        &format!(
            "type: forward, security: {{ self_hostname: central, shared_key: river, users: {{ mill: wheel }} }},
    tls: {{ cert_path: {folder}/central.pem, key_path: {folder}/central.key, client_ca_path: {folder}/edge.pem }}, listen"
        ),
    );
    let _daemon = Daemon::start(&site, &config);
    let to = site.forward().to_string();
    let path = |name: &str| site.path(name).display().to_string();
    let (central, edge, key) = (path("central.pem"), path("edge.pem"), path("edge.key"));
    let tls = [
        "--ca",
        &central,
        "--cert",
        &edge,
        "--key",
        &key,
        "--server-name",
        "central",
    ];
    let (shared_key, wrong) = (path("key"), path("wrong"));
    let with = |more: &[&str]| {
        let all = [&["--to", &to, "--timeout", "2s", "hello"], &tls[..], more].concat();
        send(&all, "")
    };
    let (code, errors) = with(&["--shared-key-file", &shared_key, "--user", "mill"]);
    assert_eq!(code, Some(0), "{errors}");
    let (code, errors) = with(&["--shared-key-file", &wrong, "--user", "mill"]);
    assert_eq!(code, Some(69), "{errors}");
    let (code, errors) = with(&[]);
    assert_eq!(code, Some(69), "{errors}");
    assert!(errors.contains("shared key"), "{errors}");
    let (code, errors) = with(&["--shared-key-file", "/nowhere"]);
    assert_eq!(code, Some(74), "{errors}");
    // Without a certificate the server does not let us in.
    let (code, errors) = send(
        &[
            "--to",
            &to,
            "--timeout",
            "1s",
            "--ca",
            &central,
            "--server-name",
            "central",
            "x",
        ],
        "",
    );
    assert_eq!(code, Some(75), "{errors}");
    assert_eq!(stored(&site).len(), 1);
}
