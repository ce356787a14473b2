//! Orphans: what is on disk and owed to nobody that runs.
//!
//! There are two kinds. A route that the configuration does not name any more leaves its chunks and
//! dead letters; an output that its route does not have any more leaves what its chunks owe to it.
//! Both are kept until the configuration names them again, or until they are told what to become:
//! adopted by a route, or dropped.
//!
//! To adopt a chunk is to copy it into a chunk of the other route, wait until that is durable, and
//! settle or delete the original then: a crash in between leaves both, so that events may be
//! delivered twice, and none is lost.
//!
//! A route that a reload has removed is still held by the engine. The directory of one that had no
//! configuration when the daemon was started is opened to be adopted or dropped, and stays open until
//! the daemon ends: only a restart makes it a route again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use forebay_storage::recovery::FileReport;
use forebay_storage::{
    ChunkInfo, DEAD_DIR, Fs as _, OpenError, ROUTES_DIR, RealFs, Route, SealReason, SlotState,
    Store, inspect_dir,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::dead_letters::{ChangeError, copy, unbounded};
use super::holding::Holding;
use super::route::{RunningRoute, lock};
use super::status::Moment;
use super::topology::Topology;

/// What an orphan was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrphanKind {
    /// A route: its chunks, and its dead letters.
    Route,
    /// An output of a route: what chunks owe to it.
    Output,
}

/// An orphan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrphanReport {
    /// The route's name; of an output `route:output`.
    pub name: String,
    /// What it was.
    pub kind: OrphanKind,
    /// Chunks that are to be delivered.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Events in them.
    pub dead_events: u64,
    /// When the oldest of all these was created.
    pub oldest: Option<Moment>,
}

/// The orphans of an engine, as far as they had to be opened.
#[derive(Default)]
pub(super) struct Orphans {
    opened: Mutex<BTreeMap<String, Opened>>,
    turn: Mutex<()>,
}

/// A route that no configuration names, opened.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) chunks: Route,
    pub(super) dead_letters: Route,
}

/// What an orphan is made of.
pub(super) enum Orphan {
    Route(Opened),
    Output {
        route: Arc<RunningRoute>,
        output: String,
    },
}

/// Who adopts, and what adopted chunks owe.
pub(super) struct Parent {
    pub(super) route: Arc<RunningRoute>,
    /// Its outputs that are given chunks, or the one that is meant.
    pub(super) outputs: Vec<String>,
}

/// What has been done with an orphan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) chunks: u64,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// Why an orphan could not be adopted as a whole.
#[derive(Debug, thiserror::Error)]
#[error("chunk {chunk} stays an orphan")]
pub(super) struct NotAdopted {
    pub(super) chunk: String,
    #[source]
    pub(super) why: ChangeError,
    pub(super) before: Done,
}

impl Orphans {
    /// The right to change orphans.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// All orphans there are now, by name. Reads the directories of routes that are not open.
    pub(super) fn reports(&self, store: &Store, live: &Topology) -> Vec<OrphanReport> {
        let mut reports: Vec<_> = live.routes.iter().flat_map(owed_elsewhere).collect();
        let mut opened = lock(&self.opened).clone();
        let abandoned = live.abandoned.iter();
        opened.extend(abandoned.map(|(name, holding)| (name.clone(), Opened::of(holding))));
        reports.extend(opened.iter().map(|(name, opened)| opened.report(name)));
        let is_known = |name: &String| live.route(name).is_some() || opened.contains_key(name);
        let dir = store.dir();
        let stranded = names(dir).into_iter().filter(|name| !is_known(name));
        reports.extend(stranded.map(|name| report_of_files(dir, name)));
        reports.retain(|report| report.chunks > 0 || report.dead_letters > 0);
        reports.sort_by(|left, right| left.name.cmp(&right.name));
        reports
    }

    /// The orphan of that name; `None` if there is none.
    pub(super) fn find(
        &self,
        store: &Store,
        live: &Topology,
        name: &str,
    ) -> Result<Option<Orphan>, OpenError> {
        let reports = self.reports(store, live);
        let Some(report) = reports.iter().find(|report| report.name == name) else {
            return Ok(None);
        };
        if let (OrphanKind::Output, Some((route, output))) = (report.kind, name.split_once(':')) {
            let route = live.route(route).cloned();
            let output = output.to_owned();
            return Ok(route.map(|route| Orphan::Output { route, output }));
        }
        if let Some(holding) = live.abandoned.get(name) {
            return Ok(Some(Orphan::Route(Opened::of(holding))));
        }
        let mut opened = lock(&self.opened);
        if let Some(open) = opened.get(name) {
            return Ok(Some(Orphan::Route(open.clone())));
        }
        let (chunks, _) = store.route(name, unbounded(Vec::new()), Arc::new(()))?;
        let (dead_letters, _) = store.dead_letters(name, unbounded(Vec::new()), Arc::new(()))?;
        let open = Opened {
            chunks,
            dead_letters,
        };
        opened.insert(name.to_owned(), open.clone());
        Ok(Some(Orphan::Route(open)))
    }
}

impl Orphan {
    /// Makes all of it chunks, and dead letters, of `parent`.
    pub(super) fn adopt(
        &self,
        store: &Store,
        parent: &Parent,
        now_ns: i64,
    ) -> Result<Done, NotAdopted> {
        match self {
            Self::Route(opened) => opened.adopt(store, parent, now_ns),
            Self::Output { route, output } => adopt_output(store, route, output, parent, now_ns),
        }
    }

    /// Deletes all of it.
    pub(super) fn drop_all(&self, store: &Store, now_ns: i64) -> Done {
        let mut done = Done::default();
        match self {
            Self::Route(opened) => {
                for holder in [&opened.chunks, &opened.dead_letters] {
                    let gone = holder.chunks().into_iter();
                    gone.filter_map(|chunk| holder.purge(chunk.id))
                        .for_each(|chunk| done.count(&chunk));
                }
            }
            Self::Output { route, output } => {
                for chunk in owed_to(store, route, output, now_ns) {
                    if settle(route, output, &chunk, now_ns) {
                        done.count(&chunk);
                    }
                }
                let dropped = &route.stats.dropped_by_operator;
                dropped.count_many(done.chunks, done.events, done.bytes);
            }
        }
        store.sync();
        done
    }
}

impl Opened {
    fn of(holding: &Holding) -> Self {
        Self {
            chunks: holding.chunks.clone(),
            dead_letters: holding.dead_letters.clone(),
        }
    }

    fn report(&self, name: &str) -> OrphanReport {
        let mut report = OrphanReport::new(name.to_owned(), OrphanKind::Route);
        for chunk in self.chunks.chunks() {
            report.count(chunk.event_count, chunk.payload_bytes, chunk.created_ns);
        }
        for letter in self.dead_letters.chunks() {
            report.count_dead(letter.event_count, letter.created_ns);
        }
        report
    }

    fn adopt(&self, store: &Store, parent: &Parent, now_ns: i64) -> Result<Done, NotAdopted> {
        self.chunks.seal_staged(SealReason::Request, now_ns);
        store.sync();
        let mut done = Done::default();
        for chunk in self.chunks.chunks() {
            let owed = parent.owes(&chunk);
            let copied = copy(
                &self.chunks,
                &chunk,
                &parent.route.chunks,
                None,
                &owed,
                now_ns,
            );
            copied.map_err(|why| done.stopped_at(&chunk, why))?;
            // A delivery that a reload left under way may have taken it meanwhile.
            if self.chunks.purge(chunk.id).is_some() {
                done.count(&chunk);
            }
            store.sync();
        }
        for letter in self.dead_letters.chunks() {
            let to = &parent.route.dead_letters;
            let copied = copy(&self.dead_letters, &letter, to, letter.note(), &[], now_ns);
            copied.map_err(|why| done.stopped_at(&letter, why))?;
            self.dead_letters.purge(letter.id);
            store.sync();
            done.count(&letter);
        }
        Ok(done)
    }
}

fn adopt_output(
    store: &Store,
    route: &RunningRoute,
    output: &str,
    parent: &Parent,
    now_ns: i64,
) -> Result<Done, NotAdopted> {
    let mut done = Done::default();
    for chunk in owed_to(store, route, output, now_ns) {
        let owed = match parent.route.state.name == route.state.name {
            // What the chunk owes already, or has delivered, needs no copy.
            true => missing_from(&chunk, &parent.outputs),
            false => parent.owes(&chunk),
        };
        if !owed.is_empty() {
            let copied = copy(
                &route.chunks,
                &chunk,
                &parent.route.chunks,
                None,
                &owed,
                now_ns,
            );
            copied.map_err(|why| done.stopped_at(&chunk, why))?;
        }
        if settle(route, output, &chunk, now_ns) {
            done.count(&chunk);
        }
        store.sync();
    }
    Ok(done)
}

/// A chunk owes nothing any more to an output that its route does not have.
fn settle(route: &RunningRoute, output: &str, chunk: &ChunkInfo, now_ns: i64) -> bool {
    let Ok(claim) = route.chunks.claim_for(chunk.id, output) else {
        return false;
    };
    if let Err(error) = claim.reject(now_ns) {
        tracing::error!(chunk = %chunk.id, %error, "cannot note that an orphan is settled");
        return false;
    }
    true
}

/// The chunks of a route that are owed to an output, sealed if they were not.
fn owed_to(store: &Store, route: &RunningRoute, output: &str, now_ns: i64) -> Vec<ChunkInfo> {
    let owes = |chunk: &ChunkInfo| {
        let mut slots = chunk.destinations().iter().zip(&chunk.slots);
        slots.any(|(name, slot)| name == output && slot.state == SlotState::Owed)
    };
    let mut chunks = route.chunks.chunks();
    chunks.retain(owes);
    let staged = chunks.iter().filter(|chunk| chunk.is_staged());
    let sealed = staged.filter(|chunk| route.chunks.seal(chunk.id, SealReason::Request, now_ns));
    if sealed.count() > 0 {
        store.sync();
    }
    chunks
}

impl Parent {
    /// What an adopted chunk owes: what of the parent's outputs has not got it under the same name;
    /// if all of them have, all of them again, since somebody has not.
    fn owes(&self, chunk: &ChunkInfo) -> Vec<String> {
        let slots = chunk.destinations().iter().zip(&chunk.slots);
        let settled: BTreeSet<_> = slots
            .filter(|(_, slot)| slot.state != SlotState::Owed)
            .map(|(name, _)| name)
            .collect();
        let outputs = self.outputs.iter();
        let owed: Vec<_> = outputs
            .filter(|name| !settled.contains(name))
            .cloned()
            .collect();
        match owed.is_empty() {
            true => self.outputs.clone(),
            false => owed,
        }
    }
}

/// The outputs that a chunk does not know.
fn missing_from(chunk: &ChunkInfo, outputs: &[String]) -> Vec<String> {
    let outputs = outputs.iter();
    let missing = outputs.filter(|name| !chunk.destinations().contains(name));
    missing.cloned().collect()
}

/// What a route's chunks owe to outputs that it does not have, by output.
fn owed_elsewhere(route: &Arc<RunningRoute>) -> Vec<OrphanReport> {
    let mut by_output: BTreeMap<String, OrphanReport> = BTreeMap::new();
    for chunk in route.chunks.chunks() {
        let slots = chunk.destinations().iter().zip(&chunk.slots);
        let owed = slots.filter(|(name, slot)| {
            slot.state == SlotState::Owed && !route.state.outputs.contains(name)
        });
        for (output, _) in owed {
            let name = format!("{}:{output}", route.state.name);
            let report = by_output
                .entry(output.clone())
                .or_insert_with(|| OrphanReport::new(name, OrphanKind::Output));
            report.count(chunk.event_count, chunk.payload_bytes, chunk.created_ns);
        }
    }
    by_output.into_values().collect()
}

/// The routes that have a directory of chunks or of dead letters.
fn names(data_dir: &Path) -> BTreeSet<String> {
    let dirs = [ROUTES_DIR, DEAD_DIR].map(|kind| RealFs.read_dir(&data_dir.join(kind)));
    let entries = dirs.into_iter().filter_map(|entries| {
        entries
            .inspect_err(|error| tracing::warn!(%error, "cannot look for orphans"))
            .ok()
    });
    let folders = entries.flatten().filter(|entry| entry.is_dir);
    folders.map(|entry| entry.name).collect()
}

fn report_of_files(data_dir: &Path, name: String) -> OrphanReport {
    let files = |kind: &str| {
        // A route need not have both.
        inspect_dir(&RealFs, &data_dir.join(kind).join(&name)).unwrap_or_default()
    };
    let (chunks, letters) = (files(ROUTES_DIR), files(DEAD_DIR));
    let mut report = OrphanReport::new(name, OrphanKind::Route);
    for file in &chunks {
        if let FileReport::Chunk(chunk) = file {
            report.count(chunk.event_count, chunk.payload_bytes, chunk.created_ns);
        }
    }
    for file in &letters {
        if let FileReport::Chunk(letter) = file {
            report.count_dead(letter.event_count, letter.created_ns);
        }
    }
    report
}

impl OrphanReport {
    fn new(name: String, kind: OrphanKind) -> Self {
        Self {
            name,
            kind,
            chunks: 0,
            events: 0,
            bytes: 0,
            dead_letters: 0,
            dead_events: 0,
            oldest: None,
        }
    }

    fn count(&mut self, events: u64, bytes: u64, created_ns: i64) {
        self.chunks += 1;
        self.events += events;
        self.bytes += bytes;
        self.grow_old(created_ns);
    }

    fn count_dead(&mut self, events: u64, created_ns: i64) {
        self.dead_letters += 1;
        self.dead_events += events;
        self.grow_old(created_ns);
    }

    fn grow_old(&mut self, created_ns: i64) {
        let created = Moment(created_ns);
        self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
    }
}

impl Done {
    fn count(&mut self, chunk: &ChunkInfo) {
        self.chunks += 1;
        self.events += chunk.event_count;
        self.bytes += chunk.payload_bytes;
    }

    fn stopped_at(self, chunk: &ChunkInfo, why: ChangeError) -> NotAdopted {
        NotAdopted {
            chunk: chunk.id.to_string(),
            why,
            before: self,
        }
    }
}
