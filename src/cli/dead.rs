//! `forebay dead`: what was given up, and what becomes of it.
//!
//! `ls` and `cat` read files and take no lock. `replay` and `drop` open the store, which no daemon
//! may have open; what they do is in [`crate::engine::dead_letters`].

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use forebay_storage::{ChunkId, Fs, OpenError, RealFs, StoreIoError};
use indicatif::{ProgressBar, ProgressStyle};

use super::buffer::files::{Area, chunk_dirs};
use super::buffer::{Dir, Error as BufferError};
use crate::engine::dead_letters::{Offline, Selection, Totals};
use crate::route::TagMatcher;

mod show;

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum DeadCommand {
    /// List dead letters: reason, output, attempts, the output's last answer.
    Ls {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        filter: Filter,
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Print their events, one JSON object a line: {"tag":...,"time":...,"record":...,"dead":...}.
    ///
    /// An entry that is no event has "fault" and "data" (base64 of its MessagePack) instead of time
    /// and record.
    Cat {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        filter: Filter,
        /// Accepted like everywhere; the output is always JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have them delivered after all, when the daemon runs again.
    ///
    /// Each dead letter is stored again as a chunk that is owed to the output that did not take it
    /// (or to another one), synced, and deleted then. If this is killed, nothing is lost, and at
    /// most one dead letter is delivered as well as kept: run it again.
    Replay {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        filter: Filter,
        /// Have this route deliver them, instead of the one that gave them up.
        #[arg(long, value_name = "NAME")]
        to_route: Option<String>,
        /// Deliver them to this output of the route, instead of the one that did not take them.
        #[arg(long, value_name = "NAME")]
        to_output: Option<String>,
        /// Say what would be replayed; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Delete them.
    Drop {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        filter: Filter,
        /// Delete all there are; without it at least one filter is needed.
        #[arg(long)]
        all: bool,
        /// Say what would be deleted; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Which dead letters are meant: those that fit every option.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Only this one.
    #[arg(long, value_name = "ID")]
    chunk: Option<ChunkId>,
    /// Only those of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only those that this output did not take.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// Only those with this text in their reason or the output's answer.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only events with such a tag, as in a route's `match`.
    #[arg(long, value_name = "PATTERN", value_parser = tag_matcher)]
    tag: Option<TagMatcher>,
    /// Only those that have been dead for at least so long, such as `2h30m`.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration)]
    older_than: Option<Duration>,
    /// Only those that have not been dead for so long.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration)]
    newer_than: Option<Duration>,
}

/// Why dead letters could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be examined.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// A daemon, or another tool, runs on the directory.
    #[error(
        "{} is in use by process {pid}: ask its admin API instead, \
         POST /api/v1/routes/ROUTE/dead/{action}", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id in the lock file.
        pid: String,
        /// What was to be done with them.
        action: &'static str,
    },
    /// Everything would be deleted, and nobody has said so.
    #[error("say which dead letters to delete, or `--all`")]
    Everything,
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A directory cannot be listed.
    #[error(transparent)]
    Store(#[from] StoreIoError),
    /// The result could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Does `command`.
///
/// # Errors
/// If the directory cannot be examined or opened, or the output cannot be written.
pub(super) fn run(command: DeadCommand) -> Result<ExitCode, Error> {
    let now_ns = crate::clock::unix_ns();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let code = match command {
        DeadCommand::Ls { dir, filter, json } => {
            let selection = selection(filter, &dir.path)?;
            show::ls(&RealFs, &dir.path, &selection, json, now_ns, &mut out)?;
            ExitCode::SUCCESS
        }
        DeadCommand::Cat { dir, filter, .. } => {
            let selection = selection(filter, &dir.path)?;
            show::cat(&RealFs, &dir.path, &selection, now_ns, &mut out)?
        }
        DeadCommand::Replay {
            dir,
            filter,
            to_route,
            to_output,
            dry_run,
            json,
        } => {
            let selection = selection(filter, &dir.path)?;
            if dry_run {
                return show::would_change(&RealFs, &dir.path, &selection, json, now_ns, &mut out);
            }
            if let Some(name) = &to_route {
                known_route(&dir.path, name, Area::Route)?;
            }
            let mut open = open(&dir.path, "replay", now_ns)?;
            let bar = bar(&open, &selection);
            let (route, output) = (to_route.as_deref(), to_output.as_ref());
            let totals = open.replay(&selection, route, output, |bytes| bar.inc(bytes));
            bar.finish_and_clear();
            finish("stored again", &totals, json, &mut out)?
        }
        DeadCommand::Drop {
            dir,
            filter,
            all,
            dry_run,
            json,
        } => {
            if filter.is_empty() && !all {
                return Err(Error::Everything);
            }
            let selection = selection(filter, &dir.path)?;
            if dry_run {
                return show::would_change(&RealFs, &dir.path, &selection, json, now_ns, &mut out);
            }
            let mut open = open(&dir.path, "drop", now_ns)?;
            let bar = bar(&open, &selection);
            let totals = open.delete(&selection, |bytes| bar.inc(bytes));
            bar.finish_and_clear();
            finish("deleted", &totals, json, &mut out)?
        }
    };
    out.flush()?;
    Ok(code)
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.chunk.is_none()
            && self.route.is_none()
            && self.output.is_none()
            && self.reason.is_none()
            && self.tag.is_none()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }
}

fn tag_matcher(text: &str) -> Result<TagMatcher, String> {
    TagMatcher::parse(text).map_err(|error| error.to_string())
}

/// What the filter means; an error if the directory or what it names does not exist.
fn selection(filter: Filter, data_dir: &Path) -> Result<Selection, Error> {
    match &filter.route {
        Some(name) => known_route(data_dir, name, Area::Dead)?,
        // Says if it is no data directory.
        None => drop(chunk_dirs(&RealFs, data_dir)?),
    }
    let selection = Selection {
        id: filter.chunk,
        route: filter.route,
        output: filter.output,
        reason: filter.reason,
        tag: filter.tag,
        older_than: filter.older_than,
        newer_than: filter.newer_than,
    };
    if let Some(id) = selection.id {
        let only = Selection {
            id: Some(id),
            ..Selection::default()
        };
        let found = crate::engine::dead_letters::list(&RealFs, data_dir, &only, 0)?;
        if found.is_empty() {
            return Err(BufferError::NoChunk(id).into());
        }
    }
    Ok(selection)
}

fn known_route(data_dir: &Path, name: &str, area: Area) -> Result<(), Error> {
    let dirs = chunk_dirs(&RealFs, data_dir)?;
    let is_known = |dir: &super::buffer::files::ChunkDir| dir.area == area && dir.route == name;
    if dirs.iter().any(is_known) {
        return Ok(());
    }
    Err(BufferError::NoRoute(name.to_owned()).into())
}

fn open(data_dir: &Path, action: &'static str, now_ns: i64) -> Result<Offline, Error> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    Offline::open(&fs, data_dir, now_ns, crate::clock::random_u32()).map_err(|error| match error {
        OpenError::Locked { pid, .. } => Error::InUse {
            path: data_dir.to_owned(),
            pid,
            action,
        },
        error => Error::Open(error),
    })
}

/// A bar on standard error if that is a terminal; else nothing is shown.
fn bar(open: &Offline, selection: &Selection) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let letters = open.letters(selection);
    let bar = ProgressBar::new(letters.iter().map(|letter| letter.payload_bytes).sum());
    let template = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Prints what was done; 1 if something could not be.
fn finish(done: &str, totals: &Totals, json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    show::totals(done, totals, json, out)?;
    let is_done = totals.failures.is_empty();
    Ok(if is_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
