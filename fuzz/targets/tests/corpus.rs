//! Replays the corpora, and seeded mutations of them, through the fuzz targets.
//!
//! Every run makes the same cases in the same order, at least so many and for at least
//! `FOREBAY_FUZZ_SECONDS` (2). `FOREBAY_TEST_SEED=<number>` makes others.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use forebay_fuzz_targets::{self as targets, TARGETS, Target};

/// Most bytes that all corpora take.
const CORPUS_SIZE_MAX: usize = 1 << 20;

/// Most bytes of a mutation.
const CASE_SIZE_MAX: usize = 4096;

macro_rules! replay {
    ($($name:ident: $target:ident,)*) => {
        $(#[test]
        fn $name() {
            replay(targets::$target);
        })*
    };
}

replay! {
    chunk_files_are_read_and_recovered: CHUNK_FILE,
    chunk_metadata_is_read: CHUNK_META,
    configurations_are_plans_or_problems: CONFIG,
    forward_messages_are_read: FORWARD_MESSAGE,
    forward_sessions_are_served: FORWARD_SESSION,
    frames_are_walked: FRAME_WALK,
    http_bodies_are_taken_or_refused: HTTP_BODY,
    json_comes_back: JSON,
    msgpack_is_read_as_rmpv_reads_it: MSGPACK,
    store_operations_keep_their_promises: STORE_OPS,
    tag_patterns_match_what_they_say: TAG_PATTERN,
    templates_lead_nowhere_else: TEMPLATE,
}

#[test]
fn every_target_has_a_binary_and_a_small_corpus() {
    let manifest = fs::read_to_string(fuzz_root().join("Cargo.toml")).unwrap();
    let mut size = 0;
    for target in TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let main = format!("fuzz_targets/{name}.rs");
        assert!(fuzz_root().join(main).exists(), "{name}");
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{name}");
        size += corpus.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    }
    assert!(size <= CORPUS_SIZE_MAX, "{size} bytes of corpora");
}

fn replay(target: Target) {
    let corpus = corpus(target);
    for (path, bytes) in &corpus {
        check(target, bytes, &path.display().to_string());
    }
    let seed = number_from_env("FOREBAY_TEST_SEED", 1);
    let duration = Duration::from_secs(number_from_env("FOREBAY_FUZZ_SECONDS", 2));
    let mut random = Random(seed);
    let began = now();
    let mut number = 0;
    while number < target.mutation_count || began.elapsed() < duration {
        let bytes = mutation(&corpus, &mut random);
        check(target, &bytes, &format!("seed {seed}, mutation {number}"));
        number += 1;
    }
    let tried = number + corpus.len() as u64;
    println!(
        "| bytes: {}, seed {seed} | - | {tried} | - | - | - | - | - |",
        target.name
    );
}

fn number_from_env(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a test goes on is by the wall"
    )]
    Instant::now()
}

fn check(target: Target, bytes: &[u8], context: &str) {
    let run = AssertUnwindSafe(|| (target.run)(bytes));
    if let Err(panic) = catch_unwind(run) {
        eprintln!("{}: {context}: b\"{}\"", target.name, bytes.escape_ascii());
        resume_unwind(panic);
    }
}

fn fuzz_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_root().join("corpus").join(target.name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// One of the corpus with a few changes.
fn mutation(corpus: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut bytes = pick(corpus, random).1.clone();
    for _ in 0..=random.below(4) {
        mutate(&mut bytes, corpus, random);
    }
    bytes.truncate(CASE_SIZE_MAX);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[(PathBuf, Vec<u8>)], random: &mut Random) {
    const TELLING: [u8; 12] = [
        0, 1, 0x7f, 0x80, 0xc1, 0xc6, 0xdb, 0xdd, 0xdf, 0xff, b'{', b'"',
    ];
    let at = random.below(bytes.len() + 1);
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
        2 => {
            let other = &pick(corpus, random).1;
            let from = random.below(other.len() + 1);
            let until = (from + random.below(64)).min(other.len());
            bytes.splice(at..at, other[from..until].iter().copied());
        }
        3 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
        4 => {
            let copy = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        kind => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = match kind {
                    5 => *byte ^ (1 << random.below(8)),
                    _ => TELLING[random.below(TELLING.len())],
                };
            }
        }
    }
}

fn pick<'a, T>(items: &'a [T], random: &mut Random) -> &'a T {
    &items[random.below(items.len())]
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound` without it; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap() % bound.max(1)
    }
}
