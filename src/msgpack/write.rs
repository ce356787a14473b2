//! Appending MessagePack to a vector, each value in its shortest form.
//!
//! Lengths above `u32::MAX` cannot be written; the callers' size limits are far below.

use super::EVENT_TIME_EXT;

/// Appends nil.
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends a boolean.
pub fn bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends an integer that may be negative.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn int(out: &mut Vec<u8>, value: i64) {
    match value {
        0.. => uint(out, value.unsigned_abs()),
        -32..=-1 => out.push(value as u8),
        -0x80..=-33 => tagged(out, 0xd0, (value as i8).to_be_bytes()),
        -0x8000..=-0x81 => tagged(out, 0xd1, (value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => tagged(out, 0xd2, (value as i32).to_be_bytes()),
        _ => tagged(out, 0xd3, value.to_be_bytes()),
    }
}

/// Appends an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn uint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => tagged(out, 0xcc, (value as u8).to_be_bytes()),
        0x100..=0xffff => tagged(out, 0xcd, (value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => tagged(out, 0xce, (value as u32).to_be_bytes()),
        _ => tagged(out, 0xcf, value.to_be_bytes()),
    }
}

/// Appends a float of 64 bits.
pub fn float(out: &mut Vec<u8>, value: f64) {
    tagged(out, 0xcb, value.to_bits().to_be_bytes());
}

/// Appends a string; the format says UTF-8, this function does not.
pub fn str(out: &mut Vec<u8>, value: &[u8]) {
    str_head(out, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a string of `size` bytes, which the caller appends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn str_head(out: &mut Vec<u8>, size: usize) {
    match size {
        0..=31 => out.push(0xa0 | size as u8),
        32..=0xff => tagged(out, 0xd9, (size as u8).to_be_bytes()),
        0x100..=0xffff => tagged(out, 0xda, (size as u16).to_be_bytes()),
        _ => tagged(out, 0xdb, length(size).to_be_bytes()),
    }
}

/// Appends binary data.
pub fn bin(out: &mut Vec<u8>, value: &[u8]) {
    bin_head(out, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of `size` bytes of binary data, which the caller appends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn bin_head(out: &mut Vec<u8>, size: usize) {
    match size {
        0..=0xff => tagged(out, 0xc4, (size as u8).to_be_bytes()),
        0x100..=0xffff => tagged(out, 0xc5, (size as u16).to_be_bytes()),
        _ => tagged(out, 0xc6, length(size).to_be_bytes()),
    }
}

/// Appends the head of an array of `count` values, which the caller appends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn array_head(out: &mut Vec<u8>, count: usize) {
    match count {
        0..=15 => out.push(0x90 | count as u8),
        16..=0xffff => tagged(out, 0xdc, (count as u16).to_be_bytes()),
        _ => tagged(out, 0xdd, length(count).to_be_bytes()),
    }
}

/// Appends the head of a map of `count` pairs, which the caller appends.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn map_head(out: &mut Vec<u8>, count: usize) {
    match count {
        0..=15 => out.push(0x80 | count as u8),
        16..=0xffff => tagged(out, 0xde, (count as u16).to_be_bytes()),
        _ => tagged(out, 0xdf, length(count).to_be_bytes()),
    }
}

/// Appends an extension: its type and data.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
pub fn ext(out: &mut Vec<u8>, kind: i8, data: &[u8]) {
    match data.len() {
        1 => out.push(0xd4),
        2 => out.push(0xd5),
        4 => out.push(0xd6),
        8 => out.push(0xd7),
        16 => out.push(0xd8),
        size @ 0..=0xff => tagged(out, 0xc7, (size as u8).to_be_bytes()),
        size @ 0x100..=0xffff => tagged(out, 0xc8, (size as u16).to_be_bytes()),
        size => tagged(out, 0xc9, length(size).to_be_bytes()),
    }
    out.push(kind.cast_unsigned());
    out.extend_from_slice(data);
}

/// Appends an `EventTime`: 10 bytes.
pub fn event_time(out: &mut Vec<u8>, seconds: u32, nanoseconds: u32) {
    out.extend_from_slice(&[0xd7, EVENT_TIME_EXT.cast_unsigned()]);
    out.extend_from_slice(&seconds.to_be_bytes());
    out.extend_from_slice(&nanoseconds.to_be_bytes());
}

fn tagged<const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: [u8; N]) {
    out.push(marker);
    out.extend_from_slice(&bytes);
}

fn length(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::msgpack::testing::{encode, value};

    fn write(out: &mut Vec<u8>, value: &rmpv::Value) {
        match value {
            rmpv::Value::Nil => nil(out),
            rmpv::Value::Boolean(value) => bool(out, *value),
            rmpv::Value::Integer(value) => match value.as_i64() {
                Some(value) => int(out, value),
                None => uint(out, value.as_u64().unwrap()),
            },
            rmpv::Value::F64(value) => float(out, *value),
            rmpv::Value::String(value) => str(out, value.as_bytes()),
            rmpv::Value::Binary(value) => bin(out, value),
            rmpv::Value::Array(values) => {
                array_head(out, values.len());
                values.iter().for_each(|value| write(out, value));
            }
            rmpv::Value::Map(pairs) => {
                map_head(out, pairs.len());
                for (key, value) in pairs {
                    write(out, key);
                    write(out, value);
                }
            }
            other => out.extend(encode(other)),
        }
    }

    proptest! {
        #[test]
        fn values_are_written_as_another_library_writes_them(value in value()) {
            let mut ours = Vec::new();
            write(&mut ours, &value);
            prop_assert_eq!(ours, encode(&value));
        }
    }

    #[test]
    fn long_lengths_take_the_widest_head() {
        let mut out = Vec::new();
        array_head(&mut out, 0x1_0000);
        map_head(&mut out, 0x1_0000);
        str_head(&mut out, 0x1_0000);
        bin_head(&mut out, 0x1_0000);
        assert_eq!(
            out,
            [
                0xdd, 0, 1, 0, 0, 0xdf, 0, 1, 0, 0, 0xdb, 0, 1, 0, 0, 0xc6, 0, 1, 0, 0
            ]
        );
    }

    #[test]
    fn an_event_time_is_ten_bytes() {
        let mut out = Vec::new();
        event_time(&mut out, 1, 2);
        assert_eq!(out, [0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
}
