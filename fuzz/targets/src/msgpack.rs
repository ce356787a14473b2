//! Everything that reads MessagePack, on any bytes, against rmpv.

use forebay::event::{FieldPath, Limits, Timestamp, check, entries, normalize};
use forebay::msgpack::{Error, Framer, from_json, json, value_len};

/// More bytes than this may nest deeper than JSON is read.
const SHALLOW_SIZE_MAX: usize = 100;

pub(crate) fn run(bytes: &[u8]) {
    the_walk_ends_where_rmpv_ends(bytes);
    pieces_give_what_the_whole_gives(bytes);
    json_is_json(bytes);
    what_is_normalized_is_plain(bytes);
}

fn the_walk_ends_where_rmpv_ends(bytes: &[u8]) {
    let mut rest = bytes;
    let theirs = rmpv::decode::read_value(&mut rest).map(|_| bytes.len() - rest.len());
    match value_len(bytes) {
        Ok(ours) => assert_eq!(ours, theirs.expect("rmpv reads it too")),
        // It takes the reserved byte for nil, and nests deeper.
        Err(Error::Malformed { .. } | Error::TooDeep { .. }) => {}
        Err(Error::Incomplete { needed }) => assert!(theirs.is_err() && needed > 0),
    }
}

fn pieces_give_what_the_whole_gives(bytes: &[u8]) {
    let mut framer = Framer::new();
    let middle = framer.advance(&bytes[..bytes.len() / 2]);
    let framed = match middle {
        Err(Error::Incomplete { .. }) => framer.advance(bytes),
        end => end,
    };
    match (framed, value_len(bytes)) {
        (Err(Error::Incomplete { .. }), Err(Error::Incomplete { .. })) => {}
        (framed, whole) => assert_eq!(framed, whole),
    }
}

fn json_is_json(bytes: &[u8]) {
    let mut text = Vec::new();
    let written = json::value(&mut text, bytes);
    assert_eq!(written.is_ok(), value_len(bytes).is_ok());
    if written.is_ok() {
        let read = from_json::value(&mut Vec::new(), &text);
        assert!(read.is_ok() || bytes.len() > SHALLOW_SIZE_MAX, "{read:?}");
    }
}

fn what_is_normalized_is_plain(bytes: &[u8]) {
    let limits = Limits {
        entry_size_max: 1000,
    };
    let normalized = normalize(bytes, Timestamp::from_event_time(7, 0), limits);
    assert_eq!(check(&normalized.payload), Ok(normalized.checked));
    let path = FieldPath::parse("$.a[1].b").expect("a path");
    for entry in entries(bytes).flatten() {
        let _ = path.find(entry.record);
    }
}
