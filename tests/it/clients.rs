//! Clients that others wrote.

use std::fs;
use std::process::Command;

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::{site::Site, tools, wait};

#[test]
fn fluent_logger_of_python_is_understood() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut command = Command::new(tools::find_client("python3"));
    command
        .arg(tools::script("send.py"))
        .args(host_and_port(&site))
        .args(["1000", "200"]);
    tools::succeed(&mut command);
    destination.arrivals().wait_for(&ids(1_000, 200));
    assert_eq!(destination.arrivals().count(), 200);
    assert!(
        destination
            .taken()
            .iter()
            .all(|taken| taken.tag == "app.web")
    );
}

#[test]
fn fluent_logger_of_javascript_is_understood_and_acknowledged_in_every_mode() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut command = Command::new(tools::find("node"));
    command
        .arg(tools::script("send.mjs"))
        .args(host_and_port(&site))
        .args(["1000", "50"]);
    tools::succeed(command.current_dir(tools::clients()));
    destination.arrivals().wait_for(&ids(1_000, 200));
    assert_eq!(destination.arrivals().count(), 200);
}

#[test]
fn curl_is_understood() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let url = format!("http://{}/app.web", site.http());
    let mut command = Command::new(tools::find("curl"));
    command.args(["-sS", "--fail-with-body", "--json", "{\"id\":1}", &url]);
    tools::succeed(&mut command);
    let mut command = Command::new(tools::find("curl"));
    command.args(["-sS", "--fail-with-body", "-d", "json={\"id\":2}", &url]);
    tools::succeed(&mut command);
    destination.arrivals().wait_for(&ids(1, 2));
}

#[test]
fn fields_of_all_types_come_back_as_another_library_wrote_them() {
    let site = Site::new();
    let out = site.path("out.msgpack");
    let daemon = Daemon::start(
        &site,
        &site.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms }}, to: file }}
outputs:
  file: {{ type: file, path: \"{}\", format: msgpack, append: true }}
",
            out.display()
        )),
    );
    let types = tools::script("all_types.py");
    let mut send = Command::new(tools::find_client("python3"));
    tools::succeed(send.arg(&types).arg("send").args(host_and_port(&site)));
    wait::until_true("the file to be written", || {
        daemon.output("all", "file")["chunks_delivered"] != 0
    });
    let mut compare = Command::new(tools::find_client("python3"));
    let output = tools::succeed(compare.arg(&types).arg("compare").arg(&out));
    let count: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(count > 60 && fs::metadata(&out).unwrap().len() > 1_000_000);
}

fn host_and_port(site: &Site) -> [String; 2] {
    [
        site.forward().ip().to_string(),
        site.forward().port().to_string(),
    ]
}

fn ids(first: u64, count: u64) -> Vec<EventId> {
    (first..first + count).map(EventId).collect()
}
