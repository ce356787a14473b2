//! The system calls of the unmodified program, in their order, as strace saw them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::sender::Sender;
use crate::harness::{site::Site, tools, wait};

const CONNECTION_COUNT: u32 = 4;
const BATCH_COUNT: u32 = 25;

#[test]
fn no_acknowledgement_leaves_before_the_sync_that_covers_it() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let log = site.path("strace.log");
    let daemon = Daemon::start_by(&site, &site.config_to(&destination), traced(&log));
    send_pipelined(&site);
    daemon.stop();
    wait::until_true("strace to finish its log", || {
        read(&log).contains("+++ exited with 0 +++")
    });

    let covered = check(&read(&log));
    assert_eq!(
        covered,
        CONNECTION_COUNT * BATCH_COUNT,
        "acknowledgements seen leaving"
    );
    println!("| sync before acknowledgement | - | {covered} | - | - | {covered} | 0 | - |");
}

#[test]
fn the_checker_sees_an_acknowledgement_that_comes_too_early() {
    let log = "\
1 openat(AT_FDCWD, \"/d/a.chunk\", O_RDWR|O_CREAT) = 7</d/a.chunk>
1 fsync(6</d>) = 0
1 pwrite64(7</d/a.chunk>, \"mark-0-0;\", 9, 512) = 9
1 fdatasync(7</d/a.chunk> <unfinished ...>
2 sendto(9<TCP:[1]>, \"\\201\\243ack\\251mark-0-0;\", 15, 0, NULL, 0) = 15
1 <... fdatasync resumed>) = 0
";
    let early = std::panic::catch_unwind(|| check(log));
    assert!(early.is_err());
    let without_directory = log.replace("1 fsync(6</d>) = 0\n", "");
    let early = std::panic::catch_unwind(|| check(&without_directory));
    assert!(early.is_err());
    let right = log.replace("1 <... fdatasync resumed>) = 0\n", "");
    let right = right.replace(" <unfinished ...>", ") = 0");
    assert_eq!(check(&right), 1);
}

/// Checks every acknowledgement in `log`, strace's with `-y`, and returns how many there were.
///
/// # Panics
/// At the first that left before what it says was synced.
pub(super) fn check(log: &str) -> u32 {
    Order::default().check(&parse(log))
}

/// The daemon with strace beside it, not above it, so that a signal to our child reaches it.
fn traced(log: &Path) -> Command {
    let calls = "trace=openat,fallocate,pwrite64,pwritev,pwritev2,fdatasync,fsync,syncfs,\
                 sync_file_range,sendto,sendmsg,write,writev";
    let mut command = Command::new(tools::find("strace"));
    command
        .args(["-D", "-f", "-y", "-s", "1000000", "-e", calls, "-o"])
        .arg(log);
    command.arg(daemon::binary());
    command
}

/// Several connections, each with all its batches on the wire before it reads an acknowledgement.
fn send_pipelined(site: &Site) {
    let mut senders: Vec<_> = (0..CONNECTION_COUNT)
        .map(|client| (client, Sender::connect(site.forward()).unwrap()))
        .collect();
    for batch in 0..BATCH_COUNT {
        for (client, sender) in &mut senders {
            let ids = EventId::run(*client, batch * 10, 10);
            sender
                .send("app", &mark(*client, batch), &event::entries(&ids, 1))
                .unwrap();
        }
    }
    for (_, sender) in &mut senders {
        for _ in 0..BATCH_COUNT {
            sender.read_ack().unwrap();
        }
    }
}

/// What can be found in the bytes of the chunk file, where it is the batch's id, and of the
/// acknowledgement.
pub(super) fn mark(client: u32, batch: u32) -> String {
    format!("mark-{client}-{batch};")
}

pub(super) fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// A system call with the lines of the log where it began and ended.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
}

impl Call {
    /// The path of the descriptor that is the first argument.
    fn path(&self) -> &str {
        between(&self.text, "<", ">").unwrap_or_default()
    }

    /// The path of the descriptor that came back.
    fn opened_path(&self) -> Option<&str> {
        let (_, result) = self.text.rsplit_once(" = ")?;
        between(result, "<", ">")
    }

    fn marks(&self) -> Vec<String> {
        let starts = self
            .text
            .match_indices("mark-")
            .map(|(at, _)| &self.text[at..]);
        starts
            .filter_map(|text| text.split_inclusive(';').next().map(str::to_owned))
            .collect()
    }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inside, _)| inside)
}

/// Puts calls that other threads interrupted together again; ordered by where they began.
fn parse(log: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (line_number, line) in log.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("<... ") {
            let call = &mut calls[unfinished.remove(thread).unwrap()];
            call.ended = line_number;
            call.text.push_str(rest.split_once("resumed>").unwrap().1);
        } else if let Some((name, _)) = text.split_once('(') {
            if text.ends_with("<unfinished ...>") {
                unfinished.insert(thread, calls.len());
            }
            let (name, text) = (name.to_owned(), text.to_owned());
            calls.push(Call {
                name,
                text,
                began: line_number,
                ended: line_number,
            });
        }
    }
    calls
}

/// What was written where, and what was synced when.
#[derive(Default)]
struct Order<'a> {
    created: HashMap<&'a str, usize>,
    written: HashMap<String, Vec<(&'a str, usize)>>,
    syncs: Vec<&'a Call>,
}

impl<'a> Order<'a> {
    /// Checks every acknowledgement and returns how many there were.
    ///
    /// # Panics
    /// At the first that left before what it says was synced.
    fn check(mut self, calls: &'a [Call]) -> u32 {
        let mut checked = 0;
        for call in calls {
            match call.name.as_str() {
                "openat" if call.text.contains("O_CREAT") => self.note_created(call),
                "pwrite64" | "pwritev" | "pwritev2" => self.note_written(call),
                "fdatasync" | "fsync" | "syncfs" => self.syncs.push(call),
                "sendto" | "sendmsg" | "write" | "writev" if call.text.contains("\\243ack") => {
                    for mark in call.marks() {
                        self.check_ack(&mark, call);
                        checked += 1;
                    }
                }
                _ => {}
            }
        }
        checked
    }

    fn note_created(&mut self, call: &'a Call) {
        if let Some(path) = call.opened_path() {
            self.created.insert(path, call.ended);
        }
    }

    /// A write that failed wrote nothing that could be relied on.
    fn note_written(&mut self, call: &'a Call) {
        let result = call.text.rsplit_once(" = ").map(|(_, result)| result);
        if result.is_some_and(|result| result.starts_with("-1 ")) {
            return;
        }
        for mark in call.marks() {
            self.written
                .entry(mark)
                .or_default()
                .push((call.path(), call.ended));
        }
    }

    fn check_ack(&self, mark: &str, ack: &Call) {
        let written = self.written.get(mark);
        let written = written.unwrap_or_else(|| panic!("{mark} was acknowledged, never written"));
        for (path, at) in written {
            assert!(
                self.is_synced(path, *at, ack),
                "{mark} in {path} was acknowledged unsynced"
            );
            let Some(created) = self.created.get(path) else {
                continue;
            };
            let folder = path.rsplit_once('/').unwrap().0;
            let is_named = self.is_synced(folder, *created, ack);
            assert!(
                is_named,
                "{mark}: the directory entry of {path} was not synced"
            );
        }
    }

    /// Whether a sync of `path` began after line `since` and ended before `ack` began.
    fn is_synced(&self, path: &str, since: usize, ack: &Call) -> bool {
        let covers = |sync: &&&Call| sync.name == "syncfs" || sync.path() == path;
        let mut covering = self.syncs.iter().filter(covers);
        covering.any(|sync| {
            let succeeded = sync.text.trim_end().ends_with("= 0");
            succeeded && sync.began > since && sync.ended < ack.began
        })
    }
}
