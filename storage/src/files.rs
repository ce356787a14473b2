//! The bounded set of open chunk files.
//!
//! A [`Lease`] keeps a file open: a chunk holds one while it has something to sync, since a
//! closed descriptor would not hear of a failed write-back. Files without a lease stay open until
//! their place is needed; the one that was used longest ago goes first. If every file is leased,
//! whoever needs one forces a sync and waits.
//!
//! Others in the process, or on the machine, may take descriptors that were meant for us. Then the
//! set makes do with fewer: it closes an idle file for each that it opens.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use crate::fs::{File, is_out_of_files};
use crate::id::ChunkId;
use crate::sync::{Condvar, Mutex, lock, wait};

/// Below this a store could hardly work.
const OPEN_MIN: usize = 8;

#[derive(Debug)]
pub(crate) struct OpenFiles {
    open_max: usize,
    open: Mutex<Open>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    by_chunk: HashMap<ChunkId, Entry>,
    /// Files without a lease, by the time of their last use.
    idle: BTreeMap<u64, ChunkId>,
    /// Places given to files that are being opened.
    opening: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    file: Arc<dyn File>,
    leases: usize,
    last_use: u64,
    /// It is closed with its last lease.
    is_forgotten: bool,
}

/// Keeps a chunk's file open while it exists.
#[derive(Debug)]
pub(crate) struct Lease {
    files: Arc<OpenFiles>,
    chunk: ChunkId,
    file: Arc<dyn File>,
}

impl Lease {
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.files.give_back(self.chunk);
    }
}

impl OpenFiles {
    pub(crate) fn new(open_max: usize) -> Arc<OpenFiles> {
        let open_max = open_max.max(OPEN_MIN);
        Arc::new(OpenFiles {
            open_max,
            open: Mutex::default(),
            released: Condvar::new(),
        })
    }

    /// Files open now.
    pub(crate) fn count(&self) -> usize {
        let open = lock(&self.open);
        open.by_chunk.len() + open.opening
    }

    /// The chunk's file, opened with `open_file` if it is not open.
    ///
    /// Only one thread may open a given chunk's file for the first time (its creator).
    /// `force_sync` must make the committer release leases soon.
    pub(crate) fn lease(
        self: &Arc<OpenFiles>,
        chunk: ChunkId,
        open_file: impl Fn() -> io::Result<Arc<dyn File>>,
        force_sync: impl Fn(),
    ) -> io::Result<Arc<Lease>> {
        let mut open = lock(&self.open);
        loop {
            if let Some(file) = open.take(chunk) {
                return Ok(self.leased(chunk, file));
            }
            if open.make_room(self.open_max) {
                break;
            }
            force_sync();
            open = wait(&self.released, open);
        }
        open.opening += 1;
        drop(open);
        let mut opened = open_file();
        while opened.as_ref().is_err_and(is_out_of_files) && lock(&self.open).close_idle() {
            opened = open_file();
        }
        let mut open = lock(&self.open);
        open.opening -= 1;
        match opened {
            Ok(file) => {
                let file = open.insert(chunk, file);
                Ok(self.leased(chunk, file))
            }
            Err(error) => {
                drop(open);
                self.released.notify_one();
                Err(error)
            }
        }
    }

    /// Closes the chunk's file as soon as it has no lease: it is sealed or removed.
    pub(crate) fn forget(&self, chunk: ChunkId) {
        let mut open = lock(&self.open);
        let Some(entry) = open.by_chunk.get_mut(&chunk) else {
            return;
        };
        entry.is_forgotten = true;
        if entry.leases == 0 {
            let last_use = entry.last_use;
            open.idle.remove(&last_use);
            open.by_chunk.remove(&chunk);
        }
    }

    fn leased(self: &Arc<OpenFiles>, chunk: ChunkId, file: Arc<dyn File>) -> Arc<Lease> {
        Arc::new(Lease {
            files: Arc::clone(self),
            chunk,
            file,
        })
    }

    fn give_back(&self, chunk: ChunkId) {
        lock(&self.open).give_back(chunk);
        self.released.notify_one();
    }
}

impl Open {
    fn take(&mut self, chunk: ChunkId) -> Option<Arc<dyn File>> {
        let entry = self.by_chunk.get_mut(&chunk)?;
        if entry.leases == 0 {
            self.idle.remove(&entry.last_use);
        }
        entry.leases += 1;
        Some(Arc::clone(&entry.file))
    }

    /// The file to use: another thread may have opened the chunk's in the meantime.
    fn insert(&mut self, chunk: ChunkId, file: Arc<dyn File>) -> Arc<dyn File> {
        if let Some(file) = self.take(chunk) {
            return file;
        }
        let entry = Entry {
            file: Arc::clone(&file),
            leases: 1,
            last_use: 0,
            is_forgotten: false,
        };
        self.by_chunk.insert(chunk, entry);
        file
    }

    fn give_back(&mut self, chunk: ChunkId) {
        self.uses += 1;
        let Some(entry) = self.by_chunk.get_mut(&chunk) else {
            return;
        };
        entry.leases -= 1;
        if entry.leases == 0 && entry.is_forgotten {
            self.by_chunk.remove(&chunk);
        } else if entry.leases == 0 {
            entry.last_use = self.uses;
            self.idle.insert(self.uses, chunk);
        }
    }

    /// Closes idle files until one more fits; `false` if too many are leased.
    fn make_room(&mut self, open_max: usize) -> bool {
        while self.by_chunk.len() + self.opening >= open_max {
            if !self.close_idle() {
                return false;
            }
        }
        true
    }

    /// Closes the idle file that was used longest ago; `false` if there is none.
    fn close_idle(&mut self) -> bool {
        let idle = self.idle.pop_first();
        idle.is_some_and(|(_, chunk)| self.by_chunk.remove(&chunk).is_some())
    }
}
