//! A chunk's metadata, on any bytes.

use forebay_storage::fuzzing::{decode_meta, encode_meta};

pub(crate) fn run(bytes: &[u8]) {
    let Some(meta) = decode_meta(bytes) else {
        return;
    };
    let encoded = encode_meta(&meta).expect("no longer than what it was read from");
    assert!(encoded.len() <= bytes.len());
    assert_eq!(decode_meta(&encoded), Some(meta));
}
