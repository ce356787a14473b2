//! Processes, and what the kernel counts for them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A process that is killed when dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What the kernel has counted for a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Processor time, user and system, in microseconds; the kernel counts in 10 ms.
    pub(crate) cpu_us: f64,
    /// Most resident memory so far, in KiB.
    pub(crate) memory_peak_kib: f64,
    /// Bytes that went to the disk's queue.
    pub(crate) written_bytes: f64,
}

impl Process {
    /// Starts this program again in another role.
    pub(crate) fn role(arguments: &[&str]) -> Self {
        let this = std::env::current_exe().unwrap();
        Self::start(Command::new(this).args(arguments))
    }

    /// Starts the built daemon; its log goes to the file `log`.
    pub(crate) fn daemon(config: &Path, log: &Path) -> Self {
        let log = fs::File::create(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
        Self::start(command.args(["run", "-c"]).arg(config).stderr(log))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// Writes a line to it.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads a line from it.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// What the kernel has counted for it so far.
    pub(crate) fn usage(&self) -> Usage {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap();
        let stat = read("stat");
        // The name in brackets may hold spaces; utime and stime are the 12th and 13th behind it.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        Usage {
            cpu_us: ticks * 10_000.0,
            memory_peak_kib: field(&read("status"), "VmHWM:"),
            written_bytes: field(&read("io"), "write_bytes:"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn field(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
