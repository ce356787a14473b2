//! What has been found out about tags, remembered by tag.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// How many tags are remembered. When there are more, all are forgotten and found again.
pub(super) const TAGS_MAX: usize = 4096;

/// Longer tags are looked at anew each time, so that what is remembered stays below 1 MiB.
pub(super) const TAG_SIZE_MAX: usize = 256;

/// Answers by tag. Bounded; shared freely between threads.
#[derive(Debug, Default)]
pub struct TagMemo<T> {
    known: RwLock<HashMap<Box<str>, T>>,
}

impl<T: Copy> TagMemo<T> {
    /// What is known of `tag`, or what `find` finds out.
    pub fn get(&self, tag: &str, find: impl FnOnce() -> T) -> T {
        if let Some(known) = self.recall(tag) {
            return known;
        }
        let found = find();
        if tag.len() <= TAG_SIZE_MAX {
            self.remember(tag, found);
        }
        found
    }

    pub(super) fn recall(&self, tag: &str) -> Option<T> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tag).copied()
    }

    fn remember(&self, tag: &str, found: T) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TAGS_MAX {
            known.clear();
        }
        known.insert(tag.into(), found);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.read().unwrap().len()
    }
}
