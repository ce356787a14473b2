//! The built binary as a process.

use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{http, site::Site, wait};

/// A running daemon; killed when dropped, its log printed when the test has failed.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    admin: SocketAddrV4,
}

impl Daemon {
    /// Writes `config` into the site, starts the daemon on it and waits until it is ready.
    pub(crate) fn start(site: &Site, config: &str) -> Self {
        let daemon = Self::spawn(site, config, Command::new(binary()));
        daemon.wait_until_ready();
        daemon
    }

    /// As [`start`](Self::start), but `command` is what runs: the binary behind a shell or a tracer. The
    /// daemon's own arguments are appended to it.
    pub(crate) fn start_by(site: &Site, config: &str, command: Command) -> Self {
        let daemon = Self::spawn(site, config, command);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts `command` with the daemon's arguments and waits for nothing.
    pub(crate) fn spawn(site: &Site, config: &str, mut command: Command) -> Self {
        let config_path = site.path("forebay.yaml");
        fs::write(&config_path, config).unwrap();
        let log = new_log_path(site.folder());
        command
            .args(["run", "-c"])
            .arg(config_path)
            .current_dir(site.folder());
        let output = File::create(log.with_extension("out")).unwrap();
        let errors = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            admin: site.admin(),
        }
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// If the daemon exits instead, with its log.
    pub(crate) fn wait_until_ready(&self) {
        wait::until("the daemon to be ready", || {
            let answer = http::try_get(self.admin, "/readyz").ok();
            if answer.is_some_and(|answer| answer.status == 200) {
                return Some(());
            }
            assert!(
                !self.has_exited(),
                "the daemon exited:\n{}",
                self.log_text()
            );
            None
        });
    }

    /// Waits until `/readyz` says anything, or the daemon has exited; whether it is up.
    pub(crate) fn is_up_unless_exited(&self) -> bool {
        wait::until("the daemon to be up or to exit", || {
            let is_up = http::try_get(self.admin, "/readyz").is_ok();
            (is_up || self.has_exited()).then_some(is_up)
        })
    }

    /// Ends it with SIGKILL, which it cannot notice.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with SIGTERM and returns how it ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_for_exit()
    }

    /// Waits for it to exit by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        wait::until("the daemon to exit", || self.child.try_wait().unwrap())
    }

    /// Sends it `signal`.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its process id (of the tracer, if it runs behind one).
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Bytes of memory that it has (`VmRSS`), or has had at most (`VmHWM`).
    pub(crate) fn memory(&self, field: &str) -> usize {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = fs::read_to_string(path).unwrap();
        let mut lines = status.lines().filter_map(|line| line.strip_prefix(field));
        let line = lines.next().unwrap();
        let kib: usize = line
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap();
        kib * 1024
    }

    /// What it has written to standard error.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// What it has written to standard output.
    pub(crate) fn output_text(&self) -> String {
        let path = self.log.with_extension("out");
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    }

    /// The sum of a metric's samples whose labels contain every one of `labels` (as `name="value"`);
    /// 0 if there are none.
    pub(crate) fn metric(&self, family: &str, labels: &[&str]) -> f64 {
        let text = http::get(self.admin, "/metrics").text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let ours = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let is_family = name.split('{').next() == Some(family);
            let is_ours = is_family && labels.iter().all(|label| name.contains(label));
            is_ours.then(|| value.parse::<f64>().unwrap())
        });
        ours.sum()
    }

    /// The report of the route `name` in `/api/v1/status`.
    pub(crate) fn route(&self, name: &str) -> Value {
        let status = http::get(self.admin, "/api/v1/status").json();
        let routes = status["routes"].as_array().unwrap().iter();
        let mut ours = routes.filter(|route| route["name"] == name);
        ours.next()
            .unwrap_or_else(|| panic!("no route {name}: {status}"))
            .clone()
    }

    /// The report of the output `name` of the route `route`.
    pub(crate) fn output(&self, route: &str, name: &str) -> Value {
        let report = self.route(route);
        let mut outputs = report["outputs"].as_array().unwrap().iter();
        outputs
            .find(|output| output["name"] == name)
            .unwrap()
            .clone()
    }

    fn has_exited(&self) -> bool {
        // A zombie still has a status file; only its state says that it is over.
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status.is_ok_and(|text| text.lines().any(|line| line.starts_with("State:\tZ")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- log of the daemon\n{}",
                last_lines(&self.log_text(), 60)
            );
        }
    }
}

/// The path of the built program.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_forebay"))
}

/// Runs the built program with `arguments` to its end: exit code, standard output and error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn new_log_path(folder: &Path) -> PathBuf {
    let mut numbered = (1..).map(|number| folder.join(format!("daemon-{number}.log")));
    numbered.find(|path| !path.exists()).unwrap()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
