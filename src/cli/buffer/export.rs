//! `forebay buffer export`: events as others can read them, whatever state the files are in.
//!
//! Everything that can be read comes out; what cannot is named, and the exit code says that
//! something is missing. Nothing in the data directory changes, so that a daemon may run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use forebay_storage::recovery::{ChunkReport, FileReport};
use forebay_storage::{ChunkId, Damage, Frame, Fs};
use serde::Serialize;

use super::cat::{print_frame, selected};
use super::files::{Area, ChunkDir, chunk_dirs};
use super::ls::oddity;
use super::verify::{Progress, Verdict, with_causes};
use super::walk::walk;
use super::{Error, Selection};
use crate::event::entries;
use crate::msgpack::write;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// A line of JSON for each: {"tag":...,"time":...,"record":...}.
    #[default]
    Ndjson,
    /// A MessagePack array for each: [tag, time, record], a message of the forward protocol.
    Msgpack,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Msgpack => "msgpack",
        }
    }
}

/// Where the events go.
pub(super) enum To<'a> {
    /// All to one place.
    Stream(&'a mut dyn Write),
    /// A file for each chunk into a folder of each route, of its dead letters into one in `dead`.
    Folder(&'a Path),
}

/// What came out, and what did not.
#[derive(Debug, Default, Serialize)]
pub(super) struct Exported {
    chunks: u64,
    events: u64,
    /// Entries that are no events and so cannot be written as MessagePack.
    no_events: u64,
    missing: Vec<Missing>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
struct Missing {
    route: String,
    path: String,
    /// Where it begins in the file and how long it is; `None`: nothing of the file can be read.
    offset: Option<u64>,
    bytes: Option<u64>,
    /// Events in it, if that is known.
    events: Option<u32>,
    why: String,
}

/// Why an export ends early: the place it goes to, not what is read.
#[derive(Debug)]
enum Stop {
    Read(Error),
    Write(io::Error),
}

/// Writes the events of all chunks that `selection` names, oldest first in each directory.
///
/// # Errors
/// If nothing has the name, a directory cannot be listed, or `to` cannot be written.
pub(super) fn export(
    fs: &dyn Fs,
    data_dir: &Path,
    selection: &Selection,
    format: Format,
    mut to: To<'_>,
    progress: &Progress,
) -> Result<Exported, Error> {
    let mut exported = Exported::default();
    let mut is_found = false;
    for dir in selected(chunk_dirs(fs, data_dir)?, selection)? {
        let mut files = dir.inspect(fs)?;
        files.retain(|file| selection.has(id_of(file)));
        progress.0.set_message(dir.route.clone());
        progress.0.inc_length(files.iter().map(payload_bytes).sum());
        for file in &files {
            is_found = true;
            match file {
                FileReport::Chunk(chunk) => {
                    exported.chunk(fs, &dir, chunk, format, &mut to)?;
                }
                odd => exported.odd_file(&dir, odd),
            }
            progress.0.inc(payload_bytes(file));
        }
    }
    progress.0.finish_and_clear();
    match selection.chunk {
        Some(id) if !is_found => Err(Error::NoChunk(id)),
        _ => Ok(exported),
    }
}

fn id_of(file: &FileReport) -> Option<ChunkId> {
    match file {
        FileReport::Chunk(chunk) => Some(chunk.id),
        odd => odd.path().file_stem()?.to_str()?.parse().ok(),
    }
}

fn payload_bytes(file: &FileReport) -> u64 {
    match file {
        FileReport::Chunk(chunk) => chunk.payload_bytes,
        _ => 0,
    }
}

impl Exported {
    fn chunk(
        &mut self,
        fs: &dyn Fs,
        dir: &ChunkDir,
        chunk: &ChunkReport,
        format: Format,
        to: &mut To<'_>,
    ) -> Result<(), Error> {
        let read = match to {
            To::Stream(out) => self.events(fs, dir, chunk, format, *out),
            To::Folder(folder) => {
                let name = format!("{}.{}", chunk.id, format.extension());
                let path = folder_of(folder, dir).join(name);
                self.file(fs, dir, chunk, format, &path)
            }
        };
        match read {
            Ok(()) => self.chunks += 1,
            Err(Stop::Write(error)) => return Err(error.into()),
            Err(Stop::Read(error)) => self.missing.push(Missing {
                why: format!("cannot be read: {}", with_causes(&error)),
                ..Missing::of_file(dir, &chunk.path)
            }),
        }
        Ok(())
    }

    /// The file gets its name when it is whole and synced.
    fn file(
        &mut self,
        fs: &dyn Fs,
        dir: &ChunkDir,
        chunk: &ChunkReport,
        format: Format,
        path: &Path,
    ) -> Result<(), Stop> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Stop::Write)?;
        }
        let part = part_of(path);
        let mut out = BufWriter::new(File::create(&part).map_err(Stop::Write)?);
        let read = self.events(fs, dir, chunk, format, &mut out);
        let finished = read.and_then(|()| {
            let finish = out.into_inner().map_err(io::IntoInnerError::into_error);
            let kept = finish.and_then(|file| file.sync_all());
            kept.and_then(|()| fs::rename(&part, path))
                .map_err(Stop::Write)
        });
        if finished.is_err() {
            // What is left of it is of no use; the first error is the one to tell.
            let _ = fs::remove_file(&part);
        }
        finished
    }

    fn events(
        &mut self,
        fs: &dyn Fs,
        dir: &ChunkDir,
        chunk: &ChunkReport,
        format: Format,
        out: &mut dyn Write,
    ) -> Result<(), Stop> {
        let key_tag = chunk.meta.key.tag.as_deref();
        let mut buffer = Vec::new();
        let walked = walk(fs, &chunk.path, |frame| {
            let tag = key_tag.unwrap_or(frame.tag);
            self.frame(frame, tag, format, &mut buffer, out)
                .map_err(Stop::Write)
        })?;
        let Some(walked) = walked else {
            // It was delivered and purged while we were looking.
            return Ok(());
        };
        let lost = walked.lost(chunk.is_sealed);
        self.missing
            .extend(lost.map(|damage| Missing::of_damage(dir, &chunk.path, damage)));
        Ok(())
    }

    fn frame(
        &mut self,
        frame: &Frame<'_>,
        tag: &str,
        format: Format,
        buffer: &mut Vec<u8>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if format == Format::Ndjson {
            self.events += u64::from(frame.event_count);
            return print_frame(frame, tag, b"", buffer, out);
        }
        buffer.clear();
        for entry in entries(frame.payload) {
            let Ok(entry) = entry else {
                self.no_events += 1;
                continue;
            };
            self.events += 1;
            write::array_head(buffer, 3);
            write::str(buffer, tag.as_bytes());
            entry.time.write(buffer);
            buffer.extend_from_slice(entry.record);
        }
        out.write_all(buffer)
    }

    fn odd_file(&mut self, dir: &ChunkDir, file: &FileReport) {
        // Only zeros: a chunk that never took an event.
        if !matches!(file, FileReport::Blank { .. }) {
            self.missing.push(Missing {
                why: oddity(file).unwrap_or_default(),
                ..Missing::of_file(dir, file.path())
            });
        }
    }

    /// Whether something is missing.
    pub(super) fn is_incomplete(&self) -> bool {
        !self.missing.is_empty() || self.no_events > 0
    }

    /// 2 if something is missing.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.is_incomplete() {
            true => Verdict::Lost.exit_code(),
            false => ExitCode::SUCCESS,
        }
    }

    /// Prints it as one JSON document.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Prints it for people.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for missing in &self.missing {
            missing.write_text(out)?;
        }
        if self.no_events > 0 {
            let count = self.no_events;
            writeln!(
                out,
                "left out: {count} entries that are no events; the format ndjson shows them"
            )?;
        }
        writeln!(
            out,
            "exported: {} events of {} chunks",
            self.events, self.chunks
        )
    }
}

impl Missing {
    fn of_file(dir: &ChunkDir, path: &Path) -> Self {
        Self {
            route: dir.route.clone(),
            path: path.display().to_string(),
            offset: None,
            bytes: None,
            events: None,
            why: String::new(),
        }
    }

    fn of_damage(dir: &ChunkDir, path: &Path, damage: &Damage) -> Self {
        Self {
            offset: Some(damage.offset),
            bytes: Some(damage.len),
            events: damage.event_count,
            why: damage.kind.as_str().to_owned(),
            ..Self::of_file(dir, path)
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (path, why) = (&self.path, &self.why);
        let (Some(offset), Some(bytes)) = (self.offset, self.bytes) else {
            return writeln!(out, "MISSING: {path}: {why}");
        };
        let events = match self.events {
            Some(events) => format!("{events} events"),
            None => "nobody knows how many events".to_owned(),
        };
        writeln!(
            out,
            "MISSING: {path}: {bytes} bytes at {offset}: {why}, {events}"
        )
    }
}

impl From<forebay_storage::ReadError> for Stop {
    fn from(error: forebay_storage::ReadError) -> Self {
        Self::Read(error.into())
    }
}

fn folder_of(folder: &Path, dir: &ChunkDir) -> PathBuf {
    match dir.area {
        Area::Route => folder.join("routes").join(&dir.route),
        Area::Dead => folder.join("dead").join(&dir.route),
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}
