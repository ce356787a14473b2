//! JSON strings. Nearly all text of logs needs no escape and is short, so that many bytes are judged
//! at a time, and more are copied than there are.

use super::room::{append, room, room_of};
use super::words::{HIGH_BITS, mark, needs_escape, prefix_len};

/// What fits a lane of [`SHORT`] bytes: strings whose length is in their marker.
const SHORT_MAX: usize = SHORT - 1;

/// Bytes that a short string is copied as.
pub(super) const SHORT: usize = 32;

/// Appends a JSON string with quotes. What is not UTF-8 in `bytes` becomes U+FFFD.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    inside(out, bytes);
    out.push(b'"');
}

/// Writes what a member begins with, `before` and its key and a colon, at `end`, and gives where that
/// ends. The key is the first `size` bytes of `key`, which are at most [`SHORT_MAX`].
#[inline(always)]
pub(super) fn short_key(
    out: &mut Vec<u8>,
    end: usize,
    before: u8,
    key: &[u8; SHORT],
    size: usize,
) -> usize {
    let size = size & SHORT_MAX;
    if !is_short_plain(key, size) {
        return unusual_key(out, end, before, &key[..size]);
    }
    let room: &mut [u8; SHORT + 4] = room(out, end);
    room[..2].copy_from_slice(&[before, b'"']);
    room[2..2 + SHORT].copy_from_slice(key);
    room[2 + size..][..2].copy_from_slice(b"\":");
    end + size + 4
}

/// As [`short_key`], for a key of any length.
#[inline(never)]
pub(super) fn unusual_key(out: &mut Vec<u8>, end: usize, before: u8, key: &[u8]) -> usize {
    append(out, end, |out| {
        out.push(before);
        string(out, key);
        out.push(b':');
    })
}

/// Writes a string at `end`, and gives where it ends. It is the first `size` bytes of `bytes`, which
/// are at most [`SHORT_MAX`].
#[inline(always)]
pub(super) fn short_string(
    out: &mut Vec<u8>,
    end: usize,
    bytes: &[u8; SHORT],
    size: usize,
) -> usize {
    let size = size & SHORT_MAX;
    if !is_short_plain(bytes, size) {
        return any_string(out, end, &bytes[..size]);
    }
    let room: &mut [u8; SHORT + 2] = room(out, end);
    room[0] = b'"';
    room[1..=SHORT].copy_from_slice(bytes);
    room[1 + size] = b'"';
    end + size + 2
}

/// Writes a string of some tens or hundreds of bytes at `end`, and gives where it ends.
#[inline(always)]
pub(super) fn medium_string(out: &mut Vec<u8>, end: usize, bytes: &[u8]) -> usize {
    let room = room_of(out, end, bytes.len() + 2);
    if !copied_plain(&mut room[1..=bytes.len()], bytes) {
        return any_string(out, end, bytes);
    }
    room[0] = b'"';
    room[bytes.len() + 1] = b'"';
    end + bytes.len() + 2
}

/// As [`short_string`], for a string of any length.
#[inline(never)]
pub(super) fn any_string(out: &mut Vec<u8>, end: usize, bytes: &[u8]) -> usize {
    append(out, end, |out| string(out, bytes))
}

/// [`is_plain`] for the first `size` bytes of a lane.
#[inline(always)]
fn is_short_plain(bytes: &[u8; SHORT], size: usize) -> bool {
    /// As many ones as bytes count stand at the end of the first half.
    static MASKS: [u8; 2 * SHORT] = {
        let mut masks = [0; 2 * SHORT];
        let mut at = 0;
        while at < SHORT {
            masks[at] = 0xff;
            at += 1;
        }
        masks
    };
    let Some(mask) = MASKS[SHORT - size..].first_chunk::<SHORT>() else {
        return false;
    };
    let mut marks = 0;
    for at in 0..SHORT {
        marks |= mark(bytes[at]) & mask[at];
    }
    marks == 0
}

/// Copies at least a lane, and says whether it is plain.
#[inline(always)]
fn copied_plain(to: &mut [u8], from: &[u8]) -> bool {
    let mut marks = Marks::default();
    let ((lanes, _), (to_lanes, _)) = (from.as_chunks(), to.as_chunks_mut());
    for (to, from) in to_lanes.iter_mut().zip(lanes) {
        *to = *from;
        marks.add(from);
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut(), from.last_chunk()) {
        *to = *from;
        marks.add(from);
    }
    marks.are_none()
}

/// Bytes that are judged at a time: one vector of any processor.
const LANE: usize = 16;

/// What was found in lanes. Without a branch inside, so that the compiler makes vectors of it.
#[derive(Default)]
struct Marks([u8; LANE]);

impl Marks {
    #[inline(always)]
    fn add(&mut self, lane: &[u8; LANE]) {
        for (marks, byte) in self.0.iter_mut().zip(lane) {
            *marks |= mark(*byte);
        }
    }

    #[inline(always)]
    fn are_none(&self) -> bool {
        self.0.iter().fold(0, |all, marks| all | marks) == 0
    }
}

#[inline]
fn inside(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        not_plain(out, bytes);
    }
}

/// Whether text needs no escape and is ASCII.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        let marks = |word| needs_escape(word) | word & HIGH_BITS;
        return prefix_len(bytes, marks) == bytes.len();
    };
    let mut marks = Marks::default();
    let (lanes, _) = bytes.as_chunks();
    lanes.iter().for_each(|lane| marks.add(lane));
    marks.add(last);
    marks.are_none()
}

/// Text with escapes or with characters beyond ASCII.
#[inline(never)]
fn not_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return escaped(out, text);
    }
    for chunk in bytes.utf8_chunks() {
        escaped(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let clean = prefix_len(rest, needs_escape);
        out.extend_from_slice(&rest[..clean]);
        let Some(&byte) = rest.get(clean) else {
            return;
        };
        escape(out, byte);
        rest = &rest[clean + 1..];
    }
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend([byte >> 4, byte & 0x0f].map(hex_digit));
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, bytes);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..0x80 {
            for len in 1..20 {
                for at in 0..len {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    let expected = serde_json::to_string(&text).unwrap();
                    assert_eq!(written(&bytes), expected);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn text_is_written_as_serde_json_writes_it(text in any::<String>()) {
            prop_assert_eq!(written(text.as_bytes()), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn broken_text_is_mended_as_the_standard_library_mends_it(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mended = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(written(&bytes), serde_json::to_string(&mended).unwrap());
        }
    }
}
