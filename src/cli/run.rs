//! `forebay run`: the daemon.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::admin::AdminServer;
use crate::clock::Clock;
use crate::config::plan::{AdminPlan, Plan};
use crate::engine::status::Inspect;
use crate::engine::{self, Engine};
use crate::registry::Registry;
use crate::telemetry;

/// How long tasks that are left at the end may take before the process ends without them.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the daemon could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Logs cannot be written.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The runtime could not be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// Something that the configuration names could not be opened.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The admin API could not be bound.
    #[error("cannot serve the admin API on {listen}")]
    Admin {
        /// Where it was to listen.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Runs the daemon until it is told to stop.
pub(super) fn run(plan: Plan, registry: &Registry) -> Result<(), Error> {
    telemetry::init(&plan.log.filter, plan.log.json)?;
    engine::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("forebay")
        .build()
        .map_err(Error::Runtime)?;
    let done = runtime.block_on(serve(plan, registry, Clock::start()));
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    done
}

async fn serve(plan: Plan, registry: &Registry, clock: Clock) -> Result<(), Error> {
    let admin_plan = plan.admin.clone();
    let engine = Engine::open(plan, registry, clock).await?;
    let stop_admin = CancellationToken::new();
    let admin = match admin_plan {
        Some(admin) => Some(start_admin(&admin, engine.inspect(), stop_admin.clone()).await?),
        None => None,
    };
    engine.run().await;
    stop_admin.cancel();
    if let Some(admin) = admin {
        // It has its own time-outs; a panic in it has been logged.
        let _ = tokio::time::timeout(LEFTOVERS_TIMEOUT, admin).await;
    }
    Ok(())
}

async fn start_admin(
    plan: &AdminPlan,
    inspect: Arc<dyn Inspect>,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>, Error> {
    let listen = plan.listen;
    let server = AdminServer::bind(listen).await;
    let server = server.map_err(|source| Error::Admin { listen, source })?;
    tracing::info!(listen = %server.local_addr(), "admin API listens");
    Ok(tokio::spawn(server.run(inspect, stop)))
}
