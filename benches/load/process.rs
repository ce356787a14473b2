//! Processes of this bench, and the daemon's.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::usage::Usage;

/// A process that is killed when dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program again in another role.
    pub(crate) fn role(arguments: &[&str]) -> Self {
        let this = std::env::current_exe().unwrap();
        Self::start(Command::new(this).args(arguments))
    }

    /// Starts `command`, whose standard input and output are ours.
    pub(crate) fn start(command: &mut Command) -> Self {
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
    ///
    /// # Panics
    /// If it ended instead; it has said why on standard error.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "a process of the bench ended early");
        line.trim().to_owned()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel has counted for it so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&self.id().to_string())
    }

    /// Lets the peak of its memory begin at what it has now.
    pub(crate) fn forget_memory_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended = self.child.wait();
    }
}
