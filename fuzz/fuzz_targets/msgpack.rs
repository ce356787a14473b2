//! Everything that reads MessagePack, on any bytes, against rmpv.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run msgpack`
#![no_main]

use forebay::event::{FieldPath, Limits, Timestamp, check, entries, normalize};
use forebay::msgpack::{Error, Framer, json, value_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    the_walk_ends_where_rmpv_ends(bytes);
    pieces_give_what_the_whole_gives(bytes);
    json_is_json(bytes);
    what_is_normalized_is_plain(bytes);
});

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
    assert_eq!(
        json::value(&mut text, bytes).is_ok(),
        value_len(bytes).is_ok()
    );
    if !text.is_empty() {
        let mut packed = Vec::new();
        let read = forebay::msgpack::from_json::value(&mut packed, &text);
        let nests_too_deep = bytes.len() > 100;
        assert!(read.is_ok() || nests_too_deep);
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
