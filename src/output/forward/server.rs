//! One server: its kept connections, and what happens to it.
//!
//! At most [`WRITERS_MAX`] chunks are being written to a server at a time, each over a connection
//! of its own. A connection whose chunk is written takes the next one without waiting for
//! acknowledgements, so a further connection is opened only while all others are writing.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::balance::Balancer;
use super::connect::Connector;
use super::connection::{Connection, Job};
use super::settings::Settings;
use crate::config::plan::ForwardServer;
use crate::output::{Delivery, Failure, FailureScope};
use crate::telemetry;
use crate::telemetry::RateLimited;

/// The most connections to one server. Each is read by a task of its own over there, and may
/// encrypt and pack on a core of its own here; more than a few bring nothing.
const WRITERS_MAX: usize = 4;

/// One server of an output.
pub(super) struct Server {
    /// Its place in the configuration.
    index: usize,
    /// `host:port`, for logs and reasons.
    address: String,
    connector: Connector,
    shared: Arc<Shared>,
    /// One permit for each connection that is writing or being made.
    writers: Arc<Semaphore>,
    /// Connections that wait for a chunk to write; the one used last is last.
    idle: Mutex<Vec<Connection>>,
}

/// What all servers and connections of an output share.
pub(super) struct Shared {
    /// What was configured.
    pub(super) settings: Settings,
    /// Whose turn it is, and who is away.
    pub(super) balancer: Mutex<Balancer>,
    /// Holds back repeats of the warning about wrong answers.
    pub(super) ignored_log: RateLimited,
    /// Cancelled when all connections are to end.
    pub(super) stop: CancellationToken,
    /// The connections' tasks.
    pub(super) tasks: TaskTracker,
}

/// Locks what no panic can leave half done: every critical section is a few plain statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// The server at `index` of the configuration; nothing is opened yet.
    pub(super) fn new(
        index: usize,
        plan: &ForwardServer,
        connector: Connector,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            index,
            address: address(plan),
            connector,
            shared,
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Hands the delivery to a connection, which resolves it; waits for one that is free, and makes
    /// one if there is none.
    ///
    /// # Errors
    /// The delivery, untouched, if there is no connection, and why.
    pub(super) async fn send(
        self: &Arc<Self>,
        delivery: Delivery,
    ) -> Result<(), (Delivery, Failure)> {
        let Ok(permit) = Arc::clone(&self.writers).acquire_owned().await else {
            let closed = Failure::new(FailureScope::Destination, "the output is closed");
            return Err((delivery, closed));
        };
        match self.send_kept(Job { delivery, permit }) {
            Ok(()) => Ok(()),
            Err(job) => self.send_new(job).await,
        }
    }

    /// Whether a further chunk would have to wait.
    pub(super) fn is_busy(&self) -> bool {
        self.writers.available_permits() == 0
    }

    /// Hands the job to a kept connection; gives it back if there is none that takes it.
    fn send_kept(&self, mut job: Job) -> Result<(), Job> {
        loop {
            let Some(connection) = lock(&self.idle).pop() else {
                return Err(job);
            };
            // A connection that has ended in this very moment gives the job back.
            match connection.give(job) {
                Ok(()) => return Ok(()),
                Err(given_back) => job = given_back,
            }
        }
    }

    async fn send_new(self: &Arc<Self>, job: Job) -> Result<(), (Delivery, Failure)> {
        match self.connector.connect().await {
            Ok(link) => {
                tracing::debug!(
                    output = %self.shared.settings.name,
                    server = self.address,
                    "connection made"
                );
                Connection::open(link, job, Arc::clone(self));
                Ok(())
            }
            Err(error) => {
                let failure = self.failure(error.scope(), &error);
                self.failed(&failure);
                Err((job.delivery, failure))
            }
        }
    }

    /// Takes back a connection that has written its chunk, and then the permit to write.
    pub(super) fn release(&self, connection: Connection, permit: OwnedSemaphorePermit) {
        lock(&self.idle).push(connection);
        drop(permit);
    }

    /// Forgets a connection that has ended.
    pub(super) fn forget(&self, connection: &Connection) {
        lock(&self.idle).retain(|kept| !kept.is_same(connection));
    }

    /// Makes every [`send`](Self::send) fail from now on, also those that are waiting.
    pub(super) fn close(&self) {
        self.writers.close();
    }

    /// The server has taken a chunk.
    pub(super) fn succeeded(&self) {
        if lock(&self.shared.balancer).succeeded(self.index) {
            tracing::info!(
                output = %self.shared.settings.name,
                server = self.address,
                "server is back"
            );
        }
    }

    /// A connection could not be made, or was lost with chunks on it.
    pub(super) fn failed(&self, failure: &Failure) {
        let now = self.shared.settings.clock.now().monotonic;
        if lock(&self.shared.balancer).failed(self.index, now) {
            tracing::warn!(
                output = %self.shared.settings.name,
                server = self.address,
                reason = failure.reason,
                "server is away"
            );
        }
    }

    /// A failure of this server, named in the reason.
    pub(super) fn failure(&self, scope: FailureScope, why: &dyn Error) -> Failure {
        Failure::new(
            scope,
            format!("{}: {}", self.address, telemetry::reason(why)),
        )
    }

    /// `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Chunks that are being written.
    #[cfg(test)]
    pub(super) fn writing_count(&self) -> usize {
        WRITERS_MAX - self.writers.available_permits()
    }

    /// What all servers of the output share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

fn address(server: &ForwardServer) -> String {
    if server.host.contains(':') {
        format!("[{}]:{}", server.host, server.port)
    } else {
        format!("{}:{}", server.host, server.port)
    }
}
