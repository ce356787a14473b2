//! Locks that survive a panic of their holder, and where locks, atomics and threads come from:
//! the standard library, or (package `forebay-storage-shuttle`) a scheduler that tries orders.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

use std::sync::PoisonError;
use std::time::Duration;

/// Locks `mutex`.
///
/// A poisoned lock is taken anyway: what the locks here guard is changed in single steps after
/// everything that can fail, so a panic leaves no half-made state, and losing a whole route to
/// one panicking caller would be worse.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits on `condition`, like [`lock`] ignoring poison.
pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition
        .wait(guard)
        .unwrap_or_else(PoisonError::into_inner)
}

/// As [`wait`], but not longer than `patience`; the second value says that it is over. Under
/// shuttle, where time does not pass, it never is.
pub(crate) fn wait_at_most<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    patience: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let waited = condition.wait_timeout(guard, patience);
    let (guard, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
    (guard, outcome.timed_out())
}
