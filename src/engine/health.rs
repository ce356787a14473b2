//! What has gone wrong since the start, with the disk or with us, for health and logs.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use forebay_storage::DamageReport;

/// Faults since the start. They are never forgotten: only a person can say that a disk is well.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Mutex<Found>,
}

#[derive(Clone, Debug, Default)]
struct Found {
    sync_failure_count: u64,
    last_sync_failure: Option<String>,
    damage_count: u64,
    last_damage: Option<String>,
    stopped_routes: Vec<String>,
}

/// Says so if the route's driver ends by a panic: its chunks are kept, but nobody delivers them
/// before the next start.
pub(super) struct DriverWatch<'a> {
    pub(super) faults: &'a Faults,
    pub(super) route: &'a str,
}

impl Drop for DriverWatch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                route = self.route,
                "deliveries have stopped: a bug; restart"
            );
            self.faults
                .found()
                .stopped_routes
                .push(self.route.to_owned());
        }
    }
}

impl Faults {
    /// A write or sync failed.
    pub(super) fn sync_failed(&self, path: &Path, error: &io::Error) {
        let mut found = self.found();
        found.sync_failure_count += 1;
        let count = found.sync_failure_count;
        // Senders that come again and again would fill the log: 1, 2, 4, 8 and so on are enough.
        if count.is_power_of_two() {
            tracing::error!(
                path = %path.display(), %error, count,
                "write or sync failed; unsynced events are refused"
            );
        }
        found.last_sync_failure = Some(format!("{}: {error}", path.display()));
    }

    /// Damage was met in a chunk.
    pub(super) fn damaged(&self, damage: &DamageReport) {
        let DamageReport {
            path,
            offset,
            len,
            kind,
            quarantine,
            ..
        } = damage;
        tracing::error!(
            path = %path.display(), offset, len, ?kind, ?quarantine,
            "damaged bytes set aside"
        );
        let mut found = self.found();
        found.damage_count += 1;
        found.last_damage = Some(format!("{} at {offset}: {len} bytes", path.display()));
    }

    /// Damaged pieces met since the start.
    pub(super) fn damage_count(&self) -> u64 {
        self.found().damage_count
    }

    /// Why the daemon cannot promise what it should: senders should go elsewhere.
    pub(super) fn reasons_not_ready(&self) -> Vec<String> {
        let found = self.found();
        let failure = found.last_sync_failure.as_ref();
        let count = found.sync_failure_count;
        let failed =
            failure.map(|last| format!("{count} failed writes or syncs, the last of {last}"));
        let stopped = found.stopped_routes.iter();
        let stopped = stopped.map(|route| format!("deliveries of route {route} have stopped"));
        failed.into_iter().chain(stopped).collect()
    }

    /// What somebody should look at, though the daemon does its work.
    pub(super) fn reasons_degraded(&self) -> Vec<String> {
        let found = self.found();
        let damage = found.last_damage.as_ref();
        let count = found.damage_count;
        damage
            .map(|last| format!("{count} damaged pieces, the last in {last}"))
            .into_iter()
            .collect()
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_driver_that_panics_makes_us_unready_and_one_that_ends_does_not() {
        let faults = Faults::default();
        let watch = |route| DriverWatch {
            faults: &faults,
            route,
        };
        drop(watch("web"));
        assert!(faults.reasons_not_ready().is_empty());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _watch = watch("web");
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(
            faults.reasons_not_ready(),
            ["deliveries of route web have stopped"]
        );
    }
}
