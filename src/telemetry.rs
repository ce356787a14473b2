//! Logs: where they go, which are written, and how repeats are held back.
//!
//! Logs go to standard error, so that standard output belongs to the `stdout` output. Called once
//! by `run`; everything else only uses `tracing`'s macros.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

mod filter;
mod reason;
pub mod tap;

pub use filter::FilterError;
pub(crate) use reason::reason;
use tap::TapLayer;

/// The environment variable that overrides the filter of the configuration.
pub const FILTER_VARIABLE: &str = "FOREBAY_LOG";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("`{filter}` is not a log filter")]
    Filter {
        /// The filter as written.
        filter: String,
        /// What is wrong with it.
        source: FilterError,
    },
    /// There is no logger whose filter could be changed.
    #[error("logging is not set up")]
    NotSetUp,
    /// The process has a logger already.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sends logs that pass `filter` to standard error, as JSON or as text, with colours only on a
/// terminal. [`FILTER_VARIABLE`] overrides `filter`.
///
/// # Errors
/// If the filter cannot be read, or logging is set up already.
pub fn init(filter: &str, is_json: bool) -> Result<(), Error> {
    let from_environment = std::env::var(FILTER_VARIABLE).ok();
    let filter = parse(from_environment.as_deref().unwrap_or(filter))?;
    let text = filter.to_string();
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = if is_json {
        lines.json().boxed()
    } else {
        lines.boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(TapLayer)
        .try_init()?;
    let mut place = FILTER.lock().unwrap_or_else(PoisonError::into_inner);
    *place = Some(InForce { text, handle });
    Ok(())
}

/// The filter in force, and how to change it.
struct InForce {
    text: String,
    handle: reload::Handle<Targets, Registry>,
}

static FILTER: Mutex<Option<InForce>> = Mutex::new(None);

/// The filter of the process's logger; `None` before [`init`].
#[must_use]
pub fn filter() -> Option<String> {
    let place = FILTER.lock().unwrap_or_else(PoisonError::into_inner);
    place.as_ref().map(|in_force| in_force.text.clone())
}

/// Changes the filter of the process's logger from now until it ends; returns the one before.
///
/// # Errors
/// If the filter cannot be read, or logging is not set up.
pub fn set_filter(filter: &str) -> Result<String, Error> {
    let filter = parse(filter)?;
    let text = filter.to_string();
    let mut place = FILTER.lock().unwrap_or_else(PoisonError::into_inner);
    let in_force = place.as_mut().ok_or(Error::NotSetUp)?;
    let changed = in_force.handle.reload(filter);
    changed.map_err(|_| Error::NotSetUp)?;
    Ok(std::mem::replace(&mut in_force.text, text))
}

/// Whether `filter` can be read.
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), Error> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<Targets, Error> {
    filter::parse(filter).map_err(|source| Error::Filter {
        filter: filter.to_owned(),
        source,
    })
}

/// Lets one of many repeated messages through per interval. Shared freely between threads.
///
/// ```
/// use std::time::Duration;
/// use forebay::{clock::Clock, telemetry::RateLimited};
///
/// static REFUSED: RateLimited = RateLimited::new(Duration::from_secs(10));
/// let clock = Clock::start();
/// if let Some(held_back_count) = REFUSED.admit(clock.now().monotonic) {
///     tracing::warn!(held_back_count, "connection refused");
/// }
/// ```
#[derive(Debug)]
pub struct RateLimited {
    interval_ns: u64,
    /// When the next message may pass, in nanoseconds of the monotonic clock.
    next_ns: AtomicU64,
    held_back_count: AtomicU64,
}

impl RateLimited {
    /// At most one message in each `interval`; the first passes at once.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self {
            interval_ns: saturating_ns(interval),
            next_ns: AtomicU64::new(0),
            held_back_count: AtomicU64::new(0),
        }
    }

    /// Whether a message may pass at `now`, by any clock that never goes back: if so, how many
    /// were held back since the one before.
    pub fn admit(&self, now: Duration) -> Option<u64> {
        let now_ns = saturating_ns(now);
        let next_ns = self.next_ns.load(Ordering::Relaxed);
        let after_ns = now_ns.saturating_add(self.interval_ns);
        let is_ours = now_ns >= next_ns
            && self
                .next_ns
                .compare_exchange(next_ns, after_ns, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_ours {
            self.held_back_count.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.held_back_count.swap(0, Ordering::Relaxed))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "compared first")]
const fn saturating_ns(duration: Duration) -> u64 {
    let ns = duration.as_nanos();
    if ns > u64::MAX as u128 {
        u64::MAX
    } else {
        ns as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_passes_per_interval_with_the_count_of_the_others() {
        let limited = RateLimited::new(Duration::from_secs(10));
        let admitted: Vec<_> = [0, 0, 9, 10, 11, 35, 36]
            .map(|seconds| limited.admit(Duration::from_secs(seconds)))
            .into();
        assert_eq!(
            admitted,
            [Some(0), None, None, Some(2), None, Some(1), None]
        );
    }

    #[test]
    fn an_endless_interval_lets_only_the_first_pass() {
        let limited = RateLimited::new(Duration::MAX);
        assert_eq!(limited.admit(Duration::from_secs(1)), Some(0));
        assert_eq!(limited.admit(Duration::from_secs(u64::MAX)), Some(0));
        let limited = RateLimited::new(Duration::MAX);
        assert_eq!(limited.admit(Duration::from_secs(1)), Some(0));
        assert_eq!(limited.admit(Duration::from_secs(1_000_000_000)), None);
    }

    #[test]
    fn a_filter_is_checked() {
        assert!(check_filter("forebay=debug,warn").is_ok());
        assert!(check_filter("forebay=loud").is_err());
    }
}
