//! `forebay tap`: events as they pass.

use std::fs::{self, File};
use std::process::Command;

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

#[test]
fn what_passes_is_printed_until_the_limit_and_can_be_sent_again() {
    let (site, other) = (Site::new(), Site::new());
    let destination = Destination::away(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut sender = Sender::connect(site.forward()).unwrap();
    let url = format!("http://{}", site.admin());
    for place in [
        &["--route", "all"][..],
        &["--input", "app", "--sample", "2"],
        &[],
    ] {
        let seen = site.path("seen");
        let mut tap = Command::new(daemon::binary())
            .args(["tap", "--api", &url, "--tag", "app.**", "--limit", "3"])
            .args(place)
            .stdout(File::create(&seen).unwrap())
            .spawn()
            .unwrap();
        let mut number = 0;
        let status = wait::until("the tap to end", || {
            sender.deliver("other", &[EventId::new(2, number)]);
            sender.deliver("app.web", &[EventId::new(1, number)]);
            number += 1;
            tap.try_wait().unwrap()
        });
        assert!(status.success(), "{place:?}");
        let text = fs::read_to_string(&seen).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let events: Vec<Value> = events.collect();
        assert_eq!(events.len(), 3, "{place:?}: {text}");
        for event in &events {
            assert_eq!(event["tag"], "app.web");
            assert_eq!(event["record"]["id"].as_u64().unwrap() >> 32, 1, "{event}");
        }
    }

    let keeper = Daemon::start(&other, &other.config_to(&destination));
    let to = other.forward().to_string();
    let sent = Command::new(daemon::binary())
        .args(["send", "--format", "event", "--to", &to])
        .stdin(File::open(site.path("seen")).unwrap())
        .status()
        .unwrap();
    assert!(sent.success());
    assert_eq!(
        keeper.metric("forebay_input_events_total", &["input=\"app\""]),
        3.0
    );

    let (code, _, errors) = daemon::run(&["tap", "--api", &url, "--route", "al"]);
    assert_eq!(code, Some(66), "{errors}");
    let (code, ..) = daemon::run(&["tap", "--api", &url, "--route", "all", "--input", "app"]);
    assert_eq!(code, Some(64));
}
