//! Time, for measuring by the wall.

use std::time::{Duration, Instant};

/// The present moment.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a bench measures by the wall")]
    Instant::now()
}

/// Looks at `condition` every few milliseconds until it is true.
///
/// # Panics
/// After a minute, naming `what` was waited for.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited a minute for {what}"
        );
        pause(Duration::from_millis(2));
    }
}

/// Sleeps for `duration`, while other processes do what is measured.
pub(crate) fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "looks at other processes")]
    std::thread::sleep(duration);
}

/// Seconds since 1970.
pub(crate) fn unix_second() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap()
}

/// The date and time, for the head of a report.
pub(crate) fn date() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%d %H:%M UTC")
        .to_string()
}
