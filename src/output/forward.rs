//! The output to servers that speak the Fluent forward protocol, version 1.
//!
//! A chunk goes out as `PackedForward` messages, one for each window of the chunk and run of frames
//! with the same tag, and is committed when the server has acknowledged every one of them. Several
//! chunks are in flight on one kept connection; acknowledgements may come in any order.
//!
//! What always holds:
//!
//! - Every delivery is resolved once, whatever ends the connection that it is on: it is either with
//!   [`try_write`](Deferred::try_write), in a connection's queue, or in its ledger, and each of these
//!   gives back what it holds.
//! - Memory does not grow with chunks: of each chunk that is being written one window's heads,
//!   options and small payloads are held (all of it, if it is packed), of each chunk in flight its
//!   message numbers. Payloads go from the chunk's mapping to the socket.
//! - Bounded: four connections to a server, and on them the deliveries that the scheduler has in
//!   flight. Further ones wait in `try_write`.
//!
//! With `require_ack: false` a chunk is committed once the kernel has taken its bytes: at most once
//! on this hop, and what the server loses is lost.
//!
//! Parts, from the outside in: `balance` picks a server, `server` keeps its connections,
//! `connect` makes one, `connection` owns one, `message` has the bytes, `ledger` knows what
//! is not acknowledged. Beside them, `client` sends messages of others' making, one at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::balance::Balancer;
use self::connect::Connector;
use self::server::{Server, Shared, lock};
use self::settings::Settings;
use super::{BoxFuture, Deferred, Delivery, Failure, FailureScope, Lifecycle};
use crate::clock::Clock;
use crate::config::plan::ForwardOutputPlan;
use crate::telemetry::RateLimited;
use crate::wire::tls::TlsError;

mod balance;
mod client;
mod connect;
mod connection;
mod ledger;
mod message;
mod receive;
mod server;
mod settings;
mod write;

pub use client::{Client, NotAcknowledged};

/// The least time between two warnings about answers that acknowledge nothing in flight.
const IGNORED_LOG_INTERVAL: Duration = Duration::from_secs(30);

/// An output to servers that speak the Fluent forward protocol.
pub struct ForwardOutput {
    servers: Vec<Arc<Server>>,
    shared: Arc<Shared>,
    /// Ends the connections of an output that is dropped without having been closed.
    _stop: DropGuard,
}

impl ForwardOutput {
    /// The output called `name`. Reads certificates; connections are made when there is something
    /// to send.
    ///
    /// # Errors
    /// [`TlsError`]: certificates, key or a server's name cannot be used.
    pub fn open(name: &str, plan: &ForwardOutputPlan, clock: Clock) -> Result<Self, TlsError> {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            settings: Settings::new(name, plan, clock),
            balancer: Mutex::new(Balancer::new(&plan.servers)),
            ignored_log: RateLimited::new(IGNORED_LOG_INTERVAL),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        });
        let servers = plan.servers.iter().enumerate().map(|(index, server)| {
            let connector = Connector::new(server, plan, clock)?;
            let server = Server::new(index, server, connector, Arc::clone(&shared));
            Ok(Arc::new(server))
        });
        Ok(Self {
            servers: servers.collect::<Result<_, TlsError>>()?,
            shared,
            _stop: stop.drop_guard(),
        })
    }

    /// Tries one server after another until one has a connection for the delivery.
    async fn send(&self, mut delivery: Delivery) {
        let mut tried = Vec::new();
        let mut failures = Vec::new();
        while let Some(index) = self.pick(&tried) {
            tried.push(index);
            match self.servers[index].send(delivery).await {
                Ok(()) => return,
                Err((given_back, failure)) => {
                    delivery = given_back;
                    failures.push(failure);
                }
            }
        }
        delivery.roll_back(summary(failures));
    }

    fn pick(&self, tried: &[usize]) -> Option<usize> {
        let now = self.shared.settings.clock.now().monotonic;
        let is_busy = |index: usize| self.servers[index].is_busy();
        lock(&self.shared.balancer).pick(now, tried, is_busy)
    }
}

impl Deferred for ForwardOutput {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        Box::pin(self.send(delivery))
    }
}

impl Lifecycle for ForwardOutput {
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.servers.iter().for_each(|server| server.close());
            self.shared.stop.cancel();
            self.shared.tasks.close();
            self.shared.tasks.wait().await;
        })
    }
}

/// The failures of all servers in one. It says "unreachable" only if each of them is.
fn summary(failures: Vec<Failure>) -> Failure {
    let is_unreachable = |failure: &Failure| failure.scope == FailureScope::Unreachable;
    let scope = if !failures.is_empty() && failures.iter().all(is_unreachable) {
        FailureScope::Unreachable
    } else {
        FailureScope::Destination
    };
    let mut reasons: Vec<_> = failures.into_iter().map(|failure| failure.reason).collect();
    if reasons.is_empty() {
        reasons.push("no server has a weight above 0".to_owned());
    }
    Failure::new(scope, reasons.join("; "))
}

#[cfg(test)]
mod tests;
