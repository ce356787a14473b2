//! JSON to MessagePack and back, against `serde_json`.

use forebay::msgpack::{from_json, json, value_len};
use serde_json::Value;

pub(crate) fn run(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(bytes);
    let mut packed = Vec::new();
    let ours = from_json::value(&mut packed, bytes);
    match (ours, theirs) {
        (Ok(()), Ok(value)) => it_comes_back(&packed, &value),
        (Ok(()), Err(theirs)) => panic!("serde_json refuses it: {theirs}"),
        (Err(_), Err(_)) => assert!(packed.is_empty()),
        (Err(ours), Ok(value)) => {
            let too_deep = depth(&value) > from_json::JSON_DEPTH_MAX;
            assert!(too_deep, "only we refuse it: {ours:?}");
        }
    }
}

fn it_comes_back(packed: &[u8], value: &Value) {
    assert_eq!(value_len(packed), Ok(packed.len()));
    let mut text = Vec::new();
    assert_eq!(json::value(&mut text, packed), Ok(packed.len()));
    let again: Value = serde_json::from_slice(&text).expect("what we write is JSON");
    assert_eq!(&again, value);
}

fn depth(value: &Value) -> u32 {
    let below = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}
