//! One writer at a time for each path.

use std::array;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Locks that paths share; two paths may come to share one, which costs them only time.
const LOCK_COUNT: usize = 64;

/// Lets one writer at a time to a path. Waiting takes no thread, and no memory is kept for paths.
///
/// This orders the writers of one output; what keeps others away is the lock on the file.
#[derive(Debug)]
pub(super) struct Turns {
    hasher: RandomState,
    locks: [Arc<Mutex<()>>; LOCK_COUNT],
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            locks: array::from_fn(|_| Arc::default()),
        }
    }
}

impl Turns {
    /// Waits for the turn of a writer to `path`, which ends when the guard is dropped.
    pub(super) async fn wait(&self, path: &Path) -> OwnedMutexGuard<()> {
        let hash = self.hasher.hash_one(path);
        let index = hash % LOCK_COUNT as u64;
        let index = usize::try_from(index).unwrap_or(0);
        Arc::clone(&self.locks[index]).lock_owned().await
    }
}
