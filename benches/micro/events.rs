//! Events as agents send them: about 225 bytes and 10 fields.

use forebay::event::{Timestamp, entries, write_entry_head};
use forebay::msgpack::{json, write};

/// Events in a batch.
pub(crate) const EVENT_COUNT: u32 = 1000;

/// A batch of them, as MessagePack one after the other.
pub(crate) fn batch(event_count: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    for number in 0..event_count {
        write_event(&mut payload, number);
    }
    payload
}

/// The records of `payload`, a line of JSON each.
pub(crate) fn write_ndjson(out: &mut Vec<u8>, payload: &[u8]) {
    for entry in entries(payload) {
        json::value(out, entry.unwrap().record).unwrap();
        out.push(b'\n');
    }
}

fn write_event(out: &mut Vec<u8>, number: u32) {
    write_entry_head(
        out,
        Timestamp::from_event_time(1_800_000_000 + number, number),
    );
    write::map_head(out, 10);
    text(out, "host", "web-0017.example.net");
    text(out, "level", ["info", "warn", "error"][number as usize % 3]);
    text(out, "method", "GET");
    let path = format!(
        "/api/v1/items/{}/attachments?limit=50",
        number * 7919 % 100_000
    );
    text(out, "path", &path);
    text(out, "agent", "Mozilla/5.0 (X11; Linux x86_64)");
    text(out, "trace", "4bf92f3577b34da6a3ce929d0e0e4736");
    write::str(out, b"status");
    write::uint(out, 200);
    write::str(out, b"bytes");
    write::uint(out, u64::from(number * 31 % 40_000));
    write::str(out, b"latency");
    write::float(out, f64::from(number) / 1e4);
    write::str(out, b"cached");
    write::bool(out, number.is_multiple_of(5));
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    write::str(out, name.as_bytes());
    write::str(out, value.as_bytes());
}
