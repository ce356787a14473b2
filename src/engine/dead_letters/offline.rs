//! Dead letters of a data directory that no daemon runs on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_storage::recovery::FileReport;
use forebay_storage::{
    ChunkInfo, DEAD_DIR, Durability, Fs, OpenError, ROUTES_DIR, Route, RouteOptions, Store,
    StoreIoError, StoreOptions, inspect_dir,
};

use super::{ChangeError, Changed, DeadLetter, Destinations, Selection, delete, replay};

/// Files open at once.
const OPEN_FILES_MAX: usize = 64;
/// Everything fits: what was stored once has been under its route's limit.
const CHUNK_LIMIT_BYTES: u64 = 1 << 32;

/// The store of a data directory, opened to change its dead letters. Nothing is delivered.
pub struct Offline {
    fs: Arc<dyn Fs>,
    data_dir: PathBuf,
    now_ns: i64,
    store: Store,
    dead: Vec<Route>,
    /// Routes that events are replayed to, with their outputs as far as chunks tell.
    targets: BTreeMap<String, (Route, Vec<String>)>,
}

/// What was done in all.
#[derive(Debug, Default)]
pub struct Totals {
    /// Dead letters changed.
    pub letters: u64,
    /// Events stored again, or deleted.
    pub events: u64,
    /// Events of those dead letters that stay.
    pub events_left: u64,
    /// Dead letters that could not be changed, and why.
    pub failures: Vec<(DeadLetter, ChangeError)>,
}

impl Offline {
    /// Opens the store, which takes the directory's lock and recovers its dead letters. `id_seed`
    /// should be random.
    ///
    /// # Errors
    /// A daemon runs on the directory ([`OpenError::Locked`]), or it cannot be used.
    pub fn open(
        fs: &Arc<dyn Fs>,
        data_dir: &Path,
        now_ns: i64,
        id_seed: u32,
    ) -> Result<Self, OpenError> {
        let store = Store::open(StoreOptions {
            dir: data_dir.to_owned(),
            fs: Arc::clone(fs),
            open_files_max: OPEN_FILES_MAX,
            id_seed,
            now_ns,
            clock: None,
        })?;
        let names = folders(&**fs, &data_dir.join(DEAD_DIR))?;
        let open = |name: &String| {
            let opened = store.dead_letters(name, options(Vec::new()), Arc::new(()));
            opened.map(|(route, _)| route)
        };
        let dead = names.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self {
            fs: Arc::clone(fs),
            data_dir: data_dir.to_owned(),
            now_ns,
            store,
            dead,
            targets: BTreeMap::new(),
        })
    }

    /// The dead letters that `selection` may have, oldest first in each route.
    #[must_use]
    pub fn letters(&self, selection: &Selection) -> Vec<DeadLetter> {
        let chunks = self.dead.iter().flat_map(Route::chunks);
        let letters = chunks.map(|chunk: ChunkInfo| DeadLetter::of_info(&chunk));
        letters
            .filter(|letter| selection.has(letter, self.now_ns))
            .collect()
    }

    /// Deletes what is selected; `on_progress` is told the payload bytes of each dead letter.
    pub fn delete(&mut self, selection: &Selection, mut on_progress: impl FnMut(u64)) -> Totals {
        let mut totals = Totals::default();
        for letter in self.letters(selection) {
            let done = match self.dead_of(&letter) {
                Some(dead) => delete(dead, letter.id, selection, self.now_ns),
                None => Ok(Changed::default()),
            };
            on_progress(letter.payload_bytes);
            totals.add(letter, done);
        }
        self.store.sync();
        totals
    }

    /// Has what is selected delivered after all: to the output that did not take it, or to
    /// `output`; by its own route, or by `route`. One dead letter after the other is stored, synced
    /// and deleted; `on_progress` is told its payload bytes.
    pub fn replay(
        &mut self,
        selection: &Selection,
        route: Option<&str>,
        output: Option<&String>,
        mut on_progress: impl FnMut(u64),
    ) -> Totals {
        let mut totals = Totals::default();
        for letter in self.letters(selection) {
            let name = route.unwrap_or(&letter.route).to_owned();
            let done = self.replay_one(&letter, &name, selection, output);
            // The file is removed a moment later. Before the next one begins, so that a kill
            // repeats one at most.
            self.store.sync();
            on_progress(letter.payload_bytes);
            totals.add(letter, done);
        }
        totals
    }

    fn replay_one(
        &mut self,
        letter: &DeadLetter,
        route: &str,
        selection: &Selection,
        output: Option<&String>,
    ) -> Result<Changed, ChangeError> {
        self.open_target(route)?;
        let (Some(dead), Some((target, of_route))) =
            (self.dead_of(letter), self.targets.get(route))
        else {
            return Ok(Changed::default());
        };
        let destinations = match output {
            Some(name) => Destinations::Output(name),
            None => Destinations::Same { of_route },
        };
        replay(
            dead,
            letter.id,
            selection,
            target,
            destinations,
            self.now_ns,
        )
    }

    fn dead_of(&self, letter: &DeadLetter) -> Option<&Route> {
        self.dead.iter().find(|dead| dead.name() == letter.route)
    }

    fn open_target(&mut self, name: &str) -> Result<(), ChangeError> {
        if self.targets.contains_key(name) {
            return Ok(());
        }
        let no_route = || ChangeError::NoRoute(name.to_owned());
        let dir = self.data_dir.join(ROUTES_DIR).join(name);
        let files = inspect_dir(&*self.fs, &dir).map_err(|_| no_route())?;
        let outputs = most_destinations(&files);
        let opened = self
            .store
            .route(name, options(outputs.clone()), Arc::new(()));
        let (route, _) = opened.map_err(|_| no_route())?;
        self.targets.insert(name.to_owned(), (route, outputs));
        Ok(())
    }
}

impl Totals {
    fn add(&mut self, letter: DeadLetter, done: Result<Changed, ChangeError>) {
        match done {
            Ok(changed) if changed.event_count > 0 => {
                self.letters += 1;
                self.events += changed.event_count;
                self.events_left += changed.left_count;
            }
            Ok(changed) => self.events_left += changed.left_count,
            Err(error) => self.failures.push((letter, error)),
        }
    }
}

/// The outputs of the newest of a route's chunks that have most of them, which are taken to be the
/// route's: a replayed chunk has only one.
fn most_destinations(files: &[FileReport]) -> Vec<String> {
    let destinations = files.iter().filter_map(|file| match file {
        FileReport::Chunk(chunk) => Some(&chunk.meta.destinations),
        _ => None,
    });
    // Of several, the last.
    let most = destinations.max_by_key(|names| names.len());
    most.map(|names| names.to_vec()).unwrap_or_default()
}

/// Options of a route that nothing is taken in for: everything that is there fits.
pub(in crate::engine) fn options(destinations: Vec<String>) -> RouteOptions {
    RouteOptions {
        destinations,
        durability: Durability::Disk,
        chunk_limit_bytes: CHUNK_LIMIT_BYTES,
        chunk_limit_events: None,
        chunk_full_threshold: 1.0,
        total_limit_bytes: u64::MAX,
    }
}

/// The folders in `dir`, by name; none if it does not exist.
pub(super) fn folders(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>, StoreIoError> {
    let entries = match fs.read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries.map_err(|source| StoreIoError {
            action: "list",
            path: dir.to_owned(),
            source,
        })?,
    };
    let folders = entries.into_iter().filter(|entry| entry.is_dir);
    let mut names: Vec<_> = folders.map(|entry| entry.name).collect();
    names.sort();
    Ok(names)
}
