//! `forebay buffer drain`: a daemon that takes nothing in, until nothing is left to deliver.
//!
//! It opens the outputs and routes of a configuration on its data directory, which no daemon may
//! have open, seals what is staged, and delivers. It ends when the buffer is empty, or when what
//! is left is owed to destinations that cannot be reached; what is not delivered stays as it is.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use forebay_storage::OpenError;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Error;
use crate::clock::Clock;
use crate::config::plan::Plan;
use crate::engine::status::{ChunkTotals, Inspect, RouteReport};
use crate::engine::{self, Engine};
use crate::registry::Registry;

/// How often the bar is moved.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// The exit code if something is left.
const NOT_ALL: u8 = 75;

/// What was done, and what is left.
#[derive(Debug, Default, Serialize)]
pub(super) struct Drained {
    events_before: u64,
    events_left: u64,
    /// Dead letters that were made meanwhile.
    events_given_up: u64,
    /// Outputs that are still owed something.
    left: Vec<Left>,
}

/// What an output did not take.
#[derive(Debug, Serialize)]
struct Left {
    route: String,
    output: String,
    chunks: u64,
    last_error: Option<String>,
}

/// Delivers all there is with the outputs of `plan`.
///
/// # Errors
/// If a daemon runs on the data directory, or something cannot be opened.
pub(super) fn drain(plan: Plan, registry: &Registry) -> Result<Drained, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("forebay")
        .build()
        .map_err(Error::Output)?;
    runtime.block_on(run(without_sources(plan), registry))
}

/// Nothing comes in, and no filter tells of what did not.
fn without_sources(plan: Plan) -> Plan {
    Plan {
        inputs: Default::default(),
        filters: Vec::new(),
        ..plan
    }
}

async fn run(plan: Plan, registry: &Registry) -> Result<Drained, Error> {
    let data_dir = plan.data_dir.clone();
    let opened = Engine::open(plan, registry, Clock::start()).await;
    let engine = opened.map_err(|error| match error {
        engine::Error::Store {
            source: OpenError::Locked { pid, .. },
            ..
        } => Error::Undrainable {
            path: data_dir,
            pid,
        },
        error => Error::Engine(error),
    })?;
    let inspect = engine.inspect();
    let before = inspect.routes();
    let bar = tokio::spawn(show(Arc::clone(&inspect), waiting(&before).events));
    engine.run().await;
    bar.abort();
    // It is aborted: that it did not end by itself is no news.
    let _ = bar.await;
    Ok(Drained::new(&before, &inspect.routes()))
}

/// Moves a bar on standard error if that is a terminal.
async fn show(inspect: Arc<dyn Inspect>, events: u64) {
    if !io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::new(events);
    let template = "{bar:40} {human_pos}/{human_len} events {per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        let left = tokio::task::block_in_place(|| waiting(&inspect.routes()).events);
        bar.set_position(events.saturating_sub(left));
    }
}

/// What is stored and not yet confirmed by all outputs.
fn waiting(routes: &[RouteReport]) -> ChunkTotals {
    let parts = routes
        .iter()
        .flat_map(|route| [route.staged, route.queued, route.in_flight]);
    parts.fold(ChunkTotals::default(), |sum, part| ChunkTotals {
        chunks: sum.chunks + part.chunks,
        events: sum.events + part.events,
        bytes: sum.bytes + part.bytes,
    })
}

fn dead_events(routes: &[RouteReport]) -> u64 {
    routes.iter().map(|route| route.dead.events).sum()
}

impl Drained {
    fn new(before: &[RouteReport], after: &[RouteReport]) -> Self {
        let owed = after.iter().flat_map(|route| {
            let outputs = route.outputs.iter().filter(|output| output.owed_chunks > 0);
            outputs.map(|output| Left {
                route: route.name.clone(),
                output: output.name.clone(),
                chunks: output.owed_chunks,
                last_error: output.last_error.clone(),
            })
        });
        Self {
            events_before: waiting(before).events,
            events_left: waiting(after).events,
            events_given_up: dead_events(after).saturating_sub(dead_events(before)),
            left: owed.collect(),
        }
    }

    /// 0 if nothing is left.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.events_left {
            0 => ExitCode::SUCCESS,
            _ => NOT_ALL.into(),
        }
    }

    /// Prints it as one JSON document.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Prints it for people.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for left in &self.left {
            let Left {
                route,
                output,
                chunks,
                last_error,
            } = left;
            let why = last_error.as_deref().unwrap_or("it was not tried");
            writeln!(out, "LEFT: {chunks} chunks of {route} for {output}: {why}")?;
        }
        let settled = self.events_before.saturating_sub(self.events_left);
        let given_up = match self.events_given_up {
            0 => String::new(),
            events => format!(" ({events} of them as dead letters)"),
        };
        writeln!(
            out,
            "drained: {settled} events{given_up}; {} left",
            self.events_left
        )
    }
}
