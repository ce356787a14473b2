//! `forebay run`: the daemon.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::admin::{AdminError, AdminServer, Reach};
use crate::clock::Clock;
use crate::config::plan::Plan;
use crate::engine::reload::Source;
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
    /// The admin API cannot be served.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Runs the daemon until it is told to stop; it reads its plan again from `source`.
pub(super) fn run(plan: Plan, source: Source, registry: &Registry) -> Result<(), Error> {
    telemetry::init(&plan.log.filter, plan.log.json)?;
    engine::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("forebay")
        .build()
        .map_err(Error::Runtime)?;
    let done = runtime.block_on(serve(plan, source, registry, Clock::start()));
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    done
}

async fn serve(plan: Plan, source: Source, registry: &Registry, clock: Clock) -> Result<(), Error> {
    let (admin_plan, data_dir) = (plan.admin.clone(), plan.data_dir.clone());
    let engine = Engine::open(plan, registry, clock).await?;
    let engine = engine.reloading_from(source);
    let stop_admin = CancellationToken::new();
    let admin = match admin_plan {
        Some(admin) => {
            let admin = AdminServer::bind(&admin, &data_dir, clock).await?;
            Some(start_admin(admin, &engine, stop_admin.clone()))
        }
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

fn start_admin(
    server: AdminServer,
    engine: &Engine,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    tracing::info!(listen = %server.local_addr(), "admin API listens");
    let reload = engine.reload_handle();
    let reach = Reach {
        inspect: engine.inspect(),
        watch: engine.watch(),
        control: engine.control(),
        reload: Arc::new(move || {
            let reload = reload.clone();
            Box::pin(async move { reload.reload().await })
        }),
    };
    tokio::spawn(server.run(reach, stop))
}
