//! What can go wrong with a command, and the exit codes of it.

use std::io;
use std::process::ExitCode;

use super::{ApiError, BufferError, DeadError, DoctorError, SendError, run};
use crate::config;
use crate::engine;

/// The exit code for a configuration that is not valid.
pub(super) const INVALID_CONFIG: u8 = 78;

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
    /// A daemon could not be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A chunk would be deleted, and nobody has said that it is really meant.
    #[error("nothing is dropped: type the id when asked, or say `--yes`")]
    Unconfirmed,
    /// Not everything was acknowledged.
    #[error(transparent)]
    Send(#[from] SendError),
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
            Self::Usage(_)
            | Self::NoPlugin(_)
            | Self::Unconfirmed
            | Self::Dead(DeadError::Everything) => 64,
            Self::Run(run::Error::Engine(engine::Error::Way { .. })) => 78,
            Self::Run(_) => 70,
            Self::Buffer(error) | Self::Dead(DeadError::Buffer(error)) => error.exit_code(),
            Self::Api(error) => error.exit_code(),
            Self::Send(error) => error.exit_code(),
            Self::Doctor(DoctorError::NotADirectory { .. }) => 66,
            Self::Dead(DeadError::InUse { .. }) => 73,
            Self::Dead(_)
            | Self::Doctor(_)
            | Self::Output(_)
            | Self::Config(config::Error::Unreadable { .. }) => 74,
            Self::Config(config::Error::Invalid(_)) => INVALID_CONFIG,
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
            | Self::Unconfirmed
            | Self::Api(_)
            | Self::Send(_)
            | Self::Config(_)
            | Self::Buffer(_)
            | Self::Dead(_)
            | Self::Doctor(_)
            | Self::Run(_) => false,
        }
    }
}
