//! The example of a deferred output, against a real NATS server with JetStream.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::daemon::{self, Daemon};
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, tools, wait};

const STREAM: &str = "EVENTS";

/// A server on a folder of the site; killed when dropped.
struct Server(Child);

impl Server {
    fn start(site: &Site, address: SocketAddrV4) -> Self {
        let child = Command::new(tools::find("nats-server"))
            .args(["--jetstream", "--store_dir"])
            .arg(site.path("nats"))
            .args(["--addr", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The example, built if it is not.
fn example() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "nats_output"]);
    tools::succeed(build.current_dir(env!("CARGO_MANIFEST_DIR")));
    let folder = daemon::binary().parent().unwrap();
    folder.join("examples/nats_output")
}

/// The ids of all messages in the stream, in their order; `None` if the server or the stream is
/// not there.
fn stored(address: SocketAddrV4) -> Option<Vec<EventId>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(address.to_string()).await.ok()?;
        let jetstream = async_nats::jetstream::new(client);
        let stream = jetstream.get_stream(STREAM).await.ok()?;
        let state = &stream.cached_info().state;
        let mut ids = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.ok()?;
            let record: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            ids.push(EventId(record["id"].as_u64().unwrap()));
        }
        Some(ids)
    })
}

#[test]
fn g10_a_server_that_is_killed_in_the_middle_loses_nothing() {
    let site = Site::new();
    let address = site.address();
    let config = site.config(&format!(
        "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: bus }}
outputs:
  bus: {{ type: nats, server: \"nats://{address}\", stream: {STREAM}, subject: events.app, timeout: 1s }}
"
    ));
    let mut server = Some(Server::start(&site, address));
    let daemon = Daemon::start_by(&site, &config, Command::new(example()));
    let mut sender = Sender::connect(site.forward()).unwrap();
    let mut sent = BTreeSet::new();
    for round in 0..60 {
        let ids = EventId::run(1, round * 100, 100);
        sender.deliver("app", &ids);
        sent.extend(ids);
        if round == 20 {
            let some = || stored(address).is_some_and(|ids| !ids.is_empty());
            wait::until_true("the first messages", some);
            drop(server.take());
        }
    }
    wait::until_true("chunks that nobody takes", || {
        daemon.route("all")["queued"]["chunks"] != 0
    });
    let _server = Server::start(&site, address);
    let arrived = wait::until("all messages", || {
        let ids = stored(address)?;
        let arrived: BTreeSet<_> = ids.iter().copied().collect();
        sent.is_subset(&arrived).then_some(ids)
    });
    assert_eq!(arrived.len(), sent.len(), "the server drops what it has");
    wait::until_true("every delivery to be committed", || {
        daemon.route("all")["queued"]["chunks"] == 0
    });
    assert!(daemon.stop().success());
}
