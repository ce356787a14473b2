//! The way through a value, token by token.
//!
//! What most tokens are is written by what is inlined in the loop over a map's pairs, at a place that
//! is the loop's own; the rest is called, with a place to begin at and one in return.

use super::super::{Cursor, DEPTH_MAX, Error, Value};
use super::room::{append, room};
use super::text::{self, SHORT};
use super::{is_small, quoted_base64, scalar, scalar_key, small};

/// Where a value begins in the MessagePack, and where its text goes. A copy of its own in each loop,
/// so that it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) end: usize,
}

/// Its functions begin at a place and give the one behind what they wrote.
pub(super) struct Transcoder<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// A key in a key is written otherwise, see the page above.
    pub(super) is_in_key: bool,
}

impl Transcoder<'_> {
    /// Writes any value.
    ///
    /// # Errors
    /// [`Error`] if the bytes are none.
    #[inline(never)]
    pub(super) fn value<'a>(
        &mut self,
        mut place: Place<'a>,
        depth: u32,
    ) -> Result<Place<'a>, Error> {
        if self.common(&mut place) {
            return Ok(place);
        }
        match place.cursor.read()? {
            Value::Map(count) => {
                let depth = deeper(&place.cursor, depth)?;
                let mut place = self.members(place, b'{', count, depth)?;
                let close: &[u8] = if count == 0 { b"{}" } else { b"}" };
                place.end = append(self.out, place.end, |out| out.extend_from_slice(close));
                Ok(place)
            }
            Value::Array(count) => {
                let depth = deeper(&place.cursor, depth)?;
                self.elements(place, count, depth)
            }
            other => {
                place.end = append(self.out, place.end, |out| scalar(out, other));
                Ok(place)
            }
        }
    }

    fn elements<'a>(
        &mut self,
        mut place: Place<'a>,
        count: u32,
        depth: u32,
    ) -> Result<Place<'a>, Error> {
        let mut before = b'[';
        for _ in 0..count {
            place.byte(self.out, before);
            before = b',';
            if !self.common(&mut place) {
                place = self.value(place, depth)?;
            }
        }
        if count == 0 {
            place.byte(self.out, before);
        }
        place.byte(self.out, b']');
        Ok(place)
    }

    /// Writes `count` pairs, the first behind `before`, the others behind commas.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub(super) fn members<'a>(
        &mut self,
        mut place: Place<'a>,
        mut before: u8,
        count: u32,
        depth: u32,
    ) -> Result<Place<'a>, Error> {
        for _ in 0..count {
            if let Some((key, size)) = short(&mut place.cursor) {
                place.end = text::short_key(self.out, place.end, before, key, size);
            } else {
                place = self.unusual_key(place, before, depth)?;
            }
            before = b',';
            if !self.common(&mut place) {
                place = self.value(place, depth)?;
            }
        }
        Ok(place)
    }

    /// Writes what most values are, and says whether it did: strings below 256 bytes, numbers,
    /// booleans and nil.
    // Not optimised, what is inlined would make the frames of the recursion large.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn common(&mut self, place: &mut Place<'_>) -> bool {
        let out = &mut *self.out;
        if let Some((bytes, size)) = short(&mut place.cursor) {
            place.end = text::short_string(out, place.end, bytes, size);
            return true;
        }
        if let Some(bytes) = place.cursor.medium_str() {
            place.end = text::medium_string(out, place.end, bytes);
            return true;
        }
        let start = place.cursor;
        let room = room(out, place.end);
        place.end += match place.cursor.read() {
            Ok(value) if is_small(value) => small(room, value),
            _ => {
                place.cursor = start;
                return false;
            }
        };
        true
    }

    /// A key that is no short string, and its colon.
    #[inline(never)]
    fn unusual_key<'a>(
        &mut self,
        mut place: Place<'a>,
        before: u8,
        depth: u32,
    ) -> Result<Place<'a>, Error> {
        place.byte(self.out, before);
        let start = place.cursor;
        match place.cursor.read()? {
            Value::Str(bytes) => place.end = text::any_string(self.out, place.end, bytes),
            Value::Array(_) | Value::Map(_) => {
                place.cursor = start;
                self.nested_key(&mut place, depth)?;
            }
            scalar => {
                place.end = append(self.out, place.end, |out| scalar_key(out, scalar));
            }
        }
        place.byte(self.out, b':');
        Ok(place)
    }

    /// A key that is an array or a map.
    fn nested_key(&mut self, place: &mut Place<'_>, depth: u32) -> Result<(), Error> {
        if self.is_in_key {
            let bytes = place.cursor.skip_at(depth)?;
            place.end = append(self.out, place.end, |out| quoted_base64(out, bytes));
            return Ok(());
        }
        let mut text = Vec::new();
        let mut inner = Transcoder {
            out: &mut text,
            is_in_key: true,
        };
        let start = Place {
            cursor: place.cursor,
            end: 0,
        };
        let inner = inner.value(start, depth)?;
        text.truncate(inner.end);
        place.cursor = inner.cursor;
        place.end = text::any_string(self.out, place.end, &text);
        Ok(())
    }
}

impl Place<'_> {
    #[inline(always)]
    fn byte(&mut self, out: &mut Vec<u8>, byte: u8) {
        let [room] = room(out, self.end);
        *room = byte;
        self.end += 1;
    }
}

/// Takes a string whose length is in its marker, if that is what comes next and so much behind it that
/// it can be copied as a lane. Gives it with whatever follows, and its length.
#[inline(always)]
fn short<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8; SHORT], usize)> {
    let [marker @ 0xa0..=0xbf, rest @ ..] = cursor.rest() else {
        return None;
    };
    let bytes = rest.first_chunk()?;
    let size = usize::from(marker & 0x1f);
    cursor.advance(1 + size);
    Some((bytes, size))
}

fn deeper(cursor: &Cursor<'_>, depth: u32) -> Result<u32, Error> {
    if depth >= DEPTH_MAX {
        return Err(Error::TooDeep {
            offset: cursor.position(),
        });
    }
    Ok(depth + 1)
}
