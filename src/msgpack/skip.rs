//! The walk: finding where values end. This is the hottest code of the daemon.
//!
//! Every value of a batch is walked once when it comes in. What bounds the speed is the chain
//! from one position to the next: load the marker, find the length, add. A table gives the length
//! of any value, but a load in the chain costs more than a branch that is predicted, and events of
//! one sender look alike: the markers of most values are therefore told by branches (measured
//! with `benches/micro.rs`: half the time), and the table serves the rest.

use super::shape::{Class, HEAD_SIZE_MAX, SHAPES, head_at};
use super::{DEPTH_MAX, Error};

/// The length in bytes of the value that `bytes` begin with; what follows it is not looked at.
///
/// # Errors
/// [`Error`]: bytes that end early, begin no value, or nest too deep.
pub fn value_len(bytes: &[u8]) -> Result<usize, Error> {
    skip_values(bytes, 0, 1, 0)
}

/// Where `count` values end that begin at `offset` and stand at `depth`.
///
/// # Errors
/// As [`value_len`]; offsets are from the start of `bytes`.
#[inline]
pub(crate) fn skip_values(
    bytes: &[u8],
    offset: usize,
    count: u64,
    depth: u32,
) -> Result<usize, Error> {
    let end = walk(bytes, offset, count, depth)?;
    if end > bytes.len() {
        return Err(Error::Incomplete {
            needed: end - bytes.len(),
        });
    }
    Ok(end)
}

/// As [`skip_values`], but where the last value claims more bytes than there are, the end lies
/// behind the end of `bytes`: the caller compares.
fn walk(bytes: &[u8], mut at: usize, count: u64, depth: u32) -> Result<usize, Error> {
    for left in (1..=count).rev() {
        let Some(head) = head_bytes(bytes, at) else {
            return walk_near_end(bytes, at, left, depth);
        };
        match common_len(head) {
            Some(len) => at += len,
            None => at = walk_one(bytes, at, head, depth)?,
        }
    }
    Ok(at)
}

/// The length of the values that most events are made of: strings below 256 bytes, numbers,
/// booleans and nil. `None` for all others.
#[inline]
pub(super) fn common_len(head: [u8; HEAD_SIZE_MAX]) -> Option<usize> {
    let [marker, length, ..] = head;
    Some(match marker {
        0xa0..=0xbf => 1 + usize::from(marker & 0x1f),
        0xd9 => 2 + usize::from(length),
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
        0xcc | 0xd0 => 2,
        0xcd | 0xd1 => 3,
        0xca | 0xce | 0xd2 => 5,
        0xcb | 0xcf | 0xd3 => 9,
        _ => return None,
    })
}

/// Where any value ends whose head is all there, by the table.
fn walk_one(
    bytes: &[u8],
    at: usize,
    head: [u8; HEAD_SIZE_MAX],
    depth: u32,
) -> Result<usize, Error> {
    let [marker, ..] = head;
    let shape = SHAPES[marker as usize];
    if shape.class == Class::Invalid {
        return Err(Error::Malformed { offset: at, marker });
    }
    let head = shape.head(head);
    if head.is_container {
        return walk_children(bytes, at + head.size, head.children, depth);
    }
    Ok(at + head.size)
}

/// [`walk`] where fewer than [`HEAD_SIZE_MAX`] bytes are left.
#[cold]
#[inline(never)]
fn walk_near_end(bytes: &[u8], mut at: usize, count: u64, depth: u32) -> Result<usize, Error> {
    for left in (0..count).rev() {
        if at >= bytes.len() {
            return Err(incomplete(bytes, at, left + 1));
        }
        let head = head_at(bytes, at)?;
        at += head.size;
        if head.is_container {
            at = walk_children(bytes, at, head.children, depth)?;
        }
    }
    Ok(at)
}

#[inline]
fn walk_children(bytes: &[u8], at: usize, children: u64, depth: u32) -> Result<usize, Error> {
    if depth >= DEPTH_MAX {
        return Err(Error::TooDeep { offset: at });
    }
    walk(bytes, at, children, depth + 1)
}

/// The bytes at `at`, if as many are left as the longest head has.
#[inline]
pub(super) fn head_bytes(bytes: &[u8], at: usize) -> Option<[u8; HEAD_SIZE_MAX]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied()
}

/// `values` more begin at `at` or later, and each of them has at least one byte.
fn incomplete(bytes: &[u8], at: usize, values: u64) -> Error {
    let values = usize::try_from(values).unwrap_or(usize::MAX);
    Error::Incomplete {
        needed: (at - bytes.len()).saturating_add(values),
    }
}

#[cfg(test)]
mod tests;
