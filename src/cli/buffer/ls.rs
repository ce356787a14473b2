//! `forebay buffer ls`: what is there.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use forebay_storage::recovery::{ChunkReport, FileReport};
use forebay_storage::{DeadNote, Fs, SlotState};
use serde::Serialize;

use super::Error;
use super::files::{Area, ChunkDir, chunk_dirs};
use crate::engine::status::{ChunkState, Delivering, KeyReport, Moment};

/// Prints all chunks; `now_ns` is the present, from which ages count.
///
/// # Errors
/// If the directory cannot be listed or `out` cannot be written.
pub(super) fn ls(
    fs: &dyn Fs,
    data_dir: &Path,
    is_json: bool,
    now_ns: i64,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for dir in chunk_dirs(fs, data_dir)? {
        let reports = dir.inspect(fs)?;
        if is_json {
            print_json(&dir, &reports, now_ns, out)?;
        } else {
            print_table(&dir, &reports, now_ns, out)?;
        }
    }
    Ok(())
}

/// One chunk; names and values as in the admin API.
#[derive(Serialize)]
struct ChunkLine {
    id: String,
    route: String,
    state: ChunkState,
    key: KeyReport,
    created: Moment,
    age_s: i64,
    events: u64,
    bytes: u64,
    file_bytes: u64,
    outputs: Vec<OutputLine>,
    dead: Option<DeadLine>,
}

/// How far a chunk is at one output.
#[derive(Serialize)]
struct OutputLine {
    name: String,
    state: Delivering,
}

/// Why a chunk is a dead letter.
#[derive(Serialize)]
struct DeadLine {
    reason: String,
    output: Option<String>,
    attempts: u32,
    answer: String,
}

/// A file that is no readable chunk.
#[derive(Serialize)]
struct OddLine {
    route: String,
    path: String,
    problem: String,
}

impl ChunkLine {
    fn new(dir: &ChunkDir, chunk: &ChunkReport, now_ns: i64) -> Self {
        const SECOND_NS: i64 = 1_000_000_000;
        Self {
            id: chunk.id.to_string(),
            route: dir.route.clone(),
            state: state(dir.area, chunk),
            key: KeyReport::from(&chunk.meta.key),
            created: Moment(chunk.created_ns),
            age_s: now_ns.saturating_sub(chunk.created_ns) / SECOND_NS,
            events: chunk.event_count,
            bytes: chunk.payload_bytes,
            file_bytes: chunk.file_bytes,
            outputs: outputs(chunk),
            dead: chunk.meta.note.as_deref().map(DeadLine::new),
        }
    }
}

impl DeadLine {
    fn new(note: &DeadNote) -> Self {
        Self {
            reason: note.reason.clone(),
            output: note.destination.clone(),
            attempts: note.attempts,
            answer: note.answer.clone(),
        }
    }
}

fn state(area: Area, chunk: &ChunkReport) -> ChunkState {
    match area {
        Area::Dead => ChunkState::Dead,
        Area::Route if chunk.is_sealed => ChunkState::Queued,
        Area::Route => ChunkState::Staged,
    }
}

fn outputs(chunk: &ChunkReport) -> Vec<OutputLine> {
    let line = |(name, slot): (&String, Option<SlotState>)| OutputLine {
        name: name.clone(),
        state: match slot {
            Some(SlotState::Delivered) => Delivering::Committed,
            Some(SlotState::Rejected) => Delivering::Rejected,
            // A damaged record counts as owed.
            Some(SlotState::Owed) | None => Delivering::Owed,
        },
    };
    chunk
        .meta
        .destinations
        .iter()
        .zip(chunk.slots())
        .map(line)
        .collect()
}

/// What is wrong with a file that is no readable chunk.
pub(super) fn oddity(report: &FileReport) -> Option<String> {
    match report {
        FileReport::Chunk(_) => None,
        FileReport::Unreadable { why, .. } => Some(format!("unreadable: {why}")),
        FileReport::Blank { .. } => Some("only zeros".to_owned()),
        FileReport::Newer { .. } => Some("written by a newer version".to_owned()),
        FileReport::Failed { why, .. } => Some(format!("cannot be read: {why}")),
        FileReport::Unknown { .. } => Some("not a chunk file".to_owned()),
    }
}

fn print_json(
    dir: &ChunkDir,
    reports: &[FileReport],
    now_ns: i64,
    out: &mut dyn Write,
) -> io::Result<()> {
    for report in reports {
        if let FileReport::Chunk(chunk) = report {
            serde_json::to_writer(&mut *out, &ChunkLine::new(dir, chunk, now_ns))?;
        } else {
            let line = OddLine {
                route: dir.route.clone(),
                path: report.path().display().to_string(),
                problem: oddity(report).unwrap_or_default(),
            };
            serde_json::to_writer(&mut *out, &line)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn print_table(
    dir: &ChunkDir,
    reports: &[FileReport],
    now_ns: i64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let title = match dir.area {
        Area::Route => "route",
        Area::Dead => "dead letters of",
    };
    writeln!(out, "{title} {}: {} chunks", dir.route, reports.len())?;
    if reports.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "  {:32}  {:6}  {:>10}  {:>12}  {:>7}  OUTPUTS AND KEY",
        "CHUNK", "STATE", "EVENTS", "BYTES", "AGE"
    )?;
    for report in reports {
        match report {
            FileReport::Chunk(chunk) => {
                print_row(&ChunkLine::new(dir, chunk, now_ns), out)?;
            }
            odd => {
                let problem = oddity(odd).unwrap_or_default();
                writeln!(out, "  {}: {problem}", odd.path().display())?;
            }
        }
    }
    Ok(())
}

fn print_row(line: &ChunkLine, out: &mut dyn Write) -> io::Result<()> {
    let mut details = String::new();
    for output in &line.outputs {
        let _ = write!(details, "{}={} ", output.name, word(output.state));
    }
    describe_key(&line.key, &mut details);
    if let Some(dead) = &line.dead {
        let _ = write!(details, "reason={:?} answer={:?}", dead.reason, dead.answer);
    }
    writeln!(
        out,
        "  {:32}  {:6}  {:>10}  {:>12}  {:>7}  {}",
        line.id,
        state_word(line.state),
        line.events,
        line.bytes,
        age(line.age_s),
        details.trim_end()
    )
}

fn word(state: Delivering) -> &'static str {
    match state {
        Delivering::Owed => "owed",
        Delivering::InFlight => "in_flight",
        Delivering::Committed => "committed",
        Delivering::Rejected => "rejected",
    }
}

fn state_word(state: ChunkState) -> &'static str {
    match state {
        ChunkState::Staged => "staged",
        ChunkState::Queued => "queued",
        ChunkState::InFlight => "in_flight",
        ChunkState::Dead => "dead",
    }
}

fn describe_key(key: &KeyReport, text: &mut String) {
    if let Some(tag) = &key.tag {
        let _ = write!(text, "tag={tag:?} ");
    }
    if let Some(window) = &key.window {
        let _ = write!(text, "time={}+{}s ", window.start, window.len_s);
    }
    for field in &key.fields {
        let _ = write!(text, "{}={} ", field.path, field.value);
    }
}

/// The two largest units.
pub(in crate::cli) fn age(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days}d{hours}h")
    } else if hours > 0 {
        format!("{hours}h{minutes}m")
    } else if minutes > 0 {
        format!("{minutes}m{}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}
