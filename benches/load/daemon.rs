//! The daemon under test: its configuration, its folder and what it says of itself.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::work::Protocol;

const FORWARD: &str = "127.55.1.1:20001";
const HTTP: &str = "127.55.1.1:20002";
const ADMIN: &str = "127.55.1.1:20003";

/// Where outputs deliver to; nobody listens until a sink is started.
pub(crate) const SINK: &str = "127.55.1.1:20004";

/// What a route's chunks are delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A forward server at [`SINK`].
    Forward,
    /// An HTTP server at [`SINK`], as NDJSON.
    Http,
    /// A file for each tag, as NDJSON.
    File,
}

/// Short waits: of a second's `flush_interval` the last chunk of a short run would spend most.
pub(crate) const SHORT_WAITS: &str =
    "flush_interval: 100ms, retry_wait: 50ms, retry_max_interval: 100ms";

/// A running daemon, and the folder with its data, which outlives it.
pub(crate) struct Daemon {
    /// The process.
    pub(crate) process: Process,
    descriptors: Descriptors,
}

/// A folder with a daemon's configuration and data.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty one. `buffer` is what stands in the route's buffer.
    pub(crate) fn new(buffer: &str, output: Output) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let home = Self { folder };
        fs::write(home.path("forebay.yaml"), home.config(buffer, output)).unwrap();
        home
    }

    /// Of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon; returns before it listens.
    pub(crate) fn spawn(&self) -> Daemon {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = Command::new(program());
        command.args(["run", "-c"]).arg(self.path("forebay.yaml"));
        let process = Process::start(command.stderr(log));
        Daemon {
            descriptors: Descriptors::watch(process.id()),
            process,
        }
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn start(&self) -> Daemon {
        let daemon = self.spawn();
        super::clock::wait_until("the daemon to listen", || {
            let listens = |address| TcpStream::connect(address).is_ok();
            [FORWARD, HTTP, ADMIN].into_iter().all(listens)
        });
        daemon
    }

    fn config(&self, buffer: &str, output: Output) -> String {
        let output = match output {
            Output::Forward => format!("type: forward, servers: [\"{SINK}\"]"),
            Output::Http => format!("type: http, url: \"http://{SINK}/\""),
            Output::File => format!(
                "type: file, path: \"{}/${{tag}}.ndjson\"",
                self.path("out").display()
            ),
        };
        format!(
            "data_dir: {}
inputs:
  forward: {{ type: forward, listen: \"{FORWARD}\" }}
  http: {{ type: http, listen: \"{HTTP}\" }}
routes:
  all: {{ match: \"**\", buffer: {{ {buffer} }}, to: destination }}
outputs:
  destination: {{ {output} }}
admin: {{ listen: \"{ADMIN}\" }}
",
            self.path("data").display()
        )
    }
}

/// The built program, or the one that `FOREBAY_BENCH_PROGRAM` names, to compare two of them.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("FOREBAY_BENCH_PROGRAM").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_forebay")),
        PathBuf::from,
    )
}

/// Where the daemon takes in what travels by `protocol`.
pub(crate) fn address(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Forward | Protocol::Gzip => FORWARD,
        Protocol::Http => HTTP,
    }
}

impl Daemon {
    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = http::get(ADMIN, "/metrics");
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with([' ', '{']);
            is_it.then(|| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// Waits until it does next to nothing for half a second.
    ///
    /// # Panics
    /// After a minute.
    pub(crate) fn settle(&self) {
        let mut before = self.process.usage().cpu_us;
        super::clock::wait_until("the daemon to become quiet", || {
            super::clock::pause(Duration::from_millis(500));
            let now = self.process.usage().cpu_us;
            let is_quiet = now - before < 5_000.0;
            before = now;
            is_quiet
        });
    }

    /// Most descriptors that were open at a time.
    pub(crate) fn descriptors_peak(&self) -> u64 {
        self.descriptors.peak.load(Ordering::Relaxed)
    }
}

/// Looks every few milliseconds how many descriptors a process has.
struct Descriptors {
    peak: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

impl Descriptors {
    fn watch(process: u32) -> Self {
        let (peak, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (highest, stop) = (Arc::clone(&peak), Arc::clone(&is_over));
        // Since Linux 6.2 the folder's size is the number of its entries.
        let folder = format!("/proc/{process}/fd");
        let looking = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let count = fs::metadata(&folder).map_or(0, |folder| folder.len());
                highest.fetch_max(count, Ordering::Relaxed);
                super::clock::pause(Duration::from_millis(10));
            }
        });
        Self {
            peak,
            is_over,
            looking: Some(looking),
        }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(looking) = self.looking.take() {
            let _ended = looking.join();
        }
    }
}
