//! The command line: what can be asked of the program, and what its exit codes mean.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, plan::Plan};
use crate::engine::reload::Source;
use crate::registry::Registry;

mod api;
mod buffer;
mod check;
mod ctl;
mod dead;
mod doctor;
mod error;
mod pages;
mod plugins;
mod run;
mod secret;
mod send;
mod tap;
mod tls;
mod top;

pub use api::Error as ApiError;
use buffer::BufferCommand;
pub use buffer::Error as BufferError;
use ctl::CtlCommand;
use dead::DeadCommand;
pub use dead::Error as DeadError;
pub use doctor::Error as DoctorError;
pub use error::Error;
use pages::Shell;
pub use send::Error as SendError;
use send::SendArgs;
use tap::TapArgs;
use top::TopArgs;

/// Takes log events in, keeps them on disk until every destination has confirmed them.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, after_help = format!("Exit codes:\n{EXIT_CODES}"))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the process answers, for the help text and the manual page.
const EXIT_CODES: &str = "\
   0  done; `buffer verify`: nothing is damaged; `buffer repair`: no event is lost;
      `doctor`: durable
   1  `buffer verify`: there is damage, and `repair` or the next start mends it without loss;
      `buffer repair`, `dead replay`, `dead drop`: something could not be done;
      `ctl`: the state of what is there forbids it, or the configuration is not valid;
      `doctor`: durable with reservations
   2  `buffer verify` and `repair`: events are lost; damaged bytes are kept in the quarantine;
      `buffer cat`, `buffer export`, `dead cat`: damage was met, the rest is complete;
      `doctor`: not durable
  64  the command line is not valid
  65  `send`: a line is not what it should be
  66  there is no such data directory, route or chunk
  69  `send`: refused, and would be again; `top`, `tap`, `ctl`: no daemon answers
  70  the daemon failed
  73  `buffer repair`, `buffer drain`, `dead replay`, `dead drop`: a daemon runs on the directory
  74  a file could not be read or written
  75  `send`: not everything is acknowledged; `buffer drain`: not everything is delivered;
      it can be run again
  77  `top`, `tap`, `ctl`: the daemon's admin API does not let us in
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
        /// One JSON document instead of text, also of what is wrong.
        #[arg(long)]
        json: bool,
    },
    /// List the types of inputs, filters and outputs, decoders and encoders, or show what can be set
    /// for one.
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
    /// Show live what a daemon does: health, rates, what waits, for whom, and why.
    ///
    /// Asks the admin API every second; `q` ends it. Where there is no terminal it prints once.
    Top(TopArgs),
    /// Print events as they pass a daemon, one JSON object a line.
    ///
    /// Asks the admin API, which never waits for whoever looks.
    Tap(TapArgs),
    /// Act on a running daemon: on what waits, on routes, on its configuration.
    ///
    /// Asks the admin API, for which the role `admin` is needed where there are tokens. Each action
    /// is in the daemon's `audit.log`.
    Ctl {
        #[command(subcommand)]
        command: CtlCommand,
    },
    /// Send events and wait for the acknowledgement: for tests and cron jobs.
    ///
    /// Ends with 0 only when everything is acknowledged. What is not is sent again under the same
    /// name, which the receiver stores once, until the time is over; then it ends with 75.
    Send(Box<SendArgs>),
    /// Print what a shell needs to complete this program's arguments.
    ///
    /// For bash: `forebay completions bash >/etc/bash_completion.d/forebay`.
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder.
    ///
    /// To read it: `forebay man | man -l -`.
    Man {
        /// Write `forebay.1`, `forebay-run.1` and so on into this folder instead.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
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
        Command::Check { config, json } => {
            let out = &mut io::stdout().lock();
            match config.load(registry) {
                Ok(plan) if json => check::check_json(&plan, out)?,
                Ok(plan) => check::check(&plan, out)?,
                Err(config::Error::Invalid(problems)) if json => {
                    check::problems_json(&problems, out)?;
                    return Ok(error::INVALID_CONFIG.into());
                }
                Err(error) => return Err(error.into()),
            }
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
        Command::Top(args) => {
            wait_for(top::top(&args, registry))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tap(args) => {
            wait_for(tap::tap(&args, registry))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Ctl { command } => {
            wait_for(ctl::ctl(&command, registry))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Send(args) => {
            send::send(*args)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            pages::completions(Cli::command(), shell, &mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir } => {
            match dir {
                Some(dir) => pages::man_folder(Cli::command(), &dir)?,
                None => pages::man(Cli::command(), &mut io::stdout().lock())?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Buffer { command } => Ok(buffer::run(command, registry)?),
        Command::Dead { command } => Ok(dead::run(command)?),
        Command::Doctor { dir, json } => Ok(doctor::run(&dir, json)?),
    }
}

/// Runs what a client does, on this thread.
fn wait_for(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(run::Error::Runtime)?;
    runtime.block_on(work)
}
