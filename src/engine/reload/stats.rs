//! What came of reloads so far.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use super::super::status::Moment;
use super::Error;
use crate::metrics::ReloadSample;

/// Counts reloads, and knows how the last one ended.
#[derive(Debug, Default)]
pub(in crate::engine) struct ReloadStats {
    successes: AtomicU64,
    failures: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<Moment>,
    /// Of the last reload, if that failed.
    error: Option<(Moment, String)>,
}

impl ReloadStats {
    pub(super) fn succeeded(&self, now: Moment) {
        self.successes.fetch_add(1, Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last {
            success: Some(now),
            error: None,
        };
    }

    pub(super) fn failed(&self, now: Moment, error: &Error) {
        self.failures.fetch_add(1, Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.error = Some((now, error.to_string()));
    }

    /// What somebody should look at: the daemon does not run what the file says.
    pub(in crate::engine) fn reason_degraded(&self) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, error) = last.error.as_ref()?;
        Some(format!(
            "the last reload failed, and the configuration before is in force: {error}"
        ))
    }

    pub(in crate::engine) fn sample(&self) -> ReloadSample {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        ReloadSample {
            successes: self.successes.load(Relaxed),
            failures: self.failures.load(Relaxed),
            is_last_successful: last.error.is_none(),
            last_success_unix_ns: last.success.map(|Moment(unix_ns)| unix_ns),
        }
    }
}
