//! `forebay ctl`: actions on a running daemon, as its admin API has them.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use clap::Subcommand;
use forebay_storage::ChunkId;
use serde_json::{Value, json};

use super::Error;
use super::api::{Api, ApiArgs};
use crate::registry::Registry;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum CtlCommand {
    /// Offer a chunk to nobody until it is released, also after a restart.
    Hold(ToChunk),
    /// Offer a held chunk again.
    Release(ToChunk),
    /// Try a chunk now that waits for its retry.
    Retry(ToChunk),
    /// Seal a staged chunk, so that it is delivered now.
    Seal(ToChunk),
    /// Move what is still owed of a chunk to the dead letters.
    Bury {
        #[command(flatten)]
        chunk: ToChunk,
        /// Why, which is kept with the dead letter.
        #[arg(long, value_name = "TEXT", default_value = "by the operator")]
        reason: String,
    },
    /// Delete a chunk, dead or alive, whatever it owes.
    ///
    /// On a terminal it asks for the chunk's id again.
    Drop {
        #[command(flatten)]
        chunk: ToChunk,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Start no deliveries of a route, or to one of its outputs, until it is resumed, also after a
    /// restart.
    Pause(ToRoute),
    /// Start the deliveries of a route, or to one of its outputs, again.
    Resume(ToRoute),
    /// Seal all that is staged, of one route or of all, so that it is delivered now.
    Flush {
        /// The route.
        #[arg(value_name = "ROUTE")]
        route: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Have the configuration read again; on any error what ran before runs on.
    Reload(How),
}

/// Which daemon, and what is printed.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    #[command(flatten)]
    api: ApiArgs,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// On a chunk.
#[derive(Debug, clap::Args)]
pub(super) struct ToChunk {
    /// The chunk, as `buffer ls`, the API and the log name it.
    #[arg(value_name = "ID")]
    id: ChunkId,
    #[command(flatten)]
    how: How,
}

/// On a route or one of its outputs.
#[derive(Debug, clap::Args)]
pub(super) struct ToRoute {
    /// The route.
    #[arg(value_name = "ROUTE")]
    route: String,
    /// Only this output of it.
    #[arg(value_name = "OUTPUT")]
    output: Option<String>,
    #[command(flatten)]
    how: How,
}

/// An action as the API has it.
struct Action {
    path: Vec<String>,
    body: Option<Value>,
}

/// Has the daemon do it, and prints what came of it.
///
/// # Errors
/// The daemon cannot be asked or refuses, or the output cannot be written.
pub(super) async fn ctl(command: &CtlCommand, registry: &Registry) -> Result<(), Error> {
    if let CtlCommand::Drop { chunk, yes: false } = command {
        confirm(chunk.id)?;
    }
    let how = command.how();
    let api = Api::to_act(&how.api, registry)?;
    let Action { path, body } = command.action();
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    let done = api.post(&path, body.as_ref()).await?;
    let out = &mut io::stdout().lock();
    match (how.json, command) {
        (true, _) => writeln!(out, "{done:#}")?,
        (false, CtlCommand::Reload(_)) => write_changes(&done, out)?,
        (false, _) => write_change(&done, out)?,
    }
    Ok(out.flush()?)
}

/// Asks whether the chunk is really meant, where there is somebody to ask.
fn confirm(id: ChunkId) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Unconfirmed);
    }
    write!(io::stderr(), "Its events will be gone. Type the id again: ")?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    match typed.trim().parse() == Ok(id) {
        true => Ok(()),
        false => Err(Error::Unconfirmed),
    }
}

impl CtlCommand {
    fn how(&self) -> &How {
        match self {
            Self::Hold(to) | Self::Release(to) | Self::Retry(to) | Self::Seal(to) => &to.how,
            Self::Bury { chunk, .. } | Self::Drop { chunk, .. } => &chunk.how,
            Self::Pause(to) | Self::Resume(to) => &to.how,
            Self::Flush { how, .. } | Self::Reload(how) => how,
        }
    }

    fn action(&self) -> Action {
        match self {
            Self::Hold(to) => to.action("hold", None),
            Self::Release(to) => to.action("release", None),
            Self::Retry(to) => to.action("retry", None),
            Self::Seal(to) => to.action("seal", None),
            Self::Bury { chunk, reason } => chunk.action("bury", Some(json!({ "reason": reason }))),
            Self::Drop { chunk, .. } => {
                let confirmed = json!({ "confirm": chunk.id.to_string() });
                chunk.action("drop", Some(confirmed))
            }
            Self::Pause(to) => to.action("pause"),
            Self::Resume(to) => to.action("resume"),
            Self::Flush { route: None, .. } => Action::new(&["flush"], None),
            Self::Flush {
                route: Some(route), ..
            } => Action::new(&["routes", route, "flush"], None),
            Self::Reload(_) => Action::new(&["reload"], None),
        }
    }
}

impl ToChunk {
    fn action(&self, name: &str, body: Option<Value>) -> Action {
        Action::new(&["chunks", &self.id.to_string(), name], body)
    }
}

impl ToRoute {
    fn action(&self, name: &str) -> Action {
        match &self.output {
            None => Action::new(&["routes", &self.route, name], None),
            Some(output) => Action::new(&["routes", &self.route, "outputs", output, name], None),
        }
    }
}

impl Action {
    fn new(path: &[&str], body: Option<Value>) -> Self {
        Self {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            body,
        }
    }
}

/// What has been done, and to how much.
fn write_change(change: &Value, out: &mut impl Write) -> io::Result<()> {
    let detail = change["detail"].as_str().unwrap_or("done");
    let chunks = change["chunks"].as_u64().unwrap_or(0);
    if chunks == 0 {
        return writeln!(out, "{detail}");
    }
    let (events, bytes) = (&change["events"], &change["bytes"]);
    writeln!(
        out,
        "{detail} (chunks: {chunks}, events: {events}, bytes: {bytes})"
    )
}

/// What is other than before the reload.
fn write_changes(changes: &Value, out: &mut impl Write) -> io::Result<()> {
    let mut has_changed = false;
    for kind in ["inputs", "filters", "routes", "outputs"] {
        for what in ["changed", "added", "removed"] {
            let names = changes[kind][what].as_array().into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).collect();
            if !names.is_empty() {
                has_changed = true;
                writeln!(out, "{kind} {what}: {}", names.join(", "))?;
            }
        }
    }
    match has_changed {
        true => Ok(()),
        false => writeln!(out, "nothing is different"),
    }
}
