//! Events as agents send them: about 225 bytes and 10 fields. Beside them some of which no two are
//! alike.

use forebay::event::{Timestamp, entry_head, write_entry_head};
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

/// As [`batch`], of events with other fields each, texts of all lengths, escapes and characters
/// beyond ASCII in some, numbers of all sizes and values in values.
#[allow(dead_code, reason = "not all who share this module measure them")]
pub(crate) fn varied_batch(event_count: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for number in 0..event_count {
        write_entry_head(
            &mut payload,
            Timestamp::from_event_time(1_800_000_000, number),
        );
        varied_map(&mut payload, &mut dice, 0);
    }
    payload
}

/// The records of `payload`, a line of JSON each, as the outputs do it.
pub(crate) fn write_ndjson(out: &mut Vec<u8>, payload: &[u8]) {
    let mut rest = payload;
    while !rest.is_empty() {
        let head = entry_head(rest).unwrap();
        let len = json::value(out, head.rest).unwrap();
        out.push(b'\n');
        rest = &head.rest[len..];
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

const NAMES: [&str; 16] = [
    "ts",
    "level",
    "msg",
    "thread",
    "service.name",
    "kubernetes.pod_name",
    "kubernetes.namespace_name",
    "trace_id",
    "http.request.method",
    "http.response.status_code",
    "user",
    "client.address",
    "duration_ms",
    "cached",
    "labels",
    "x",
];

/// What some texts end in.
const ENDS: [&str; 5] = [
    "\n\tat main",
    "\"quoted\"",
    "größe→",
    "C:\\Program Files\\",
    "",
];

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvw0123-_./:";

/// The same numbers each time: Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap() % bound
    }
}

fn varied_map(out: &mut Vec<u8>, dice: &mut Dice, depth: usize) {
    let (count, first) = (1 + dice.below(16 >> (2 * depth)), dice.below(NAMES.len()));
    write::map_head(out, count);
    for name in NAMES.iter().cycle().skip(first).take(count) {
        write::str(out, name.as_bytes());
        varied_value(out, dice, depth);
    }
}

#[expect(clippy::cast_precision_loss, reason = "any number will do")]
fn varied_value(out: &mut Vec<u8>, dice: &mut Dice, depth: usize) {
    match dice.below(if depth < 2 { 20 } else { 18 }) {
        0..=10 => varied_text(out, dice),
        11 => write::uint(out, 200),
        12 => {
            let bits = dice.below(64);
            write::uint(out, dice.next() >> bits);
        }
        13 => write::uint(out, 1_700_000_000_000 + (dice.next() >> 32)),
        14 => write::float(out, dice.below(100_000) as f64 / 1e3),
        15 => write::float(out, dice.next() as f64 / 1e19),
        16 => write::bool(out, dice.below(2) == 0),
        17 => write::nil(out),
        18 => {
            let count = dice.below(5);
            write::array_head(out, count);
            (0..count).for_each(|_| varied_value(out, dice, depth + 1));
        }
        _ => varied_map(out, dice, depth + 1),
    }
}

/// Most texts are short.
fn varied_text(out: &mut Vec<u8>, dice: &mut Dice) {
    let len_max = [24, 24, 24, 24, 24, 24, 80, 80, 80, 400][dice.below(10)];
    let len = dice.below(len_max);
    let mut text: String = (0..len)
        .map(|_| char::from(LETTERS[dice.below(LETTERS.len())]))
        .collect();
    if let Some(end) = ENDS.get(dice.below(5 * ENDS.len())) {
        text.push_str(end);
    }
    write::str(out, text.as_bytes());
}
