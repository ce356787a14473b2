//! How handlers reach the engine: in turn, and off the runtime's own threads.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::api::Outline;
use super::audit::Audit;
use crate::engine::control::Control;
use crate::engine::reload::{self, Changes};
use crate::engine::status::Inspect;
use crate::engine::watch::Watch;
use crate::wire::http::Problem;

/// Most looks into the engine at a time; each may hold a page in memory and wait for a disk.
const LOOKS_MAX: usize = 4;

/// Most actions at a time; each may wait for a disk.
const ACTIONS_MAX: usize = 4;

/// Most answers at a time that last as long as somebody reads them.
const STREAMS_MAX: usize = 16;

/// When to come again if there are as many.
const STREAM_WAIT: Duration = Duration::from_secs(5);

/// How long an answer may take, with the wait for its turn.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How the API reaches the engine.
#[derive(Clone)]
pub struct Reach {
    /// Looks into it.
    pub inspect: Arc<dyn Inspect>,
    /// Listens in.
    pub watch: Arc<dyn Watch>,
    /// Acts on it.
    pub control: Arc<dyn Control>,
    /// Has it reload its configuration.
    pub reload: Arc<dyn Fn() -> Reloading + Send + Sync>,
}

/// A reload under way.
pub type Reloading = BoxFuture<'static, Result<Changes, Arc<reload::Error>>>;

/// What handlers have.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) inspect: Arc<dyn Inspect>,
    pub(super) control: Arc<dyn Control>,
    pub(super) watch: Arc<dyn Watch>,
    /// Cancelled when the daemon stops: streams end.
    pub(super) stop: CancellationToken,
    pub(super) reload: Arc<dyn Fn() -> Reloading + Send + Sync>,
    pub(super) audit: Arc<Audit>,
    /// Describes the API, once all of it is known.
    pub(super) outline: Arc<OnceLock<Outline>>,
    turns: Arc<Semaphore>,
    pub(super) action_turns: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Admin {
    pub(super) fn new(reach: Reach, audit: Arc<Audit>, stop: CancellationToken) -> Self {
        let Reach {
            inspect,
            watch,
            control,
            reload,
        } = reach;
        Self {
            inspect,
            watch,
            stop,
            control,
            reload,
            audit,
            outline: Arc::default(),
            turns: Arc::new(Semaphore::new(LOOKS_MAX)),
            action_turns: Arc::new(Semaphore::new(ACTIONS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    /// A place for an answer that lasts as long as somebody reads it.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| {
            let detail = format!("{STREAMS_MAX} exports and live streams are open already");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(STREAM_WAIT)
        })
    }

    /// Asks the engine, in turn with others, on a thread that may block.
    ///
    /// When the time is over the look goes on, and keeps its turn, until the engine has answered:
    /// so a disk that hangs holds no more threads than there are turns.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Inspect) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let inspect = Arc::clone(&self.inspect);
        self.in_turn(move || look(&*inspect)).await
    }

    /// As [`look`](Self::look), for what is known where actions are done.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Control) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let control = Arc::clone(&self.control);
        self.in_turn(move || ask(&*control)).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (tell, mut told) = oneshot::channel();
        // If nobody waits any more, nobody is told.
        self.run_in_turn(Box::new(move || drop(tell.send(look()))))
            .await?;
        told.try_recv().map_err(|untold| failed(&untold))
    }

    /// One for looks of whatever type, of which there are many: each would be compiled with all this.
    async fn run_in_turn(&self, look: Box<dyn FnOnce() + Send>) -> Result<(), Problem> {
        let turns = Arc::clone(&self.turns);
        let looking = async move {
            // Never closed, so this is always a permit.
            let turn = turns.acquire_owned().await.ok();
            let looked = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                look();
            });
            looked.await
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, looking).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => {
                let detail = "no answer in time";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }
}

/// What was asked for does not exist.
pub(super) fn unknown(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
}

/// What was asked for cannot be had.
pub(super) fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %error, "admin request failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
