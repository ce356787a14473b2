//! Sequences of what is done to a store, on a disk that fails, loses power and forgets.
//!
//! Input: pairs of bytes, an operation and its argument. The model knows of each append whether
//! its receipt resolved and whether its delivery was committed; after each start it is compared
//! with what the store holds.

use std::path::PathBuf;
use std::sync::Arc;

use forebay_storage::fs::sim::{Calls, Faults, SimFs};
use forebay_storage::{
    Append, ChunkKey, Durability, Observer, Route, RouteOptions, SealReason, Store, StoreOptions,
};

/// Most operations of one sequence.
const OPS_MAX: usize = 48;

pub(crate) fn run(bytes: &[u8]) {
    let mut life = Life::begin();
    for op in bytes.chunks_exact(2).take(OPS_MAX) {
        life.step(op[0], op[1]);
    }
    life.cut_power(0);
    assert!(life.open.is_some(), "the store opens again");
}

/// What is known of one append.
struct Tried {
    tag: u8,
    payload: Vec<u8>,
    /// Its receipt resolved: it must not be lost.
    is_stored: bool,
    /// A commit of its chunk was tried: it need not be there.
    may_be_gone: bool,
    /// The commit succeeded: after a kill it must not be there.
    is_settled: bool,
}

struct Open {
    store: Store,
    route: Route,
}

struct Life {
    fs: SimFs,
    open: Option<Open>,
    tried: Vec<Tried>,
    now_ns: i64,
    /// Syncs may have failed since the power was last cut.
    is_doubtful: bool,
}

impl Life {
    fn begin() -> Self {
        let mut life = Self {
            fs: SimFs::new(),
            open: None,
            tried: Vec::new(),
            now_ns: 1_000,
            is_doubtful: false,
        };
        life.reopen();
        life
    }

    fn step(&mut self, op: u8, argument: u8) {
        self.now_ns += 1;
        match op % 16 {
            0..=3 => self.append(argument, true),
            4 | 5 => self.append(argument, false),
            6 => self.seal(),
            7 => self.sync(),
            8 | 9 => self.deliver(true),
            10 => self.deliver(false),
            11 if !self.is_doubtful => self.restart(SimFs::after_kill),
            13 if !self.is_doubtful => self.close_and_open(),
            11..=13 => self.cut_power(argument),
            14 => self.fail(argument),
            _ => self.fs.set_faults(Faults::default()),
        }
    }

    fn fail(&mut self, argument: u8) {
        let faults = faults(argument, self.fs.op_count());
        self.is_doubtful |= faults.failing_syncs != Calls::default();
        self.is_doubtful |= faults.failing_dir_syncs != Calls::default();
        self.fs.set_faults(faults);
    }

    fn append(&mut self, argument: u8, waits: bool) {
        let Some(open) = &self.open else { return };
        let tag = argument % 3;
        let payload = payload(self.tried.len(), argument);
        let appended = open
            .route
            .append(self.now_ns, &key(tag), None, append(&payload));
        let is_stored = match appended {
            Ok(appended) if waits => appended.receipt.wait().is_ok(),
            _ => false,
        };
        self.tried.push(Tried {
            tag,
            payload,
            is_stored,
            may_be_gone: false,
            is_settled: false,
        });
    }

    fn seal(&mut self) {
        if let Some(open) = &self.open {
            open.route.seal_staged(SealReason::Age, self.now_ns);
        }
    }

    fn sync(&mut self) {
        if let Some(open) = &self.open {
            open.store.sync();
        }
    }

    /// Delivers the oldest chunk that can be claimed, and commits it if `commits`.
    fn deliver(&mut self, commits: bool) {
        let Some(open) = &self.open else { return };
        let chunks = open.route.chunks();
        let mut claims = chunks
            .iter()
            .filter_map(|chunk| open.route.claim(chunk.id, 0).ok());
        let Some(claim) = claims.next() else { return };
        drop(claims);
        let info = claim.info();
        let Some(payloads) = claim.reader().ok().and_then(read) else {
            return;
        };
        if !commits || u32::try_from(payloads.len()) != Ok(info.frame_count) {
            claim.roll_back();
            return;
        }
        let is_settled = claim.commit(self.now_ns).is_ok();
        for tried in &mut self.tried {
            if payloads.contains(&tried.payload) {
                tried.may_be_gone = true;
                tried.is_settled |= is_settled;
            }
        }
    }

    /// The process ends as a crash ends it, and is started again.
    fn restart(&mut self, crash: impl FnOnce(&SimFs) -> SimFs) {
        let survivor = crash(&self.fs);
        self.open = None;
        self.fs = survivor;
        self.reopen();
    }

    /// After a power cut what was committed may be delivered again.
    fn cut_power(&mut self, seed: u8) {
        for tried in &mut self.tried {
            tried.is_settled = false;
        }
        self.is_doubtful = false;
        self.restart(|fs| fs.after_power_cut(seed.into()));
    }

    fn close_and_open(&mut self) {
        self.open = None;
        self.reopen();
    }

    fn reopen(&mut self) {
        self.open = open(&self.fs, self.now_ns);
        self.check();
    }

    /// Everything that was promised is there, once, in order; nothing is that was never appended.
    fn check(&self) {
        let Some(found) = self.open.as_ref().and_then(all_payloads) else {
            return;
        };
        let mut last = [None; 3];
        for tried in &self.tried {
            let mut places = (0..found.len()).filter(|place| found[*place] == tried.payload);
            let place = places.next();
            assert!(places.next().is_none(), "an append twice");
            assert!(
                place.is_some() || !tried.is_stored || tried.may_be_gone,
                "lost"
            );
            assert!(place.is_none() || !tried.is_settled, "settled, and there");
            let last = &mut last[usize::from(tried.tag)];
            assert!(place.is_none() || place > *last, "out of order");
            *last = place.or(*last);
        }
        let is_known =
            |payload: &&Vec<u8>| self.tried.iter().any(|tried| tried.payload == **payload);
        assert!(found.iter().all(|payload| is_known(&payload)), "foreign");
    }
}

/// What goes wrong from now on.
fn faults(argument: u8, op_count: u64) -> Faults {
    let nth = u64::from(argument / 4 % 8);
    let once = Calls::from([nth]);
    let mut faults = Faults::default();
    match argument % 4 {
        0 => faults.failing_syncs = once,
        1 => faults.failing_dir_syncs = once,
        2 => faults.failing_writes = once,
        _ => faults.power_off_after = Some(op_count + nth),
    }
    faults
}

/// Unique by its number, of a length that the argument decides.
fn payload(number: usize, argument: u8) -> Vec<u8> {
    let mut payload = format!("{number};").into_bytes();
    payload.resize(payload.len() + usize::from(argument) * 40, argument);
    payload
}

fn key(tag: u8) -> ChunkKey {
    ChunkKey {
        tag: Some(tag.to_string()),
        ..ChunkKey::default()
    }
}

fn append(payload: &[u8]) -> Append<'_> {
    Append {
        tag: "",
        batch_id: b"",
        payload,
        event_count: 1,
        time_min_ns: 0,
        time_max_ns: 0,
    }
}

/// Every payload, oldest chunk first; `None` if the disk does not give them.
fn all_payloads(open: &Open) -> Option<Vec<Vec<u8>>> {
    let mut payloads = Vec::new();
    for chunk in open.route.chunks() {
        payloads.extend(open.route.read(chunk.id).ok().and_then(read)?);
    }
    Some(payloads)
}

fn read(mut reader: forebay_storage::Reader) -> Option<Vec<Vec<u8>>> {
    let mut payloads = Vec::new();
    while let Some(window) = reader.next_window().ok()? {
        payloads.extend(window.frames().map(|frame| frame.payload.to_vec()));
    }
    Some(payloads)
}

/// Hears nothing.
struct Deaf;

impl Observer for Deaf {}

fn open(fs: &SimFs, now_ns: i64) -> Option<Open> {
    let store = Store::open(StoreOptions {
        dir: PathBuf::from("/data"),
        fs: Arc::new(fs.clone()),
        open_files_max: 8,
        id_seed: 7,
        now_ns,
        clock: None,
    });
    let options = RouteOptions {
        destinations: vec!["out".to_owned()],
        durability: Durability::Disk,
        chunk_limit_bytes: 16 * 1024,
        chunk_limit_events: None,
        chunk_full_threshold: 0.95,
        total_limit_bytes: 1 << 20,
    };
    let store = store.ok()?;
    let (route, _) = store.route("web", options, Arc::new(Deaf)).ok()?;
    Some(Open { store, route })
}
