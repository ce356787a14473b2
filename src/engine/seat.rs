//! Who the store tells of a route: its state of now.
//!
//! The store knows one observer of a route for as long as the process lives. When the route's
//! settings change, another state takes the seat: what is told meanwhile reaches the one before or
//! the one after, and whatever reached the one before has happened before the other looks at the
//! route's chunks.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use forebay_storage::{ChunkId, ChunkInfo, DamageReport, Observer, Reader};

use super::observe::RouteState;

/// Where a route's state sits.
pub(super) struct Seat(RwLock<Arc<RouteState>>);

impl Seat {
    pub(super) fn new(state: Arc<RouteState>) -> Self {
        Self(RwLock::new(state))
    }

    /// Who sits there now.
    pub(super) fn now(&self) -> Arc<RouteState> {
        Arc::clone(&self.read())
    }

    /// `state` takes the seat. Nobody is told anything while it changes hands.
    pub(super) fn put(&self, state: Arc<RouteState>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Held while the state is told.
    fn read(&self) -> RwLockReadGuard<'_, Arc<RouteState>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Seat {
    fn staged(&self, chunk: &ChunkInfo) {
        self.read().staged(chunk);
    }

    fn queued(&self, chunk: &ChunkInfo) {
        self.read().queued(chunk);
    }

    fn purged(&self, chunk: &ChunkInfo) {
        self.read().purged(chunk);
    }

    fn recovering(&self, chunk: &ChunkInfo, reader: Reader) {
        self.read().recovering(chunk, reader);
    }

    fn removing(&self, id: ChunkId, path: &Path) {
        self.read().removing(id, path);
    }

    fn freed(&self) {
        self.read().freed();
    }

    fn damaged(&self, damage: &DamageReport) {
        self.read().damaged(damage);
    }

    fn sync_failed(&self, path: &Path, error: &io::Error) {
        self.read().sync_failed(path, error);
    }
}
