//! `forebay buffer cat`: the events themselves.

use std::io::{self, Write};
use std::path::Path;

use forebay_storage::recovery::{ChunkReport, FileReport};
use forebay_storage::{Frame, Fs};

use super::files::{Area, ChunkDir, chunk_dirs};
use super::walk::walk;
use super::{Error, Selection};
use crate::engine::status::Moment;
use crate::event::{BadEntry, Entry, entries};
use crate::msgpack::json;

/// Prints the events of all chunks that `selection` names, oldest first in each directory; returns
/// how many damaged bytes were skipped that may have been events.
///
/// # Errors
/// If nothing has the name, a chunk cannot be read, or `out` cannot be written.
pub(super) fn cat(
    fs: &dyn Fs,
    data_dir: &Path,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut is_found = false;
    let mut damaged_bytes = 0;
    for dir in selected(chunk_dirs(fs, data_dir)?, selection)? {
        for report in dir.inspect(fs)? {
            let FileReport::Chunk(chunk) = report else {
                continue;
            };
            if selection.chunk.is_none_or(|id| id == chunk.id) {
                is_found = true;
                damaged_bytes += print(fs, &chunk, out)?;
            }
        }
    }
    match selection.chunk {
        Some(id) if !is_found => Err(Error::NoChunk(id)),
        _ => Ok(damaged_bytes),
    }
}

/// The directories in which `selection` may be.
pub(super) fn selected(dirs: Vec<ChunkDir>, selection: &Selection) -> Result<Vec<ChunkDir>, Error> {
    let is_wanted = |dir: &ChunkDir| {
        selection
            .route
            .as_ref()
            .is_none_or(|name| *name == dir.route)
    };
    let mut dirs: Vec<_> = dirs.into_iter().filter(is_wanted).collect();
    if let (Some(name), true) = (&selection.route, dirs.is_empty()) {
        return Err(Error::NoRoute(name.clone()));
    }
    dirs.retain(|dir| !selection.dead || dir.area == Area::Dead);
    Ok(dirs)
}

fn print(fs: &dyn Fs, chunk: &ChunkReport, out: &mut dyn Write) -> Result<u64, Error> {
    let key_tag = chunk.meta.key.tag.as_deref();
    let mut line = Vec::new();
    let walked = walk(fs, &chunk.path, |frame| {
        print_frame(frame, key_tag.unwrap_or(frame.tag), b"", &mut line, out).map_err(Error::from)
    })?;
    let lost = |walked: super::walk::Walk| walked.lost(chunk.is_sealed).map(|d| d.len).sum();
    Ok(walked.map_or(0, lost))
}

/// Prints a frame's events, one JSON object a line; `more` are fields that each ends with.
pub(in crate::cli) fn print_frame(
    frame: &Frame<'_>,
    tag: &str,
    more: &[u8],
    line: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for entry in entries(frame.payload) {
        line.clear();
        line.extend_from_slice(b"{\"tag\":");
        json::string(line, tag.as_bytes());
        match entry {
            Ok(entry) => write_event(line, &entry),
            Err(bad) => write_fault(line, &bad),
        }
        line.extend_from_slice(more);
        line.extend_from_slice(b"}\n");
        out.write_all(line)?;
    }
    Ok(())
}

fn write_event(line: &mut Vec<u8>, entry: &Entry<'_>) {
    line.extend_from_slice(b",\"time\":");
    json::string(line, Moment(entry.time.ns()).to_string().as_bytes());
    line.extend_from_slice(b",\"record\":");
    if json::value(line, entry.record).is_err() {
        // `entries` has walked it, so this is out of reach; null keeps the line JSON.
        line.extend_from_slice(b"null");
    }
}

fn write_fault(line: &mut Vec<u8>, bad: &BadEntry<'_>) {
    line.extend_from_slice(b",\"fault\":");
    json::string(line, bad.why.to_string().as_bytes());
    line.extend_from_slice(b",\"data\":\"");
    json::base64(line, bad.bytes);
    line.push(b'"');
}
