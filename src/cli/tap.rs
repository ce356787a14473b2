//! `forebay tap`: events as they pass, one JSON object a line.
//!
//! The daemon never waits for whoever looks: what a slow reader misses is counted, and told on
//! standard error.

use std::io::{self, Write};

use super::Error;
use super::api::{Api, ApiArgs, Message};
use crate::registry::Registry;

/// Which events to show.
#[derive(Debug, clap::Args)]
pub(super) struct TapArgs {
    #[command(flatten)]
    api: ApiArgs,
    /// Only events of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only events that came by this input.
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
    /// Only events with such a tag, as in a route's `match`.
    #[arg(long, value_name = "PATTERN")]
    tag: Option<String>,
    /// Only this share of them, from 0 to 1.
    #[arg(long, value_name = "SHARE")]
    sample: Option<f64>,
    /// End after this many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
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
    let mut stream = api.stream("tap", &args.query()).await?;
    let mut out = io::stdout().lock();
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let message = stream.next().await;
        let message = message.map_err(|error| api.lost(error))?;
        let Some(message) = message else { break };
        if print(&message, &mut out)? {
            left -= 1;
        }
    }
    Ok(())
}

/// Whether the message was an event. Anything else is about the stream itself.
fn print(message: &Message, out: &mut impl Write) -> io::Result<bool> {
    let is_event = matches!(message.event.as_str(), "event" | "");
    if is_event {
        writeln!(out, "{}", message.data)?;
        // Somebody looks on.
        out.flush()?;
    } else {
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(io::stderr(), "{}: {}", message.event, message.data);
    }
    Ok(is_event)
}

impl TapArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("route", self.route.clone()),
            ("input", self.input.clone()),
            ("tag", self.tag.clone()),
            ("sample", self.sample.map(|share| share.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let given = |(name, value): (&'static str, Option<String>)| Some((name, value?));
        fields.into_iter().filter_map(given).collect()
    }
}
