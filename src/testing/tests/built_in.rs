//! The outputs that come with the program, each against a real destination on loopback.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::*;
use crate::buffer::{Accept, Incoming, Intake, Pending, Refused};
use crate::clock::Clock;
use crate::config::{self, System};
use crate::event::check;
use crate::input::{InputContext, InputStats};
use crate::output::Way;
use crate::registry::{Commons, Registry};

/// Everything of [`Conformance`] that does not depend on the way.
const PROMISES: [&str; 7] = [
    "settings",
    "ways",
    "life",
    "side by side",
    "end",
    "restart",
    "away",
];

/// Takes everything, and counts it.
#[derive(Default)]
struct Taking(AtomicU64);

impl Accept for Taking {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        let event_count = check(batch.payload).unwrap().event_count;
        self.0.fetch_add(event_count, Relaxed);
        let durable = Box::pin(std::future::ready(Ok(())));
        Box::pin(std::future::ready(Ok(Pending::new(
            event_count,
            0,
            durable,
        ))))
    }
}

/// An input of the program's, as the destination of an output.
struct Server {
    address: SocketAddr,
    taken: Arc<Taking>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    async fn start(type_name: &str) -> Self {
        let text = format!(
            "data_dir: d\ninputs: {{i: {{type: {type_name}, listen: '127.0.0.1:0'}}}}\n\
             outputs: {{o: {{type: stdout}}}}\nroutes: {{r: {{match: '**', to: o}}}}\n"
        );
        let plan = config::load_str("f", &text, &System).unwrap();
        let context = Commons::default().context("i", Clock::start());
        let input = Registry::builtin()
            .open_input(&plan.inputs["i"], &context)
            .await
            .unwrap();
        let server = Self {
            address: input.local_addr().unwrap().unwrap(),
            taken: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let context = InputContext {
            name: "i".into(),
            intake: Intake::new(server.taken.clone()),
            stats: Arc::new(InputStats::default()),
            stop: server.stop.clone(),
            clock: Clock::start(),
        };
        server.tasks.spawn(input.run(context));
        server
    }

    /// Stops, and says how many events it has taken.
    async fn stop(self) -> u64 {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.taken.0.load(Relaxed)
    }
}

/// A port that nobody listens on.
fn nobody() -> SocketAddr {
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    bound.local_addr().unwrap()
}

#[track_caller]
fn kept_all(passed: Result<Passed, Broken>, ways: &[Way]) {
    let passed = passed.unwrap_or_else(|broken| panic!("{broken}"));
    for promise in PROMISES {
        assert!(
            passed.promises.contains(&promise),
            "{promise} was not tried"
        );
    }
    assert_eq!(passed.ways, ways);
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_the_forward_output_conforms() {
    let server = Server::start("forward").await;
    let passed = Conformance::of(
        Factory::builtin("forward"),
        &format!("servers: ['{}']", server.address),
    )
    .away(&format!("servers: ['{}']", nobody()))
    .refuses("servers: []", "servers")
    .check()
    .await;
    kept_all(passed, &[Way::Deferred]);
    assert!(server.stop().await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_the_http_output_conforms() {
    let server = Server::start("http").await;
    let passed = Conformance::of(
        Factory::builtin("http"),
        &format!("url: 'http://{}/conformance'", server.address),
    )
    .away(&format!("url: 'http://{}/conformance'", nobody()))
    .refuses("url: 'nowhere'", "url")
    .check()
    .await;
    kept_all(passed, &[Way::Direct, Way::Buffered]);
    assert!(server.stop().await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_the_file_output_conforms() {
    let folder = TempDir::new().unwrap();
    let here = folder.path().join("events.ndjson");
    // A file stands where a directory would have to be.
    let nowhere = folder.path().join("events.ndjson/below/a/file");
    let passed = Conformance::of(
        Factory::builtin("file"),
        &format!("path: '{}'", here.display()),
    )
    .away(&format!("path: '{}'", nowhere.display()))
    .refuses("path: 5\nformat: xml", "format")
    .check()
    .await;
    kept_all(passed, &[Way::Buffered]);
    let written = std::fs::read_to_string(here).unwrap();
    assert!(written.lines().count() > 10, "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_the_outputs_to_nowhere_and_to_standard_output_conform() {
    for type_name in ["null", "stdout"] {
        let passed = conformance(Factory::builtin(type_name), "").await;
        let passed = passed.unwrap_or_else(|broken| panic!("{broken}"));
        assert_eq!(passed.ways, [Way::Direct, Way::Buffered]);
    }
}
