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
        #[expect(clippy::disallowed_methods, reason = "looks at another process")]
        std::thread::sleep(Duration::from_millis(2));
    }
}
