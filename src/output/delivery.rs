//! A delivery: the right to resolve one chunk for one destination, once.

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Chunk, Failure, FailureScope, Form, Outcome, Permit, Standard};

/// Who is told how a delivery ended.
pub type Resolve = Box<dyn FnOnce(Outcome) + Send>;

/// What a deferred output is given for a chunk.
///
/// It resolves once: by [`commit`](Self::commit), [`roll_back`](Self::roll_back) or
/// [`reject`](Self::reject). Dropping it is a roll-back. Resolving after the engine has taken the
/// chunk back (its time was over) is harmless and counted.
#[must_use = "dropping a delivery rolls it back"]
pub struct Delivery<F = Standard> {
    chunk: Chunk<F>,
    ending: Ending,
}

/// What is left to do when a delivery ends.
struct Ending {
    resolve: Option<Resolve>,
    /// The room that the output has kept for the chunk.
    permit: Permit,
    /// Counts it among those in flight.
    token: Option<TaskTrackerToken>,
}

impl Delivery {
    /// A delivery of `chunk` whose end is told to `resolve`.
    pub fn new(chunk: Chunk, resolve: Resolve) -> Self {
        Self {
            chunk,
            ending: Ending {
                resolve: Some(resolve),
                permit: Permit::default(),
                token: None,
            },
        }
    }

    /// The same delivery with the room that is kept for it until it ends.
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.ending.permit = permit;
        self
    }

    /// Counts it by `token` until it ends.
    pub(super) fn count_in(&mut self, token: TaskTrackerToken) {
        self.ending.token = Some(token);
    }

    /// The same delivery with the chunk in another form.
    pub(super) fn in_form<F: Form>(self, form: F) -> Delivery<F> {
        Delivery {
            chunk: self.chunk.in_form(form),
            ending: self.ending,
        }
    }
}

impl<F> Delivery<F> {
    /// The chunk to deliver.
    #[must_use]
    pub fn chunk(&self) -> &Chunk<F> {
        &self.chunk
    }

    /// The destination has confirmed the whole chunk.
    pub fn commit(self) {
        self.resolve(Outcome::Delivered);
    }

    /// The chunk goes back and is tried again.
    pub fn roll_back(self, failure: Failure) {
        self.resolve(Outcome::Retry(failure));
    }

    /// The chunk will never be taken: it goes to the dead letters.
    pub fn reject(self, reason: impl Into<String>) {
        self.resolve(Outcome::Reject {
            reason: reason.into(),
        });
    }

    /// Ends the delivery with `outcome`.
    pub fn resolve(mut self, outcome: Outcome) {
        self.ending.end(outcome);
    }
}

impl Ending {
    /// Gives the room back, then says how it ended: whoever hears of the end finds the room.
    fn end(&mut self, outcome: Outcome) {
        drop(std::mem::take(&mut self.permit));
        if let Some(resolve) = self.resolve.take() {
            resolve(outcome);
        }
        self.token = None;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.resolve.is_some() {
            let failure =
                Failure::new(FailureScope::Destination, "the output dropped the delivery");
            self.end(Outcome::Retry(failure));
        }
    }
}
