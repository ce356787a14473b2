//! The store: one directory, its lock, its committer thread, its routes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::committer;
use crate::error::{OpenError, StoreIoError};
use crate::files::OpenFiles;
use crate::fs::{Fs, LockGuard, LockOutcome, Volume, is_out_of_files};
use crate::id::IdSource;
use crate::layout::MAX_DESTINATIONS;
use crate::observer::Observer;
use crate::quarantine::{Quarantine, Quarantined};
use crate::queue::Queue;
use crate::recovery::{self, Recovered};
use crate::route::{Route, RouteInner, RouteOptions};
use crate::stats::{Counters, StoreStats};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, lock};

/// Under the data directory: chunks of routes, one directory each.
pub const ROUTES_DIR: &str = "routes";
/// Under the data directory: dead letters, one directory for each route.
pub const DEAD_DIR: &str = "dead";
/// Under the data directory: what was set aside.
pub const QUARANTINE_DIR: &str = "quarantine";
/// Under the data directory: locked while the store is open, holds the process id.
pub const LOCK_FILE: &str = "LOCK";

/// A clock that never goes back, in nanoseconds from any start.
pub type MonotonicClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// The data directory; created if it does not exist.
    pub dir: PathBuf,
    /// The file system it is on.
    pub fs: Arc<dyn Fs>,
    /// Most chunk files open at once; at least 8.
    pub open_files_max: usize,
    /// Makes this run's chunk ids differ from other runs'; should be random.
    pub id_seed: u32,
    /// Unix nanoseconds now; when recovery seals a chunk, this is when.
    pub now_ns: i64,
    /// Measures how long syncs take, and lets removals of files wait to share one; with `None`
    /// nothing is measured, and each removal is synced at once.
    pub clock: Option<MonotonicClock>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StoreOptions")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// What the store, its routes and its committer share.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) volume: Box<dyn Volume>,
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) queue: Queue,
    pub(crate) ids: IdSource,
    pub(crate) counters: Counters,
    pub(crate) is_closed: AtomicBool,
    /// Failed directory syncs. Entries made before one may be lost although a later one succeeds.
    pub(crate) entry_failures: AtomicU64,
    pub(crate) now_ns: i64,
    clock: Option<MonotonicClock>,
    quarantined_bytes: Arc<AtomicU64>,
}

impl Shared {
    fn new(options: StoreOptions, volume: Box<dyn Volume>) -> Shared {
        Shared {
            files: OpenFiles::new(options.open_files_max),
            dir: options.dir,
            fs: options.fs,
            volume,
            queue: Queue::default(),
            ids: IdSource::new(options.id_seed),
            counters: Counters::default(),
            is_closed: AtomicBool::new(false),
            entry_failures: AtomicU64::new(0),
            now_ns: options.now_ns,
            clock: options.clock,
            quarantined_bytes: Arc::default(),
        }
    }

    /// Syncs a directory of chunks; remembers it if that failed. Without a descriptor for the
    /// directory nothing has been tried yet, and the one of the volume is always open.
    pub(crate) fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.counters.synced();
        let synced = match self.fs.sync_dir(dir) {
            Err(error) if is_out_of_files(&error) => self.volume.sync_all(),
            synced => synced,
        };
        synced.inspect_err(|_| {
            self.entry_failures.fetch_add(1, Ordering::AcqRel);
        })
    }

    /// Whether syncing the volume reaches `dir`: somebody may have mounted another one there.
    pub(crate) fn has_volume_of(&self, dir: &Path) -> bool {
        let ids = [&self.dir, dir].map(|dir| self.fs.volume_id(dir));
        matches!(ids, [Ok(ours), Ok(other)] if ours == other)
    }

    pub(crate) fn clock(&self) -> Option<&MonotonicClock> {
        self.clock.as_ref()
    }

    /// The clock's reading, if there is one.
    pub(crate) fn monotonic_ns(&self) -> Option<u64> {
        self.clock().map(|clock| clock())
    }

    /// The clock's reading, or 0.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.monotonic_ns().unwrap_or(0)
    }
}

/// An open store. Dropping it syncs what is left and ends its thread; its routes then refuse
/// appends.
pub struct Store {
    shared: Arc<Shared>,
    routes: Mutex<Vec<Arc<RouteInner>>>,
    committer: Option<JoinHandle<()>>,
    _lock: Box<dyn LockGuard>,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store")
            .field("dir", &self.shared.dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at `options.dir`, creating it if needed.
    ///
    /// # Errors
    /// Another process has it open, the directory cannot be used, or no thread can be started.
    pub fn open(options: StoreOptions) -> Result<Store, OpenError> {
        make_dirs(&*options.fs, &options.dir)?;
        let lock = take_lock(&*options.fs, &options.dir)?;
        let dir = &options.dir;
        let volume = options
            .fs
            .open_volume(dir)
            .map_err(StoreIoError::on("open", dir))?;
        let shared = Arc::new(Shared::new(options, volume));
        let for_committer = Arc::clone(&shared);
        let committer = thread::Builder::new()
            .name("forebay-commit".to_owned())
            .spawn(move || committer::run(&for_committer))
            .map_err(OpenError::Thread)?;
        Ok(Store {
            shared,
            routes: Mutex::default(),
            committer: Some(committer),
            _lock: lock,
        })
    }

    /// Opens a route, recovering what its directory holds.
    ///
    /// # Errors
    /// The name cannot be used or is open already, or the directory cannot be used. A file that
    /// cannot be read is not an error; see [`Recovered`].
    pub fn route(
        &self,
        name: &str,
        options: RouteOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<(Route, Recovered), OpenError> {
        self.open_route(ROUTES_DIR, name, options, observer)
    }

    /// Opens the dead letters of a route. `options.destinations` should be empty: dead letters
    /// are read and purged, not claimed.
    ///
    /// # Errors
    /// As [`Store::route`].
    pub fn dead_letters(
        &self,
        name: &str,
        options: RouteOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<(Route, Recovered), OpenError> {
        self.open_route(DEAD_DIR, name, options, observer)
    }

    /// Directories of routes that have not been opened: their events are kept, but nobody
    /// delivers them.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn stranded_routes(&self) -> Result<Vec<String>, StoreIoError> {
        let dir = self.shared.dir.join(ROUTES_DIR);
        let entries = self
            .shared
            .fs
            .read_dir(&dir)
            .map_err(StoreIoError::on("list", &dir))?;
        let routes = lock(&self.routes);
        let is_open = |name: &str| routes.iter().any(|route| route.dir == dir.join(name));
        let mut names: Vec<_> = entries
            .into_iter()
            .filter(|entry| entry.is_dir && !is_open(&entry.name))
            .map(|entry| entry.name)
            .collect();
        names.sort();
        Ok(names)
    }

    /// What the store has done and holds open.
    pub fn stats(&self) -> StoreStats {
        let quarantined_bytes = self.shared.quarantined_bytes.load(Ordering::Relaxed);
        self.shared
            .counters
            .stats(self.shared.files.count(), quarantined_bytes)
    }

    /// What stands in the quarantine now, whoever put it there: counted from the directory.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn quarantined(&self) -> Result<Quarantined, StoreIoError> {
        let dir = self.shared.dir.join(QUARANTINE_DIR);
        Quarantined::count(&*self.shared.fs, &dir).map_err(StoreIoError::on("list", &dir))
    }

    /// Bytes the disk has left for this process.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn free_bytes(&self) -> Result<u64, StoreIoError> {
        let dir = &self.shared.dir;
        self.shared
            .fs
            .free_space(dir)
            .map_err(StoreIoError::on("measure", dir))
    }

    /// Waits until everything appended, committed and removed so far is durable, or has been refused.
    pub fn sync(&self) {
        let routes = lock(&self.routes).clone();
        routes.iter().for_each(|route| route.mark_unsynced());
        self.shared.queue.flush();
    }

    /// Whether appends are refused because the committer has ended, which it does early only by a
    /// panic: of an observer, or of ours.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Acquire)
    }

    /// Whether syncing the data directory's volume reaches the files of all routes that are open.
    pub(crate) fn is_on_one_volume(&self) -> bool {
        lock(&self.routes).iter().all(|route| route.is_on_volume)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    fn open_route(
        &self,
        kind: &str,
        name: &str,
        options: RouteOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<(Route, Recovered), OpenError> {
        check_route(name, &options)?;
        let parent = self.shared.dir.join(kind);
        let dir = parent.join(name);
        let mut routes = lock(&self.routes);
        if routes.iter().any(|route| route.dir == dir) {
            return Err(OpenError::AlreadyOpen(name.to_owned()));
        }
        let fs = &*self.shared.fs;
        fs.create_dir_all(&dir)
            .map_err(StoreIoError::on("create", &dir))?;
        fs.sync_dir(&parent)
            .map_err(StoreIoError::on("sync", &parent))?;
        let prefix = if kind == DEAD_DIR {
            format!("dead.{name}")
        } else {
            name.to_owned()
        };
        let quarantine = Quarantine::new(
            &self.shared.dir.join(QUARANTINE_DIR),
            &prefix,
            Arc::clone(&self.shared.quarantined_bytes),
        );
        let shared = Arc::clone(&self.shared);
        let route = Arc::new(RouteInner::new(
            name, &dir, options, observer, shared, quarantine,
        ));
        let recovered = recovery::recover(&route)?;
        routes.push(Arc::clone(&route));
        Ok((Route(route), recovered))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.sync();
        self.shared.queue.close();
        if let Some(committer) = self.committer.take() {
            // A panic there has been printed; there is nothing left to do about it here.
            let _ = committer.join();
        }
        lock(&self.routes).drain(..).for_each(|route| route.clear());
    }
}

fn make_dirs(fs: &dyn Fs, dir: &Path) -> Result<(), StoreIoError> {
    for kind in [ROUTES_DIR, DEAD_DIR, QUARANTINE_DIR] {
        let dir = dir.join(kind);
        fs.create_dir_all(&dir)
            .map_err(StoreIoError::on("create", &dir))?;
    }
    fs.sync_dir(dir).map_err(StoreIoError::on("sync", dir))?;
    dir.ancestors()
        .skip(1)
        .try_for_each(|above| sync_above(fs, above))
}

/// Makes the entries of a directory above the data directory durable: it may have been created
/// with it. Not every such directory may be opened or can be synced; one whose device fails must
/// be heard of (`a_directory_above_that_cannot_be_synced_is_an_error`).
fn sync_above(fs: &dyn Fs, dir: &Path) -> Result<(), StoreIoError> {
    let is_here = dir.as_os_str().is_empty();
    let dir = if is_here { Path::new(".") } else { dir };
    match fs.sync_dir(dir) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            Err(StoreIoError::on("sync", dir)(error))
        }
        _ => Ok(()),
    }
}

fn take_lock(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn LockGuard>, OpenError> {
    let path = dir.join(LOCK_FILE);
    let owner = std::process::id().to_string();
    let outcome = fs
        .try_lock(&path, owner.as_bytes())
        .map_err(StoreIoError::on("lock", &path))?;
    match outcome {
        LockOutcome::Taken(guard) => Ok(guard),
        LockOutcome::HeldBy(owner) => {
            let pid = String::from_utf8_lossy(&owner).trim().to_owned();
            Err(OpenError::Locked { path, pid })
        }
    }
}

fn check_route(name: &str, options: &RouteOptions) -> Result<(), OpenError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let why = if name.is_empty() || name.len() > 128 || name.starts_with('.') {
        "a name has 1 to 128 characters and does not begin with a dot"
    } else if !name.bytes().all(is_plain) {
        "a name has only letters, digits, `-`, `_` and `.`"
    } else if options.destinations.len() > MAX_DESTINATIONS {
        "a route has at most 12 destinations"
    } else {
        return Ok(());
    };
    Err(OpenError::InvalidRoute {
        name: name.to_owned(),
        why,
    })
}
