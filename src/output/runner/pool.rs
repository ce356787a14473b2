//! Memory that is used again.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;

/// What one buffer may hold when it goes back; a larger one is freed.
const KEPT_SIZE_MAX: usize = 64 * 1024;

/// Empty buffers, at most so many. Cheap to clone: clones are the same.
#[derive(Clone)]
pub(super) struct Pool {
    free: Arc<Mutex<Vec<BytesMut>>>,
    count_max: usize,
}

impl Pool {
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            free: Arc::default(),
            count_max,
        }
    }

    /// An empty buffer, used before if there is one.
    pub(super) fn take(&self) -> Prepared {
        let used = self.lock().pop();
        Prepared {
            bytes: used.unwrap_or_default(),
            pool: self.clone(),
        }
    }

    fn give_back(&self, mut bytes: BytesMut) {
        if bytes.capacity() == 0 || bytes.capacity() > KEPT_SIZE_MAX {
            return;
        }
        bytes.clear();
        let mut free = self.lock();
        if free.len() < self.count_max {
            free.push(bytes);
        }
    }

    /// How many buffers wait to be used again.
    #[cfg(test)]
    pub(super) fn free_count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Data that is ready to be sent. Whoever has it owns it; its memory is used again once it is
/// dropped.
///
/// What was handed over cannot be touched any more, so that a batch never holds what somebody else
/// has reset (H19, H20, Heka trap a):
///
/// ```compile_fail,E0382
/// use forebay::output::runner::{BatchWriter, Prepared};
///
/// fn add(writer: &mut impl BatchWriter, data: Prepared) {
///     writer.batch(data);
///     println!("{}", data.len());
/// }
/// ```
pub struct Prepared {
    bytes: BytesMut,
    pool: Pool,
}

impl Deref for Prepared {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.bytes
    }
}

impl DerefMut for Prepared {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}
