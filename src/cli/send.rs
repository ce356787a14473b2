//! `forebay send`: a client for tests and cron jobs, which ends well only when everything that it
//! was given is acknowledged.
//!
//! Events go out in batches, one after another. A batch that is not acknowledged is sent again
//! under the same name, so that a receiver that has it already does not store it twice, until
//! `--timeout` is over.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;
use tokio::time::timeout_at;

use self::events::{Batch, Format, Source, SourceError};
use self::receiver::{Receiver, ServerAddress};
use super::secret::{SecretError, secret};
use super::tls::TlsArgs;
use crate::clock::{Clock, fill_random};
use crate::output::http::OpenError;
use crate::wire::tls::TlsError;

mod events;
mod receiver;

/// The time before the second attempt; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest time between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What to send, and where.
#[derive(Debug, clap::Args)]
pub(super) struct SendArgs {
    /// Texts to send, an event each; without any, the lines of standard input are sent.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// The server of the forward protocol.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:24224")]
    to: ServerAddress,
    /// Send to this HTTP input instead; the tag is added to the address.
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    http: Option<Url>,
    /// The events' tag.
    #[arg(short, long, default_value = "send", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    tag: String,
    /// What a text or a line is.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Send this many events that are made up.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["texts", "format", "json"])]
    count: Option<u64>,
    /// The field that holds an event's time; without it, the time is now.
    #[arg(long, value_name = "FIELD")]
    time_key: Option<String>,
    /// How the time is written: `rfc3339`, `unix`, `unix_ms`, or such as `%Y-%m-%d %H:%M:%S`.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "rfc3339",
        requires = "time_key"
    )]
    time_format: String,
    /// The most events in one batch.
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// How long a batch may take to be acknowledged, all attempts together.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::config::duration)]
    timeout: Duration,
    /// How long an attempt may wait for its acknowledgement.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::config::duration)]
    ack_timeout: Duration,
    /// Encrypt the connection. Any of the options about certificates implies it.
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    certificates: TlsArgs,
    /// File with the shared key; else it is taken from FOREBAY_SHARED_KEY.
    #[arg(long, value_name = "FILE")]
    shared_key_file: Option<PathBuf>,
    /// The user to log in as.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the user's password; else it is taken from FOREBAY_PASSWORD.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Our name in the handshake; the machine's if absent.
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
}

/// Why not everything is acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It may be another time.
    #[error("not acknowledged within {timeout:?}: {reason}; {acknowledged} events before are")]
    NotAcknowledged {
        /// The limit.
        timeout: Duration,
        /// What happened last.
        reason: String,
        /// Events in earlier batches.
        acknowledged: u64,
    },
    /// It will not be until somebody changes something.
    #[error("refused: {reason}; {acknowledged} events before are acknowledged")]
    Refused {
        /// In the receiver's words.
        reason: String,
        /// Events in earlier batches.
        acknowledged: u64,
    },
    /// What is to be sent cannot be read.
    #[error("{source}; {acknowledged} events before are acknowledged")]
    Source {
        /// Where and why.
        source: SourceError,
        /// Events before it.
        acknowledged: u64,
    },
    /// An option cannot be used.
    #[error("{0}")]
    Option(String),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Http(#[from] OpenError),
    /// The runtime could not be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// The exit code that the help text gives for this.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Option(_) => 64,
            Self::Source {
                source: SourceError::Read(_),
                ..
            } => 74,
            Self::Source { .. } => 65,
            Self::Refused { .. } => 69,
            Self::Runtime(_) => 70,
            Self::Secret(_) | Self::Tls(_) | Self::Http(_) => 74,
            Self::NotAcknowledged { .. } => 75,
        }
    }
}

/// Sends what `args` say; is done when it is acknowledged.
///
/// # Errors
/// [`Error`].
pub(super) fn send(args: SendArgs) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let sent = runtime.block_on(send_all(args));
    // A read of standard input may never end.
    runtime.shutdown_background();
    let (events, batches) = sent?;
    if io::stderr().is_terminal() {
        // Nobody is left to tell if it is closed.
        let _ = writeln!(
            io::stderr(),
            "acknowledged: {events} events in {batches} batches"
        );
    }
    Ok(())
}

async fn send_all(args: SendArgs) -> Result<(u64, u64), Error> {
    let clock = Clock::start();
    let mut receiver = receiver(&args, clock)?;
    let timeout = args.timeout;
    let bar = bar(args.count);
    let mut source = source(args, clock)?;
    let (mut acknowledged, mut batches) = (0, 0);
    while let Some(batch) = source.next().await {
        let batch = batch.map_err(|source| Error::Source {
            source,
            acknowledged,
        })?;
        deliver(&mut receiver, &batch, timeout, clock)
            .await
            .map_err(|missed| missed.error(timeout, acknowledged))?;
        acknowledged += batch.event_count;
        batches += 1;
        bar.set_position(acknowledged);
    }
    bar.finish_and_clear();
    Ok((acknowledged, batches))
}

fn source(args: SendArgs, clock: Clock) -> Result<Source, Error> {
    let format = if args.json { Format::Json } else { args.format };
    let decoding = events::Decoding::new(format, args.tag, args.time_key, &args.time_format, clock)
        .map_err(Error::Option)?;
    let events_max = usize::try_from(args.batch).unwrap_or(usize::MAX);
    Ok(match args.count {
        Some(count) => Source::made_up(count, decoding, events_max),
        None if args.texts.is_empty() => Source::stdin(decoding, events_max),
        None => Source::texts(args.texts, decoding, events_max),
    })
}

fn receiver(args: &SendArgs, clock: Clock) -> Result<Receiver, Error> {
    let tls = args.certificates.plan();
    if let Some(url) = &args.http {
        return Ok(Receiver::http(url, &tls, args.ack_timeout)?);
    }
    let shared_key = secret(args.shared_key_file.as_deref(), "FOREBAY_SHARED_KEY")?;
    let password = secret(args.password_file.as_deref(), "FOREBAY_PASSWORD")?;
    let user = match (&args.user, password) {
        (Some(user), Some(password)) => Some((user.clone(), password)),
        (Some(_), None) => {
            let needed = "--user needs a password: --password-file or FOREBAY_PASSWORD";
            return Err(Error::Option(needed.to_owned()));
        }
        (None, _) => None,
    };
    let security = shared_key.map(|key| receiver::security(args.hostname.as_deref(), key, user));
    let tls = (args.tls || args.certificates.is_given()).then_some(tls);
    Ok(Receiver::forward(
        &args.to,
        tls,
        security,
        args.ack_timeout,
        clock,
    )?)
}

/// A bar on standard error if that is a terminal and it is known how much there is.
fn bar(count: Option<u64>) -> ProgressBar {
    let Some(count) = count.filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::new(count);
    let template = "{bar:40} {human_pos}/{human_len} events {per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Why a batch is not acknowledged, and whether another attempt is of no use.
struct Missed {
    reason: String,
    is_final: bool,
}

impl Missed {
    fn error(self, timeout: Duration, acknowledged: u64) -> Error {
        let reason = self.reason;
        match self.is_final {
            true => Error::Refused {
                reason,
                acknowledged,
            },
            false => Error::NotAcknowledged {
                timeout,
                reason,
                acknowledged,
            },
        }
    }
}

/// Sends the batch until it is acknowledged, under one name.
async fn deliver(
    receiver: &mut Receiver,
    batch: &Batch,
    timeout: Duration,
    clock: Clock,
) -> Result<(), Missed> {
    let mut name = [0; 16];
    fill_random(&mut name);
    let request = receiver.request(batch, name);
    let end = clock.now().monotonic.saturating_add(timeout);
    let mut wait = FIRST_WAIT;
    let mut missed = Missed {
        reason: "no answer".to_owned(),
        is_final: false,
    };
    loop {
        match timeout_at(clock.instant(end), receiver.send(&request)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(now_missed)) => missed = now_missed,
            Err(_) => return Err(missed),
        }
        if missed.is_final || clock.now().monotonic.saturating_add(wait) >= end {
            return Err(missed);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}
