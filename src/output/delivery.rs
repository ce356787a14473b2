//! A delivery: the right to resolve one chunk for one destination, once.

use super::{Chunk, Failure, FailureScope, Outcome};

/// Who is told how a delivery ended.
pub type Resolve = Box<dyn FnOnce(Outcome) + Send>;

/// What a deferred output is given for a chunk.
///
/// It resolves once: by [`commit`](Self::commit), [`roll_back`](Self::roll_back) or
/// [`reject`](Self::reject). Dropping it is a roll-back. Resolving after the engine has taken the
/// chunk back (its time was over) is harmless and counted.
#[must_use = "dropping a delivery rolls it back"]
pub struct Delivery {
    chunk: Chunk,
    resolve: Option<Resolve>,
}

impl Delivery {
    /// A delivery of `chunk` whose end is told to `resolve`.
    pub fn new(chunk: Chunk, resolve: Resolve) -> Self {
        Self {
            chunk,
            resolve: Some(resolve),
        }
    }

    /// The chunk to deliver.
    #[must_use]
    pub fn chunk(&self) -> &Chunk {
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
        if let Some(resolve) = self.resolve.take() {
            resolve(outcome);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(resolve) = self.resolve.take() {
            let failure =
                Failure::new(FailureScope::Destination, "the output dropped the delivery");
            resolve(Outcome::Retry(failure));
        }
    }
}
