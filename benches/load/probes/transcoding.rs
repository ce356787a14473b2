//! JSON to MessagePack and back, as the HTTP input and the NDJSON outputs do it, without their sockets.

use std::fs;
use std::hint::black_box;

use forebay::event::{Timestamp, entries_from_ndjson, entry_head};
use forebay::msgpack::json;

use super::{Extent, Fact};
use crate::aim::Bound::AtLeast;
use crate::batch;
use crate::table::median;

/// Events in what is transcoded at a time.
const EVENTS: u64 = 1_000;

/// Times that it is in one sample.
const REPEATS: u32 = 400;

pub(super) fn measure(extent: Extent) -> Vec<Fact> {
    let (payload, text) = (batch::events(EVENTS), batch::ndjson(EVENTS));
    let mut written = Vec::new();
    let write = || {
        written.clear();
        let mut rest = black_box(&payload[..]);
        while !rest.is_empty() {
            let head = entry_head(rest).unwrap();
            let len = json::value(&mut written, head.rest).unwrap();
            written.push(b'\n');
            rest = &head.rest[len..];
        }
    };
    let write = speed(extent.rounds, text.len(), write);
    assert_eq!(written.len(), text.len(), "both directions hold the same");
    let mut read_events = Vec::new();
    let read = || {
        read_events.clear();
        entries_from_ndjson(&mut read_events, Timestamp::EPOCH, black_box(&text)).unwrap();
    };
    let read = speed(extent.rounds, text.len(), read);
    vec![
        Fact::new("NDJSON to MessagePack, of a core's time", read, "GB/s").aimed(AtLeast(1.0)),
        Fact::new("MessagePack to NDJSON, of a core's time", write, "GB/s").aimed(AtLeast(1.0)),
    ]
}

/// Bytes a nanosecond of this thread's processor time.
fn speed(rounds: u64, size: usize, mut transcode: impl FnMut()) -> f64 {
    transcode();
    let samples = (0..rounds * 3).map(|_| {
        let before = thread_ns();
        for _ in 0..REPEATS {
            transcode();
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let bytes = size as f64 * f64::from(REPEATS);
        bytes / (thread_ns() - before)
    });
    median(samples)
}

/// Processor time of this thread.
fn thread_ns() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
