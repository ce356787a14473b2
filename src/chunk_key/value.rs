//! A field's value as part of a chunk key.

use forebay_storage::KeyValue;

use crate::msgpack::{Cursor, Value};

/// The typed value of MessagePack bytes, which hold one value. An absent field is nil.
///
/// Integers are equal however they were written, a float of 32 bits equals the same float of 64,
/// a string that is not UTF-8 counts as binary data. Nothing else is equal across types.
#[must_use]
pub fn key_value(bytes: Option<&[u8]>) -> KeyValue {
    let Some(bytes) = bytes else {
        return KeyValue::Nil;
    };
    match Cursor::new(bytes).read() {
        Ok(Value::Nil) => KeyValue::Nil,
        Ok(Value::Bool(value)) => KeyValue::Bool(value),
        Ok(Value::Int(value)) => KeyValue::Int(value),
        Ok(Value::UInt(value)) => KeyValue::UInt(value),
        Ok(Value::F32(value)) => KeyValue::Float(f64::from(value).to_bits()),
        Ok(Value::F64(value)) => KeyValue::Float(value.to_bits()),
        Ok(Value::Bin(bytes)) => KeyValue::Bin(bytes.to_vec()),
        Ok(Value::Str(bytes)) => text(bytes),
        Ok(Value::Ext(..) | Value::Array(_) | Value::Map(_)) | Err(_) => {
            KeyValue::Other(bytes.to_vec())
        }
    }
}

fn text(bytes: &[u8]) -> KeyValue {
    match std::str::from_utf8(bytes) {
        Ok(text) => KeyValue::Str(text.to_owned()),
        Err(_) => KeyValue::Bin(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_typed() {
        for (bytes, value) in [
            (b"\xc0".as_slice(), KeyValue::Nil),
            (b"\xc3", KeyValue::Bool(true)),
            (b"\x01", KeyValue::Int(1)),
            (b"\xd3\0\0\0\0\0\0\0\x01", KeyValue::Int(1)),
            (b"\xcf\0\0\0\0\0\0\0\x01", KeyValue::Int(1)),
            (b"\xcf\xff\0\0\0\0\0\0\0", KeyValue::UInt(0xff << 56)),
            (b"\xca\x3f\xc0\0\0", KeyValue::Float(1.5_f64.to_bits())),
            (
                b"\xcb\x3f\xf8\0\0\0\0\0\0",
                KeyValue::Float(1.5_f64.to_bits()),
            ),
            (b"\xa11", KeyValue::Str("1".into())),
            (b"\xd9\x011", KeyValue::Str("1".into())),
            (b"\xa1\xff", KeyValue::Bin(vec![0xff])),
            (b"\xc4\x01a", KeyValue::Bin(b"a".to_vec())),
            (b"\x90", KeyValue::Other(b"\x90".to_vec())),
            (b"\xd4\x01a", KeyValue::Other(b"\xd4\x01a".to_vec())),
        ] {
            assert_eq!(key_value(Some(bytes)), value, "{bytes:02x?}");
        }
        assert_eq!(key_value(None), KeyValue::Nil);
    }
}
