//! What a failure means: for the breaker, for the chunk's next attempt, for its end.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::{Cause, Resolved, RetryState};
use super::super::outcome::{Failure, FailureScope};
use super::{DebtState, Failing, InFlight, Scheduler, ns};
use crate::clock::Now;

/// Probes of a destination that refuses connections are at most this far apart: a refused
/// connection costs next to nothing, and the first delivery after an outage is not to wait.
pub(super) const UNREACHABLE_PROBE_GAP_MAX: Duration = Duration::from_secs(2);

impl Scheduler {
    pub(super) fn fail(&mut self, now: Now, ended: &InFlight, failure: Failure) -> Resolved {
        let InFlight {
            chunk,
            destination,
            attempt,
            ..
        } = *ended;
        let Failure {
            reason,
            scope,
            not_before,
        } = failure;
        let asked = not_before.unwrap_or(Duration::ZERO);
        let backoff = &mut self.backoff;
        self.queues[destination].fail(now.monotonic, attempt, scope, |failure_count| {
            let gap = backoff.wait(failure_count);
            match scope {
                FailureScope::Unreachable => gap.min(UNREACHABLE_PROBE_GAP_MAX).max(asked),
                FailureScope::Destination | FailureScope::Chunk => gap.max(asked),
            }
        });
        let failure_count = self.failure_count(chunk, destination).saturating_add(1);
        let wait = self.backoff.wait(failure_count).max(asked);
        let wait = self.clamp_to_deadline(now, chunk, destination, wait);
        let retry = self.note_failure(now, chunk, destination, reason, wait);
        let failing_ns = self.failing_ns(now, chunk, destination);
        if self.is_spent(failing_ns, &retry) {
            return self.bury(chunk, destination, retry, Cause::Exhausted);
        }
        self.wait(now, chunk, destination, wait, scope);
        Resolved::Retrying {
            chunk,
            destination,
            retry,
        }
    }

    /// The last attempt is made when the chunk's time is over, not after it.
    fn clamp_to_deadline(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        wait: Duration,
    ) -> Duration {
        let retry = &self.policy.retry;
        if retry.forever {
            return wait;
        }
        let left = ns(retry.timeout).saturating_sub(self.failing_ns(now, chunk, destination));
        wait.min(Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
    }

    fn is_spent(&self, failing_ns: i64, state: &RetryState) -> bool {
        let retry = &self.policy.retry;
        let out_of_time = failing_ns >= ns(retry.timeout);
        let out_of_tries = retry
            .max_times
            .is_some_and(|times| state.failure_count > times);
        !retry.forever && (out_of_time || out_of_tries)
    }

    /// How long ago the first attempt failed, in nanoseconds.
    fn failing_ns(&mut self, now: Now, chunk: ChunkId, destination: usize) -> i64 {
        let debt = self.debt(chunk, destination);
        let failing = debt.and_then(|debt| debt.failing.as_ref());
        failing.map_or(0, |failing| {
            ns(now.monotonic).saturating_sub(failing.since_ns)
        })
    }

    pub(super) fn failure_count(&self, chunk: ChunkId, destination: usize) -> u32 {
        self.retry_state(chunk, destination)
            .map_or(0, |retry| retry.failure_count)
    }

    pub(super) fn note_failure(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        reason: String,
        wait: Duration,
    ) -> RetryState {
        let before = self.retry_state(chunk, destination);
        let state = RetryState {
            failure_count: before
                .map_or(0, |retry| retry.failure_count)
                .saturating_add(1),
            first_failure_ns: before.map_or(now.unix_ns, |retry| retry.first_failure_ns),
            last_failure_ns: now.unix_ns,
            next_attempt_ns: now.unix_ns.saturating_add(ns(wait)),
            last_reason: reason,
        };
        if let Some(debt) = self.debt(chunk, destination) {
            let retry = state.clone();
            match &mut debt.failing {
                Some(failing) => failing.retry = retry,
                None => {
                    let since_ns = ns(now.monotonic);
                    debt.failing = Some(Box::new(Failing { retry, since_ns }));
                }
            }
        }
        state
    }

    pub(super) fn bury(
        &mut self,
        chunk: ChunkId,
        destination: usize,
        retry: RetryState,
        cause: Cause,
    ) -> Resolved {
        if let Some(debt) = self.debt(chunk, destination) {
            debt.state = DebtState::Burying;
        }
        Resolved::Bury {
            chunk,
            destination,
            retry,
            cause,
        }
    }
}
