//! The walk over maps that look alike.
//!
//! The [plain walk](super::skip) is bound by a chain: where a value begins is known when the
//! length of the one before it has been loaded. Records of one sender have the same fields in the
//! same order, and most values are as long as they were the last time. So the lengths are guessed
//! from the map before and only compared with the bytes: the next position is the sum of numbers
//! that are known beforehand, nothing waits for the comparison, and the processor has several of
//! them under way at a time. A guess that is wrong costs more than the chain, so a place whose
//! lengths vary is not guessed for long.

use super::shape::HEAD_SIZE_MAX;
use super::skip::{common_len, head_bytes, skip_values};
use super::{DEPTH_MAX, Error};

/// Values in the largest map whose marker says its size: 15 pairs.
const VALUES_MAX: usize = 30;

/// After so many wrong guesses at one place its lengths are looked up.
const MISSES_MAX: u8 = 3;

/// After so many maps in a row of other sizes the next one is the pattern.
const STRANGERS_MAX: u8 = 8;

/// Walks maps, expecting each to look like the one before.
#[derive(Debug)]
pub(crate) struct AlikeMaps {
    /// The marker of the maps that are expected: all of one size.
    marker: u8,
    /// Maps of other sizes since the last of this one.
    strangers: u8,
    places: [Place; VALUES_MAX],
}

/// What is expected where a value begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which bits of the value's first two bytes say how long it is.
    mask: u16,
    /// What they are.
    bits: u16,
    /// How long the value then is.
    len: u16,
    misses: u8,
}

impl Place {
    /// Nothing is expected yet.
    const UNKNOWN: Place = Place {
        mask: 0,
        bits: 1,
        len: 0,
        misses: 0,
    };

    #[inline]
    fn is_met(&self, head: [u8; 2]) -> bool {
        u16::from_le_bytes(head) & self.mask == self.bits
    }

    /// Expects values like one of `len` bytes with this head from now on.
    fn expect(&mut self, head: [u8; 2], len: usize) {
        let [marker, _] = head;
        let mask = match marker {
            0x00..=0x7f => [0x80, 0],
            0xe0..=0xff => [0xe0, 0],
            0xc2 | 0xc3 => [0xfe, 0],
            0xd9 => [0xff, 0xff],
            _ => [0xff, 0],
        };
        let Ok(len) = u16::try_from(len) else { return };
        self.mask = u16::from_le_bytes(mask);
        self.bits = u16::from_le_bytes(head) & self.mask;
        self.len = len;
    }

    /// Counts a wrong guess; whether there is to be another.
    fn missed(&mut self) -> bool {
        if self.misses == MISSES_MAX {
            return false;
        }
        self.misses += 1;
        if self.misses == MISSES_MAX {
            (self.mask, self.bits) = (Self::UNKNOWN.mask, Self::UNKNOWN.bits);
            return false;
        }
        true
    }
}

impl AlikeMaps {
    /// Expects nothing.
    pub(crate) const fn new() -> Self {
        Self {
            marker: 0,
            strangers: STRANGERS_MAX,
            places: [Place::UNKNOWN; VALUES_MAX],
        }
    }

    /// Where the value ends that begins at `at` and stands at `depth`.
    ///
    /// # Errors
    /// As [`value_len`](super::value_len); offsets are from the start of `bytes`.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: &[u8], at: usize, depth: u32) -> Result<usize, Error> {
        let is_expected = bytes.get(at) == Some(&self.marker) && depth < DEPTH_MAX;
        let guessed = if is_expected {
            self.guess(bytes, at + 1, depth + 1)
        } else {
            self.meet(bytes, at);
            None
        };
        // Wherever anything is amiss, the plain walk tells what.
        match guessed {
            Some(end) => Ok(end),
            None => skip_values(bytes, at, 1, depth),
        }
    }

    /// Where the values of an expected map end that begin at `at`; `None` if they do not end
    /// within `bytes`, or are too near to that for this way, or are not MessagePack.
    fn guess(&mut self, bytes: &[u8], mut at: usize, depth: u32) -> Option<usize> {
        let count = usize::from(self.marker & 0x0f) * 2;
        for place in self.places.get_mut(..count)? {
            let head = *bytes.get(at..)?.first_chunk()?;
            at += if place.is_met(head) {
                usize::from(place.len)
            } else {
                place.look(bytes, at, depth)?
            };
        }
        self.strangers = 0;
        (at <= bytes.len()).then_some(at)
    }

    /// A map, or what else stands here, of another size.
    fn meet(&mut self, bytes: &[u8], at: usize) {
        if self.strangers < STRANGERS_MAX {
            self.strangers += 1;
        } else if let Some(marker @ 0x81..=0x8f) = bytes.get(at) {
            *self = Self {
                marker: *marker,
                strangers: 0,
                ..Self::new()
            };
        }
    }
}

impl Place {
    /// The length of the value at `at`, which was not guessed.
    #[inline]
    fn look(&mut self, bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
        let head: [u8; HEAD_SIZE_MAX] = head_bytes(bytes, at)?;
        let Some(len) = common_len(head) else {
            let end = skip_values(bytes, at, 1, depth).ok()?;
            return Some(end - at);
        };
        if self.missed() {
            self.expect([head[0], head[1]], len);
        }
        Some(len)
    }
}

#[cfg(test)]
mod tests;
