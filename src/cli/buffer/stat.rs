//! `forebay buffer stat`: how much there is, of what, for whom, since when.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use forebay_storage::recovery::{ChunkReport, FileReport};
use forebay_storage::{Fs, QUARANTINE_DIR, SlotState};
use serde::Serialize;

use super::Error;
use super::files::{Area, ChunkDir, chunk_dirs};
use super::ls::{age, oddity};
use crate::engine::status::Moment;

/// Chunks taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    chunks: u64,
    events: u64,
    /// Of payload.
    bytes: u64,
    /// When the oldest was created.
    oldest: Option<Moment>,
}

/// One route; names as in the admin API.
#[derive(Debug, Default, Serialize)]
struct RouteStat {
    route: String,
    staged: Totals,
    queued: Totals,
    dead: Totals,
    /// Bytes of all its files.
    file_bytes: u64,
    outputs: Vec<OutputStat>,
    /// Dead letters by the output that did not take them.
    dead_by_output: Vec<DeadStat>,
    /// Files that are no readable chunks.
    odd_files: Vec<OddFile>,
}

/// What one output is owed.
#[derive(Debug, Serialize)]
struct OutputStat {
    name: String,
    owed: Totals,
}

/// Dead letters that one output did not take.
#[derive(Debug, Serialize)]
struct DeadStat {
    /// `None`: no output was tried.
    output: Option<String>,
    #[serde(flatten)]
    dead: Totals,
}

#[derive(Debug, Serialize)]
struct OddFile {
    path: String,
    problem: String,
}

/// What damage has been set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Quarantine {
    files: u64,
    bytes: u64,
}

/// A data directory.
#[derive(Debug, Default, Serialize)]
pub(super) struct Stat {
    routes: Vec<RouteStat>,
    quarantine: Quarantine,
}

/// Counts what is under `data_dir`: all routes, or the one called `route`.
///
/// # Errors
/// If a directory cannot be listed, or there is no such route.
pub(super) fn stat(fs: &dyn Fs, data_dir: &Path, route: Option<&str>) -> Result<Stat, Error> {
    let mut routes = BTreeMap::<String, RouteStat>::new();
    for dir in chunk_dirs(fs, data_dir)? {
        if route.is_some_and(|route| route != dir.route) {
            continue;
        }
        let stat = routes.entry(dir.route.clone()).or_default();
        stat.route.clone_from(&dir.route);
        for report in dir.inspect(fs)? {
            stat.add(&dir, &report);
        }
    }
    match route {
        Some(name) if routes.is_empty() => Err(Error::NoRoute(name.to_owned())),
        _ => Ok(Stat {
            routes: routes.into_values().collect(),
            quarantine: quarantine(data_dir),
        }),
    }
}

/// There is no such folder before the first damage.
fn quarantine(data_dir: &Path) -> Quarantine {
    let Ok(entries) = std::fs::read_dir(data_dir.join(QUARANTINE_DIR)) else {
        return Quarantine::default();
    };
    let sizes = entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len());
    sizes.fold(Quarantine::default(), |sum, bytes| Quarantine {
        files: sum.files + 1,
        bytes: sum.bytes + bytes,
    })
}

impl Totals {
    fn add(&mut self, chunk: &ChunkReport) {
        self.chunks += 1;
        self.events += chunk.event_count;
        self.bytes += chunk.payload_bytes;
        let created = Moment(chunk.created_ns);
        self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
    }
}

impl RouteStat {
    fn add(&mut self, dir: &ChunkDir, report: &FileReport) {
        let FileReport::Chunk(chunk) = report else {
            self.odd_files.push(OddFile {
                path: report.path().display().to_string(),
                problem: oddity(report).unwrap_or_default(),
            });
            return;
        };
        self.file_bytes += chunk.file_bytes;
        match dir.area {
            Area::Dead => self.add_dead(chunk),
            Area::Route if chunk.is_sealed => self.queued.add(chunk),
            Area::Route => self.staged.add(chunk),
        }
        if dir.area == Area::Route {
            self.add_owed(chunk);
        }
    }

    fn add_dead(&mut self, chunk: &ChunkReport) {
        self.dead.add(chunk);
        let note = chunk.meta.note.as_deref();
        let output = note.and_then(|note| note.destination.as_ref());
        let known = &mut self.dead_by_output;
        let index = known.iter().position(|dead| dead.output.as_ref() == output);
        let index = index.unwrap_or_else(|| {
            known.push(DeadStat {
                output: output.cloned(),
                dead: Totals::default(),
            });
            known.len() - 1
        });
        known[index].dead.add(chunk);
    }

    /// A staged chunk is owed too. A damaged record counts as owed.
    fn add_owed(&mut self, chunk: &ChunkReport) {
        for (name, slot) in chunk.meta.destinations.iter().zip(chunk.slots()) {
            let index = self.outputs.iter().position(|output| output.name == *name);
            let index = index.unwrap_or_else(|| {
                self.outputs.push(OutputStat {
                    name: name.clone(),
                    owed: Totals::default(),
                });
                self.outputs.len() - 1
            });
            if matches!(slot, Some(SlotState::Owed) | None) {
                self.outputs[index].owed.add(chunk);
            }
        }
    }
}

impl Stat {
    /// Prints it as one JSON document.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Prints it for people; `now_ns` is the present, from which ages count.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_text(&self, now_ns: i64, out: &mut dyn Write) -> io::Result<()> {
        let (chunks, events, bytes) = ("CHUNKS", "EVENTS", "BYTES");
        writeln!(
            out,
            "{:28}  {chunks:>8}  {events:>12}  {bytes:>16}  {:>8}",
            "ROUTE", "OLDEST"
        )?;
        for route in &self.routes {
            let on_disk = format!("{} bytes on disk", route.file_bytes);
            writeln!(out, "{:28}  {on_disk}", route.route)?;
            row("  staged", &route.staged, now_ns, out)?;
            row("  queued", &route.queued, now_ns, out)?;
            for output in &route.outputs {
                row(
                    &format!("    owed to {}", output.name),
                    &output.owed,
                    now_ns,
                    out,
                )?;
            }
            row("  dead", &route.dead, now_ns, out)?;
            for DeadStat { output, dead } in &route.dead_by_output {
                let label = match output {
                    None => "    before any output".to_owned(),
                    Some(name) => format!("    not taken by {name}"),
                };
                row(&label, dead, now_ns, out)?;
            }
            for odd in &route.odd_files {
                writeln!(out, "  {}: {}", odd.path, odd.problem)?;
            }
        }
        let Quarantine { files, bytes } = self.quarantine;
        match files {
            0 => Ok(()),
            _ => writeln!(out, "quarantine: {files} files, {bytes} bytes"),
        }
    }
}

fn row(label: &str, totals: &Totals, now_ns: i64, out: &mut dyn Write) -> io::Result<()> {
    const SECOND_NS: i64 = 1_000_000_000;
    let oldest = totals
        .oldest
        .map_or_else(String::new, |oldest| age((now_ns - oldest.0) / SECOND_NS));
    let Totals {
        chunks,
        events,
        bytes,
        ..
    } = totals;
    writeln!(
        out,
        "{label:28}  {chunks:>8}  {events:>12}  {bytes:>16}  {oldest:>8}"
    )
}
