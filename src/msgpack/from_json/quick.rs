//! The short way for what most JSON is: one pass over the text, without a value in between.
//!
//! It knows what is right and usual, and gives up (`None`) on everything else: what is wrong, lone
//! and paired surrogates, integers of more than 19 digits, minus zero. The long way then reads the
//! text again from its start, and says what is wrong if something is. Both must mean the same by the
//! same text: a test compares them, and the fuzz target `json`.

use super::super::json::room::{append, room};
use super::super::write;
use super::{JSON_DEPTH_MAX, fill_head};

mod number;
mod text;

/// Where a value begins in the text, and where its MessagePack goes. A copy of its own in each loop, so
/// that it stays in registers.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    end: usize,
}

/// A text, and where its MessagePack goes. Its functions begin at a place and give the one behind what
/// they read and wrote.
struct Quick<'t, 'o> {
    text: &'t [u8],
    out: &'o mut Vec<u8>,
    /// Whether a line's end is no white space, but the end.
    is_line: bool,
}

/// Appends the one value that `text` holds. Without it, `out` holds part of it.
pub(super) fn value(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let mut quick = Quick {
        text,
        out,
        is_line: false,
    };
    let mut at = quick.top_value(0)?;
    quick.ends(&mut at)
}

/// Appends the one value that the first line of `text` holds, and gives the length of the line with
/// its end. Without it, `out` holds part of the value.
pub(super) fn line(out: &mut Vec<u8>, text: &[u8]) -> Option<usize> {
    let mut quick = Quick {
        text,
        out,
        is_line: true,
    };
    let mut at = quick.top_value(0)?;
    if quick.ends(&mut at).is_some() {
        return Some(at);
    }
    (text[at] == b'\n').then_some(at + 1)
}

/// Appends each element of the array that `text` holds, each after `before_each`; gives their number.
/// Without it, `out` holds part of them.
pub(super) fn elements(
    out: &mut Vec<u8>,
    text: &[u8],
    before_each: &mut impl FnMut(&mut Vec<u8>),
) -> Option<u64> {
    let mut quick = Quick {
        text,
        out,
        is_line: false,
    };
    let mut at = 0;
    quick.take(&mut at, b'[')?;
    let mut count = 0;
    if quick.next(&mut at)? == b']' {
        at += 1;
    } else {
        loop {
            before_each(quick.out);
            at = quick.top_value(at)?;
            count += 1;
            if !quick.goes_on(&mut at, b']')? {
                break;
            }
        }
    }
    quick.ends(&mut at)?;
    Some(count)
}

impl<'t> Quick<'t, '_> {
    /// Appends the value at `at`, and gives where it ends.
    fn top_value(&mut self, at: usize) -> Option<usize> {
        let end = self.out.len();
        let place = self.value(Place { at, end }, 0)?;
        self.out.truncate(place.end);
        Some(place.at)
    }

    #[inline(never)]
    fn value(&mut self, mut place: Place, depth: u32) -> Option<Place> {
        match self.next(&mut place.at)? {
            b'"' => self.any_string(place),
            b'{' => self.object(place, depth),
            b'[' => self.array(place, depth),
            b'-' | b'0'..=b'9' => self.any_number(place),
            _ => self.word(&mut place).then_some(place),
        }
    }

    fn object(&mut self, place: Place, depth: u32) -> Option<Place> {
        let (head, mut place) = self.open(place, depth)?;
        let mut count = 0;
        if self.next(&mut place.at)? == b'}' {
            place.at += 1;
        } else {
            loop {
                if self.next(&mut place.at)? != b'"' {
                    return None;
                }
                if !self.short_string(&mut place) {
                    place = self.any_string(place)?;
                }
                self.take(&mut place.at, b':')?;
                if !self.common(&mut place) {
                    place = self.value(place, depth + 1)?;
                }
                count += 1;
                if !self.goes_on(&mut place.at, b'}')? {
                    break;
                }
            }
        }
        if let Some(marker) = short_marker(0x80, count, 15) {
            self.out[head] = marker;
            return Some(place);
        }
        Some(self.close(place, head, |out| write::map_head(out, count)))
    }

    fn array(&mut self, place: Place, depth: u32) -> Option<Place> {
        let (head, mut place) = self.open(place, depth)?;
        let mut count = 0;
        if self.next(&mut place.at)? == b']' {
            place.at += 1;
        } else {
            loop {
                if !self.common(&mut place) {
                    place = self.value(place, depth + 1)?;
                }
                count += 1;
                if !self.goes_on(&mut place.at, b']')? {
                    break;
                }
            }
        }
        if let Some(marker) = short_marker(0x90, count, 15) {
            self.out[head] = marker;
            return Some(place);
        }
        Some(self.close(place, head, |out| write::array_head(out, count)))
    }

    /// Passes over the bracket; gives where the head goes, and the place behind.
    fn open(&mut self, mut place: Place, depth: u32) -> Option<(usize, Place)> {
        if depth >= JSON_DEPTH_MAX {
            return None;
        }
        let head = place.end;
        place.at += 1;
        place.byte(self.out, 0);
        Some((head, place))
    }

    /// Puts a long head to where room was left.
    #[inline(never)]
    fn close(&mut self, mut place: Place, head: usize, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        place.end = append(self.out, place.end, |out| fill_head(out, head, write));
        place
    }

    /// Reads what most values are, and says whether it did: strings without escapes below 256 bytes,
    /// words, and
    /// numbers of few digits.
    // Not optimised, what is inlined would make the frames of the recursion large.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn common(&mut self, place: &mut Place) -> bool {
        let mut at = place.at;
        match self.next(&mut at) {
            Some(b'"') => {
                place.at = at;
                self.short_string(place) || self.medium_string(place)
            }
            Some(b'-' | b'0'..=b'9') => {
                let Some((number, len)) = number::short(&self.text[at..]) else {
                    return false;
                };
                place.at = at + len;
                place.end += number.write(room(self.out, place.end));
                true
            }
            Some(b't' | b'f' | b'n') => {
                place.at = at;
                self.word(place)
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn word(&mut self, place: &mut Place) -> bool {
        let (marker, len) = match self.text[place.at..] {
            [b't', b'r', b'u', b'e', ..] => (0xc3, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (0xc2, 5),
            [b'n', b'u', b'l', b'l', ..] => (0xc0, 4),
            _ => return false,
        };
        place.at += len;
        place.byte(self.out, marker);
        true
    }

    /// Whether a comma follows, or what closes.
    #[inline(always)]
    fn goes_on(&self, at: &mut usize, closing: u8) -> Option<bool> {
        let found = self.next(at)?;
        *at += 1;
        match found {
            b',' => Some(true),
            _ => (found == closing).then_some(false),
        }
    }

    #[inline(always)]
    fn take(&self, at: &mut usize, byte: u8) -> Option<()> {
        (self.next(at)? == byte).then(|| *at += 1)
    }

    /// The next byte that is no white space, not passed over.
    #[inline(always)]
    fn next(&self, at: &mut usize) -> Option<u8> {
        loop {
            let byte = *self.text.get(*at)?;
            if byte > b' ' {
                return Some(byte);
            }
            if !self.is_space(byte) {
                return None;
            }
            *at += 1;
        }
    }

    fn is_space(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\r') || byte == b'\n' && !self.is_line
    }

    /// Whether nothing follows but white space, which is passed over.
    fn ends(&self, at: &mut usize) -> Option<()> {
        (self.next(at).is_none() && *at == self.text.len()).then_some(())
    }
}

/// The marker that has a length in itself.
#[inline(always)]
fn short_marker(marker: u8, len: usize, len_max: usize) -> Option<u8> {
    let len = u8::try_from(len).ok().filter(|_| len <= len_max)?;
    Some(marker | len)
}

impl Place {
    #[inline(always)]
    fn byte(&mut self, out: &mut Vec<u8>, byte: u8) {
        let [room] = room(out, self.end);
        *room = byte;
        self.end += 1;
    }
}
