//! A day's churn: what the store says of itself is at every moment what its files say.
//!
//! `FOREBAY_CHURN_SEED` makes another day; a failure prints the seed and the step.

use super::*;
use crate::SlotState;
use crate::recovery::{ChunkReport, FileReport, inspect_dir};
use crate::{Claim, DeadNote, Phase, Quarantined, RouteTotals, SealReason};

/// Half a minute each.
const STEPS: u64 = 24 * 60 * 2;

/// How often it is recounted.
const RECOUNT_EVERY: u64 = 8;

const LIMIT_BYTES: u64 = 1 << 20;

const DEAD_ROUTE_DIR: &str = "/data/dead/web";

/// The numbers of splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let index = self.below(choices.len().max(1) as u64);
        choices.get(usize::try_from(index).unwrap()).cloned()
    }
}

/// An open store with a route of two destinations and its dead letters, and what is being delivered.
struct Day {
    fs: SimFs,
    /// `None` only while it is opened again.
    open: Option<(Store, Route, Route)>,
    claims: Vec<Claim>,
    dice: Dice,
    now_ns: i64,
    /// What was done, to know that a day had everything in it.
    done: std::collections::BTreeMap<&'static str, u64>,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut day = Day {
            fs: SimFs::new(),
            open: None,
            claims: Vec::new(),
            dice: Dice(seed),
            now_ns: 1_000_000_000,
            done: std::collections::BTreeMap::new(),
        };
        day.start(day.fs.clone());
        day
    }

    fn start(&mut self, fs: SimFs) {
        self.claims.clear();
        self.open = None;
        self.fs = fs;
        let options = RouteOptions {
            total_limit_bytes: LIMIT_BYTES,
            chunk_limit_bytes: 16 * 1024,
            ..two_destinations()
        };
        let store = open_store(&self.fs).unwrap();
        let (route, _) = store.route("web", options.clone(), Arc::new(())).unwrap();
        let dead = RouteOptions {
            destinations: vec![],
            ..options
        };
        let (dead, _) = store.dead_letters("web", dead, Arc::new(())).unwrap();
        self.open = Some((store, route, dead));
    }

    fn open(&self) -> &(Store, Route, Route) {
        self.open.as_ref().unwrap()
    }

    fn step(&mut self) {
        self.now_ns += 30_000_000_000;
        let word = match self.dice.below(200) {
            0..110 => self.append(),
            110..125 => self.seal(),
            125..165 => self.claim(),
            165..180 => self.settle(),
            180..186 => self.bury(),
            186..189 => self.drop_dead_letter(),
            189..192 => self.damage(),
            192..197 => self.restart(),
            197..199 => self.kill(),
            _ => self.cut_power(),
        };
        *self.done.entry(word).or_default() += 1;
    }

    fn append(&mut self) -> &'static str {
        let tag = format!("app.{}", self.dice.below(12));
        let payload = vec![b'x'; usize::try_from(1 + self.dice.below(5_000)).unwrap()];
        let append = Append {
            event_count: 1 + u32::try_from(self.dice.below(50)).unwrap(),
            ..append(&payload)
        };
        let (_, route, _) = self.open();
        match route.append(self.now_ns, &key(&tag), None, append) {
            Ok(_) => "append",
            Err(error) if error.is_full() => self.drop_oldest(),
            Err(error) => panic!("{error}"),
        }
    }

    /// As `overflow: drop_oldest_chunk` does.
    fn drop_oldest(&self) -> &'static str {
        let (store, route, _) = self.open();
        let purged = route
            .chunks()
            .iter()
            .any(|chunk| route.purge(chunk.id).is_some());
        store.sync();
        if purged { "drop" } else { "full" }
    }

    fn seal(&mut self) -> &'static str {
        let (_, route, _) = self.open();
        let staged: Vec<_> = route
            .chunks()
            .into_iter()
            .filter(ChunkInfo::is_staged)
            .map(|chunk| chunk.id)
            .collect();
        let Some(id) = self.dice.one_of(&staged) else {
            return "nothing to seal";
        };
        let (_, route, _) = self.open();
        route.seal(id, SealReason::Age, self.now_ns);
        "seal"
    }

    fn claim(&mut self) -> &'static str {
        let (_, route, _) = self.open();
        let queued: Vec<_> = route
            .chunks()
            .into_iter()
            .filter(|chunk| chunk.phase == Phase::Queued)
            .map(|chunk| chunk.id)
            .collect();
        let (id, destination) = (self.dice.one_of(&queued), self.dice.below(2));
        let (_, route, _) = self.open();
        let claim = id.map(|id| route.claim(id, usize::try_from(destination).unwrap()));
        match claim {
            Some(Ok(claim)) => {
                self.claims.push(claim);
                "claim"
            }
            _ => "nothing to claim",
        }
    }

    /// Ends up to three of the deliveries that are under way.
    fn settle(&mut self) -> &'static str {
        for _ in 0..3.min(self.claims.len()) {
            let claim = self.claims.remove(0);
            match self.dice.below(10) {
                0..2 => claim.roll_back(),
                2 => drop(claim.reject(self.now_ns).unwrap()),
                _ => drop(claim.commit(self.now_ns).unwrap()),
            }
        }
        "settle"
    }

    fn bury(&mut self) -> &'static str {
        let note = DeadNote {
            reason: format!("reason {}", self.dice.below(3)),
            destination: None,
            attempts: 0,
            first_failure_ns: 0,
            last_failure_ns: 0,
            answer: String::new(),
            source: None,
        };
        let (_, _, dead) = self.open();
        match dead.append(
            self.now_ns,
            &ChunkKey::default(),
            Some(&note),
            append(b"bad"),
        ) {
            Ok(_) => "bury",
            Err(error) => panic!("{error}"),
        }
    }

    fn drop_dead_letter(&mut self) -> &'static str {
        let (_, _, dead) = self.open();
        dead.seal_staged(SealReason::Age, self.now_ns);
        let ids: Vec<_> = dead.chunks().iter().map(|chunk| chunk.id).collect();
        let id = self.dice.one_of(&ids);
        let (_, _, dead) = self.open();
        match id.and_then(|id| dead.purge(id)) {
            Some(_) => "drop a dead letter",
            None => "no dead letter",
        }
    }

    /// Damages a sealed chunk's last byte of payload, and has it read.
    fn damage(&mut self) -> &'static str {
        let (store, route, _) = self.open();
        store.sync();
        let sealed: Vec<_> = route
            .chunks()
            .into_iter()
            .filter(|chunk| chunk.phase == Phase::Queued)
            .collect();
        let Some(chunk) = self.dice.one_of(&sealed) else {
            return "nothing to damage";
        };
        let (_, route, _) = self.open();
        let path = route.path(chunk.id);
        let bytes = self.fs.bytes(&path).unwrap();
        let last = bytes.iter().rposition(|byte| *byte == b'x').unwrap();
        assert!(self.fs.flip_bit(&path, last as u64, 3));
        let mut reader = route.read(chunk.id).unwrap();
        while reader.next_window().unwrap().is_some() {}
        "damage"
    }

    fn restart(&mut self) -> &'static str {
        self.claims.clear();
        self.open = None;
        self.start(self.fs.clone());
        "restart"
    }

    fn kill(&mut self) -> &'static str {
        self.start(self.fs.after_kill());
        "kill"
    }

    fn cut_power(&mut self) -> &'static str {
        let seed = self.dice.below(u64::MAX);
        self.start(self.fs.after_power_cut(seed));
        "power cut"
    }

    /// Compares everything that a gauge shows with the files.
    fn recount(&self) {
        let (store, route, dead) = self.open();
        store.sync();
        let found = self.chunks(ROUTE_DIR);
        let expected = self.totals(ROUTE_DIR, &found, LIMIT_BYTES);
        assert_eq!(route.totals(), expected);
        assert_eq!(route.file_bytes(), expected.file_bytes);
        for (index, name) in ["out", "archive"].into_iter().enumerate() {
            let owed = found.iter().filter(|chunk| is_owed(chunk, index));
            let oldest = owed.filter_map(ChunkReport::sealed_ns).min();
            assert_eq!(route.oldest_owed_ns(name), oldest, "{name}");
        }
        let found = self.chunks(DEAD_ROUTE_DIR);
        assert_eq!(
            dead.totals(),
            self.totals(DEAD_ROUTE_DIR, &found, LIMIT_BYTES)
        );
        let in_quarantine = self.bytes_of_files(QUARANTINE);
        let expected = Quarantined {
            files: in_quarantine.len() as u64,
            bytes: in_quarantine.iter().sum(),
        };
        assert_eq!(store.quarantined().unwrap(), expected);
    }

    fn chunks(&self, dir: &str) -> Vec<ChunkReport> {
        let files = inspect_dir(&self.fs, Path::new(dir)).unwrap();
        let chunks = files.into_iter().map(|file| match file {
            FileReport::Chunk(chunk) => *chunk,
            other => panic!("{other:?}"),
        });
        chunks.collect()
    }

    fn totals(&self, dir: &str, found: &[ChunkReport], limit_bytes: u64) -> RouteTotals {
        let sum = |is_sealed: bool, of: fn(&ChunkReport) -> u64| -> u64 {
            let chunks = found.iter().filter(|chunk| chunk.is_sealed == is_sealed);
            chunks.map(of).sum()
        };
        RouteTotals {
            staged_chunks: sum(false, |_| 1),
            staged_events: sum(false, |chunk| chunk.event_count),
            staged_bytes: sum(false, |chunk| chunk.payload_bytes),
            sealed_chunks: sum(true, |_| 1),
            sealed_events: sum(true, |chunk| chunk.event_count),
            sealed_bytes: sum(true, |chunk| chunk.payload_bytes),
            file_bytes: self.bytes_of_files(dir).iter().sum(),
            limit_bytes,
            oldest_created_ns: found.iter().map(|chunk| chunk.created_ns).min(),
        }
    }

    fn bytes_of_files(&self, dir: &str) -> Vec<u64> {
        let files = self.fs.files().into_iter();
        let files = files.filter(|path| path.starts_with(dir));
        files
            .map(|path| self.fs.bytes(&path).unwrap().len() as u64)
            .collect()
    }
}

fn is_owed(chunk: &&ChunkReport, destination: usize) -> bool {
    chunk.slots().nth(destination) == Some(Some(SlotState::Owed))
}

#[test]
fn what_is_told_of_the_store_is_what_its_files_say_after_a_day_of_churn() {
    let seed = std::env::var("FOREBAY_CHURN_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut day = Day::new(seed);
    for step in 0..STEPS {
        day.step();
        if step % RECOUNT_EVERY == 0 {
            println!("FOREBAY_CHURN_SEED={seed}, step {step}");
            day.recount();
        }
    }
    day.recount();
    for word in [
        "append",
        "drop",
        "seal",
        "claim",
        "settle",
        "bury",
        "drop a dead letter",
        "damage",
        "restart",
        "kill",
        "power cut",
    ] {
        assert!(day.done.contains_key(word), "no {word}: {:?}", day.done);
    }
}
