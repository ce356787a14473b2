//! The command line: what it says, and how it exits.

use std::fs;
use std::process::Command;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http;
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

#[test]
fn check_says_as_json_what_a_configuration_means_or_what_is_wrong() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let path = site.path("forebay.yaml");
    let check = |config: &str| {
        fs::write(&path, config).unwrap();
        let (code, text, errors) = daemon::run(&["check", "--json", "-c", path.to_str().unwrap()]);
        assert_eq!(errors, "");
        (
            code,
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        )
    };
    let config = site.config_to(&destination);
    let (code, report) = check(&config);
    assert_eq!(
        (code, &report["valid"]),
        (Some(0), &true.into()),
        "{report}"
    );
    assert_eq!(report["inputs"][0]["type"], "forward");
    assert_eq!(report["routes"][0]["outputs"][0], "central");
    assert_eq!(report["routes"][0]["chunk_limit_size"], 8 << 20);
    assert_eq!(report["admin"]["url"], format!("http://{}", site.admin()));
    let (code, report) = check(&config.replace("flush_interval:", "flush_intervall:"));
    assert_eq!(
        (code, &report["valid"]),
        (Some(78), &false.into()),
        "{report}"
    );
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["line"], &problem["length"]),
        (&7.into(), &15.into()),
        "{report}"
    );
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("flush_intervall"),
        "{report}"
    );
}

#[test]
fn every_command_has_a_manual_page_and_is_completed_by_each_shell() {
    let site = Site::new();
    let (code, page, errors) = daemon::run(&["man"]);
    assert_eq!(code, Some(0), "{errors}");
    let folder = site.path("man");
    let (code, _, errors) = daemon::run(&["man", "--dir", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    let commands = [
        "run",
        "check",
        "buffer-export",
        "dead-replay",
        "doctor",
        "ctl-drop",
        "top",
        "tap",
        "send",
    ];
    for command in commands {
        let path = folder.join(format!("forebay-{command}.1"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(
            page.contains(".SH NAME") && page.contains(".SH OPTIONS"),
            "{page}"
        );
    }
    let (_, codes) = page.split_once("EXIT STATUS").unwrap();
    for code in ["  64  ", "  73  ", "  75  ", "  78  "] {
        assert!(codes.contains(code), "exit code {code} is not in the page");
    }
    for (shell, words) in [
        ("bash", "_forebay"),
        ("zsh", "#compdef forebay"),
        ("fish", "complete -c forebay"),
    ] {
        let (code, script, errors) = daemon::run(&["completions", shell]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(script.contains(words), "{shell}: {script}");
        for command in ["buffer", "drain", "completions", "tap"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let bash = site.path("forebay.bash");
    let (_, script, _) = daemon::run(&["completions", "bash"]);
    fs::write(&bash, script).unwrap();
    let complete = format!(
        "source {}; COMP_WORDS=(forebay buffer d); COMP_CWORD=2; _forebay forebay d buffer; echo ${{COMPREPLY[*]}}",
        bash.display()
    );
    let completed = Command::new("bash")
        .args(["-c", &complete])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "drain");
    let (code, ..) = daemon::run(&["completions", "tcsh"]);
    assert_eq!(code, Some(64));
}

#[test]
fn what_an_offline_tool_says_to_ask_the_daemon_for_is_there() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let description = http::get(site.admin(), "/api/v1/openapi.json").json();
    let (folder, config) = (site.data_dir(), site.path("forebay.yaml"));
    let (folder, config) = (folder.to_str().unwrap(), config.to_str().unwrap());
    for (command, most) in [
        (&["dead", "replay", folder][..], 1),
        (&["dead", "drop", "--all", folder], 1),
        (&["buffer", "repair", folder], 1),
        (&["buffer", "drain", "-c", config], 2),
    ] {
        let (code, _, errors) = daemon::run(command);
        assert_eq!(code, Some(73), "{command:?}: {errors}");
        let named = errors.split("POST ").skip(1).map(|rest| {
            let path = rest.split([' ', ',', '\n']).next().unwrap();
            path.replace("ROUTE", "{route}")
        });
        let named: Vec<_> = named.collect();
        assert_eq!(named.len(), most, "{errors}");
        for path in named {
            let post = &description["paths"][&path]["post"];
            assert!(
                post.is_object(),
                "{command:?} names {path}, which is not there"
            );
        }
    }
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
