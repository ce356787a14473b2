//! The only home of time and random numbers.
//!
//! Everything else is given a [`Now`] or a seed, so that tests can set both. `.clippy.toml` forbids
//! the system's clock, sleep and random numbers anywhere else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One moment, on both clocks.
///
/// Waits and deadlines count in `monotonic`, which never jumps; event time windows are compared
/// with `unix_ns`, which may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the clock was made; never goes back.
    pub monotonic: Duration,
    /// Nanoseconds since the Unix epoch, by the wall clock.
    pub unix_ns: i64,
}

/// The clocks that a program goes by. Cheap to copy.
///
/// Monotonic time is that of the runtime, which a test may pause and move.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    /// The wall clock's time when it started, where that goes along with monotonic time; `None`: it
    /// is the system's.
    wall_started_ns: Option<i64>,
}

impl Clock {
    /// A clock whose monotonic time starts at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            wall_started_ns: None,
        }
    }

    /// A clock for tests: monotonic time starts at zero now, the wall clock at `unix_ns`, and both
    /// move together.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use forebay::clock::Clock;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let clock = Clock::at(1_700_000_000_000_000_000);
    /// tokio::time::advance(Duration::from_secs(90)).await;
    /// assert_eq!(clock.now().unix_ns, 1_700_000_090_000_000_000);
    /// assert_eq!(clock.now().monotonic, Duration::from_secs(90));
    /// # }
    /// ```
    #[must_use]
    pub fn at(unix_ns: i64) -> Self {
        Self {
            started: Instant::now(),
            wall_started_ns: Some(unix_ns),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let monotonic = self.started.elapsed();
        let passed_ns = || i64::try_from(monotonic.as_nanos()).unwrap_or(i64::MAX);
        Now {
            monotonic,
            unix_ns: match self.wall_started_ns {
                Some(started_ns) => started_ns.saturating_add(passed_ns()),
                None => unix_ns(),
            },
        }
    }

    /// The present moment by the monotonic clock alone, at half the cost.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// The runtime's instant at which `monotonic` is reached, for timers.
    #[must_use]
    pub fn instant(&self, monotonic: Duration) -> Instant {
        self.started + monotonic
    }
}

/// Nanoseconds since the Unix epoch by the wall clock; saturates in the year 2262.
#[must_use]
pub fn unix_ns() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    let now = SystemTime::now();
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// 64 bits from the system's random number generator.
///
/// # Panics
/// If the system has no random numbers, which no supported system does after boot.
#[must_use]
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    fill_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// 32 bits from the system's random number generator.
///
/// # Panics
/// As [`random_u64`].
#[must_use]
pub fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    u32::from_ne_bytes(bytes)
}

/// Fills `bytes` from the system's random number generator.
///
/// # Panics
/// As [`random_u64`].
pub fn fill_random(bytes: &mut [u8]) {
    #[expect(clippy::disallowed_methods, reason = "the one home of random numbers")]
    let filled = getrandom::fill(bytes);
    assert!(
        filled.is_ok(),
        "the system's random number generator failed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_use_all_their_bits() {
        let seen = (0..64).fold(0, |seen, _| seen | random_u32());
        assert_eq!(seen, u32::MAX);
    }
}
