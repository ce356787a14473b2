//! The command line: what it says, and how it exits.

use std::fs;
use std::process::Command;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::site::Site;

#[test]
fn a_second_daemon_on_the_same_folder_is_told_about_the_first() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let first = Daemon::start(&site, &site.config_to(&destination));
    let elsewhere = Site::new();
    let here = site.data_dir();
    let there = elsewhere.data_dir();
    let config = elsewhere.config_to(&destination);
    let config = config.replace(there.to_str().unwrap(), here.to_str().unwrap());
    let mut second = Daemon::spawn(&elsewhere, &config, Command::new(daemon::binary()));
    let status = second.wait_for_exit();
    assert!(!status.success());
    assert!(
        !second.log_text().contains('\u{1b}'),
        "no colours in a file"
    );
    let pid = first.pid().as_raw_nonzero().to_string();
    assert!(
        second.log_text().contains(&pid),
        "no {pid} in:\n{}",
        second.log_text()
    );
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &EventId::run(1, 0, 1));
}

#[test]
fn check_opens_nothing() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let path = site.path("forebay.yaml");
    fs::write(&path, site.config_to(&destination)).unwrap();
    let (code, _, errors) = daemon::run(&["check", "-c", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(!site.data_dir().exists());
}

#[test]
fn a_wrong_name_is_shown_where_it_stands_with_the_nearest_right_one() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let path = site.path("forebay.yaml");
    let config = site
        .config_to(&destination)
        .replace("flush_interval:", "flush_intervall:");
    fs::write(&path, config).unwrap();
    for command in ["check", "run"] {
        let (code, _, errors) = daemon::run(&[command, "-c", path.to_str().unwrap()]);
        assert_ne!(code, Some(0));
        let line = "  all: { match: \"**\", buffer: { flush_intervall: 20ms";
        assert!(
            errors.contains("forebay.yaml:7:"),
            "file and line:\n{errors}"
        );
        assert!(errors.contains(line.trim()), "the line itself:\n{errors}");
        assert!(
            errors.contains("flush_interval`"),
            "the nearest name:\n{errors}"
        );
    }
}

#[test]
fn a_store_can_be_listed_read_and_verified_without_its_daemon() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let ids = EventId::run(1, 0, 20);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    daemon.kill();

    let folder = site.data_dir();
    let folder = folder.to_str().unwrap();
    let before = listing(&site);
    let (code, text, errors) = daemon::run(&["buffer", "ls", folder]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("app.web"), "{text}");
    let (code, json, errors) = daemon::run(&["buffer", "ls", "--json", folder]);
    assert_eq!(code, Some(0), "{errors}");
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    let (code, events, errors) = daemon::run(&["buffer", "cat", folder]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(events.lines().count(), ids.len(), "{events}");
    let (code, text, errors) = daemon::run(&["buffer", "verify", folder]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert_eq!(listing(&site), before, "reading never writes");
}

/// Every file of the store with its bytes.
fn listing(site: &Site) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![site.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}
