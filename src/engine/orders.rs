//! What the operator has told the engine to leave alone, until told otherwise: held chunks, stopped
//! routes and outputs.
//!
//! It is kept in one small file, `DATA/orders.json`, not in the catalogue: that is a view that may
//! be deleted or lag, and a held chunk that is delivered after a restart surprises whoever held it.
//! The file is written anew, synced and renamed before an action answers. It says nothing about
//! data: without it everything is delivered, as if nobody had ever said anything. So one that
//! cannot be read is set aside as `orders.json.unreadable`, logged, and the engine starts without.
//!
//! A chunk that is gone is forgotten with the next change. The orders of a route or output that the
//! configuration no longer names stay: it may come back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_storage::fs::Access;
use forebay_storage::{ChunkId, Fs};
use serde::{Deserialize, Serialize};

use super::route::{RunningRoute, lock};

const FILE: &str = "orders.json";

/// Chunks held at most: the file is written as a whole.
pub(super) const HELD_MAX: usize = 10_000;

/// The orders in force, by the names of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    pub(super) paused_routes: BTreeSet<String>,
    /// Outputs by their routes.
    pub(super) paused_outputs: BTreeMap<String, BTreeSet<String>>,
    /// Chunks with their routes.
    pub(super) held: BTreeMap<String, String>,
}

/// The orders in force, and where they are kept.
#[derive(Debug)]
pub(super) struct Orders {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    book: Mutex<Book>,
}

impl Orders {
    /// Reads what is kept in `dir`. An error says why nothing is known; it has been set aside.
    pub(super) fn open(fs: Arc<dyn Fs>, dir: &Path) -> (Self, Option<io::Error>) {
        let read = read(&*fs, &dir.join(FILE));
        let (book, problem) = match read {
            Ok(book) => (book, None),
            Err(error) => {
                let aside = dir.join(format!("{FILE}.unreadable"));
                // What cannot even be moved is overwritten by the next change.
                let _ = fs.rename(&dir.join(FILE), &aside);
                (Book::default(), Some(error))
            }
        };
        let orders = Self {
            fs,
            dir: dir.to_owned(),
            book: Mutex::new(book),
        };
        (orders, problem)
    }

    /// Has a route do as it was told, before it starts anything.
    pub(super) fn apply(&self, route: &RunningRoute) {
        let book = lock(&self.book);
        let name = &*route.state.name;
        let mut scheduler = route.state.scheduler();
        scheduler.stop_route(book.paused_routes.contains(name));
        let outputs = book.paused_outputs.get(name);
        for (index, to) in route.destinations.iter().enumerate() {
            let is_paused = outputs.is_some_and(|outputs| outputs.contains(&*to.name));
            scheduler.stop_destination(index, is_paused);
        }
        let held = book.held.iter().filter(|(_, route)| *route == name);
        let held: Vec<ChunkId> = held.filter_map(|(chunk, _)| chunk.parse().ok()).collect();
        drop(scheduler);
        for chunk in held {
            if route.chunks.chunk(chunk).is_some() {
                route.state.scheduler().hold(chunk);
            }
        }
    }

    /// Changes the orders, and forgets chunks that `is_gone` (by chunk and route). When this
    /// returns, the change is durable.
    ///
    /// # Errors
    /// It could not be written; nothing has changed.
    pub(super) fn change(
        &self,
        is_gone: impl Fn(&str, &str) -> bool,
        change: impl FnOnce(&mut Book),
    ) -> io::Result<()> {
        let mut book = lock(&self.book);
        let mut changed = book.clone();
        change(&mut changed);
        if changed == *book {
            return Ok(());
        }
        changed.held.retain(|chunk, route| !is_gone(chunk, route));
        self.write(&changed)?;
        *book = changed;
        Ok(())
    }

    /// How many chunks are held, those that are gone included.
    pub(super) fn held_count(&self) -> usize {
        lock(&self.book).held.len()
    }

    fn write(&self, book: &Book) -> io::Result<()> {
        let (path, new) = (self.dir.join(FILE), self.dir.join(format!("{FILE}.new")));
        match self.fs.remove_file(&new) {
            // A killed process has left it.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let text = serde_json::to_vec_pretty(book)?;
        let file = self.fs.create_new(&new)?;
        file.write_all_at(&mut [IoSlice::new(&text)], 0)?;
        file.sync_data()?;
        self.fs.rename(&new, &path)?;
        self.fs.sync_dir(&self.dir)
    }
}

fn read(fs: &dyn Fs, path: &Path) -> io::Result<Book> {
    let file = match fs.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        file => file?,
    };
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut text = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut text[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(serde_json::from_slice(&text[..filled])?)
}

#[cfg(test)]
mod tests {
    use forebay_storage::fs::sim::SimFs;

    use super::*;

    const DIR: &str = "/data";

    fn disk() -> Arc<dyn Fs> {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new());
        fs.create_dir_all(Path::new(DIR)).unwrap();
        fs
    }

    fn open(fs: &Arc<dyn Fs>) -> (Orders, Option<io::Error>) {
        Orders::open(Arc::clone(fs), Path::new(DIR))
    }

    #[test]
    fn orders_are_known_after_a_restart_and_chunks_that_are_gone_are_forgotten() {
        let fs = disk();
        let (orders, problem) = open(&fs);
        assert!(problem.is_none());
        let hold = |chunk: &str| {
            let chunk = chunk.to_owned();
            move |book: &mut Book| _ = book.held.insert(chunk, "web".to_owned())
        };
        orders.change(|_, _| false, hold("a")).unwrap();
        orders.change(|chunk, _| chunk == "a", hold("b")).unwrap();
        orders
            .change(
                |_, _| false,
                |book| {
                    book.paused_routes.insert("web".to_owned());
                },
            )
            .unwrap();
        let (again, problem) = open(&fs);
        assert!(problem.is_none());
        let book = lock(&again.book).clone();
        assert_eq!(book.held.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(book.paused_routes.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_set_aside_and_costs_nothing_but_the_orders() {
        let fs = disk();
        let path = Path::new(DIR).join(FILE);
        let file = fs.create_new(&path).unwrap();
        file.write_all_at(&mut [IoSlice::new(b"{\"held\": [")], 0)
            .unwrap();
        let (orders, problem) = open(&fs);
        assert!(problem.is_some());
        assert_eq!(orders.held_count(), 0);
        let names = fs.read_dir(Path::new(DIR)).unwrap();
        let names: Vec<_> = names.iter().map(|entry| &*entry.name).collect();
        assert_eq!(names, ["orders.json.unreadable"]);
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_the_orders_before_it() {
        let fs = disk();
        let (orders, _) = open(&fs);
        let pause = |book: &mut Book| _ = book.paused_routes.insert("web".to_owned());
        orders.change(|_, _| false, pause).unwrap();
        let new = Path::new(DIR).join("orders.json.new");
        let file = fs.create_new(&new).unwrap();
        file.write_all_at(&mut [IoSlice::new(b"{")], 0).unwrap();
        let (orders, problem) = open(&fs);
        assert!(problem.is_none());
        let resume = |book: &mut Book| _ = book.paused_routes.remove("web");
        orders.change(|_, _| false, resume).unwrap();
        assert_eq!(*lock(&open(&fs).0.book), Book::default());
    }
}
