//! Reading token by token.

use super::{Error, skip_values};

/// One token: a scalar, or the head of an array or map whose values are read next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that fits `i64`, however it was written.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A string; its bytes need not be UTF-8.
    Str(&'a [u8]),
    /// Binary data.
    Bin(&'a [u8]),
    /// An extension: its type and data.
    Ext(i8, &'a [u8]),
    /// The head of an array of so many values.
    Array(u32),
    /// The head of a map of so many pairs.
    Map(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a string.
    #[must_use]
    pub fn as_str(self) -> Option<&'a [u8]> {
        match self {
            Self::Str(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a string or of binary data: senders mix them.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Str(bytes) | Self::Bin(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string that is UTF-8.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        self.as_str()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// An integer that is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(value).ok(),
            Self::UInt(value) => Some(value),
            _ => None,
        }
    }
}

/// A place in bytes from which values are read, forwards only.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of what is read next.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Passes over one value with all that is in it, and gives its bytes.
    ///
    /// # Errors
    /// [`Error`]; the cursor stays where it is.
    pub fn skip(&mut self) -> Result<&'a [u8], Error> {
        self.skip_many(1)
    }

    /// As [`skip`](Self::skip), for a value that stands at `depth`, so that the bound on depth is
    /// that of the whole.
    pub(super) fn skip_at(&mut self, depth: u32) -> Result<&'a [u8], Error> {
        let start = self.at;
        self.at = skip_values(self.bytes, start, 1, depth)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Passes over `count` values with all that is in them, and gives their bytes.
    ///
    /// # Errors
    /// [`Error`]; the cursor stays where it is.
    pub fn skip_many(&mut self, count: u64) -> Result<&'a [u8], Error> {
        let start = self.at;
        self.at = skip_values(self.bytes, start, count, 0)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Reads one token. Of an array or map only the head is read.
    ///
    /// # Errors
    /// `Incomplete` or `Malformed`; the cursor stays where it is.
    #[inline(always)]
    pub fn read(&mut self) -> Result<Value<'a>, Error> {
        let mut next = *self;
        let value = next.token()?;
        *self = next;
        Ok(value)
    }

    /// Reads a string of 32 to 255 bytes, if that is what comes next and all of it is there: the
    /// short way for what most long tokens are.
    #[inline(always)]
    pub(super) fn medium_str(&mut self) -> Option<&'a [u8]> {
        let [0xd9, size @ 32..=255, rest @ ..] = self.rest() else {
            return None;
        };
        let string = rest.get(..usize::from(*size))?;
        self.at += 2 + string.len();
        Some(string)
    }

    /// Passes over `size` bytes that have been looked at.
    #[inline(always)]
    pub(super) fn advance(&mut self, size: usize) {
        self.at += size;
    }

    #[inline(always)]
    fn token(&mut self) -> Result<Value<'a>, Error> {
        let [marker] = self.take()?;
        Ok(match marker {
            0x00..=0x7f => Value::Int(i64::from(marker)),
            0x80..=0x8f => Value::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Value::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Value::Str(self.body(u32::from(marker & 0x1f))?),
            0xc0 => Value::Nil,
            0xc1 => {
                let offset = self.at - 1;
                return Err(Error::Malformed { offset, marker });
            }
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4..=0xc6 => {
                let size = self.length(marker - 0xc4)?;
                Value::Bin(self.body(size)?)
            }
            0xc7..=0xc9 => {
                let size = self.length(marker - 0xc7)?;
                self.extension(size)?
            }
            0xca => Value::F32(f32::from_be_bytes(self.take()?)),
            0xcb => Value::F64(f64::from_be_bytes(self.take()?)),
            0xcc..=0xd3 => self.integer(marker)?,
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => {
                let size = self.length(marker - 0xd9)?;
                Value::Str(self.body(size)?)
            }
            0xdc | 0xdd => Value::Array(self.length(marker - 0xdc + 1)?),
            0xde | 0xdf => Value::Map(self.length(marker - 0xde + 1)?),
            0xe0..=0xff => Value::Int(i64::from(marker.cast_signed())),
        })
    }

    #[inline(always)]
    fn integer(&mut self, marker: u8) -> Result<Value<'a>, Error> {
        Ok(match marker {
            0xcc => Value::Int(i64::from(u8::from_be_bytes(self.take()?))),
            0xcd => Value::Int(i64::from(u16::from_be_bytes(self.take()?))),
            0xce => Value::Int(i64::from(u32::from_be_bytes(self.take()?))),
            0xcf => {
                let value = u64::from_be_bytes(self.take()?);
                i64::try_from(value).map_or(Value::UInt(value), Value::Int)
            }
            0xd0 => Value::Int(i64::from(i8::from_be_bytes(self.take()?))),
            0xd1 => Value::Int(i64::from(i16::from_be_bytes(self.take()?))),
            0xd2 => Value::Int(i64::from(i32::from_be_bytes(self.take()?))),
            _ => Value::Int(i64::from_be_bytes(self.take()?)),
        })
    }

    #[inline(always)]
    fn extension(&mut self, size: u32) -> Result<Value<'a>, Error> {
        let kind = i8::from_be_bytes(self.take()?);
        Ok(Value::Ext(kind, self.body(size)?))
    }

    /// A length of `2^width` bytes.
    #[inline(always)]
    fn length(&mut self, width: u8) -> Result<u32, Error> {
        Ok(match width {
            0 => u32::from(u8::from_be_bytes(self.take()?)),
            1 => u32::from(u16::from_be_bytes(self.take()?)),
            _ => u32::from_be_bytes(self.take()?),
        })
    }

    #[inline(always)]
    fn body(&mut self, size: u32) -> Result<&'a [u8], Error> {
        let size = size as usize;
        let rest = self.rest();
        let Some((body, _)) = rest.split_at_checked(size) else {
            return Err(missing(size, rest.len()));
        };
        self.at += size;
        Ok(body)
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let rest = self.rest();
        let Some(bytes) = rest.first_chunk() else {
            return Err(missing(N, rest.len()));
        };
        self.at += N;
        Ok(*bytes)
    }
}

#[cold]
fn missing(size: usize, there: usize) -> Error {
    Error::Incomplete {
        needed: size - there,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::msgpack::testing::{encode, hostile_bytes, value};

    /// Builds the tree that the tokens describe.
    fn tree(cursor: &mut Cursor<'_>) -> rmpv::Value {
        match cursor.read().expect("the bytes are a value") {
            Value::Nil => rmpv::Value::Nil,
            Value::Bool(value) => value.into(),
            Value::Int(value) => value.into(),
            Value::UInt(value) => value.into(),
            Value::F32(value) => rmpv::Value::F32(value),
            Value::F64(value) => rmpv::Value::F64(value),
            Value::Bin(bytes) => rmpv::Value::Binary(bytes.to_vec()),
            Value::Ext(kind, data) => rmpv::Value::Ext(kind, data.to_vec()),
            Value::Str(bytes) => {
                let mut encoded = Vec::new();
                crate::msgpack::write::str(&mut encoded, bytes);
                rmpv::decode::read_value(&mut encoded.as_slice()).unwrap()
            }
            Value::Array(count) => rmpv::Value::Array((0..count).map(|_| tree(cursor)).collect()),
            Value::Map(count) => {
                rmpv::Value::Map((0..count).map(|_| (tree(cursor), tree(cursor))).collect())
            }
        }
    }

    #[test]
    fn integers_are_equal_however_they_were_written() {
        for bytes in [
            &[7][..],
            &[0xcc, 7],
            &[0xcd, 0, 7],
            &[0xce, 0, 0, 0, 7],
            &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
            &[0xd0, 7],
            &[0xd3, 0, 0, 0, 0, 0, 0, 0, 7],
        ] {
            assert_eq!(Cursor::new(bytes).read(), Ok(Value::Int(7)));
        }
    }

    #[test]
    fn a_failed_read_leaves_the_cursor_where_it_was() {
        let mut cursor = Cursor::new(&[0xd9, 5, b'a']);
        assert_eq!(cursor.read(), Err(Error::Incomplete { needed: 4 }));
        assert_eq!(cursor.skip(), Err(Error::Incomplete { needed: 4 }));
        assert_eq!(cursor.position(), 0);
    }

    proptest! {
        #[test]
        fn tokens_say_what_another_library_wrote(value in value()) {
            let bytes = encode(&value);
            let mut cursor = Cursor::new(&bytes);
            let read = tree(&mut cursor);
            prop_assert!(cursor.is_at_end());
            prop_assert_eq!(encode(&read), bytes);
        }

        #[test]
        fn hostile_bytes_end_in_an_error_or_at_the_end(bytes in hostile_bytes()) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.read().is_ok() {}
            prop_assert!(cursor.position() <= bytes.len());
        }
    }
}
