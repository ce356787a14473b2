//! The command line: what can be asked of the program, and what its exit codes mean.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, plan::Plan};
use crate::engine;
use crate::engine::reload::Source;
use crate::registry::Registry;

mod buffer;
mod check;
mod dead;
mod doctor;
mod plugins;
mod run;

use buffer::BufferCommand;
pub use buffer::Error as BufferError;
use dead::DeadCommand;
pub use dead::Error as DeadError;
pub use doctor::Error as DoctorError;

/// Takes log events in, keeps them on disk until every destination has confirmed them.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  done; `buffer verify`: nothing is damaged; `buffer repair`: no event is lost;
      `doctor`: durable
   1  `buffer verify`: there is damage, and `repair` or the next start mends it without loss;
      `buffer repair`, `dead replay`, `dead drop`: something could not be done;
      `doctor`: durable with reservations
   2  `buffer verify` and `repair`: events are lost; damaged bytes are kept in the quarantine;
      `doctor`: not durable
  64  the command line is not valid
  66  there is no such data directory, route or chunk
  70  the daemon failed
  73  `buffer repair`, `dead replay`, `dead drop`: a daemon runs on the directory
  74  a file could not be read or written
  78  the configuration is not valid";

#[derive(Debug, Subcommand)]
enum Command {
    /// Take events in, keep them, deliver them, until SIGTERM or SIGINT.
    ///
    /// SIGHUP: read the configuration again; on any error what ran before runs on. SIGUSR1: flush all that
    /// is staged.
    Run {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Check a configuration as `run` would, without opening anything, and print what it means.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List the types of inputs, filters and outputs, or show what can be set for one.
    Plugins {
        /// A type, by any of its names.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Look at what is on disk, with or without a running daemon; repair it without one.
    Buffer {
        #[command(subcommand)]
        command: BufferCommand,
    },
    /// Look at dead letters, have them delivered after all, or delete them.
    ///
    /// `ls` and `cat` may be run beside a daemon, `replay` and `drop` while none runs on the
    /// directory.
    Dead {
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Try the disk and file system under a directory, and say which durability they give.
    ///
    /// Looks at the kind of file system, mount options and free space, measures syncs, and tries
    /// preallocation, directory syncs, locks, mappings and renames in a folder that is removed
    /// again. May be run beside a daemon.
    Doctor {
        /// The directory: a data directory, or where one is to be.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Which configuration to use.
#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// The configuration file; without it, what deploy/config/quick-start.yaml says.
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self, registry: &Registry) -> Result<Plan, config::Error> {
        match &self.config {
            Some(path) => config::load(path, registry),
            None => config::quick_start(),
        }
    }

    /// The same again, whenever it is called.
    fn source(self, registry: &Registry) -> Source {
        let registry = registry.clone();
        Box::new(move || self.load(&registry))
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is not valid, or help was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// No type of plugin has that name.
    #[error("{0}")]
    NoPlugin(String),
    /// There is no valid configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// What is on disk could not be examined.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// Dead letters could not be looked at or changed.
    #[error(transparent)]
    Dead(#[from] DeadError),
    /// A directory could not be tried.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// The daemon could not run.
    #[error(transparent)]
    Run(#[from] run::Error),
    /// The result could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code that the help text gives for this.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::NoPlugin(_) | Self::Dead(DeadError::Everything) => 64,
            Self::Run(run::Error::Engine(engine::Error::Way { .. })) => 78,
            Self::Run(_) => 70,
            Self::Buffer(
                BufferError::NotADataDir { .. } | BufferError::NoRoute(_) | BufferError::NoChunk(_),
            )
            | Self::Dead(DeadError::Buffer(
                BufferError::NotADataDir { .. } | BufferError::NoRoute(_) | BufferError::NoChunk(_),
            ))
            | Self::Doctor(DoctorError::NotADirectory { .. }) => 66,
            Self::Buffer(BufferError::InUse { .. }) | Self::Dead(DeadError::InUse { .. }) => 73,
            Self::Buffer(_)
            | Self::Dead(_)
            | Self::Doctor(_)
            | Self::Output(_)
            | Self::Config(config::Error::Unreadable { .. }) => 74,
            Self::Config(config::Error::Invalid(_)) => 78,
        }
        .into()
    }

    /// Whether this is no failure: help was asked for, or whoever read our output has had enough.
    #[must_use]
    pub fn is_benign(&self) -> bool {
        match self {
            Self::Usage(error) => !error.use_stderr(),
            Self::Output(error)
            | Self::Buffer(BufferError::Output(error))
            | Self::Dead(
                DeadError::Output(error) | DeadError::Buffer(BufferError::Output(error)),
            )
            | Self::Doctor(DoctorError::Output(error)) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::NoPlugin(_)
            | Self::Config(_)
            | Self::Buffer(_)
            | Self::Dead(_)
            | Self::Doctor(_)
            | Self::Run(_) => false,
        }
    }
}

/// The whole program, with the plugins of `registry`: does what the process's arguments ask for,
/// prints what went wrong with its causes, and gives the exit code.
#[must_use]
pub fn main(registry: Registry) -> ExitCode {
    run_with(&registry).unwrap_or_else(|error| report(&error))
}

fn report(error: &Error) -> ExitCode {
    if let Error::Usage(usage) = error {
        // Help and version go to standard output, mistakes to standard error.
        let _ = usage.print();
    } else if !error.is_benign() {
        // Nobody is left to tell if standard error is closed.
        let _ = write_causes(error, &mut io::stderr());
    }
    if error.is_benign() {
        ExitCode::SUCCESS
    } else {
        error.exit_code()
    }
}

fn write_causes(error: &dyn std::error::Error, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "error: {error}")?;
    let mut cause = error.source();
    while let Some(source) = cause {
        writeln!(out, "  because: {source}")?;
        cause = source.source();
    }
    Ok(())
}

/// Does what the process's arguments ask for, with the plugins of `registry`.
///
/// # Errors
/// See [`Error`]; [`Error::exit_code`] says what the process answers.
pub fn run_with(registry: &Registry) -> Result<ExitCode, Error> {
    match Cli::try_parse()?.command {
        Command::Check { config } => {
            check::check(&config.load(registry)?, &mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { config } => {
            let plan = config.load(registry)?;
            run::run(plan, config.source(registry), registry)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Plugins { name, json } => {
            let out = &mut io::stdout().lock();
            match plugins::plugins(registry, name.as_deref(), json, out)? {
                true => Ok(ExitCode::SUCCESS),
                false => Err(Error::NoPlugin(plugins::unknown(
                    registry,
                    &name.unwrap_or_default(),
                ))),
            }
        }
        Command::Schema => {
            plugins::schema(registry, &mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Buffer { command } => Ok(buffer::run(command)?),
        Command::Dead { command } => Ok(dead::run(command)?),
        Command::Doctor { dir, json } => Ok(doctor::run(&dir, json)?),
    }
}
