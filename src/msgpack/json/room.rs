//! Writing behind the end of what a vector holds, by index.
//!
//! What turns one format into another appends a few bytes at a time, and [`Vec`] asks each time
//! whether there is room and calls a function to copy. Here the vector is made longer first, so that
//! a token can be copied as an array of fixed size, more than the token has, and the next one is
//! written over what was too much. Where writing goes on is a number that the caller keeps (`end`),
//! best in a register; whoever is done truncates the vector to it.

/// Bytes that are made at a time: what is left of them costs as much as they do.
const STEP: usize = 512;

/// The `N` bytes at `end`; what they hold is of no meaning.
#[inline(always)]
pub(in crate::msgpack) fn room<const N: usize>(out: &mut Vec<u8>, end: usize) -> &mut [u8; N] {
    ensure(out, end, N);
    out[end..].first_chunk_mut().expect("room was made")
}

/// As [`room`], for a size that is known only now.
#[inline(always)]
pub(in crate::msgpack) fn room_of(out: &mut Vec<u8>, end: usize, size: usize) -> &mut [u8] {
    ensure(out, end, size);
    &mut out[end..][..size]
}

/// Appends by `append` at `end` as if the vector ended there. Gives where it ends now.
#[inline(always)]
pub(in crate::msgpack) fn append(
    out: &mut Vec<u8>,
    end: usize,
    append: impl FnOnce(&mut Vec<u8>),
) -> usize {
    out.truncate(end);
    append(out);
    out.len()
}

#[inline(always)]
fn ensure(out: &mut Vec<u8>, end: usize, size: usize) {
    if out.len().saturating_sub(end) < size {
        make(out, end, size);
    }
}

/// Makes room for at least `size` bytes at `end`.
#[cold]
#[inline(never)]
pub(in crate::msgpack) fn make(out: &mut Vec<u8>, end: usize, size: usize) {
    out.resize(end + size + STEP, 0);
}
