//! Reading the configuration again, and changing what runs to what it says.
//!
//! # What must hold
//!
//! - **All or nothing.** The new file is read and checked as `forebay check` does, and all that is new
//!   is opened and bound, before anything is touched. Any error, and what runs goes on as it was.
//! - **What did not change is not touched.** Plans are compared by value, secrets included. An input
//!   that did not change keeps its sockets and its connections, an output its instance, a route its
//!   driver, a filter what it has gathered.
//! - **No destination is waited for.** Deliveries under way go on with the output that they began
//!   with, and end with their claim (see `generation`); what has not begun goes to its successor.
//! - **Nothing is deleted.** A route that is gone keeps its chunks on disk, and has them again when it
//!   is back.
//!
//! # What changes how
//!
//! | what | unchanged | changed | removed |
//! |---|---|---|---|
//! | input | keeps its connections | its successor listens on the same socket, or on a new one; its connections are closed when what came over them is acknowledged | as on the left, and its socket is closed |
//! | filter | keeps its state | the successor takes the next batch; what the old one has gathered is told when the last batch has left it | what it has gathered is told |
//! | output | keeps its instance | the successor takes the next chunk; the old one ends what it has in flight, within a minute or what its time-outs need | no route leads to it: it is closed likewise |
//! | route | keeps its driver | a new scheduler takes over its chunks | its chunks stay, and are delivered no more |
//!
//! Certificates and keys are part of what names them: a file that was renewed is a change.
//!
//! What can be changed only by a restart is refused by name: see [`Error::Restart`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::hub::What;
use super::notify::Manager;
use super::status::Moment;
use super::{Engine, open};
use crate::config::{self, plan::Plan};

mod commit;
mod difference;
mod files;
mod prepare;
mod stats;
#[cfg(test)]
mod tests;

pub use difference::{Changed, Changes};
pub(super) use files::Stamps;
pub(super) use stats::ReloadStats;

/// Reads the configuration.
pub type Source = Box<dyn Fn() -> Result<Plan, config::Error> + Send + Sync>;

/// Requests that may wait: each reload does what the file says by then.
const REQUESTS_MAX: usize = 16;

/// How long it may take to open all that is new. Meanwhile no signal is looked at.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the configuration was not reloaded. What ran before runs on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has no place that it could be read from again.
    #[error("the configuration was not read from a file")]
    NoSource,
    /// It cannot be read, or is not valid.
    #[error("the configuration cannot be used")]
    Config(#[from] config::Error),
    /// It changes what can be changed only by a restart.
    #[error("only a restart can change {}", .settings.join(", "))]
    Restart {
        /// The settings, by their place in the file.
        settings: Vec<String>,
    },
    /// Something that it names could not be opened.
    #[error(transparent)]
    Open(#[from] open::Error),
    /// Something took too long to open.
    #[error("what is new could not be opened within {PREPARE_TIMEOUT:?}")]
    TimedOut,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// Has the engine reload its configuration. Cheap to clone.
#[derive(Clone)]
pub struct Reload(mpsc::Sender<Request>);

/// What the engine is asked for by handles.
pub(super) struct Requests(mpsc::Receiver<Request>);

/// Somebody waits for the outcome of a reload.
pub(super) struct Request(oneshot::Sender<Result<Changes, Arc<Error>>>);

pub(super) fn handle() -> (Reload, Requests) {
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    (Reload(sender), Requests(requests))
}

impl Reload {
    /// Reads the configuration again and changes what runs to what it says; returns when that is done.
    ///
    /// # Errors
    /// [`Error`]: nothing has changed.
    pub async fn reload(&self) -> Result<Changes, Arc<Error>> {
        let stopping = || Arc::new(Error::Stopping);
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Request(answer)).await;
        sent.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

impl Requests {
    pub(super) async fn next(&mut self) -> Option<Request> {
        self.0.recv().await
    }
}

impl Request {
    pub(super) fn answer(self, outcome: Result<Changes, Arc<Error>>) {
        // Who asked may have gone.
        let _ = self.0.send(outcome);
    }
}

impl Engine {
    /// Reloads, and tells everybody what came of it.
    pub(super) async fn reload(&mut self, manager: &Manager) -> Result<Changes, Arc<Error>> {
        tracing::info!("reading the configuration again");
        manager.reloading();
        let outcome = self.try_reload().await.map_err(Arc::new);
        let now = Moment(self.tools.clock.now().unix_ns);
        match &outcome {
            Ok(changes) => {
                self.inspector.reloads.succeeded(now);
                self.tools.hub.tell(self.tools.clock, || What::Reloaded);
                tracing::info!(%changes, "the configuration is reloaded");
            }
            Err(error) => {
                self.inspector.reloads.failed(now, error);
                tracing::error!(
                    error = &**error as &dyn std::error::Error,
                    "the configuration is not reloaded; what ran before runs on"
                );
            }
        }
        manager.ready();
        outcome
    }

    async fn try_reload(&mut self) -> Result<Changes, Error> {
        let source = self.source.as_ref().ok_or(Error::NoSource)?;
        let plan = tokio::task::block_in_place(source)?;
        let plan = self.fitted(plan);
        let settings = difference::only_by_restart(&self.plan, &plan, &self.holdings);
        if !settings.is_empty() {
            return Err(Error::Restart { settings });
        }
        let prepared = tokio::time::timeout(PREPARE_TIMEOUT, self.prepare(plan)).await;
        let prepared = prepared.map_err(|_| Error::TimedOut)??;
        Ok(self.commit(prepared))
    }
}
