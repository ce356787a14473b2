//! One run of a store in a scenario: every step may fail, and the ledger notes what came of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::ledger::{Delivered, Ledger};
use super::{DEAD, append, key, options};
use crate::fs::sim::SimFs;
use crate::recovery::Recovered;
use crate::sync::lock;
use crate::{
    ChunkId, ChunkInfo, Claim, DamageReport, DeadNote, Observer, OpenError, Receipt, Route,
    RouteOptions, SealReason, SlotState, Store, StoreOptions,
};

/// Remembers the damage it is told of.
#[derive(Debug, Default)]
pub(crate) struct Damages(Mutex<Vec<DamageReport>>);

impl Observer for Damages {
    fn damaged(&self, damage: &DamageReport) {
        lock(&self.0).push(damage.clone());
    }
}

/// How a scenario's store is opened.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) route: RouteOptions,
    pub(crate) open_files_max: usize,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            route: RouteOptions {
                chunk_limit_bytes: 16 * 1024,
                ..options()
            },
            open_files_max: 64,
        }
    }
}

/// An open store with a route and its dead letters.
pub(crate) struct Life {
    pub(crate) fs: SimFs,
    pub(crate) store: Store,
    pub(crate) route: Route,
    pub(crate) dead: Route,
    pub(crate) recovered: Recovered,
    pub(crate) damages: Arc<Damages>,
}

/// An append whose receipt has not been looked at.
pub(crate) struct Pending {
    pub(crate) number: usize,
    pub(crate) chunk: ChunkId,
    receipt: Receipt,
}

impl Life {
    pub(crate) fn begin(fs: &SimFs, setup: &Setup) -> Result<Life, OpenError> {
        let store = Store::open(StoreOptions {
            dir: PathBuf::from("/data"),
            fs: Arc::new(fs.clone()),
            open_files_max: setup.open_files_max,
            id_seed: 7,
            now_ns: 1_000,
            clock: None,
        })?;
        let damages = Arc::new(Damages::default());
        let observer = || Arc::clone(&damages) as Arc<dyn Observer>;
        let (route, mut recovered) = store.route("web", setup.route.clone(), observer())?;
        let dead_options = RouteOptions {
            destinations: vec![],
            ..setup.route.clone()
        };
        let (dead, of_dead) = store.dead_letters("web", dead_options, observer())?;
        recovered.steps.extend(of_dead.steps);
        recovered.failures.extend(of_dead.failures);
        let fs = fs.clone();
        Ok(Life {
            fs,
            store,
            route,
            dead,
            recovered,
            damages,
        })
    }

    /// Appends without waiting.
    pub(crate) fn append(&self, ledger: &mut Ledger, tag: &str, len: usize) -> Option<Pending> {
        let (number, payload) = ledger.begin(tag, len);
        let now_ns = 1_000 + i64::try_from(number).unwrap();
        let appended = self
            .route
            .append(now_ns, &key(tag), None, append(&payload))
            .ok()?;
        Some(Pending {
            number,
            chunk: appended.chunk,
            receipt: appended.receipt,
        })
    }

    /// Appends several by as few writes as the chunks' limits allow, without waiting.
    pub(crate) fn append_run(
        &self,
        ledger: &mut Ledger,
        tag: &str,
        lens: &[usize],
    ) -> Vec<Pending> {
        let begun: Vec<_> = lens.iter().map(|len| ledger.begin(tag, *len)).collect();
        let mut pending = Vec::new();
        while pending.len() < begun.len() {
            let rest = &begun[pending.len()..];
            let now_ns = 1_000 + i64::try_from(rest[0].0).unwrap();
            let appends: Vec<_> = rest.iter().map(|(_, payload)| append(payload)).collect();
            let Ok(run) = self.route.append_run(now_ns, &key(tag), &appends) else {
                break;
            };
            pending.extend(rest[..run.count].iter().map(|(number, _)| Pending {
                number: *number,
                chunk: run.chunk,
                receipt: run.receipt.clone(),
            }));
        }
        pending
    }

    /// Appends and waits for the receipt; returns the chunk if it resolved.
    pub(crate) fn store(&self, ledger: &mut Ledger, tag: &str, len: usize) -> Option<ChunkId> {
        self.append(ledger, tag, len)?.wait(ledger)
    }

    /// Appends a dead letter and waits for its receipt.
    pub(crate) fn bury(&self, ledger: &mut Ledger, tag: &str, len: usize) -> Option<ChunkId> {
        let (number, payload) = ledger.begin(&format!("dead/{tag}"), len);
        let now_ns = 1_000 + i64::try_from(number).unwrap();
        let appended = self
            .dead
            .append(now_ns, &key(tag), Some(&note()), append(&payload))
            .ok()?;
        let (chunk, receipt) = (appended.chunk, appended.receipt);
        Pending {
            number,
            chunk,
            receipt,
        }
        .wait(ledger)
    }

    /// Seals what is staged and waits until it may be claimed.
    pub(crate) fn seal(&self, reason: SealReason) {
        self.route.seal_staged(reason, 2_000);
        self.store.sync();
    }

    /// Syncs, after which no power cut undoes a commit of this or an earlier life, unless a call
    /// has failed.
    pub(crate) fn sync(&self, ledger: &mut Ledger) {
        self.store.sync();
        // A commit that a killed process wrote is in the page cache; the daemon does so at its start.
        let is_synced = self.store.sync_files().is_ok();
        let has_failed = self.fs.has_failed() || self.store.stats().removal_failures > 0;
        if is_synced && !has_failed && self.fs.has_power() {
            ledger.synced();
        }
    }

    /// Claims and reads a chunk that may be claimed.
    pub(crate) fn claim(
        &self,
        ledger: &Ledger,
        chunk: &ChunkInfo,
        destination: &str,
    ) -> Option<(Claim, Vec<usize>)> {
        let claim = self.route.claim_for(chunk.id, destination).ok()?;
        let numbers = ledger.read(claim.reader().ok()?, &place(chunk)).ok()?;
        let is_whole = u32::try_from(numbers.len()) == Ok(chunk.frame_count);
        is_whole.then_some((claim, numbers))
    }

    /// Delivers a chunk to a destination, as far as the disk allows.
    pub(crate) fn deliver(&self, ledger: &mut Ledger, chunk: &ChunkInfo, destination: &str) {
        let Some((claim, numbers)) = self.claim(ledger, chunk, destination) else {
            return;
        };
        ledger.tried(&numbers, destination);
        // The last commit of a chunk also counts if it could not be noted.
        if claim.commit(3_000).is_ok() && self.fs.has_power() {
            ledger.settled(&numbers, destination);
        }
    }

    /// Drops a chunk on purpose.
    pub(crate) fn purge(&self, ledger: &mut Ledger, id: ChunkId) {
        let routes = [(&self.route, ""), (&self.dead, "dead/")];
        let found = routes
            .iter()
            .find_map(|(route, kind)| Some((*route, *kind, route.chunk(id)?)));
        let Some((route, kind, chunk)) = found else {
            return;
        };
        self.store.sync();
        let place = format!("{kind}{}", place(&chunk));
        let numbers = route
            .read(id)
            .map_err(|error| error.to_string())
            .and_then(|reader| ledger.read(reader, &place));
        let is_whole = |numbers: &Vec<usize>| u32::try_from(numbers.len()) == Ok(chunk.frame_count);
        let Some(numbers) = numbers.ok().filter(is_whole) else {
            return;
        };
        for number in numbers {
            ledger.dropped(number);
        }
        drop(route.purge(id));
    }

    /// Seals and delivers everything to everybody, checking each promise on the way.
    pub(crate) fn drain(&self, ledger: &Ledger, is_exact: bool) -> Result<(), String> {
        self.seal(SealReason::Request);
        self.dead.seal_staged(SealReason::Request, 2_000);
        self.store.sync();
        let mut given: Vec<Delivered> = vec![Vec::new(); self.route.options().destinations.len()];
        for chunk in self.route.chunks() {
            self.check_size(&chunk)?;
            self.check_settled(ledger, &chunk)?;
            for (destination, given) in given.iter_mut().enumerate() {
                self.drain_chunk(ledger, &chunk, destination, given)?;
            }
        }
        for (name, given) in self.route.options().destinations.iter().zip(&given) {
            ledger.check(name, given, is_exact)?;
        }
        self.drain_dead(ledger)?;
        self.store.sync();
        self.check_nothing_left()
    }

    /// Nobody who is owed nothing any more is so without having committed.
    fn check_settled(&self, ledger: &Ledger, chunk: &ChunkInfo) -> Result<(), String> {
        let reader = self
            .route
            .read(chunk.id)
            .map_err(|error| error.to_string())?;
        let numbers = ledger.read(reader, &place(chunk))?;
        let slots = chunk.slots.iter().zip(chunk.destinations());
        for (_, destination) in slots.filter(|(slot, _)| slot.state != SlotState::Owed) {
            ledger.check_settled(&numbers, destination)?;
        }
        Ok(())
    }

    fn drain_chunk(
        &self,
        ledger: &Ledger,
        chunk: &ChunkInfo,
        destination: usize,
        given: &mut Delivered,
    ) -> Result<(), String> {
        let place = place(chunk);
        if chunk.slots[destination].state != SlotState::Owed {
            return Ok(());
        }
        let claim = self.route.claim(chunk.id, destination);
        let claim = claim.map_err(|error| error.to_string())?;
        let reader = claim.reader().map_err(|error| error.to_string())?;
        let numbers = ledger.read(reader, &place)?;
        // A seal record may survive without frames that nobody was promised.
        if u32::try_from(numbers.len()) != Ok(chunk.frame_count) && !self.is_named(chunk.id) {
            return Err(format!("{} frames of {}", numbers.len(), chunk.frame_count));
        }
        given.extend(numbers.into_iter().map(|number| (place.clone(), number)));
        claim.commit(4_000).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn drain_dead(&self, ledger: &Ledger) -> Result<(), String> {
        let mut given = Delivered::new();
        for chunk in self.dead.chunks() {
            if chunk.note() != Some(&note()) {
                return Err("a dead letter without its note".to_owned());
            }
            let place = format!("dead/{}", place(&chunk));
            let reader = self
                .dead
                .read(chunk.id)
                .map_err(|error| error.to_string())?;
            let numbers = ledger.read(reader, &place)?;
            given.extend(numbers.into_iter().map(|number| (place.clone(), number)));
            self.dead
                .purge(chunk.id)
                .ok_or("a dead letter that stays")?;
        }
        ledger.check(DEAD, &given, false)
    }

    /// No chunk takes more than twice its bytes and one block.
    fn check_size(&self, chunk: &ChunkInfo) -> Result<(), String> {
        let len = self
            .fs
            .bytes(&self.route.path(chunk.id))
            .map_or(0, |bytes| bytes.len() as u64);
        if len != chunk.file_bytes {
            return Err(format!("{len} bytes are counted as {}", chunk.file_bytes));
        }
        let limit = (2 * (chunk.data_bytes + 4096)).next_multiple_of(4096);
        if len > limit && !chunk.is_cut_back() {
            return Err(format!("{len} bytes of disk for {}", chunk.data_bytes));
        }
        Ok(())
    }

    /// Once everything is delivered the disk is as empty as before.
    fn check_nothing_left(&self) -> Result<(), String> {
        let left: Vec<_> = self
            .fs
            .files()
            .into_iter()
            .filter(|path| !path.starts_with("/data/quarantine"))
            .collect();
        let counted = self.route.file_bytes() + self.dead.file_bytes();
        if left.is_empty() && counted == 0 {
            Ok(())
        } else {
            Err(format!("{counted} bytes are counted, and {left:?} is left"))
        }
    }

    /// Whether damage of the chunk was set aside, in this life or one before.
    fn is_named(&self, id: ChunkId) -> bool {
        let id = id.to_string();
        let is_of_chunk = |path: &PathBuf| path.to_string_lossy().contains(&id);
        let files = self.fs.files();
        let mut quarantined = files
            .iter()
            .filter(|path| path.starts_with("/data/quarantine"));
        quarantined.any(is_of_chunk)
    }

    /// Every damage that was met is named, and its bytes are where the report says.
    pub(crate) fn check_damage(&self) -> Result<(), String> {
        let files = self.fs.files();
        let is_there = |damage: &DamageReport| {
            damage
                .quarantine
                .as_ref()
                .is_some_and(|copy| files.contains(copy))
        };
        match lock(&self.damages.0)
            .iter()
            .find(|damage| !is_there(damage))
        {
            Some(damage) => Err(format!("not set aside: {damage:?}")),
            None => Ok(()),
        }
    }
}

impl Pending {
    /// Notes whether the receipt has resolved by now.
    pub(crate) fn look(self, ledger: &mut Ledger) {
        if let Some(Ok(())) = self.receipt.outcome() {
            ledger.stored(self.number);
        }
    }

    /// Waits for the receipt; returns the chunk if it resolved.
    pub(crate) fn wait(self, ledger: &mut Ledger) -> Option<ChunkId> {
        self.receipt.wait().ok()?;
        ledger.stored(self.number);
        Some(self.chunk)
    }
}

impl ChunkInfo {
    /// Whether bytes were kept behind its data, as evidence.
    fn is_cut_back(&self) -> bool {
        let kept = [SealReason::Failure, SealReason::Recovery];
        self.sealed
            .is_some_and(|(_, reason)| kept.contains(&reason))
    }
}

fn place(chunk: &ChunkInfo) -> String {
    chunk.key().tag.clone().unwrap_or_default()
}

fn note() -> DeadNote {
    DeadNote {
        reason: "rejected".to_owned(),
        destination: Some("out".to_owned()),
        attempts: 1,
        first_failure_ns: 1,
        last_failure_ns: 2,
        answer: "400".to_owned(),
        source: None,
    }
}
