//! What the fuzz targets do with their bytes.
//!
//! Each target is a function that may do anything with any bytes but panic: it asserts what must
//! hold. `fuzz/fuzz_targets/` gives them to libFuzzer, `tests/corpus.rs` gives them the corpora in
//! `fuzz/corpus/` and seeded mutations of those, so that `cargo test --workspace` needs no fuzzer.

mod chunk_file;
mod chunk_meta;
mod config;
mod forward_message;
mod forward_session;
mod frame_walk;
mod http_body;
mod json;
mod msgpack;
mod recorder;
mod store_ops;
mod tag_pattern;
mod template;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its binary and of its folder in `fuzz/corpus/`.
    pub name: &'static str,
    /// Panics if something does not hold for the bytes.
    pub run: fn(&[u8]),
    /// How many mutations the tests try; fewer where one costs more.
    pub mutation_count: u64,
}

const fn target(name: &'static str, run: fn(&[u8]), mutation_count: u64) -> Target {
    Target {
        name,
        run,
        mutation_count,
    }
}

/// The format's header, records and frames, as whole chunk files that a store is opened on.
pub const CHUNK_FILE: Target = target("chunk_file", chunk_file::run, 1_000);
/// A chunk's metadata.
pub const CHUNK_META: Target = target("chunk_meta", chunk_meta::run, 5_000);
/// The configuration.
pub const CONFIG: Target = target("config", config::run, 200);
/// Single messages of the forward protocol and its handshake.
pub const FORWARD_MESSAGE: Target = target("forward_message", forward_message::run, 5_000);
/// Whole connections to the forward input.
pub const FORWARD_SESSION: Target = target("forward_session", forward_session::run, 500);
/// The walk over a chunk's frames.
pub const FRAME_WALK: Target = target("frame_walk", frame_walk::run, 5_000);
/// Whole requests to the HTTP input.
pub const HTTP_BODY: Target = target("http_body", http_body::run, 1_000);
/// JSON to MessagePack and back.
pub const JSON: Target = target("json", json::run, 5_000);
/// Everything that reads MessagePack.
pub const MSGPACK: Target = target("msgpack", msgpack::run, 5_000);
/// Sequences of what is done to a store, on a disk that fails.
pub const STORE_OPS: Target = target("store_ops", store_ops::run, 200);
/// Tag patterns.
pub const TAG_PATTERN: Target = target("tag_pattern", tag_pattern::run, 5_000);
/// Templates with placeholders, field paths and zones.
pub const TEMPLATE: Target = target("template", template::run, 5_000);

/// All targets.
pub const TARGETS: [Target; 12] = [
    CHUNK_FILE,
    CHUNK_META,
    CONFIG,
    FORWARD_MESSAGE,
    FORWARD_SESSION,
    FRAME_WALK,
    HTTP_BODY,
    JSON,
    MSGPACK,
    STORE_OPS,
    TAG_PATTERN,
    TEMPLATE,
];

/// The first line of `bytes`, without its end, and what follows it; `None` if either is not UTF-8.
fn two_texts(bytes: &[u8]) -> Option<(&str, &str)> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let first = std::str::from_utf8(&bytes[..end]).ok()?;
    let second = std::str::from_utf8(bytes.get(end + 1..).unwrap_or_default()).ok()?;
    Some((first, second))
}
