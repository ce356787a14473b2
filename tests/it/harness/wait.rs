//! Waiting for conditions, with a deadline that only a failure reaches.

use std::time::{Duration, Instant};

/// Long enough for a loaded machine with two cores; reached only when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition outside this process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The present moment, for measuring how long something took.
pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test measures the daemon by the wall"
    )]
    Instant::now()
}

/// Looks at `condition` until it gives something.
///
/// # Panics
/// After [`DEADLINE`], naming `what` was waited for.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "waited {DEADLINE:?} for {what}"
        );
        pause(LOOK_EVERY);
    }
}

/// Looks at `condition` until it is true.
///
/// # Panics
/// As [`until`].
pub(crate) fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// Lets time pass: between two looks, or to kill at a random moment. Never to be right.
pub(crate) fn pause(duration: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the tests sleep"
    )]
    std::thread::sleep(duration);
}
