//! A file of this version, byte for byte.

use super::*;
use crate::SealReason;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1.chunk.hex");

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| {
        line.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes[..used]
        .chunks(32)
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
        + "\n"
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn a_chunk_is_written_and_read_as_the_fixture_of_its_version_says() {
    let rig = rig_on(&SimFs::new(), two_destinations());
    let id = rig.store("app.web", b"\x92\x01\x80").unwrap();
    rig.store("app.web", b"\x92\x02\x81\xa1k\xa1v").unwrap();
    rig.route.seal(id, SealReason::Request, 200);
    rig.store.sync();
    rig.route.claim(id, 1).unwrap().commit(300).unwrap();
    let written = rig.fs.bytes(&rig.route.path(id)).unwrap();
    // To write a fixture for a new version: FOREBAY_WRITE_FIXTURE=1 cargo test golden
    if std::env::var_os("FOREBAY_WRITE_FIXTURE").is_some() {
        std::fs::write(PATH, hex(&written)).unwrap();
    }
    let fixture = include_str!("../../tests/fixtures/v1.chunk.hex");
    assert_eq!(hex(&written), fixture);

    let fs = SimFs::new();
    let mut bytes = from_hex(fixture);
    bytes.resize(4096, 0);
    fs.set_bytes(&Path::new(ROUTE_DIR).join(format!("{id}.chunk")), bytes);
    let read = rig_on(&fs, two_destinations());
    assert_eq!(
        read.payloads(id),
        [&b"\x92\x01\x80"[..], b"\x92\x02\x81\xa1k\xa1v"]
    );
    let chunk = read.route.chunk(id).unwrap();
    assert_eq!(chunk.sealed, Some((200, SealReason::Request)));
    assert_eq!((chunk.event_count, chunk.time_range_ns), (2, Some((5, 9))));
    assert_eq!(chunk.slots[1].at_ns, 300);
}
