//! Random values and hostile bytes for tests.

use proptest::collection::vec;
use proptest::prelude::*;
use rmpv::Value;

/// Any value, nested a little.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::Array),
            vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

/// A record with names of letters as keys.
pub(crate) fn record() -> impl Strategy<Value = Value> {
    let field = ("[a-z]{1,9}".prop_map(Value::from), value());
    vec(field, 0..18).prop_map(Value::Map)
}

/// The bytes of a value.
pub(crate) fn encoded_value() -> impl Strategy<Value = Vec<u8>> {
    value().prop_map(|value| encode(&value))
}

/// Bytes that look like MessagePack as often as not.
pub(crate) fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..80),
        vec(0x90_u8..=0xdf, 0..200),
        (
            encoded_value(),
            any::<proptest::sample::Index>(),
            any::<u8>()
        )
            .prop_map(|(mut bytes, index, byte)| {
                let at = index.index(bytes.len());
                bytes[at] = byte;
                bytes
            }),
        (encoded_value(), any::<proptest::sample::Index>()).prop_map(|(mut bytes, index)| {
            bytes.truncate(index.index(bytes.len()));
            bytes
        }),
    ]
}

/// The bytes of `value`, as another library writes them.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("a vector takes everything");
    bytes
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-300..300_i64).prop_map(Value::from),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,300}".prop_map(Value::from),
        vec(any::<u8>(), 0..300).prop_map(Value::Binary),
        (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, data)| Value::Ext(kind, data)),
    ]
}
