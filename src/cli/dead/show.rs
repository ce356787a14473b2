//! Dead letters as text and as JSON.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use forebay_storage::{DeadNote, Fs};
use serde::Serialize;

use super::Error;
use crate::cli::buffer::Error as BufferError;
use crate::cli::buffer::cat::print_frame;
use crate::cli::buffer::walk::walk;
use crate::engine::dead_letters::{DeadLetter, Selection, Totals, list};
use crate::engine::status::{KeyReport, Moment};

/// One dead letter; names as in the admin API.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    route: &'a str,
    key: KeyReport,
    created: Moment,
    events: u64,
    bytes: u64,
    #[serde(flatten)]
    why: Why<'a>,
}

/// Why it is one.
#[derive(Serialize)]
struct Why<'a> {
    reason: &'a str,
    output: Option<&'a str>,
    attempts: u32,
    first_failure: Option<Moment>,
    last_failure: Option<Moment>,
    answer: &'a str,
    /// The chunk it was part of.
    source: Option<String>,
}

impl<'a> Line<'a> {
    fn new(letter: &'a DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            route: &letter.route,
            key: KeyReport::from(&letter.key),
            created: Moment(letter.created_ns),
            events: letter.event_count,
            bytes: letter.payload_bytes,
            why: Why::new(letter.note.as_ref()),
        }
    }
}

impl<'a> Why<'a> {
    fn new(note: Option<&'a DeadNote>) -> Self {
        let moment = |ns: i64| (ns != 0).then_some(Moment(ns));
        Self {
            reason: note.map_or("", |note| note.reason.as_str()),
            output: note.and_then(|note| note.destination.as_deref()),
            attempts: note.map_or(0, |note| note.attempts),
            first_failure: note.and_then(|note| moment(note.first_failure_ns)),
            last_failure: note.and_then(|note| moment(note.last_failure_ns)),
            answer: note.map_or("", |note| note.answer.as_str()),
            source: note.and_then(|note| note.source).map(|id| id.to_string()),
        }
    }
}

/// Prints one line for each selected dead letter.
pub(super) fn ls(
    fs: &dyn Fs,
    data_dir: &Path,
    selection: &Selection,
    json: bool,
    now_ns: i64,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for (letter, path) in list(fs, data_dir, selection, now_ns)? {
        if selection.tag.is_some() && count_selected(fs, &letter, &path, selection)? == 0 {
            continue;
        }
        print(&letter, json, out)?;
    }
    Ok(())
}

fn print(letter: &DeadLetter, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let line = Line::new(letter);
    if json {
        serde_json::to_writer(&mut *out, &line)?;
        return out.write_all(b"\n");
    }
    let why = &line.why;
    writeln!(
        out,
        "{}  {:>8} events  {}{}  {}  attempts={}  answer={:?}",
        line.id,
        line.events,
        line.route,
        why.output
            .map_or(String::new(), |name| format!(" -> {name}")),
        why.reason,
        why.attempts,
        why.answer
    )
}

/// Prints the selected events, each with why it is a dead letter.
pub(super) fn cat(
    fs: &dyn Fs,
    data_dir: &Path,
    selection: &Selection,
    now_ns: i64,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let mut line = Vec::new();
    let mut damaged_bytes = 0;
    for (letter, path) in list(fs, data_dir, selection, now_ns)? {
        let mut more = b",\"dead\":".to_vec();
        serde_json::to_writer(&mut more, &Why::new(letter.note.as_ref()))
            .map_err(io::Error::from)?;
        let walked = walk(fs, &path, |frame| {
            let tag = letter.key.tag.as_deref().unwrap_or(frame.tag);
            if selection.has_tag(tag) {
                print_frame(frame, tag, &more, &mut line, out).map_err(BufferError::from)?;
            }
            Ok::<(), BufferError>(())
        })?;
        damaged_bytes += walked.map_or(0, |walk| walk.lost(true).map(|damage| damage.len).sum());
    }
    out.flush()?;
    if damaged_bytes == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{damaged_bytes} damaged bytes were skipped; `buffer verify` says where");
    // Nobody is left to tell if standard error is closed; the exit code tells all the same.
    let _ = writeln!(io::stderr(), "error: {message}");
    Ok(ExitCode::from(2))
}

/// Prints what `replay` or `drop` would change.
pub(super) fn would_change(
    fs: &dyn Fs,
    data_dir: &Path,
    selection: &Selection,
    json: bool,
    now_ns: i64,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    ls(fs, data_dir, selection, json, now_ns, out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn count_selected(
    fs: &dyn Fs,
    letter: &DeadLetter,
    path: &Path,
    selection: &Selection,
) -> Result<u64, Error> {
    let mut count = 0;
    walk(fs, path, |frame| {
        let tag = letter.key.tag.as_deref().unwrap_or(frame.tag);
        count += u64::from(selection.has_tag(tag)) * u64::from(frame.event_count);
        Ok::<(), BufferError>(())
    })?;
    Ok(count)
}

/// What was done, as JSON.
#[derive(Serialize)]
struct Done {
    dead_letters: u64,
    events: u64,
    events_left: u64,
    failures: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    id: String,
    route: String,
    why: String,
}

/// Prints what was `done`, and what could not be.
pub(super) fn totals(
    done: &str,
    totals: &Totals,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let failed = totals.failures.iter().map(|(letter, error)| Failed {
        id: letter.id.to_string(),
        route: letter.route.clone(),
        why: with_causes(error),
    });
    let report = Done {
        dead_letters: totals.letters,
        events: totals.events,
        events_left: totals.events_left,
        failures: failed.collect(),
    };
    if json {
        serde_json::to_writer(&mut *out, &report)?;
        return out.write_all(b"\n");
    }
    let (letters, events) = (report.dead_letters, report.events);
    writeln!(out, "{done}: {events} events of {letters} dead letters")?;
    if report.events_left > 0 {
        writeln!(out, "left: {} events", report.events_left)?;
    }
    for failed in &report.failures {
        writeln!(out, "{} of {}: {}", failed.id, failed.route, failed.why)?;
    }
    Ok(())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
