//! `forebay top`: a daemon seen in a terminal, and where there is none.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

fn top(site: &Site, options: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("http://{}", site.admin());
    daemon::run(&[&["top", "--api", &url], options].concat())
}

#[test]
fn one_look_shows_health_inputs_routes_and_destinations_with_the_reason() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("app", &EventId::run(1, 0, 123));
    wait::until_true("the destination to count as down", || {
        daemon.output("all", "central")["breaker_is_open"] == true
    });
    for options in [&["--once"][..], &[]] {
        let (code, text, errors) = top(&site, options);
        assert_eq!(code, Some(0), "{errors}");
        assert!(
            !text.contains('\x1b'),
            "no colours where there is no terminal: {text}"
        );
        let row = |name: &str| {
            let row = text.lines().find(|line| line.starts_with(name));
            row.unwrap_or_else(|| panic!("no row of {name}:\n{text}"))
        };
        assert!(row("forebay").contains("running") && row("forebay").contains("ready"));
        assert!(row("app ").contains("forward") && row("app ").contains("123"));
        assert!(row("all ").contains("123"));
        assert!(
            row("all -> central").contains("down: ") && row("all -> central").contains("refused")
        );
    }
    let (code, text, _) = top(&site, &["--json"]);
    assert_eq!(code, Some(0));
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["routes"][0]["name"], "all");
    let config = site.path("forebay.yaml");
    let (code, text, errors) = daemon::run(&["top", "--once", "-c", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "the configuration says where: {errors}");
    assert!(text.contains("all -> central"));
}

#[test]
fn a_terminal_is_drawn_on_until_q_and_given_back_as_it_was() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let program = daemon::binary().display();
    let script = format!(
        "stty cols 70 rows 9; stty -g; {program} top --api http://{} --interval 100ms; echo code=$?; stty -g",
        site.admin()
    );
    let seen = site.path("typescript");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--flush", "--command", &script, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(File::create(&seen).unwrap())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    let text = || String::from_utf8_lossy(&fs::read(&seen).unwrap()).into_owned();
    wait::until_true("the first picture", || {
        text().contains("\x1b[?1049h\x1b[?25l")
    });
    let pictures = || text().matches("\x1b[H").count();
    wait::until_true("it to be drawn again", || pictures() >= 3);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &EventId::run(1, 0, 77));
    wait::until_true("what came in to be seen", || text().contains(" 77"));
    keys.write_all(b"q").unwrap();
    assert!(wait::until("it to end", || terminal.try_wait().unwrap()).success());
    let text = text();
    let picture = text.split("\x1b[H").nth(2).unwrap();
    assert!(
        picture.contains("INPUT") && picture.contains("more lines"),
        "9 rows: {picture}"
    );
    // The terminal makes a carriage return of its own of each line feed.
    for row in picture.split("\r\n").map(|row| row.trim_end_matches('\r')) {
        assert!(
            plain(row).chars().count() <= 70,
            "wider than the terminal: {row:?}"
        );
    }
    assert!(
        text.contains("\x1b[?25h\x1b[?1049l"),
        "the page and cursor are given back"
    );
    assert!(text.contains("code=0"), "{text}");
    let settings: Vec<_> = text.lines().filter(|line| line.contains(":")).collect();
    let settings: Vec<_> = settings
        .iter()
        .filter(|line| line.matches(':').count() > 10)
        .collect();
    assert_eq!(settings.len(), 2, "{text}");
    assert_eq!(settings[0], settings[1], "the terminal's settings");
}

/// Without what a terminal takes for commands.
fn plain(row: &str) -> String {
    let mut parts = row.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        text + &part[end + 1..]
    })
}

#[test]
fn who_is_not_let_in_and_who_finds_nobody_is_told_what_to_do() {
    let site = Site::new();
    let (code, _, errors) = top(&site, &["--once"]);
    assert_eq!(code, Some(69), "{errors}");
    assert!(errors.contains("is the daemon running"), "{errors}");

    let destination = Destination::away(site.address());
    let token = "a-token-of-more-than-16";
    let config = site.config_to(&destination).replace(
        "admin: { listen",
        &format!("admin: {{ tokens: {{ me: {{ role: read, secret: {token} }} }}, listen"),
    );
    let _daemon = Daemon::start(&site, &config);
    let (code, _, errors) = top(&site, &["--once"]);
    assert_eq!(code, Some(77), "{errors}");
    assert!(errors.contains("FOREBAY_TOKEN"), "{errors}");
    let file = site.path("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let (code, _, errors) = top(&site, &["--once", "--token-file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    let with_variable = Command::new(daemon::binary())
        .args([
            "top",
            "--once",
            "--api",
            &format!("http://{}", site.admin()),
        ])
        .env("FOREBAY_TOKEN", token)
        .output()
        .unwrap();
    assert!(with_variable.status.success());
    let config: &Path = &site.path("forebay.yaml");
    let (code, _, errors) = daemon::run(&["top", "--once", "-c", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "the configuration has the token: {errors}");
}
