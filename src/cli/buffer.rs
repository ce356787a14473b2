//! `forebay buffer`: what is on disk, looked at without a daemon, or beside one.
//!
//! Nothing here but `repair` writes to the data directory or takes its lock. While a daemon runs, what is shown
//! may be out of date at once: a chunk that vanished in the meantime is left out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use forebay_storage::{ChunkId, Fs, OpenError, ReadError, RealFs, StoreIoError};

pub(super) mod cat;
pub(super) mod files;
mod ls;
mod repair;
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
        "{} is in use by process {pid}, which repairs what it meets by itself; its admin API shows \
         what it found (/healthz, /metrics)", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id in the lock file.
        pid: String,
    },
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

/// Does `command`.
///
/// # Errors
/// If the directory cannot be examined or the output cannot be written.
pub(super) fn run(command: BufferCommand) -> Result<ExitCode, Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let code = match command {
        BufferCommand::Ls { dir, json } => {
            ls::ls(&RealFs, &dir.path, json, crate::clock::unix_ns(), &mut out)?;
            ExitCode::SUCCESS
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
