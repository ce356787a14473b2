//! How deliveries and burials end, and what is done with the rest of a chunk.

use std::time::Duration;

use forebay_storage::ChunkId;

use super::super::decision::{
    AfterBurial, Burial, Cause, DeliveryId, Resolved, RetryState, Taken, Via,
};
use super::super::outcome::{Failure, FailureScope, Outcome, Rejection};
use super::super::ranges::RangeSet;
use super::super::remainder::{LastResort, Refused};
use super::{DebtState, InFlight, Scheduler, Tracked};
use crate::clock::Now;

impl Scheduler {
    /// A delivery has ended with `outcome`.
    pub fn resolve(&mut self, now: Now, delivery: DeliveryId, outcome: Outcome) -> Resolved {
        let Some(ended) = self.end(delivery) else {
            return Resolved::Late;
        };
        let (chunk, destination) = (ended.chunk, ended.destination);
        let was_searching = self.is_searching(chunk, destination);
        let resolved = self.resolve_ended(now, &ended, outcome);
        let begins = !was_searching && self.is_searching(chunk, destination);
        self.search_counts[destination] += u64::from(begins);
        resolved
    }

    pub(super) fn is_searching(&mut self, chunk: ChunkId, destination: usize) -> bool {
        self.debt(chunk, destination)
            .is_some_and(|debt| debt.remainder.is_searching())
    }

    fn resolve_ended(&mut self, now: Now, ended: &InFlight, outcome: Outcome) -> Resolved {
        match outcome {
            Outcome::Delivered => self.confirm(now, ended),
            Outcome::Partial { done, rejected } => self.confirm_some(now, ended, &done, rejected),
            Outcome::Reject { reason } => self.reject(now, ended, reason),
            Outcome::Retry(failure) => self.fail(now, ended, failure),
        }
    }

    /// Records that were to be buried are in the dead letters, or dropped.
    pub fn buried(&mut self, now: Now, chunk: ChunkId, destination: usize) -> AfterBurial {
        let Some(debt) = self.debt(chunk, destination) else {
            return AfterBurial::Gone;
        };
        debt.remainder.cut().end_burial();
        if let Some(burial) = self.next_burial(now, chunk, destination) {
            return AfterBurial::Next(burial);
        }
        if self.turn_to_secondary(chunk, destination) {
            return AfterBurial::Open(self.history(now, chunk, destination));
        }
        self.settle(chunk, destination);
        AfterBurial::Settled
    }

    /// The claim of a chunk that is still open after a burial has been given back.
    pub fn resume(&mut self, chunk: ChunkId, destination: usize) {
        if self.debt(chunk, destination).is_some() {
            self.enqueue(chunk, destination, None, FailureScope::Chunk);
        }
    }

    /// What was to be buried could not be: it stays, and is tried again later.
    pub fn not_buried(&mut self, now: Now, chunk: ChunkId, destination: usize) {
        if let Some(debt) = self.debt(chunk, destination) {
            debt.remainder.cut().undo_burials(debt.via);
        }
        let wait = self.policy.retry.max_interval;
        self.wait(now, chunk, destination, wait, FailureScope::Chunk);
    }

    fn confirm(&mut self, now: Now, ended: &InFlight) -> Resolved {
        self.succeed(now, ended);
        let Some(debt) = self.debt(ended.chunk, ended.destination) else {
            return Resolved::Late;
        };
        let event_count = debt.remainder.cut().confirm();
        if debt.via == Via::Primary {
            debt.begin_anew();
        }
        self.advance(now, ended, Some(taken(ended, event_count)))
    }

    fn confirm_some(
        &mut self,
        now: Now,
        ended: &InFlight,
        done: &RangeSet,
        rejected: Vec<Rejection>,
    ) -> Resolved {
        if done.is_empty()
            && rejected
                .iter()
                .all(|rejection| rejection.records.is_empty())
        {
            let failure = Failure::new(FailureScope::Chunk, "no record of the chunk was taken");
            return self.fail(now, ended, failure);
        }
        self.succeed(now, ended);
        let to = self.last_resort();
        let Some(debt) = self.debt(ended.chunk, ended.destination) else {
            return Resolved::Late;
        };
        let offered_count = debt.remainder.cut().offered_count();
        let failures = debt.failures();
        failures.earlier_failure_count = failures.earlier_failure_count.saturating_add(1);
        failures.first_failure_ns.get_or_insert(now.unix_ns);
        // The places are those of what was offered: looked up before any of it is taken away.
        let refusal = |rejection: Rejection| {
            let places = rejection.records.difference(done);
            Refused {
                records: debt.remainder.cut().at(&places),
                ..debt.refusal(Cause::Rejected, rejection.reason, now)
            }
        };
        let rejected: Vec<_> = rejected.into_iter().map(refusal).collect();
        let event_count = debt.remainder.cut().confirm_some(done);
        for why in rejected {
            match debt.via {
                Via::Primary => debt.remainder.cut().refuse(why, to),
                Via::Secondary => debt.remainder.cut().refused_by_secondary(&why),
            }
        }
        debt.begin_anew();
        let taken = Some(taken(ended, event_count));
        let has_parts = debt.remainder.cut().has_parts();
        if !has_parts || debt.remainder.cut().has_to_bury() || self.is_expired(ended.chunk) {
            return self.advance(now, ended, taken);
        }
        let reason = format!("the destination has answered for some of {offered_count} records");
        let wait = self.backoff.wait(1);
        let retry = self.note_failure(now, ended.chunk, ended.destination, reason, wait);
        let scope = FailureScope::Chunk;
        self.wait(now, ended.chunk, ended.destination, wait, scope);
        Resolved::Retrying {
            chunk: ended.chunk,
            destination: ended.destination,
            taken,
            retry,
        }
    }

    fn reject(&mut self, now: Now, ended: &InFlight, reason: String) -> Resolved {
        // A destination that says no is there.
        self.succeed(now, ended);
        let (chunk, destination) = (ended.chunk, ended.destination);
        self.note_failure(now, chunk, destination, reason.clone(), Duration::ZERO);
        let (bisect, to) = (self.policy.bisect, self.last_resort());
        let Some(debt) = self.debt(chunk, destination) else {
            return Resolved::Late;
        };
        let why = debt.refusal(Cause::Rejected, reason, now);
        let remainder = debt.remainder.cut();
        let is_lone = remainder.offered_count() <= 1;
        if debt.via == Via::Secondary {
            remainder.secondary_refuses_offered(why);
        } else if !bisect || (is_lone && !remainder.is_searching()) {
            remainder.refuse_offered(why, to);
        } else if !remainder.search(true) {
            remainder.refuse_all(why, to);
        } else if is_lone {
            remainder.refuse_offered(why, to);
        }
        // What is left has not been refused yet.
        debt.begin_anew();
        self.advance(now, ended, None)
    }

    /// Goes on with what is left of a chunk whose delivery has ended: buries, offers the next
    /// part, turns to the secondary output, or is done.
    pub(super) fn advance(&mut self, now: Now, ended: &InFlight, taken: Option<Taken>) -> Resolved {
        let (chunk, destination) = (ended.chunk, ended.destination);
        if self.is_expired(chunk) {
            self.refuse_expired(now, chunk, destination);
        }
        if let Some(burial) = self.next_burial(now, chunk, destination) {
            return Resolved::Bury { burial, taken };
        }
        if !self.turn_to_secondary(chunk, destination) {
            let failure_count = self.attempt_count(chunk, destination);
            self.settle(chunk, destination);
            return Resolved::Delivered {
                chunk,
                destination,
                taken: taken.unwrap_or(self::taken(ended, 0)),
                failure_count,
            };
        }
        self.enqueue(chunk, destination, None, FailureScope::Chunk);
        Resolved::Advanced {
            chunk,
            destination,
            taken,
            retry: self.history(now, chunk, destination),
        }
    }

    /// Begins the burial of the next group of records, if there is one.
    pub(super) fn next_burial(
        &mut self,
        now: Now,
        chunk: ChunkId,
        destination: usize,
    ) -> Option<Burial> {
        let debt = self.debt(chunk, destination)?;
        let refused = debt.remainder.cut().begin_burial()?.clone();
        debt.state = DebtState::Burying;
        let burial = Burial {
            chunk,
            destination,
            records: debt.remainder.cut().unless_whole(&refused.records),
            cause: refused.cause,
            retry: RetryState {
                failure_count: refused.attempt_count,
                first_failure_ns: refused.first_failure_ns,
                last_failure_ns: refused.last_failure_ns,
                next_attempt_ns: now.unix_ns,
                last_reason: refused.answer,
                left: debt.remainder.left(),
            },
        };
        Some(burial)
    }

    /// Everything that is left of a chunk that has waited too long is to be buried.
    pub(super) fn refuse_expired(&mut self, now: Now, chunk: ChunkId, destination: usize) {
        if let Some(debt) = self.debt(chunk, destination) {
            let answer = debt.last_reason().unwrap_or_else(|| "not tried".to_owned());
            let why = debt.refusal(Cause::Expired, answer, now);
            debt.remainder.cut().bury_all(why);
        }
    }

    /// Where records go that the destination does not take.
    pub(super) fn last_resort(&self) -> LastResort {
        if self.queues.len() > self.destination_count {
            LastResort::Secondary
        } else {
            LastResort::Burial
        }
    }

    /// Makes sure that there is a part to offer, to the secondary output if to no other; false if
    /// nothing is left.
    pub(super) fn turn_to_secondary(&mut self, chunk: ChunkId, destination: usize) -> bool {
        let Some(debt) = self.debt(chunk, destination) else {
            return false;
        };
        if debt.remainder.cut().has_parts() {
            return true;
        }
        if debt.via == Via::Secondary || !debt.remainder.cut().offer_to_secondary() {
            return false;
        }
        debt.via = Via::Secondary;
        if let Some(failure_count) = debt.retry().map(|retry| retry.failure_count) {
            debt.failures().failure_count_at_switch = failure_count;
        }
        true
    }

    /// What the catalogue is to know of a chunk at a destination.
    pub(super) fn history(&mut self, now: Now, chunk: ChunkId, destination: usize) -> RetryState {
        let Some(debt) = self.debt(chunk, destination) else {
            return RetryState::none(now.unix_ns);
        };
        let retry = debt.retry().cloned();
        RetryState {
            left: debt.remainder.left(),
            ..retry.unwrap_or_else(|| RetryState::none(now.unix_ns))
        }
    }

    fn attempt_count(&mut self, chunk: ChunkId, destination: usize) -> u32 {
        self.debt(chunk, destination)
            .map_or(0, |debt| debt.attempt_count())
    }

    fn succeed(&mut self, now: Now, ended: &InFlight) {
        let index = self.queue_index(ended.destination, ended.via);
        self.queues[index].succeed(now.monotonic, ended.attempt.is_probe);
    }

    /// Marks a chunk as expired and takes it out of the queues in which it waits; what is in
    /// flight or being buried ends first.
    pub(super) fn expire(&mut self, chunk: ChunkId) {
        let Some(Tracked::Queued(queued)) = self.chunks.get_mut(&chunk) else {
            return;
        };
        queued.is_expired = true;
        queued.expiry = None;
        let serial = queued.serial;
        let mut waiting = Vec::new();
        for debt in queued.debts.iter_mut() {
            match debt.state {
                DebtState::Pending { waiting_until } => {
                    waiting.push((debt.destination, debt.via, Some(waiting_until)));
                }
                DebtState::Behind { .. } | DebtState::Parked | DebtState::Held => {
                    waiting.push((debt.destination, debt.via, None));
                }
                DebtState::InFlight { .. } | DebtState::Burying => continue,
            }
            debt.state = DebtState::Burying;
        }
        for (destination, via, in_queue) in waiting {
            if let Some(waiting_until) = in_queue {
                let index = self.queue_index(destination, via);
                self.queues[index].remove(serial, waiting_until);
            }
            self.to_expire.push_back((chunk, destination));
        }
    }
}

fn taken(ended: &InFlight, event_count: u64) -> Taken {
    Taken {
        began: ended.attempt.began,
        event_count,
        via: ended.via,
    }
}
