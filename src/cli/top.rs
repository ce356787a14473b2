//! `forebay top`: what a daemon does now, as one looks at processes.
//!
//! On a terminal the picture is drawn anew every second until `q`; anywhere else, or with `--once`,
//! it is printed once. Rates are of the time between two looks.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::screen::{Key, Screen};
use self::view::{Line, Look};
use super::Error;
use super::api::{self, Api, ApiArgs};
use crate::clock::Clock;
use crate::registry::Registry;

mod screen;
mod table;
mod view;

/// The width of what is printed where there is no terminal.
const PLAIN_WIDTH: usize = 120;

/// Which daemon, and how often.
#[derive(Debug, clap::Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    api: ApiArgs,
    /// The time between two looks.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Print what there is now, and end.
    #[arg(long)]
    once: bool,
    /// Print the daemon's whole status as one JSON document, and end.
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = crate::config::duration(text)?;
    match interval < Duration::from_millis(100) {
        true => Err("at least 100ms".to_owned()),
        false => Ok(interval),
    }
}

/// Shows the daemon until it is told to end.
///
/// # Errors
/// The daemon cannot be asked for the first time, or the output cannot be written.
pub(super) async fn top(args: &TopArgs, registry: &Registry) -> Result<(), Error> {
    let api = Api::new(&args.api, registry)?;
    let clock = Clock::start();
    let first = look(&api, clock).await?;
    if args.json {
        return Ok(writeln!(io::stdout(), "{:#}", first.status)?);
    }
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if args.once || !is_terminal {
        let lines = view::lines(&first, None, PLAIN_WIDTH);
        return Ok(print(&lines, &mut io::stdout().lock())?);
    }
    live(&api, clock, first, args.interval).await
}

async fn look(api: &Api, clock: Clock) -> Result<Look, api::Error> {
    Ok(Look {
        status: api.get(&["status"]).await?,
        at: clock.now().monotonic,
    })
}

fn print(lines: &[Line], out: &mut impl Write) -> io::Result<()> {
    for line in lines {
        writeln!(out, "{}", line.text)?;
    }
    out.flush()
}

/// Draws until `q`, Ctrl-C or a signal. A daemon that is away for a while is waited for.
async fn live(api: &Api, clock: Clock, first: Look, interval: Duration) -> Result<(), Error> {
    let mut screen = Screen::enter()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.reset();
    let (mut now, mut before, mut away) = (first, None, None::<String>);
    loop {
        let size = screen.size();
        let mut lines = view::lines(&now, before.as_ref(), size.columns);
        lines.splice(
            0..0,
            away.as_ref().map(|error| view::away(api.url(), error)),
        );
        screen.draw(&lines, size)?;
        tokio::select! {
            _ = ticks.tick() => match look(api, clock).await {
                Ok(look) => {
                    before = Some(std::mem::replace(&mut now, look));
                    away = None;
                }
                Err(error) => away = Some(error.to_string()),
            },
            key = screen.key() => if key == Key::Quit {
                return Ok(());
            },
            _ = resized.recv() => {}
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

impl Look {
    fn list(&self, name: &str) -> &[Value] {
        self.status[name].as_array().map_or(&[], Vec::as_slice)
    }
}
