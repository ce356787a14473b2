//! Syncing what an earlier process has left, while the routes are recovered.

use std::fmt;
use std::sync::Arc;

use crate::error::StoreIoError;
use crate::store::{Shared, Store};
use crate::sync::thread::{self, JoinHandle};

/// A sync of all files that has been begun. Dropping it forgets its outcome.
pub struct EarlySync(Option<JoinHandle<Result<(), StoreIoError>>>);

impl fmt::Debug for EarlySync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EarlySync")
    }
}

impl Store {
    /// Begins what [`Store::sync_files`] does. A file system that others write to may take long.
    pub fn begin_sync_files(&self) -> EarlySync {
        let shared = Arc::clone(self.shared());
        let sync = move || sync_volume(&shared);
        let builder = thread::Builder::new().name("forebay-sync".to_owned());
        EarlySync(builder.spawn(sync).ok())
    }

    /// Makes durable whatever is in the files, also what an earlier process wrote and never synced.
    ///
    /// # Errors
    /// The file system has no such call, or failed; or a route is on another volume, which the call
    /// does not reach. Which of the files are durable is not known then.
    pub fn sync_files(&self) -> Result<(), StoreIoError> {
        self.check_reach()?;
        sync_volume(self.shared())
    }

    /// Whether a sync of the volume concerns the files of all routes that are open by now.
    fn check_reach(&self) -> Result<(), StoreIoError> {
        let is_reached = match self.is_on_one_volume() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::Unsupported.into()),
        };
        is_reached.map_err(StoreIoError::on("sync", self.dir()))
    }
}

impl EarlySync {
    /// Waits for the end of it: what was in the files of the routes of `store` when it was begun is
    /// durable.
    ///
    /// # Errors
    /// See [`Store::sync_files`].
    pub fn wait(self, store: &Store) -> Result<(), StoreIoError> {
        store.check_reach()?;
        match self.0.map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            // No thread was to be had.
            None | Some(Err(_)) => sync_volume(store.shared()),
        }
    }
}

fn sync_volume(shared: &Shared) -> Result<(), StoreIoError> {
    let synced = shared.volume.sync_all();
    synced.map_err(StoreIoError::on("sync", &shared.dir))
}
