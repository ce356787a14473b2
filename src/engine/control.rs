//! What can be done to a running engine: the actions of the admin API, and what does them.
//!
//! Every action may be asked for again: what is so already is left as it is, and the answer says
//! so. An action has been done when it answers; what it changes on disk is durable then. An action
//! that is refused has changed nothing, unless its error says otherwise. Who may ask, and who has
//! asked, is for the caller to know.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::orphans::OrphanReport;
use super::status::ChunkState;
use super::verify::VerifyReport;

mod chunks;
mod controller;
mod daemon;
mod dead;
mod orphans;
mod replays;
mod routes;
#[cfg(test)]
mod tests;

pub(super) use controller::Controller;
pub use replays::ReplayReport;
pub(super) use replays::Replays;

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

    /// Delivers a dead letter after all: stores its events again, as a chunk that is owed to the
    /// output that did not take it, or to what `to` names, then deletes it.
    ///
    /// # Errors
    /// [`ControlError::UnknownChunk`], [`ControlError::WrongState`] unless it is a dead letter,
    /// [`ControlError::UnknownRoute`], [`ControlError::UnknownOutput`] also if the output that did
    /// not take it is no more, [`ControlError::NotDone`]: it is as it was.
    fn replay(&self, chunk: &str, to: &ReplayTo) -> Result<Change, ControlError>;

    /// Begins to do so with all dead letters of a route, or some of them; see
    /// [`replays`](Self::replays) for how it gets on. Those that cannot be replayed stay.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`], [`ControlError::UnknownOutput`],
    /// [`ControlError::BadPattern`], [`ControlError::Busy`].
    fn replay_route(
        &self,
        route: &str,
        which: &DeadSelection,
        to: &ReplayTo,
    ) -> Result<ReplayReport, ControlError>;

    /// The replays since the start, the newest first; old ones are forgotten.
    fn replays(&self) -> Vec<ReplayReport>;

    /// Ends a replay after the dead letter that it is at.
    ///
    /// # Errors
    /// None so far: one that has ended, or never was, changes nothing.
    fn cancel_replay(&self, id: u64) -> Result<Change, ControlError>;

    /// Deletes all dead letters of a route, or some of them. `confirm` must be the route's name.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`], [`ControlError::NotConfirmed`],
    /// [`ControlError::BadPattern`], [`ControlError::NotDone`].
    fn drop_dead(
        &self,
        route: &str,
        which: &DeadSelection,
        confirm: &str,
    ) -> Result<Change, ControlError>;

    /// What is on disk and owed to nobody that runs: routes and outputs that the configuration does
    /// not name any more.
    fn orphans(&self) -> Vec<OrphanReport>;

    /// Makes an orphan's chunks chunks of the route that `to` names, owed to its outputs or to the
    /// one that is named, and its dead letters dead letters of that route.
    ///
    /// # Errors
    /// [`ControlError::UnknownOrphan`], [`ControlError::NoRouteNamed`],
    /// [`ControlError::UnknownRoute`], [`ControlError::UnknownOutput`],
    /// [`ControlError::NotBuffered`], [`ControlError::NotDone`]: what could not be adopted is an
    /// orphan as before.
    fn adopt_orphan(&self, name: &str, to: &ReplayTo) -> Result<Change, ControlError>;

    /// Deletes an orphan. `confirm` must be its name.
    ///
    /// # Errors
    /// [`ControlError::UnknownOrphan`], [`ControlError::NotConfirmed`].
    fn drop_orphan(&self, name: &str, confirm: &str) -> Result<Change, ControlError>;

    /// Reads every chunk of a route, or of all, and compares all checksums. Takes as long as the
    /// disk needs for that; changes nothing, and holds nobody up.
    ///
    /// # Errors
    /// [`ControlError::UnknownRoute`].
    fn verify(&self, route: Option<&str>) -> Result<VerifyReport, ControlError>;

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

/// Where a dead letter goes again; what is not said is as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayTo {
    /// The route that delivers it; its own, if none is named.
    pub route: Option<String>,
    /// The output that it is owed to; the one that did not take it, if none is named.
    pub output: Option<String>,
}

/// Which dead letters of a route are meant: those that fit all that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadSelection {
    /// Those that this output did not take.
    pub output: Option<String>,
    /// Those with this text in their reason, or in the destination's answer.
    pub reason: Option<String>,
    /// Their events whose tag fits this pattern; the others stay.
    pub tag: Option<String>,
    /// Those that have been dead for so long.
    #[schemars(range(max = u64::MAX))]
    pub older_than_s: Option<u64>,
    /// Those that have not been dead for so long.
    #[schemars(range(max = u64::MAX))]
    pub newer_than_s: Option<u64>,
    /// At most so many, the oldest.
    #[schemars(range(max = u64::MAX))]
    pub limit: Option<u64>,
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
    /// There is no such orphan.
    #[error("there is no orphan `{0}`")]
    UnknownOrphan(String),
    /// It has to be said which route adopts.
    #[error("name the route that adopts it")]
    NoRouteNamed,
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
    /// This is no pattern of tags.
    #[error("{0}")]
    BadPattern(String),
    /// So many are held already.
    #[error("{0} chunks are held already")]
    TooManyHeld(usize),
    /// It is being done as often as it may be at a time.
    #[error("{0}")]
    Busy(&'static str),
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
