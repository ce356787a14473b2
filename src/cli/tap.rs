//! `forebay tap`: events as they pass, one JSON object a line.
//!
//! The daemon never waits for whoever looks: an event says how many were `missed` before it. What it
//! prints, `forebay send --format event` can send.

use std::io::{self, Write};

use super::Error;
use super::api::{Api, ApiArgs, Message};
use crate::registry::Registry;

/// Which events to show.
#[derive(Debug, clap::Args)]
pub(super) struct TapArgs {
    #[command(flatten)]
    api: ApiArgs,
    /// Only events that this route has stored.
    #[arg(long, value_name = "NAME", conflicts_with = "input")]
    route: Option<String>,
    /// Events as they come by this input, before filters; without it, those that a route has stored.
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
    /// Only events with such a tag, as in a route's `match`.
    #[arg(long, value_name = "PATTERN")]
    tag: Option<String>,
    /// Only one of so many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// At most so many a second, up to 1000; 100 if absent.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_second: Option<u32>,
    /// End after this many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Accepted like everywhere; the output is always JSON.
    #[arg(long)]
    json: bool,
}

/// Prints events until the daemon ends, the limit is reached, or nobody reads any more.
///
/// # Errors
/// The daemon cannot be asked, or the output cannot be written.
pub(super) async fn tap(args: &TapArgs, registry: &Registry) -> Result<(), Error> {
    let api = Api::new(&args.api, registry)?;
    let mut stream = api.stream(&["tap"], &args.query()).await?;
    let mut out = io::stdout().lock();
    loop {
        let message = stream.next().await;
        let message = message.map_err(|error| api.lost(error))?;
        match message {
            Some(message) => print(&message, &mut out)?,
            None => return Ok(()),
        }
    }
}

/// Anything but an event is about the stream itself.
fn print(message: &Message, out: &mut impl Write) -> io::Result<()> {
    if message.event != "event" {
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(io::stderr(), "{}: {}", message.event, message.data);
        return Ok(());
    }
    writeln!(out, "{}", message.data)?;
    // Somebody looks on.
    out.flush()
}

impl TapArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("route", self.route.clone()),
            ("input", self.input.clone()),
            ("tag", self.tag.clone()),
            ("sample", self.sample.map(|one_in| one_in.to_string())),
            ("per_second", self.per_second.map(|most| most.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let given = |(name, value): (&'static str, Option<String>)| Some((name, value?));
        fields.into_iter().filter_map(given).collect()
    }
}
