//! The systemd unit, as far as it can be told without starting it: `package` does that.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

/// What `systemd-analyze security` may say at most, and the guide says it says.
const EXPOSURE: &str = "1.1";

/// A system call that every daemon makes that keeps anything.
const SEEN: &str = "fdatasync";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd")
}

fn unit() -> String {
    fs::read_to_string(folder().join("forebay.service")).unwrap()
}

fn drop_ins() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join("drop-ins")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// The unit with the drop-in beside it, in a folder of the site; it names the built program.
fn laid_out(site: &Site, drop_in: Option<&Path>) -> PathBuf {
    let path = site.path("forebay.service");
    let built = daemon::binary().to_str().unwrap();
    fs::write(&path, unit().replace("/usr/bin/forebay", built)).unwrap();
    let beside = site.path("forebay.service.d");
    fs::create_dir_all(&beside).unwrap();
    if let Some(drop_in) = drop_in {
        fs::copy(drop_in, beside.join("ours.conf")).unwrap();
    }
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> String {
    let mut command = Command::new(tools::find("systemd-analyze"));
    command.args(arguments).arg(unit);
    let output = tools::succeed(command.current_dir(unit.parent().unwrap()));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The values of a key of the unit, in their order.
fn values(key: &str) -> Vec<String> {
    let unit = unit();
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    let ours = lines.filter(|(name, _)| *name == key);
    ours.map(|(_, value)| value.to_owned()).collect()
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_alone_or_with_any_drop_in() {
    let drop_ins = drop_ins();
    let each = drop_ins.iter().map(|path| Some(path.as_path()));
    for drop_in in std::iter::once(None).chain(each) {
        let site = Site::new();
        let said = analyze(&["verify", "--man=no"], &laid_out(&site, drop_in));
        let ours: Vec<_> = said
            .lines()
            .filter(|line| line.contains("forebay.service"))
            .collect();
        assert!(ours.is_empty(), "{drop_in:?}: {ours:?}");
    }
}

#[test]
fn the_unit_is_exposed_no_more_than_the_guide_says() {
    let site = Site::new();
    let said = analyze(&["security", "--offline=true"], &laid_out(&site, None));
    let overall = said.lines().find(|line| line.contains("Overall exposure"));
    let words: Vec<_> = overall.unwrap().split_whitespace().collect();
    assert!(words.contains(&EXPOSURE), "{words:?}");
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/security.md");
    let guide = fs::read_to_string(guide).unwrap();
    assert!(guide.contains(&format!("gives {EXPOSURE} ")), "the guide");
}

#[test]
fn systemd_waits_longer_than_the_daemon_may_take_to_stop() {
    let (_, schema, _) = daemon::run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let stop_timeout = &schema["properties"]["stop_timeout"]["default"];
    let stop_timeout = seconds(stop_timeout.as_str().unwrap());
    let patience = seconds(&values("TimeoutStopSec")[0]);
    assert!(patience >= 2 * stop_timeout, "{patience} {stop_timeout}");
}

#[test]
fn every_system_call_of_the_daemon_passes_the_filter_of_the_unit() {
    let site = Site::new();
    let mut destination = Destination::listen(site.address());
    let log = site.path("strace.log");
    let allowed = allowed();
    let mut command = Command::new(tools::find("strace"));
    command.args(["-D", "-f", "-q", "--seccomp-bpf", "-e"]);
    command.arg(all_but(&allowed)).arg("-o").arg(&log);
    command.arg(daemon::binary());
    let daemon = Daemon::start_by(&site, &busy_config(&site, &destination), command);
    keep_busy(&site, &daemon, &mut destination);
    daemon.stop();
    let text = wait::until("strace to finish its log", || {
        let text = fs::read_to_string(&log).unwrap();
        text.contains("+++ exited with 0 +++").then_some(text)
    });

    let made: BTreeSet<_> = text.lines().filter_map(call_of).collect();
    assert!(made.contains(SEEN), "strace saw nothing");
    let refused: Vec<_> = made
        .iter()
        .filter(|call| !allowed.contains(**call))
        .collect();
    assert!(refused.is_empty(), "the unit forbids {refused:?}");
}

/// Forward and HTTP in; forward and files out; chunks by tag, so that there are many files.
fn busy_config(site: &Site, destination: &Destination) -> String {
    site.config_to(destination)
        .replace("to: central }", "to: [central, files] }")
        + &format!(
            "  files: {{ type: file, path: \"{}/${{tag}}.ndjson.zst\", compress: zstd }}
",
            site.path("out").display()
        )
}

/// Events by both ways, a destination that goes and comes back, the admin API.
fn keep_busy(site: &Site, daemon: &Daemon, destination: &mut Destination) {
    let ids = EventId::run(1, 0, 600);
    let mut sender = Sender::connect(site.forward()).unwrap();
    destination.go_away();
    for (number, some) in ids.chunks(20).enumerate() {
        sender.deliver(&format!("app.{number}"), some);
    }
    http::post(site.http(), "/web", "application/json", b"{\"id\":1}");
    http::get(site.admin(), "/metrics");
    destination.come_back();
    destination.arrivals().wait_for(&ids);
    wait::until_true("every chunk to be delivered", || {
        daemon.route("all")["queued"]["chunks"] == 0
    });
}

/// What strace is to look at: calls that are not allowed, and one that shows that it looks. Looking at every
/// call would make the daemon too slow to be of use.
fn all_but(allowed: &BTreeSet<String>) -> String {
    let names = allowed.iter().filter(|name| *name != SEEN);
    // Those that strace does not know are nothing to it.
    let names: Vec<_> = names.map(|name| format!("?{name}")).collect();
    format!("trace=!{}", names.join(","))
}

/// The call that a line of strace's log is about.
fn call_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(' ')?;
    let (call, _) = rest.trim_start().split_once('(')?;
    let is_name = call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(call)
}

/// The system calls that the unit's lines leave.
fn allowed() -> BTreeSet<String> {
    let sets = call_sets();
    let mut allowed = BTreeSet::new();
    for value in values("SystemCallFilter") {
        let (is_denied, names) = match value.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, value.as_str()),
        };
        for call in names.split(' ').flat_map(|name| calls_of(name, &sets)) {
            match is_denied {
                true => allowed.remove(&call),
                false => allowed.insert(call),
            };
        }
    }
    // systemd allows these whatever the filter says: they are in the set @default.
    allowed.extend(calls_of("@default", &sets));
    allowed
}

fn calls_of(name: &str, sets: &HashMap<String, Vec<String>>) -> Vec<String> {
    match sets.get(name) {
        Some(entries) => {
            let nested = entries.iter().flat_map(|entry| calls_of(entry, sets));
            nested.collect()
        }
        None => vec![name.to_owned()],
    }
}

/// What systemd's named sets of system calls hold: calls, and other sets.
fn call_sets() -> HashMap<String, Vec<String>> {
    let mut command = Command::new(tools::find("systemd-analyze"));
    let output = tools::succeed(command.args(["--no-pager", "syscall-filter"]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sets: HashMap<String, Vec<String>> = HashMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(entry) = line.strip_prefix("    ") {
            let entries = sets.entry(current.clone()).or_default();
            if !entry.starts_with('#') {
                entries.push(entry.to_owned());
            }
        } else {
            current = line.trim().to_owned();
        }
    }
    sets
}
