//! The bound on memory for bodies that have arrived.
//!
//! A body is unpacked and transcribed, which can make it many times as large, and stays until its
//! events are durable. All requests of an input share a budget. Before a body is decoded, the most
//! it can become is reserved; afterwards what it did not need is given back. A request that could
//! need more than the whole budget reserves all of it, so there is one such at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The least budget of an input, in bytes.
const BUDGET_MIN: usize = 64 << 20;

/// Memory is counted in units of so many bytes.
const UNIT: usize = 1024;

/// What is left of an input's budget.
pub(super) struct Memory {
    units: Arc<Semaphore>,
    unit_count: u32,
}

/// A part of the budget, given back when it is dropped.
pub(super) struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// A budget that suits bodies of at most `unpacked_size_max` bytes.
    pub(super) fn for_bodies_of(unpacked_size_max: usize) -> Self {
        let unit_count = units(unpacked_size_max.max(BUDGET_MIN));
        Self {
            units: Arc::new(Semaphore::new(unit_count as usize)),
            unit_count,
        }
    }

    /// Waits for `size` bytes, or for the whole budget if it is smaller.
    pub(super) async fn reserve(&self, size: usize) -> Reserved {
        let wanted = units(size).min(self.unit_count);
        let permit = Arc::clone(&self.units).acquire_many_owned(wanted).await;
        // Never closed, so this is always a permit.
        Reserved {
            permit: permit.ok(),
        }
    }
}

impl Reserved {
    /// Gives back all but `size` bytes.
    pub(super) fn shrink(&mut self, size: usize) {
        let Some(permit) = &mut self.permit else {
            return;
        };
        let surplus = permit.num_permits().saturating_sub(units(size) as usize);
        drop(permit.split(surplus));
    }
}

fn units(size: usize) -> u32 {
    let largest = (u32::MAX as usize).min(Semaphore::MAX_PERMITS);
    u32::try_from(size.div_ceil(UNIT).min(largest)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_needed_is_given_back() {
        let memory = Memory::for_bodies_of(0);
        let mut first = memory.reserve(usize::MAX).await;
        assert_eq!(memory.units.available_permits(), 0);
        first.shrink(1 << 20);
        assert_eq!(
            memory.units.available_permits() * UNIT,
            BUDGET_MIN - (1 << 20)
        );
        first.shrink(2 << 20);
        assert_eq!(
            memory.units.available_permits() * UNIT,
            BUDGET_MIN - (1 << 20)
        );
        drop(first);
        assert_eq!(memory.units.available_permits() * UNIT, BUDGET_MIN);
    }
}
