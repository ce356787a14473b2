//! What can be done to a running engine: the actions of the admin API, and what does them.
//!
//! Every action may be asked for again: what is so already is left as it is, and the answer says
//! so. An action has been done when it answers; what it changes on disk is durable then. An action
//! that is refused has changed nothing, unless its error says otherwise. Who may ask, and who has
//! asked, is for the caller to know.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::status::ChunkState;

mod chunks;
mod controller;
mod daemon;
mod routes;
#[cfg(test)]
mod tests;

pub(super) use controller::Controller;

/// Most bytes of the reason that a chunk is buried for.
pub const REASON_LEN_MAX: usize = 512;

/// Changes the engine. All calls may wait for the disk and block: they are made off the runtime's
/// own threads, but from within it.
pub trait Control: Send + Sync + 'static {
    /// Seals all that is staged, of one route or of all, so that it is delivered now.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`].
    fn flush(&self, route: Option<&str>) -> Result<Change, ControlError>;

    /// Starts no deliveries of a route until it is [resumed](Self::resume_route), also after a
    /// restart. Events are taken in and kept; what is in flight ends as ever.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`].
    fn pause_route(&self, route: &str) -> Result<Change, ControlError>;

    /// Starts the deliveries of a route again.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`].
    fn resume_route(&self, route: &str) -> Result<Change, ControlError>;

    /// Starts no deliveries of a route to one of its outputs until that is
    /// [resumed](Self::resume_output), also after a restart.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`], [`ControlError::UnknownOutput`],
    /// [`ControlError::NotBuffered`].
    fn pause_output(&self, route: &str, output: &str) -> Result<Change, ControlError>;

    /// Starts the deliveries of a route to one of its outputs again.
    ///
    /// # Errors
    /// As [`pause_output`](Self::pause_output).
    fn resume_output(&self, route: &str, output: &str) -> Result<Change, ControlError>;

    /// Tries now whatever of a route waits for its retry at one of its outputs; if the destination
    /// counts as down, it is looked at now.
    ///
    /// # Errors
    /// As [`pause_output`](Self::pause_output).
    fn retry_output(&self, route: &str, output: &str) -> Result<Change, ControlError>;

    /// Seals a staged chunk, so that it is delivered now.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::WrongState`] for a dead letter.
    fn seal(&self, chunk: &str) -> Result<Change, ControlError>;

    /// Tries a queued chunk now, before older ones, wherever it waits.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::WrongState`] unless it is queued and not
    /// held.
    fn retry(&self, chunk: &str) -> Result<Change, ControlError>;

    /// Offers a chunk to nobody until it is [released](Self::release), also after a restart. What
    /// of it is in flight ends as ever. A held chunk does not expire and is not deleted for room.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::WrongState`] for a dead letter.
    fn hold(&self, chunk: &str) -> Result<Change, ControlError>;

    /// Offers a held chunk again. Its time for retries begins anew.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`].
    fn release(&self, chunk: &str) -> Result<Change, ControlError>;

    /// Moves a queued chunk, or what is still owed of it, to the dead letters. `reason` is kept
    /// with it.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::WrongState`] unless it is queued,
    /// [`ControlError::BadReason`], [`ControlError::NotDone`] if the dead letters have no room or
    /// the disk fails: then it is still owed.
    fn bury(&self, chunk: &str, reason: &str) -> Result<Change, ControlError>;

    /// Deletes a chunk, dead or alive, whatever it owes. `confirm` must be its id.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::NotConfirmed`],
    /// [`ControlError::WrongState`] while it is in flight.
    fn drop_chunk(&self, chunk: &str, confirm: &str) -> Result<Change, ControlError>;

    /// Which logs are written.
    fn log_filter(&self) -> String;

    /// Changes which logs are written, until the next start.
    ///
    /// # Errors
    /// [`ControlError::BadFilter`], [`ControlError::NotDone`] if logs are not ours to change.
    fn set_log_filter(&self, filter: &str) -> Result<Change, ControlError>;

    /// Takes in no more, delivers what there is as far as outputs can be reached, then stops.
    /// Answers at once.
    ///
    /// # Errors
    /// None so far.
    fn drain(&self) -> Result<Change, ControlError>;

    /// Stops as SIGTERM does. Answers at once.
    ///
    /// # Errors
    /// None so far.
    fn stop(&self) -> Result<Change, ControlError>;
}

/// What an action has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Whether anything is other than it was.
    pub changed: bool,
    /// What has been done, or was so already, in a few words.
    pub detail: String,
    /// Chunks it was done to.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// Bytes of their payload.
    pub bytes: u64,
}

/// Why an action was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The configuration names no such route.
    #[error("there is no route `{0}`")]
    UnknownRoute(String),
    /// The route has no such output.
    #[error("route `{route}` has no output `{output}`")]
    UnknownOutput {
        /// The route.
        route: String,
        /// What was asked for.
        output: String,
    },
    /// No chunk has this id, or it is gone.
    #[error("there is no chunk `{0}`")]
    UnknownChunk(String),
    /// The chunk is not in a state in which this can be done.
    #[error("chunk {id} is {state}: {needs}")]
    WrongState {
        /// The chunk's id.
        id: String,
        /// Its state.
        state: State,
        /// What is needed instead.
        needs: &'static str,
    },
    /// The output is given batches at once: there are no chunks to stop or to try again.
    #[error("output `{0}` is given batches at once, without chunks")]
    NotBuffered(String),
    /// What cannot be taken back needs a confirmation.
    #[error("not confirmed: the confirmation must be `{0}`")]
    NotConfirmed(String),
    /// The reason is empty, or longer than [`REASON_LEN_MAX`].
    #[error("a reason has 1 to {REASON_LEN_MAX} bytes")]
    BadReason,
    /// This is no log filter.
    #[error("{0}")]
    BadFilter(String),
    /// It could not be done, or only in part: the disk or the daemon's state forbids it.
    #[error("{0}")]
    NotDone(String),
}

/// A chunk's state, as sentences have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its state by itself.
    Is(ChunkState),
    /// Queued, and held by the operator.
    Held,
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Is(ChunkState::Staged) => "staged",
            Self::Is(ChunkState::Queued) => "queued",
            Self::Is(ChunkState::InFlight) => "in flight",
            Self::Is(ChunkState::Dead) => "a dead letter",
            Self::Held => "held",
        })
    }
}

impl Change {
    /// Nothing was to be done.
    fn none(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// Something is other than before, but no chunk.
    fn done(detail: impl Into<String>) -> Self {
        Self {
            changed: true,
            ..Self::none(detail)
        }
    }

    /// `done` if `changed`, else `already`.
    fn whether(changed: bool, done: &str, already: &str) -> Self {
        Self {
            changed,
            ..Self::none(if changed { done } else { already })
        }
    }

    /// The same, done to this chunk.
    fn to(self, chunk: &forebay_storage::ChunkInfo) -> Self {
        Self {
            chunks: 1,
            events: chunk.event_count,
            bytes: chunk.payload_bytes,
            ..self
        }
    }
}
