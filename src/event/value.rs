//! Values that can be edited: what MessagePack holds, owned.
//!
//! A type of our own and not `rmpv`'s: that one is the oracle of this crate's tests and would be
//! none if the program read with it, its integers and strings are types of their own to learn, and
//! nesting is bounded here as everywhere else ([`DEPTH_MAX`](crate::msgpack::DEPTH_MAX)).

use std::fmt;

use super::Record;
use crate::msgpack::{self, Cursor, json, write};

/// One value of a record.
///
/// Every value that comes in goes out with the same meaning; integers and lengths go out in their
/// shortest form.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A string.
    Str(String),
    /// A string whose bytes are not UTF-8: senders have them, and they survive.
    RawStr(Vec<u8>),
    /// Binary data.
    Bin(Vec<u8>),
    /// An extension: its type and data.
    Ext(i8, Vec<u8>),
    /// Values in their order.
    Array(Vec<Value>),
    /// A map.
    Map(Record),
}

impl Value {
    /// The one value that `bytes` are.
    ///
    /// # Errors
    /// [`msgpack::Error`] if they are none, or nest too deep.
    pub fn unpack(bytes: &[u8]) -> Result<Self, msgpack::Error> {
        // One walk first: it bounds the nesting, and with it the recursion below.
        msgpack::value_len(bytes)?;
        Self::read(&mut Cursor::new(bytes))
    }

    /// Reads the next value, whose nesting has been checked.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, msgpack::Error> {
        use msgpack::Value as Token;
        Ok(match cursor.read()? {
            Token::Nil => Self::Nil,
            Token::Bool(value) => Self::Bool(value),
            Token::Int(value) => Self::Int(value),
            Token::UInt(value) => Self::UInt(value),
            Token::F32(value) => Self::F32(value),
            Token::F64(value) => Self::F64(value),
            Token::Str(bytes) => Self::string(bytes),
            Token::Bin(bytes) => Self::Bin(bytes.to_vec()),
            Token::Ext(kind, data) => Self::Ext(kind, data.to_vec()),
            Token::Array(count) => Self::Array(
                (0..count)
                    .map(|_| Self::read(cursor))
                    .collect::<Result<_, _>>()?,
            ),
            Token::Map(count) => Self::Map(Record::read(cursor, count)?),
        })
    }

    /// A string, whatever its bytes are.
    #[must_use]
    pub fn string(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Str(text.to_owned()),
            Err(_) => Self::RawStr(bytes.to_vec()),
        }
    }

    /// Appends the value as MessagePack.
    pub fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => write::nil(out),
            Self::Bool(value) => write::bool(out, *value),
            Self::Int(value) => write::int(out, *value),
            Self::UInt(value) => write::uint(out, *value),
            Self::F32(value) => {
                out.push(0xca);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::F64(value) => write::float(out, *value),
            Self::Str(text) => write::str(out, text.as_bytes()),
            Self::RawStr(bytes) => write::str(out, bytes),
            Self::Bin(bytes) => write::bin(out, bytes),
            Self::Ext(kind, data) => write::ext(out, *kind, data),
            Self::Array(values) => {
                write::array_head(out, values.len());
                values.iter().for_each(|value| value.pack(out));
            }
            Self::Map(record) => record.pack(out),
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a number, as near as a float comes.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "as near as a float comes")]
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::F32(value) => Some(f64::from(*value)),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (mut packed, mut text) = (Vec::new(), Vec::new());
        self.pack(&mut packed);
        // What was packed here can be read, unless a filter nested values deeper than is allowed.
        match json::value(&mut text, &packed) {
            Ok(_) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) => String::new(),
        }
    }

    /// The value as it stands within a text: a string without quotes, nothing for nil, the rest as
    /// JSON. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Nil => "".into(),
            Self::Str(text) => text.into(),
            Self::RawStr(bytes) | Self::Bin(bytes) => String::from_utf8_lossy(bytes),
            other => other.to_json().into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

macro_rules! from {
    ($($kind:ty => |$value:ident| $made:expr,)+) => {$(
        impl From<$kind> for Value {
            fn from($value: $kind) -> Self {
                $made
            }
        }
    )+};
}

from! {
    bool => |value| Self::Bool(value),
    i32 => |value| Self::Int(i64::from(value)),
    i64 => |value| Self::Int(value),
    u32 => |value| Self::Int(i64::from(value)),
    u64 => |value| i64::try_from(value).map_or(Self::UInt(value), Self::Int),
    f64 => |value| Self::F64(value),
    &str => |value| Self::Str(value.to_owned()),
    String => |value| Self::Str(value),
    Vec<Value> => |value| Self::Array(value),
    Record => |value| Self::Map(value),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::msgpack::testing;

    proptest! {
        #[test]
        fn a_value_means_the_same_after_unpacking_and_packing(value in testing::value()) {
            let bytes = testing::encode(&value);
            let mut again = Vec::new();
            Value::unpack(&bytes).unwrap().pack(&mut again);
            let read = rmpv::decode::read_value(&mut again.as_slice()).unwrap();
            let expected = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
            // Compared as text: NaN is not equal to itself.
            prop_assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in testing::hostile_bytes()) {
            if let Ok(value) = Value::unpack(&bytes) {
                value.pack(&mut Vec::new());
            }
        }
    }

    #[test]
    fn a_string_that_is_not_utf_8_survives() {
        let mut again = Vec::new();
        Value::unpack(b"\xa2\xff\xfe").unwrap().pack(&mut again);
        assert_eq!(again, b"\xa2\xff\xfe");
    }

    #[test]
    fn text_of_a_value_is_what_a_reader_expects() {
        for (value, text) in [
            (Value::Nil, ""),
            (Value::from("a\"b"), "a\"b"),
            (Value::from(7), "7"),
            (Value::from(u64::MAX), "18446744073709551615"),
            (Value::from(0.5), "0.5"),
            (
                Value::from(vec![Value::from("x"), Value::Nil]),
                "[\"x\",null]",
            ),
            (Value::RawStr(vec![b'a', 0xff]), "a\u{fffd}"),
        ] {
            assert_eq!(value.to_text(), text);
        }
    }
}
