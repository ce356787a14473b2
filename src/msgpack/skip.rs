//! The walk: finding where values end. This is the hottest code of the daemon.
//!
//! Every value of a batch is walked once when it comes in. What bounds the speed is the chain
//! from one position to the next (load the marker, look it up, add), so the walk does nothing
//! else: no token is built, and the end of the bytes is compared once a value.

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
fn walk(bytes: &[u8], mut at: usize, mut count: u64, depth: u32) -> Result<usize, Error> {
    while count > 0 {
        let Some(head) = head_bytes(bytes, at) else {
            return walk_near_end(bytes, at, count, depth);
        };
        let shape = SHAPES[head[0] as usize];
        at += usize::from(shape.fixed_size);
        match shape.class {
            Class::Leaf => at += shape.length(head) as usize,
            Class::Invalid => return Err(malformed(head[0], at)),
            Class::Array | Class::Map => {
                let children = shape.head(head).children;
                at = walk_children(bytes, at, children, depth)?;
            }
        }
        count -= 1;
    }
    Ok(at)
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

#[inline]
fn head_bytes(bytes: &[u8], at: usize) -> Option<[u8; HEAD_SIZE_MAX]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied()
}

#[cold]
fn malformed(marker: u8, after: usize) -> Error {
    Error::Malformed {
        offset: after - 1,
        marker,
    }
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
