//! What a failure means: for the breaker, for the chunk's next attempt, for its end.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::{Cause, Resolved, RetryState, Via};
use super::super::outcome::{Failure, FailureScope};
use super::super::remainder::{LastResort, Refused};
use super::{InFlight, Scheduler, ns};
use crate::clock::Now;

/// Probes of a destination that refuses connections are at most this far apart: a refused
/// connection costs next to nothing, and the first delivery after an outage is not to wait.
pub(super) const UNREACHABLE_PROBE_GAP_MAX: Duration = Duration::from_secs(2);

/// After so many failures in a row that speak about the chunk, the records to blame are looked for
/// though the retries are not spent: the others are not to wait for that.
pub(super) const SEARCH_AFTER_FAILURES: u32 = 5;

/// What becomes of a chunk that failed.
enum Verdict {
    /// It is tried again after a wait.
    Wait,
    /// It goes on at once with something else.
    Advance,
}

impl Scheduler {
    pub(super) fn fail(&mut self, now: Now, ended: &InFlight, failure: Failure) -> Resolved {
        let InFlight {
            chunk, destination, ..
        } = *ended;
        let Failure {
            reason,
            scope,
            not_before,
        } = failure;
        let asked = not_before.unwrap_or(Duration::ZERO);
        self.tell_breaker(now, ended, scope, asked);
        let wait = self.next_wait(chunk, destination).max(asked);
        let wait = self.clamp_to_deadline(now, chunk, destination, wait);
        self.note_failure(now, chunk, destination, reason, wait);
        let verdict = self.judge(now, ended, scope);
        if matches!(verdict, Verdict::Advance) || self.is_expired(chunk) {
            return self.advance(now, ended, None);
        }
        let wait = self.turn_to_secondary_in_time(now, chunk, destination, wait);
        self.wait(now, chunk, destination, wait, scope);
        let retry = self.retry_of(chunk, destination);
        Resolved::Retrying {
            chunk,
            destination,
            taken: None,
            retry: retry.unwrap_or_else(|| RetryState::none(now.unix_ns)),
        }
    }

    /// A refusal in the search for bad records says nothing about the destination: it has answered.
    fn tell_breaker(&mut self, now: Now, ended: &InFlight, scope: FailureScope, asked: Duration) {
        let is_search =
            scope == FailureScope::Chunk && self.is_searching(ended.chunk, ended.destination);
        let index = self.queue_index(ended.destination, ended.via);
        if is_search && !ended.attempt.is_probe {
            self.queues[index].call_off(now.monotonic, false);
            return;
        }
        let backoff = &mut self.backoff;
        self.queues[index].fail(now.monotonic, ended.attempt, scope, |failure_count| {
            let gap = backoff.wait(failure_count);
            match scope {
                FailureScope::Unreachable => gap.min(UNREACHABLE_PROBE_GAP_MAX).max(asked),
                FailureScope::Destination | FailureScope::Chunk => gap.max(asked),
            }
        });
    }

    /// The wait after one more failure; the secondary output's begin anew.
    fn next_wait(&mut self, chunk: ChunkId, destination: usize) -> Duration {
        let at_switch = self
            .debt(chunk, destination)
            .and_then(|debt| debt.failed())
            .map_or(0, |failures| failures.failure_count_at_switch);
        let failure_count = self.failure_count(chunk, destination).saturating_add(1);
        self.backoff.wait(failure_count.saturating_sub(at_switch))
    }

    fn judge(&mut self, now: Now, ended: &InFlight, scope: FailureScope) -> Verdict {
        let (chunk, destination) = (ended.chunk, ended.destination);
        let failing_ns = self.failing_ns(now, chunk, destination);
        let is_spent = self.is_spent(failing_ns, self.failure_count(chunk, destination));
        let (bisect, to) = (self.policy.bisect, self.last_resort());
        let Some(debt) = self.debt(chunk, destination) else {
            return Verdict::Wait;
        };
        let failures = debt.failures();
        failures.chunk_failure_count = match scope {
            FailureScope::Chunk => failures.chunk_failure_count.saturating_add(1),
            FailureScope::Unreachable | FailureScope::Destination => 0,
        };
        let chunk_failure_count = failures.chunk_failure_count;
        let why = debt.refusal(
            Cause::Exhausted,
            debt.last_reason().unwrap_or_default(),
            now,
        );
        let remainder = debt.remainder.cut();
        if debt.via == Via::Secondary {
            return give_up_if(is_spent, || remainder.secondary_refuses_offered(why));
        }
        if scope != FailureScope::Chunk || !bisect {
            return give_up_if(is_spent, || remainder.refuse_all(why, to));
        }
        let is_lone = remainder.offered_count() <= 1;
        if remainder.is_searching() {
            return self.go_on_searching(ended, is_lone, why, to);
        }
        let is_due = chunk_failure_count >= SEARCH_AFTER_FAILURES && remainder.may_search_early();
        if !is_lone && (is_spent || is_due) {
            remainder.search(is_spent);
            if is_spent {
                // What is left has a time of its own, should the destination go away meanwhile.
                debt.begin_anew();
            }
            return Verdict::Advance;
        }
        if is_spent {
            remainder.refuse_offered(why, to);
            return Verdict::Advance;
        }
        // Of records that failed alone each has its turn.
        remainder.put_last();
        Verdict::Wait
    }

    /// One more failure in the search for the records to blame.
    fn go_on_searching(
        &mut self,
        ended: &InFlight,
        is_lone: bool,
        why: Refused,
        to: LastResort,
    ) -> Verdict {
        let Some(debt) = self.debt(ended.chunk, ended.destination) else {
            return Verdict::Wait;
        };
        let remainder = debt.remainder.cut();
        let is_last = remainder.is_last_search();
        let goes_on = remainder.search(is_last);
        match (goes_on, is_last) {
            (false, true) => remainder.refuse_all(why, to),
            // It fails whatever it is offered: as a whole it waits like any other.
            (false, false) => return Verdict::Wait,
            (true, true) if is_lone => remainder.refuse_offered(why, to),
            (true, false) if is_lone => remainder.set_apart(),
            (true, _) => {}
        }
        // Alone, the record keeps its own time for retries.
        if remainder.is_searching() || is_last {
            Verdict::Advance
        } else {
            Verdict::Wait
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
        wait.min(nanoseconds(left))
    }

    /// If the time after which the secondary output is used comes before the next attempt, that
    /// attempt is the secondary output's, at that time.
    fn turn_to_secondary_in_time(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
        wait: Duration,
    ) -> Duration {
        let Some(after) = self.secondary_after else {
            return wait;
        };
        let left = ns(after).saturating_sub(self.failing_ns(now, chunk, destination));
        let in_outage = self.overdue_at(chunk, destination);
        let in_outage = in_outage.map_or(Duration::MAX, |at| at.saturating_sub(now.monotonic));
        let left = nanoseconds(left).min(in_outage);
        let is_primary = self
            .debt(chunk, destination)
            .is_some_and(|debt| debt.via == Via::Primary);
        if !is_primary || left > wait {
            return wait;
        }
        self.hand_to_secondary(now, chunk, destination);
        left
    }

    /// Everything that is left of a chunk is the secondary output's from now on. The debt is in no
    /// queue.
    pub(super) fn hand_to_secondary(&mut self, now: Now, chunk: ChunkId, destination: usize) {
        if let Some(debt) = self.debt(chunk, destination) {
            let answer = debt.last_reason();
            let answer = answer.unwrap_or_else(|| "the destination is away".to_owned());
            let why = debt.refusal(Cause::Exhausted, answer, now);
            debt.remainder.cut().refuse_all(why, LastResort::Secondary);
            self.turn_to_secondary(chunk, destination);
        }
    }

    pub(super) fn is_spent(&self, failing_ns: i64, failure_count: u32) -> bool {
        let retry = &self.policy.retry;
        let out_of_time = failing_ns >= ns(retry.timeout);
        let out_of_tries = retry.max_times.is_some_and(|times| failure_count > times);
        !retry.forever && (out_of_time || out_of_tries)
    }

    /// How long ago the first attempt failed, in nanoseconds.
    fn failing_ns(&mut self, now: Now, chunk: ChunkId, destination: usize) -> i64 {
        let debt = self.debt(chunk, destination);
        let since_ns = debt.and_then(|debt| debt.failed()?.failing_since_ns);
        since_ns.map_or(0, |since_ns| ns(now.monotonic).saturating_sub(since_ns))
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
        let mut state = RetryState {
            failure_count: before
                .map_or(0, |retry| retry.failure_count)
                .saturating_add(1),
            first_failure_ns: before.map_or(now.unix_ns, |retry| retry.first_failure_ns),
            last_failure_ns: now.unix_ns,
            next_attempt_ns: now.unix_ns.saturating_add(ns(wait)),
            last_reason: reason,
            left: None,
        };
        if let Some(debt) = self.debt(chunk, destination) {
            state.left = debt.remainder.left();
            let failures = debt.failures();
            failures.retry = Some(state.clone());
            failures.failing_since_ns.get_or_insert(ns(now.monotonic));
            failures.first_failure_ns.get_or_insert(now.unix_ns);
        }
        state
    }

    /// The history, with what is left now.
    fn retry_of(&mut self, chunk: ChunkId, destination: usize) -> Option<RetryState> {
        let debt = self.debt(chunk, destination)?;
        let left = debt.remainder.left();
        let retry = debt.retry().cloned();
        retry.map(|retry| RetryState { left, ..retry })
    }
}

fn give_up_if(is_spent: bool, give_up: impl FnOnce()) -> Verdict {
    if is_spent {
        give_up();
        Verdict::Advance
    } else {
        Verdict::Wait
    }
}

fn nanoseconds(ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}
