//! The receipts of pieces that are not durable yet: one for all that were appended together.
//!
//! A receipt keeps more memory than all else that is remembered of a piece, and says nothing any more
//! once it has resolved. So a piece has only the number of its [`Run`], and that outlives the run.

use std::collections::VecDeque;
use std::ops::Range;

use forebay_storage::Receipt;

/// What says of pieces whether they are durable: a [`Receipt`].
pub(in crate::buffer::repeats) trait Promise: Clone {
    /// Whether they are; `None` while that is open.
    fn is_kept(&self) -> Option<bool>;
}

impl Promise for Receipt {
    fn is_kept(&self) -> Option<bool> {
        self.outcome().map(|outcome| outcome.is_ok())
    }
}

/// Which run a piece was appended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunNumber(u64);

impl RunNumber {
    /// Of what was durable when it was remembered.
    pub(super) const DURABLE: Self = Self(0);

    /// Of what will never be durable.
    pub(super) const FAILED: Self = Self(u64::MAX);
}

/// How far a piece is.
#[derive(Debug)]
pub(super) enum Fate<'a, R> {
    Durable,
    Pending(&'a R),
    Failed,
}

/// Pieces that were appended together.
#[derive(Debug)]
struct Run<R> {
    receipt: R,
    entries: Range<u64>,
}

/// Runs whose receipts had not resolved when they were last looked at, oldest first.
#[derive(Debug)]
pub(super) struct Runs<R> {
    /// The number of the oldest.
    first: u64,
    runs: VecDeque<Run<R>>,
}

impl<R: Promise> Runs<R> {
    pub(super) fn new() -> Self {
        Self {
            first: RunNumber::DURABLE.0 + 1,
            runs: VecDeque::new(),
        }
    }

    /// The number of the run that is [pushed](Self::push) next.
    pub(super) fn next(&self) -> RunNumber {
        RunNumber(self.first + self.runs.len() as u64)
    }

    /// Adds a run, whose pieces are in `entries`.
    pub(super) fn push(&mut self, receipt: R, entries: Range<u64>) {
        self.runs.push_back(Run { receipt, entries });
    }

    /// Takes the oldest run, if it has resolved. If it failed, gives where its pieces are: they are to
    /// be marked, since its number says from now on that they are durable.
    pub(super) fn pop_resolved(&mut self) -> Option<Option<(RunNumber, Range<u64>)>> {
        let is_kept = self.runs.front()?.receipt.is_kept()?;
        let run = self.runs.pop_front()?;
        let number = RunNumber(self.first);
        self.first += 1;
        Some((!is_kept).then_some((number, run.entries)))
    }

    /// How far a piece is that was appended in the run `number`.
    pub(super) fn fate(&self, number: RunNumber) -> Fate<'_, R> {
        if number == RunNumber::FAILED {
            return Fate::Failed;
        }
        let index = number.0.checked_sub(self.first);
        let run = index.and_then(|index| self.runs.get(usize::try_from(index).ok()?));
        let Some(run) = run else {
            return Fate::Durable;
        };
        match run.receipt.is_kept() {
            None => Fate::Pending(&run.receipt),
            Some(true) => Fate::Durable,
            Some(false) => Fate::Failed,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }
}
