//! `forebay buffer verify`: every checksum, and what a start would do.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use forebay_storage::recovery::{self, Action, ChunkReport, FileReport, Step};
use forebay_storage::{Damage, DamageKind, Fs, ReadError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Error;
use super::files::{Area, ChunkDir, chunk_dirs};
use super::ls::oddity;
use super::walk::walk;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Nothing is damaged.
    Clean,
    /// Something is not as it should be, but no event is lost by it.
    Repairable,
    /// Events are lost, or may be.
    Lost,
}

impl Verdict {
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Clean => 0,
            Self::Repairable => 1,
            Self::Lost => 2,
        })
    }
}

/// What was found in a data directory.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    verdict: Verdict,
    /// Directories of chunks, in the order of the listing.
    directories: Vec<DirReport>,
    problems: Vec<Problem>,
}

/// One directory of chunks.
#[derive(Debug, Default, Serialize)]
struct DirReport {
    route: String,
    is_dead_letters: bool,
    chunks: u64,
    frames: u64,
    events: u64,
    file_bytes: u64,
    /// What the next start does, but for chunks that it keeps as they are.
    plan: Vec<PlannedStep>,
}

/// One step of the recovery plan.
#[derive(Debug, Serialize)]
struct PlannedStep {
    path: String,
    text: String,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    verdict: Verdict,
    path: String,
    /// Where it begins in the file, and how long it is, if that can be said.
    offset: Option<u64>,
    bytes: Option<u64>,
    /// Events in it, if that is known.
    events: Option<u32>,
    what: String,
}

/// Shows how far the reading is.
pub(super) struct Progress(pub(super) ProgressBar);

impl Progress {
    /// Nothing is shown.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// A bar on standard error if that is a terminal; else nothing is shown.
    pub(super) fn on_terminal() -> Self {
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::new(0);
        let template = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }
}

/// Reads everything under `data_dir`.
///
/// # Errors
/// If a directory cannot be listed. Whatever is wrong with a file is in the report.
pub(super) fn verify(fs: &dyn Fs, data_dir: &Path, progress: &Progress) -> Result<Report, Error> {
    let mut report = Report {
        verdict: Verdict::Clean,
        directories: Vec::new(),
        problems: Vec::new(),
    };
    for dir in chunk_dirs(fs, data_dir)? {
        report.verify_dir(fs, &dir, progress)?;
    }
    progress.0.finish_and_clear();
    report.verdict = verdict(&report.problems);
    Ok(report)
}

fn verdict(problems: &[Problem]) -> Verdict {
    problems
        .iter()
        .map(|problem| problem.verdict)
        .max()
        .unwrap_or(Verdict::Clean)
}

impl Report {
    fn verify_dir(
        &mut self,
        fs: &dyn Fs,
        dir: &ChunkDir,
        progress: &Progress,
    ) -> Result<(), Error> {
        let files = dir.inspect(fs)?;
        let mut totals = DirReport {
            route: dir.route.clone(),
            is_dead_letters: dir.area == Area::Dead,
            plan: planned(&files),
            ..DirReport::default()
        };
        progress.0.set_message(dir.route.clone());
        progress.0.inc_length(files.iter().map(file_bytes).sum());
        for file in &files {
            if let FileReport::Chunk(chunk) = file {
                self.verify_chunk(fs, chunk, &mut totals);
            } else {
                self.problems.extend(odd_file(file));
            }
            progress.0.inc(file_bytes(file));
        }
        self.directories.push(totals);
        Ok(())
    }

    fn verify_chunk(&mut self, fs: &dyn Fs, chunk: &ChunkReport, totals: &mut DirReport) {
        totals.chunks += 1;
        totals.file_bytes += chunk.file_bytes;
        self.problems.extend(damaged_records(chunk));
        match walk::<ReadError>(fs, &chunk.path, |_| Ok(())) {
            Ok(Some(walked)) => {
                totals.frames += walked.frame_count;
                totals.events += walked.event_count;
                let lost: Vec<_> = walked.lost(chunk.is_sealed).collect();
                let problems = walked.damage.iter().map(|damage| {
                    let is_lost = lost.iter().any(|lost| **lost == *damage);
                    damage_problem(&chunk.path, damage, is_lost)
                });
                self.problems.extend(problems);
            }
            // It was delivered and purged while we were looking.
            Ok(None) => {}
            Err(error) => {
                let what = format!("cannot be read: {}", with_causes(&error));
                self.problems
                    .push(problem(Verdict::Lost, &chunk.path, what));
            }
        }
    }

    /// Files in which something is wrong.
    pub(super) fn damaged_paths(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| problem.path.clone())
    }

    /// Prints what is wrong, one line each.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_problems(&self, out: &mut dyn Write) -> io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "{}", problem.describe())?;
        }
        Ok(())
    }

    /// How bad it is.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The process's exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        self.verdict().exit_code()
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
        for dir in &self.directories {
            let title = if dir.is_dead_letters {
                "dead letters of"
            } else {
                "route"
            };
            writeln!(
                out,
                "{title} {}: {} chunks, {} frames, {} events, {} bytes of files",
                dir.route, dir.chunks, dir.frames, dir.events, dir.file_bytes
            )?;
            for step in &dir.plan {
                writeln!(out, "  the next start will {}", step.text)?;
            }
        }
        self.write_problems(out)?;
        let verdict = match self.verdict {
            Verdict::Clean => "clean: every checksum is right",
            Verdict::Repairable => "repairable: no event is lost by what is wrong",
            Verdict::Lost => "lost: the damage above held events, or may have",
        };
        writeln!(out, "{verdict}")
    }
}

impl Problem {
    fn describe(&self) -> String {
        let kind = match self.verdict {
            Verdict::Lost => "LOST",
            Verdict::Clean | Verdict::Repairable => "repairable",
        };
        let events = match self.events {
            Some(events) => format!(", {events} events"),
            None => String::new(),
        };
        match (self.offset, self.bytes) {
            (Some(offset), Some(bytes)) => format!(
                "{kind}: {}: {bytes} bytes at {offset}: {}{events}",
                self.path, self.what
            ),
            _ => format!("{kind}: {}: {}", self.path, self.what),
        }
    }
}

/// What a start does with `files`, but for those it keeps.
fn planned(files: &[FileReport]) -> Vec<PlannedStep> {
    let to_text = |step: Step| PlannedStep {
        path: step.path.display().to_string(),
        text: step.to_string(),
    };
    recovery::plan(files, &newest_destinations(files))
        .into_iter()
        .filter(|step| step.action != Action::Keep)
        .map(to_text)
        .collect()
}

/// The outputs of a route's newest chunk, which are taken to be the route's.
pub(super) fn newest_destinations(files: &[FileReport]) -> Vec<String> {
    let newest = files.iter().rev().find_map(|file| match file {
        FileReport::Chunk(chunk) => Some(chunk.meta.destinations.to_vec()),
        _ => None,
    });
    newest.unwrap_or_default()
}

fn file_bytes(file: &FileReport) -> u64 {
    match file {
        FileReport::Chunk(chunk) => chunk.file_bytes,
        _ => 0,
    }
}

fn problem(verdict: Verdict, path: &Path, what: impl Into<String>) -> Problem {
    Problem {
        verdict,
        path: path.display().to_string(),
        offset: None,
        bytes: None,
        events: None,
        what: what.into(),
    }
}

/// A file that is no chunk: lost if it may have been one with events.
fn odd_file(file: &FileReport) -> Option<Problem> {
    let verdict = match file {
        FileReport::Chunk(_) => return None,
        FileReport::Unreadable { .. } | FileReport::Failed { .. } => Verdict::Lost,
        FileReport::Blank { .. } | FileReport::Newer { .. } | FileReport::Unknown { .. } => {
            Verdict::Repairable
        }
    };
    Some(problem(verdict, file.path(), oddity(file)?))
}

/// Records in the chunk's head that are damaged; both have a safe reading.
fn damaged_records(chunk: &ChunkReport) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(why) = chunk.head_damage {
        let what = format!("{why}: an intact copy takes its place");
        problems.push(problem(Verdict::Repairable, &chunk.path, what));
    }
    if chunk.tail.as_ref().is_some_and(|tail| tail.is_seal_damaged) {
        let what = "the seal record is damaged: the chunk is read to its end";
        problems.push(problem(Verdict::Repairable, &chunk.path, what));
    }
    let damaged: BTreeSet<_> = chunk
        .meta
        .destinations
        .iter()
        .zip(chunk.slots())
        .filter(|(_, slot)| slot.is_none())
        .map(|(name, _)| name)
        .collect();
    for name in damaged {
        let what = format!("the progress of `{name}` is damaged: it is sent again");
        problems.push(problem(Verdict::Repairable, &chunk.path, what));
    }
    problems
}

fn damage_problem(path: &Path, damage: &Damage, is_lost: bool) -> Problem {
    let (verdict, what) = if damage.kind == DamageKind::Head {
        let what = "a copy of the head: no event".to_owned();
        (Verdict::Repairable, what)
    } else if is_lost {
        (Verdict::Lost, damage.kind.as_str().to_owned())
    } else {
        let what = "behind the last whole frame: an append that was never finished".to_owned();
        (Verdict::Repairable, what)
    };
    Problem {
        offset: Some(damage.offset),
        bytes: Some(damage.len),
        events: damage.event_count,
        ..problem(verdict, path, what)
    }
}

/// The error's text with those of its causes.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
