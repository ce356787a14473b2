//! How many bytes a route's files take, against its limit.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Exact: what is reserved never exceeds the limit, whatever happens at once.
#[derive(Debug)]
pub(crate) struct Space {
    used: AtomicU64,
    limit: AtomicU64,
}

impl Space {
    pub(crate) fn new(limit: u64) -> Space {
        Space {
            used: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// What is there already stays, also beyond a lower limit.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Takes `bytes` if they fit below the limit.
    pub(crate) fn reserve(&self, bytes: u64) -> bool {
        let limit = self.limit();
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    /// Takes `bytes` that recovery found, whatever the limit: it may have been lowered.
    pub(crate) fn occupy(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "released {bytes} of {before} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_passed_and_can_be_met() {
        let space = Space::new(100);
        assert!(space.reserve(60) && !space.reserve(41) && space.reserve(40));
        assert!(!space.reserve(u64::MAX));
        space.set_limit(50);
        assert!(
            space.used() == 100 && !space.reserve(0),
            "what is there stays"
        );
        space.release(100);
        assert!(space.used() == 0 && space.reserve(50) && !space.reserve(1));
    }
}
