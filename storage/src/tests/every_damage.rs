//! Every byte flipped, every length cut, every sector and block lost, of a chunk in each state:
//! what is not hit is delivered, nothing else is, and what was lost is reported.

use std::ops::Range;

use super::*;
use crate::recovery;
use crate::{DeadNote, Reader, SealReason};

const KEY: &str = "app.web";
const DEAD_ROUTE_DIR: &str = "/data/dead/web";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Staged,
    Sealed,
    /// One of its two destinations has it.
    PartlyCommitted,
    Dead,
}

/// A disk with one chunk, and where its frames are.
struct Case {
    life: Life,
    fs: SimFs,
    path: PathBuf,
    frames: Vec<(Range<u64>, Vec<u8>)>,
}

fn note() -> DeadNote {
    DeadNote {
        reason: "rejected".to_owned(),
        destination: Some("out".to_owned()),
        attempts: 3,
        first_failure_ns: 1,
        last_failure_ns: 2,
        answer: "400".to_owned(),
        source: None,
    }
}

impl Life {
    fn options(self) -> RouteOptions {
        match self {
            Life::Dead => RouteOptions {
                destinations: Vec::new(),
                ..options()
            },
            _ => two_destinations(),
        }
    }

    fn note(self) -> Option<DeadNote> {
        (self == Life::Dead).then(note)
    }

    fn open(self, store: &Store, diary: &Arc<Diary>) -> (Route, Recovered) {
        let observer = Arc::clone(diary) as Arc<dyn Observer>;
        let opened = match self {
            Life::Dead => store.dead_letters("web", self.options(), observer),
            _ => store.route("web", self.options(), observer),
        };
        opened.unwrap()
    }

    fn dir(self) -> &'static Path {
        Path::new(if self == Life::Dead {
            DEAD_ROUTE_DIR
        } else {
            ROUTE_DIR
        })
    }
}

/// A chunk with these payload lengths, each filled with a byte of its own.
fn case(life: Life, payload_lens: &[usize]) -> Case {
    let fs = SimFs::new();
    let store = open_store(&fs).unwrap();
    let (route, _) = life.open(&store, &Arc::default());
    for (n, len) in payload_lens.iter().enumerate() {
        let payload = vec![u8::try_from(n + 1).unwrap(); *len];
        let appended = route.append(100, &key(KEY), life.note().as_ref(), append(&payload));
        appended.unwrap().receipt.wait().unwrap();
    }
    let id = route.chunks()[0].id;
    if life != Life::Staged {
        route.seal(id, SealReason::Age, 2);
        store.sync();
    }
    if life == Life::PartlyCommitted {
        route.claim_for(id, "out").unwrap().commit(3).unwrap();
        store.sync();
    }
    let path = route.path(id);
    let mut frames = Vec::new();
    let mut reader = Reader::open(&fs, &path).unwrap();
    while let Some(window) = reader.next_window().unwrap() {
        frames.extend(
            window
                .frames()
                .map(|frame| (frame.offset..frame.end(), frame.payload.to_vec())),
        );
    }
    Case {
        life,
        fs: fs.after_kill(),
        path,
        frames,
    }
}

impl Case {
    fn len(&self) -> usize {
        self.fs.bytes(&self.path).unwrap().len()
    }

    /// Changes the file, opens, verifies, delivers; `hit` is what was changed.
    fn check(&self, what: &str, hit: Range<usize>, change: impl FnOnce(&mut Vec<u8>)) {
        let context = format!("{:?}, {what} {hit:?}", self.life);
        let fs = self.fs.after_kill();
        let mut bytes = fs.bytes(&self.path).unwrap();
        change(&mut bytes);
        let is_blank = bytes.iter().all(|byte| *byte == 0);
        fs.set_bytes(&self.path, bytes);
        let reports = recovery::inspect_dir(&fs, self.life.dir()).unwrap();
        recovery::plan(&reports, &self.life.options().destinations);

        let diary = Arc::new(Diary::default());
        let store = open_store(&fs).unwrap();
        let (route, recovered) = self.life.open(&store, &diary);
        assert!(recovered.failures.is_empty(), "{context}");
        let delivered = self.deliver(&store, &route, &context);
        let is_hit = |at: &Range<u64>| at.start < hit.end as u64 && (hit.start as u64) < at.end;
        let mut rest = delivered.as_slice();
        for (at, payload) in &self.frames {
            match rest.split_first() {
                Some((first, others)) if first == payload => rest = others,
                _ => assert!(is_hit(at), "{context}: lost {at:?} of {recovered:?}"),
            }
        }
        assert!(rest.is_empty(), "{context}: foreign {rest:?}");
        if delivered.len() < self.frames.len() && self.life != Life::Staged && !is_blank {
            let entries = diary.entries();
            let is_told = entries.iter().any(|entry| entry.starts_with("damaged"));
            assert!(is_told, "{context}: {entries:?}");
        }
    }

    /// What each destination that is owed gets; all get the same.
    fn deliver(&self, store: &Store, route: &Route, context: &str) -> Vec<Vec<u8>> {
        route.seal_staged(SealReason::Request, 5);
        store.sync();
        let mut all = Vec::new();
        for chunk in route.chunks() {
            assert_eq!(chunk.key(), &key(KEY), "{context}");
            assert_eq!(chunk.note().cloned(), self.life.note(), "{context}");
            let payloads = payloads_of(route, chunk.id);
            for destination in 0..chunk.slots.len() {
                let Ok(claim) = route.claim(chunk.id, destination) else {
                    assert_eq!((self.life, destination), (Life::PartlyCommitted, 0));
                    continue;
                };
                let mut claimed = Vec::new();
                let mut reader = claim.reader().unwrap();
                while let Some(window) = reader.next_window().unwrap() {
                    claimed.extend(window.frames().map(|frame| frame.payload.to_vec()));
                }
                assert_eq!(claimed, payloads, "{context}");
                claim.commit(9).unwrap();
            }
            all.extend(payloads);
        }
        store.sync();
        all
    }
}

const LIVES: [Life; 4] = [
    Life::Staged,
    Life::Sealed,
    Life::PartlyCommitted,
    Life::Dead,
];
const SMALL: &[usize] = &[5, 70, 5, 300, 400, 5];
const LARGE: &[usize] = &[5, 700, 5, 3000, 800, 800, 5000, 5, 9000, 5];

/// What is lost beyond the frame hit has failed the test.
fn print_row(damage: &str, images: u64) {
    println!("| damage: {damage} | simulated disk | - | {images} | {images} | - | 0 | - |");
}

/// Every offset up to `dense`, then every 61st.
fn sampled(len: usize, dense: usize) -> impl Iterator<Item = usize> {
    (0..len.min(dense)).chain((dense..len).step_by(61))
}

#[test]
fn a_flipped_byte_anywhere_costs_at_most_the_frame_it_is_in() {
    let mut images = 0;
    for life in LIVES {
        let small = case(life, SMALL);
        for at in sampled(small.len(), 1500) {
            images += 1;
            small.check("flip", at..at + 1, |bytes| bytes[at] ^= 0x10);
        }
        let large = case(life, LARGE);
        for at in sampled(large.len(), 300) {
            images += 1;
            large.check("flip", at..at + 1, |bytes| bytes[at] ^= 0xff);
        }
    }
    print_row("flipped byte", images);
}

#[test]
fn a_cut_at_any_length_costs_only_what_lies_behind_it() {
    let mut images = 0;
    for life in LIVES {
        for (lens, dense) in [(SMALL, 1500), (LARGE, 100)] {
            let case = case(life, lens);
            for len in sampled(case.len(), dense) {
                images += 1;
                case.check("cut", len..usize::MAX, |bytes| bytes.truncate(len));
            }
        }
    }
    print_row("cut", images);
}

#[test]
fn a_lost_sector_or_block_costs_only_the_frames_on_it() {
    let mut images = 0;
    for life in LIVES {
        for (lens, unit) in [SMALL, LARGE]
            .iter()
            .flat_map(|lens| [(lens, 512), (lens, 4096)])
        {
            let case = case(life, lens);
            for at in (0..case.len()).step_by(unit) {
                let hit = at..(at + unit).min(case.len());
                images += 1;
                case.check("zero", hit.clone(), |bytes| bytes[hit.clone()].fill(0));
                images += 1;
                case.check("fill", hit.clone(), |bytes| bytes[hit].fill(0xa5));
            }
        }
    }
    print_row("lost sector or block", images);
}

#[test]
fn a_block_of_another_chunk_in_our_place_costs_only_the_frames_on_it() {
    let mut images = 0;
    for life in LIVES {
        let case = case(life, LARGE);
        let other = rig();
        other.store("first", b"has the id of ours").unwrap();
        let id = other.store("foreign", &[9; 60_000]).unwrap();
        let foreign = other.fs.bytes(&other.route.path(id)).unwrap();
        for at in (0..case.len()).step_by(4096) {
            let hit = at..(at + 4096).min(case.len());
            images += 1;
            case.check("misdirect", hit.clone(), |bytes| {
                bytes[hit.clone()].copy_from_slice(&foreign[hit.clone()]);
            });
        }
    }
    print_row("misdirected block", images);
}

#[test]
fn a_restored_head_is_as_it_was_and_the_damaged_one_is_kept() {
    let case = case(Life::PartlyCommitted, SMALL);
    let original = case.fs.bytes(&case.path).unwrap();
    let fs = case.fs.after_kill();
    let mut bytes = original.clone();
    bytes[17] ^= 1;
    fs.set_bytes(&case.path, bytes.clone());
    let rig = rig_on(&fs, two_destinations());
    assert!(
        rig.recovered.steps[0].to_string().contains("restore"),
        "{:?}",
        rig.recovered.steps
    );
    assert_eq!(fs.bytes(&case.path).unwrap(), original);
    let [copy] = &rig.quarantined()[..] else {
        panic!("{:?}", rig.quarantined())
    };
    let copied = fs.bytes(copy).unwrap();
    assert_eq!(copied, bytes[..copied.len()]);
    drop(rig);
    let again = rig_on(&fs, two_destinations());
    assert_eq!(again.recovered.steps, []);
    assert_eq!(again.recovered.chunks.len(), 1);
    assert!(!again.diary.entries().contains(&"damaged 0".to_owned()));
}

#[test]
fn a_crash_while_a_head_is_restored_loses_nothing() {
    let case = case(Life::Sealed, LARGE);
    let damaged = case.fs.after_kill();
    let mut bytes = damaged.bytes(&case.path).unwrap();
    bytes[..512].fill(0x77);
    damaged.set_bytes(&case.path, bytes);
    let healthy = damaged.after_kill();
    let before = healthy.op_count();
    drop(rig_on(&healthy, two_destinations()));
    for ops in before..=healthy.op_count() {
        for seed in 0..4 {
            let fs = damaged.after_kill();
            fs.set_faults(crate::fs::sim::Faults {
                power_off_after: Some(ops),
                ..Default::default()
            });
            drop(try_rig(&fs, two_destinations()));
            let rig = rig_on(&fs.after_power_cut(seed), two_destinations());
            let unhit = case.frames.iter().filter(|(at, _)| at.start >= 512);
            let payloads: Vec<_> = unhit.map(|(_, payload)| payload).collect();
            let found = rig.all_payloads();
            assert!(
                payloads.iter().all(|payload| found.contains(payload)),
                "op {ops}"
            );
        }
    }
}
