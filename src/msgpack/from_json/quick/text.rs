//! Strings.

use super::super::super::json::room::room;
use super::super::super::json::words::{PAIR, is_plain, needs_escape, plain_len, prefix_len};
use super::super::super::write;
use super::super::{fill_head, reserve_head};
use super::{Place, Quick, short_marker};

/// Bytes that a short string is copied as, with what is behind it: twice what is looked at at a time.
const SHORT: usize = 2 * PAIR;

impl<'t> Quick<'t, '_> {
    /// Reads a string of plain characters that needs a head of one byte, and says whether it did.
    #[inline(always)]
    pub(super) fn short_string(&mut self, place: &mut Place) -> bool {
        let Some(lane) = self.lane(*place) else {
            return false;
        };
        let len = lane_len(lane);
        let Some(marker) = short_marker(0xa0, len, SHORT - 1) else {
            return false;
        };
        if lane[len] != b'"' {
            return false;
        }
        let room: &mut [u8; SHORT + 1] = room(self.out, place.end);
        room[0] = marker;
        room[1..].copy_from_slice(lane);
        place.at += len + 2;
        place.end += len + 1;
        true
    }

    /// As [`short_string`](Self::short_string), which did not do it, for one that needs a head of two
    /// bytes.
    #[inline(always)]
    pub(super) fn medium_string(&mut self, place: &mut Place) -> bool {
        let Some(lane) = self.lane(*place).filter(|lane| lane_len(lane) == SHORT) else {
            return false;
        };
        *room(self.out, place.end + 2) = *lane;
        let text = &self.text[place.at + 1..];
        let mut len = SHORT;
        while let Some(pair) = text.get(len..).and_then(|rest| rest.first_chunk()) {
            *room(self.out, place.end + 2 + len) = *pair;
            if !is_plain(pair) {
                len += plain_len(pair);
                break;
            }
            len += PAIR;
        }
        let Ok(size) = u8::try_from(len) else {
            return false;
        };
        if text.get(len) != Some(&b'"') {
            return false;
        }
        *room(self.out, place.end) = [0xd9, size];
        place.at += len + 2;
        place.end += len + 2;
        true
    }

    /// What follows the quote at a place, if it is enough to be copied as one.
    #[inline(always)]
    fn lane(&self, place: Place) -> Option<&'t [u8; SHORT]> {
        self.text.get(place.at + 1..)?.first_chunk()
    }

    #[inline(never)]
    pub(super) fn any_string(&mut self, mut place: Place) -> Option<Place> {
        self.out.truncate(place.end);
        place.at = self.string(place.at + 1)?;
        place.end = self.out.len();
        Some(place)
    }

    /// Appends the string whose first character is at `at`, and gives where it ends.
    fn string(&mut self, mut at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let clean = prefix_len(rest, needs_escape);
        if *rest.get(clean)? == b'"' {
            std::str::from_utf8(&rest[..clean]).ok()?;
            write::str(self.out, &rest[..clean]);
            return Some(at + clean + 1);
        }
        let head = reserve_head(self.out);
        let start = self.out.len();
        loop {
            let rest = self.text.get(at..)?;
            let clean = prefix_len(rest, needs_escape);
            self.out.extend_from_slice(&rest[..clean]);
            at += clean + 1;
            match *rest.get(clean)? {
                b'"' => break,
                b'\\' => self.escape(&mut at)?,
                _ => return None,
            }
        }
        std::str::from_utf8(&self.out[start..]).ok()?;
        let size = self.out.len() - start;
        fill_head(self.out, head, |out| write::str_head(out, size));
        Some(at)
    }

    /// Appends what the escape stands for whose letter is at `at`.
    fn escape(&mut self, at: &mut usize) -> Option<()> {
        let letter = *self.text.get(*at)?;
        *at += 1;
        let byte = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.code(at),
            _ => return None,
        };
        self.out.push(byte);
        Some(())
    }

    /// Appends the character whose code's four digits are at `at`.
    fn code(&mut self, at: &mut usize) -> Option<()> {
        let digits: &[u8; 4] = self.text.get(*at..)?.first_chunk()?;
        *at += digits.len();
        let code = digits.iter().try_fold(0, |code, digit| {
            Some(code << 4 | char::from(*digit).to_digit(16)?)
        })?;
        // A surrogate is none.
        let character = char::from_u32(code)?;
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).as_bytes();
        self.out.extend_from_slice(bytes);
        Some(())
    }
}

/// How many plain characters a lane begins with.
#[inline(always)]
fn lane_len(lane: &[u8; SHORT]) -> usize {
    let (pairs, _) = lane.as_chunks();
    match plain_len(&pairs[0]) {
        PAIR => PAIR + plain_len(&pairs[1]),
        len => len,
    }
}
