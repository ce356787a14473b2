//! `forebay buffer repair`: does what `verify` says is to be done, without a daemon.
//!
//! It is a start without deliveries: the store is opened, which recovers each directory, then the
//! chunks in which damage was found are read to their end, which sets the damage aside. Whatever
//! is damaged is copied or moved to the quarantine before anything is written in its place.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_storage::recovery::{Action, Recovered};
use forebay_storage::{
    ChunkInfo, DamageReport, Durability, Fs, Observer, OpenError, Route, RouteOptions, Store,
    StoreOptions,
};
use serde::Serialize;

use super::Error;
use super::files::{Area, ChunkDir, chunk_dirs};
use super::verify::{Progress, Report, Verdict, newest_destinations, verify, with_causes};

/// Files a repair has open at once.
const OPEN_FILES_MAX: usize = 64;
/// Nothing is appended; the store wants limits.
const CHUNK_LIMIT_BYTES: u64 = 1 << 30;

/// What was found, and what was done about it.
#[derive(Debug, Serialize)]
pub(super) struct Repaired {
    /// What `verify` found just before.
    found: Report,
    /// Steps that changed something, in words.
    done: Vec<String>,
    set_aside: Vec<SetAside>,
    /// What could not be done; the files are as they were.
    failures: Vec<String>,
}

/// Damaged bytes, and where they are kept.
#[derive(Debug, Serialize)]
struct SetAside {
    path: PathBuf,
    offset: u64,
    bytes: u64,
    kind: &'static str,
    /// Events they held, if that is known.
    events: Option<u32>,
    /// `None` if they are still in the file, because they could not be copied.
    quarantine: Option<PathBuf>,
}

/// When the repair is made, and what makes its chunk ids differ from others'.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) now_ns: i64,
    pub(super) id_seed: u32,
}

/// Collects what the store reports.
#[derive(Debug, Default)]
struct Collector {
    set_aside: Mutex<Vec<SetAside>>,
    failures: Mutex<Vec<String>>,
}

impl Observer for Collector {
    fn damaged(&self, damage: &DamageReport) {
        let mut set_aside = self
            .set_aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        set_aside.push(SetAside {
            path: damage.path.clone(),
            offset: damage.offset,
            bytes: damage.len,
            kind: damage.kind.as_str(),
            events: damage.event_count,
            quarantine: damage.quarantine.clone(),
        });
    }

    fn sync_failed(&self, path: &Path, error: &io::Error) {
        self.fail(format!("cannot sync {}: {error}", path.display()));
    }
}

impl Collector {
    fn fail(&self, what: String) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push(what);
    }
}

/// Repairs what is under `data_dir`, which no daemon may have open.
///
/// # Errors
/// If there is no store, a daemon runs on it, or a directory cannot be listed. Whatever cannot be
/// done with a file is in the report.
pub(super) fn repair(
    fs: &Arc<dyn Fs>,
    data_dir: &Path,
    run: Run,
    progress: &Progress,
) -> Result<Repaired, Error> {
    // Before the store is opened, which would create it.
    let dirs = chunk_dirs(&**fs, data_dir)?;
    let store = open(fs, data_dir, run)?;
    let found = verify(&**fs, data_dir, progress)?;
    let damaged: BTreeSet<_> = found.damaged_paths().collect();
    let (collector, mut done) = (Arc::new(Collector::default()), Vec::new());
    for dir in &dirs {
        match open_route(fs, &store, dir, &collector) {
            Ok((route, recovered)) => {
                done.extend(note_recovered(&recovered, &collector));
                read_damaged(&route, &damaged, &collector);
            }
            Err(error) => collector.fail(format!("{}: {}", dir.route, with_causes(&error))),
        }
    }
    drop(store);
    let take = |list: &Mutex<Vec<String>>| {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let mut set_aside = collector
        .set_aside
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Repaired {
        found,
        done,
        set_aside: std::mem::take(&mut *set_aside),
        failures: take(&collector.failures),
    })
}

fn open(fs: &Arc<dyn Fs>, data_dir: &Path, run: Run) -> Result<Store, Error> {
    let opened = Store::open(StoreOptions {
        dir: data_dir.to_owned(),
        fs: Arc::clone(fs),
        open_files_max: OPEN_FILES_MAX,
        id_seed: run.id_seed,
        now_ns: run.now_ns,
        clock: None,
    });
    opened.map_err(|error| match error {
        OpenError::Locked { pid, .. } => Error::InUse {
            path: data_dir.to_owned(),
            pid,
        },
        error => Error::Open(error),
    })
}

fn open_route(
    fs: &Arc<dyn Fs>,
    store: &Store,
    dir: &ChunkDir,
    collector: &Arc<Collector>,
) -> Result<(Route, Recovered), Error> {
    let options = RouteOptions {
        destinations: newest_destinations(&dir.inspect(&**fs)?),
        durability: Durability::Disk,
        chunk_limit_bytes: CHUNK_LIMIT_BYTES,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: u64::MAX,
    };
    let observer = Arc::clone(collector) as Arc<dyn Observer>;
    let opened = match dir.area {
        Area::Route => store.route(&dir.route, options, observer),
        Area::Dead => store.dead_letters(&dir.route, options, observer),
    };
    Ok(opened?)
}

/// The steps that changed something, in words.
fn note_recovered(recovered: &Recovered, collector: &Collector) -> Vec<String> {
    for failure in &recovered.failures {
        collector.fail(with_causes(failure));
    }
    let is_change = |action| !matches!(action, Action::Keep | Action::Resume | Action::Leave);
    let steps = recovered.steps.iter().filter(|step| is_change(step.action));
    steps.map(ToString::to_string).collect()
}

/// Reads the chunks in which damage was found: the store sets aside what a reader meets.
fn read_damaged(route: &Route, damaged: &BTreeSet<String>, collector: &Collector) {
    let is_damaged =
        |chunk: &ChunkInfo| damaged.contains(&route.path(chunk.id).display().to_string());
    for chunk in route.chunks().iter().filter(|chunk| is_damaged(chunk)) {
        let read = route.read(chunk.id).and_then(|mut reader| {
            while reader.next_window()?.is_some() {}
            Ok(())
        });
        if let Err(error) = read {
            let path = route.path(chunk.id);
            collector.fail(format!("{}: {}", path.display(), with_causes(&error)));
        }
    }
}

impl Repaired {
    /// 2 if events are lost, 1 if something could not be done, else 0.
    pub(super) fn exit_code(&self) -> ExitCode {
        let verdict = match self.found.verdict() {
            Verdict::Lost => Verdict::Lost,
            _ if self.failures.is_empty() => Verdict::Clean,
            _ => Verdict::Repairable,
        };
        verdict.exit_code()
    }

    /// Prints the report as one JSON document.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Prints the report for people.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.found.write_problems(out)?;
        for step in &self.done {
            writeln!(out, "done: {step}")?;
        }
        for piece in &self.set_aside {
            piece.write_text(out)?;
        }
        for failure in &self.failures {
            writeln!(out, "FAILED: {failure}")?;
        }
        let summary = match (self.found.verdict(), self.failures.is_empty()) {
            (Verdict::Lost, _) => "what can be delivered will be; the rest is in the quarantine",
            (_, false) => "some of it could not be done",
            (Verdict::Repairable, true) => "repaired: no event is lost",
            (Verdict::Clean, true) => "nothing was to be repaired",
        };
        writeln!(out, "{summary}")
    }
}

impl SetAside {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (path, kind) = (self.path.display(), self.kind);
        let (bytes, offset) = (self.bytes, self.offset);
        let events = match self.events {
            Some(events) => format!("{events} events"),
            None => "nobody knows how many events".to_owned(),
        };
        match &self.quarantine {
            Some(copy) => writeln!(
                out,
                "kept: {path}: {bytes} bytes at {offset} ({kind}, {events}) in {}",
                copy.display()
            ),
            None => writeln!(
                out,
                "not copied: {path}: {bytes} bytes at {offset} ({kind}, {events})"
            ),
        }
    }
}
