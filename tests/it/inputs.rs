//! Inputs that are read and listen nowhere, through the whole daemon.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::{site::Site, wait};

/// The program, whose standard input is the file `name` of the site.
fn reading(site: &Site, name: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("exec \"$0\" \"$@\" <\"{}\"", site.path(name).display());
    command.args(["-c", &script]).arg(daemon::binary());
    command
}

/// A configuration with the one input `input`, and everything sent to `destination`.
fn config(site: &Site, input: &str, destination: &Destination) -> String {
    format!(
        "data_dir: {}
inputs: {{ it: {{ {input} }} }}
admin: {{ listen: \"{}\" }}
routes:
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
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
",
        site.data_dir().display(),
        site.admin(),
        destination.address()
    )
}

/// As many lines with ids as `ids`, each of half a kilobyte.
fn json_lines(ids: &[EventId]) -> String {
    let padding = "x".repeat(500);
    let mut lines = String::new();
    for id in ids {
        writeln!(lines, "{{\"id\":{},\"padding\":\"{padding}\"}}", id.0).unwrap();
    }
    lines
}

#[test]
fn h07_all_lines_of_standard_input_are_delivered_and_then_the_daemon_ends() {
    let site = Site::new();
    let config = format!(
        "data_dir: {}
inputs: {{ lines: {{ type: stdin, tag: lines }} }}
routes: {{ all: {{ match: \"**\", buffer: {{ flush_mode: lazy }}, to: printed }} }}
outputs: {{ printed: {{ type: stdout }} }}
",
        site.data_dir().display()
    );
    let mut command = Command::new("sh");
    let script = "printf 'one\\ntwo\\r\\n\\n%s' last | \"$0\" \"$@\"";
    command.args(["-c", script]).arg(daemon::binary());
    let mut daemon = Daemon::spawn(&site, &config, command);
    assert!(daemon.wait_for_exit().success(), "{}", daemon.log_text());
    let printed = daemon.output_text();
    let messages: Vec<_> = ["one", "two", "last"]
        .map(|line| format!("\"message\":\"{line}\""))
        .into();
    assert!(
        messages.iter().all(|message| printed.contains(message)),
        "{printed}"
    );
    assert_eq!(printed.lines().count(), 3, "{printed}");
}

#[test]
fn h06_standard_input_is_not_read_while_the_route_is_full_and_nothing_is_lost() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let ids = EventId::run(1, 0, 20_000);
    let lines = json_lines(&ids);
    fs::write(site.path("lines"), &lines).unwrap();
    let config = config(&site, "type: stdin, decoder: json", &destination);
    // Its route is full at once, so that it is never ready.
    let mut daemon = Daemon::spawn(&site, &config, reading(&site, "lines"));
    assert!(daemon.is_up_unless_exited());
    let read_count = || {
        let path = format!("/proc/{}/fdinfo/0", daemon.pid().as_raw_nonzero());
        let text = fs::read_to_string(path).unwrap();
        let position = text.lines().find_map(|line| line.strip_prefix("pos:"));
        position.unwrap().trim().parse::<usize>().unwrap()
    };
    let mut last = 0;
    wait::until_true("the route to be full", || {
        // So long that whoever reads on has read on.
        wait::pause(Duration::from_millis(500));
        let before = std::mem::replace(&mut last, read_count());
        last > 0 && before == last
    });
    assert!(last < 4 << 20, "{last} of {} are read", lines.len());
    destination.come_back();
    destination.arrivals().wait_for(&ids);
    assert!(daemon.wait_for_exit().success(), "{}", daemon.log_text());
}

#[test]
fn h09_a_line_that_cannot_be_decoded_is_a_dead_letter_and_counted() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let ids = EventId::run(1, 0, 2);
    let lines = json_lines(&ids).replacen('\n', "\n{ no record\n", 1);
    fs::write(site.path("lines"), lines).unwrap();
    let config = site.config_to(&destination).replacen(
        "inputs:\n",
        "inputs:\n  lines: { type: stdin, tag: lines, decoder: json }\n",
        1,
    );
    let daemon = Daemon::start_by(&site, &config, reading(&site, "lines"));
    destination.arrivals().wait_for(&ids);
    let of_lines = ["input=\"lines\""];
    wait::until_true("the line to be counted", || {
        daemon.metric("forebay_input_undecoded_events_total", &of_lines) == 1.0
            && daemon.metric("forebay_buffer_events", &["state=\"dead\""]) == 1.0
    });
    assert_eq!(daemon.metric("forebay_input_events_total", &of_lines), 3.0);
    assert!(daemon.stop().success());
    let data_dir = site.data_dir();
    let (_, dead, _) = daemon::run(&["dead", "cat", data_dir.to_str().unwrap()]);
    assert_eq!(dead.lines().count(), 1, "{dead}");
    // The line itself, as base64.
    assert!(dead.contains("eyBubyByZWNvcmQ="), "{dead}");
}

#[test]
fn h07_made_up_events_are_numbered_and_end_when_they_are_to() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let input = "type: dummy, rate: 100000, record: '{}', counter: id, count: 5000";
    let mut daemon = Daemon::start(&site, &config(&site, input, &destination));
    assert!(daemon.wait_for_exit().success(), "{}", daemon.log_text());
    let ids: Vec<_> = (0..5_000).map(EventId).collect();
    destination.arrivals().wait_for(&ids);
    assert_eq!(destination.arrivals().count(), ids.len());
}

#[test]
fn what_the_daemon_logs_becomes_events_and_these_bring_about_no_others() {
    let site = Site::new();
    let refusing = HttpDestination::listen(site.address());
    refusing.answer("400 Bad Request");
    let config = site
        .config(&format!(
            "routes:
  own: {{ match: \"forebay.**\", buffer: {{ flush_mode: immediate, bisect: false }}, to: refusing }}
  all: {{ match: \"**\", to: nowhere }}
outputs:
  refusing: {{ type: http, url: \"http://{}/\" }}
  nowhere: {{ type: 'null' }}
",
            refusing.address()
        ))
        .replacen(
            "inputs:\n",
            "inputs:\n  own: { type: internal, level: info }\n",
            1,
        );
    let daemon = Daemon::start(&site, &config);
    let count = || daemon.metric("forebay_input_events_total", &["input=\"own\""]);
    let mut sender = TcpStream::connect(site.forward()).unwrap();
    sender.write_all(b"\xc1 is no message").unwrap();
    wait::until_true("the warning to arrive", || {
        let requests = refusing.take_requests();
        let mut bodies = requests
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body));
        bodies.any(|body| body.contains("\"input\":\"app\""))
    });
    wait::until_true("every event to be refused", || {
        daemon.metric(
            "forebay_buffer_events",
            &["route=\"own\"", "state=\"dead\""],
        ) == count()
    });
    let before = count();
    assert!(before >= 1.0);
    wait::pause(Duration::from_secs(2));
    assert_eq!(count(), before, "{}", daemon.log_text());
    assert!(
        daemon.log_text().contains("route=own"),
        "nothing was logged about its route"
    );
}
