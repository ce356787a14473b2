//! `forebay buffer`: what is on disk, looked at without a daemon, or beside one.
//!
//! Nothing here but `repair` and `drain` writes to the data directory or takes its lock. While a daemon runs, what is shown
//! may be out of date at once: a chunk that vanished in the meantime is left out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use forebay_storage::{ChunkId, Fs, OpenError, ReadError, RealFs, StoreIoError};

use super::ConfigArgs;
use super::error::INVALID_CONFIG;
use crate::registry::Registry;
use crate::{config, engine, telemetry};

pub(super) mod cat;
mod drain;
mod export;
pub(super) mod files;
pub(super) mod ls;
mod repair;
mod stat;
mod verify;
pub(super) mod walk;

/// What can be asked about a data directory.
#[derive(Debug, Subcommand)]
pub(super) enum BufferCommand {
    /// List the chunks of all routes, dead letters included.
    Ls {
        #[command(flatten)]
        dir: Dir,
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Print events, one JSON object a line: {"tag":...,"time":...,"record":...}.
    ///
    /// Without options all there are, dead letters last. An entry that is no event (some dead
    /// letters) has "fault" and "data" (base64 of its MessagePack) instead. Damaged bytes are
    /// skipped and reported.
    Cat {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        selection: Selection,
        /// Accepted like everywhere; the output is always JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say how much there is of each route, in which state, for whom, since when.
    Stat {
        #[command(flatten)]
        dir: Dir,
        /// Only this route.
        #[arg(long, value_name = "NAME")]
        route: Option<String>,
        /// One JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Write events for other programs, from whatever can still be read.
    ///
    /// Without options all there are, dead letters last, to standard output. What cannot be read
    /// is named on standard error, and the exit code is 2 then. `forebay send --format event`
    /// sends what this prints.
    Export {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        selection: Selection,
        /// How events are written.
        #[arg(long, value_enum, default_value_t)]
        format: export::Format,
        /// Write a file for each chunk into this folder, instead of all to standard output.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// Say what was exported and what is missing as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Deliver all there is, taking nothing in, while no daemon runs on the directory.
    ///
    /// Works with the outputs and routes of a configuration on its data directory, as `run` does
    /// without its inputs and filters. Ends when the buffer is empty, or when what is left is owed
    /// to destinations that cannot be reached: then the exit code is 75, and it can be run again.
    Drain {
        #[command(flatten)]
        config: ConfigArgs,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Read every frame, compare every checksum, and say what a start would do.
    Verify {
        #[command(flatten)]
        dir: Dir,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Do what `verify` says a start would do, while no daemon runs on the directory.
    ///
    /// Damaged headers are restored from their copies, torn chunks are sealed at their last frame.
    /// What is damaged is kept in DIR/quarantine: bytes as copies, unreadable files as they are. A
    /// running daemon is left alone: it does the same by itself when it starts and when it reads.
    Repair {
        #[command(flatten)]
        dir: Dir,
        /// Say what is wrong and what would be done, as `verify` does; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Where to look.
#[derive(Debug, clap::Args)]
pub(super) struct Dir {
    /// The data directory, as `data_dir` in the configuration.
    #[arg(value_name = "DIR")]
    pub(super) path: PathBuf,
}

/// Which events to print.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Selection {
    /// Only this chunk.
    #[arg(long, value_name = "ID")]
    chunk: Option<ChunkId>,
    /// Only this route, its dead letters included.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only dead letters.
    #[arg(long)]
    dead: bool,
}

/// Why a data directory could not be examined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no store in the directory.
    #[error("{} is not a data directory: there is no `routes` in it", path.display())]
    NotADataDir {
        /// The directory.
        path: PathBuf,
    },
    /// The route has no directory.
    #[error("there is no route `{0}` in this data directory")]
    NoRoute(String),
    /// No route has the chunk.
    #[error("there is no chunk {0} in this data directory")]
    NoChunk(ChunkId),
    /// A daemon, or another repair, runs on the directory.
    #[error(
        "{} is in use by process {pid}, which repairs what it meets by itself; ask its admin API \
         what it found: GET /healthz, POST /api/v1/verify", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id in the lock file.
        pid: String,
    },
    /// A daemon runs on the directory that is to be drained.
    #[error(
        "{} is in use by process {pid}: ask its admin API instead, POST /api/v1/flush to have all \
         that is staged delivered, POST /api/v1/drain to have it end when all is delivered",
        path.display()
    )]
    Undrainable {
        /// The directory.
        path: PathBuf,
        /// The process id in the lock file.
        pid: String,
    },
    /// There is no valid configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Something that the configuration names could not be opened.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Logs cannot be written.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A directory cannot be listed.
    #[error(transparent)]
    Store(#[from] StoreIoError),
    /// A chunk cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The result could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code that the help text gives for this.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NotADataDir { .. } | Self::NoRoute(_) | Self::NoChunk(_) => 66,
            Self::Engine(engine::Error::Way { .. }) | Self::Config(config::Error::Invalid(_)) => {
                INVALID_CONFIG
            }
            Self::Engine(_) | Self::Telemetry(_) => 70,
            Self::InUse { .. } | Self::Undrainable { .. } => 73,
            Self::Config(config::Error::Unreadable { .. })
            | Self::Open(_)
            | Self::Store(_)
            | Self::Read(_)
            | Self::Output(_) => 74,
        }
    }
}

impl Selection {
    /// Whether the chunk of a file, if it is known, is one of those that are meant.
    fn has(&self, id: Option<ChunkId>) -> bool {
        self.chunk.is_none_or(|chunk| id == Some(chunk))
    }
}

/// Does `command`.
///
/// # Errors
/// If the directory cannot be examined or the output cannot be written.
pub(super) fn run(command: BufferCommand, registry: &Registry) -> Result<ExitCode, Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let code = match command {
        BufferCommand::Ls { dir, json } => {
            ls::ls(&RealFs, &dir.path, json, crate::clock::unix_ns(), &mut out)?;
            ExitCode::SUCCESS
        }
        BufferCommand::Stat { dir, route, json } => {
            let stat = stat::stat(&RealFs, &dir.path, route.as_deref())?;
            if json {
                stat.write_json(&mut out)?;
            } else {
                stat.write_text(crate::clock::unix_ns(), &mut out)?;
            }
            ExitCode::SUCCESS
        }
        BufferCommand::Export {
            dir,
            selection,
            format,
            to,
            json,
        } => export(&dir.path, &selection, format, to.as_deref(), json, &mut out)?,
        BufferCommand::Drain { config, json } => {
            let drained = drain(&config, registry)?;
            if json {
                drained.write_json(&mut out)?;
            } else {
                drained.write_text(&mut out)?;
            }
            drained.exit_code()
        }
        BufferCommand::Cat { dir, selection, .. } => cat(&dir.path, &selection, &mut out)?,
        BufferCommand::Verify { dir, json }
        | BufferCommand::Repair {
            dir,
            dry_run: true,
            json,
        } => verify(&dir.path, json, &mut out)?,
        BufferCommand::Repair { dir, json, .. } => repair(&dir.path, json, &mut out)?,
    };
    out.flush()?;
    Ok(code)
}

/// The report goes where the events do not.
fn export(
    dir: &Path,
    selection: &Selection,
    format: export::Format,
    folder: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let progress = verify::Progress::on_terminal();
    let to = match folder {
        Some(folder) => export::To::Folder(folder),
        None => export::To::Stream(out),
    };
    let exported = export::export(&RealFs, dir, selection, format, to, &progress)?;
    let report: &mut dyn Write = match folder {
        Some(_) => out,
        None => {
            out.flush()?;
            &mut io::stderr()
        }
    };
    if json {
        exported.write_json(report)?;
    } else if folder.is_some() || exported.is_incomplete() {
        exported.write_text(report)?;
    }
    Ok(exported.exit_code())
}

fn drain(config: &ConfigArgs, registry: &Registry) -> Result<drain::Drained, Error> {
    let plan = config.load(registry)?;
    // Its life is told by the bar and the report; what goes wrong is worth a line.
    telemetry::init("warn", plan.log.json)?;
    engine::raise_descriptor_limit();
    drain::drain(plan, registry)
}

fn verify(dir: &Path, json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let report = verify::verify(&RealFs, dir, &verify::Progress::on_terminal())?;
    if json {
        report.write_json(out)?;
    } else {
        report.write_text(out)?;
    }
    Ok(report.exit_code())
}

fn repair(dir: &Path, json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let [seed @ .., _, _, _, _] = crate::clock::random_u64().to_le_bytes();
    let run = repair::Run {
        now_ns: crate::clock::unix_ns(),
        id_seed: u32::from_le_bytes(seed),
    };
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let repaired = repair::repair(&fs, dir, run, &verify::Progress::on_terminal())?;
    if json {
        repaired.write_json(out)?;
    } else {
        repaired.write_text(out)?;
    }
    Ok(repaired.exit_code())
}

fn cat(dir: &Path, selection: &Selection, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let damaged_bytes = cat::cat(&RealFs, dir, selection, out)?;
    if damaged_bytes == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    out.flush()?;
    let message = format!("{damaged_bytes} damaged bytes were skipped; `buffer verify` says where");
    // Nobody is left to tell if standard error is closed; the exit code tells all the same.
    let _ = writeln!(io::stderr(), "error: {message}");
    Ok(verify::Verdict::Lost.exit_code())
}

#[cfg(test)]
mod tests;
