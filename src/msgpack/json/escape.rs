//! JSON strings. Nearly all text of logs needs no escape, so eight bytes are judged at a time.

/// Appends a JSON string with quotes. What is not UTF-8 in `bytes` becomes U+FFFD.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    inside(out, bytes);
    out.push(b'"');
}

/// Appends what a member begins with: a comma unless it is the first, its key, and a colon.
#[inline]
pub(super) fn key(out: &mut Vec<u8>, bytes: &[u8], is_first: bool) {
    if is_first {
        out.push(b'"');
    } else {
        out.extend_from_slice(b",\"");
    }
    inside(out, bytes);
    out.extend_from_slice(b"\":");
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
        return is_short_plain(bytes);
    };
    let (lanes, _) = bytes.as_chunks();
    is_plain_lane(last) && lanes.iter().all(is_plain_lane)
}

/// Bytes that are judged at a time: one vector of any processor.
const LANE: usize = 16;

/// Without a branch inside, so that the compiler makes vectors of it.
#[inline]
fn is_plain_lane(lane: &[u8; LANE]) -> bool {
    lane.iter().fold(true, |is_plain, byte| {
        // Signed, bytes beyond ASCII are below the space, too.
        is_plain & (byte.cast_signed() >= 0x20) & (*byte != b'"') & (*byte != b'\\')
    })
}

/// [`is_plain`] for less than a lane.
#[inline]
fn is_short_plain(bytes: &[u8]) -> bool {
    let marks = |word| needs_escape(word) | word & HIGH_BITS;
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|word| marks(u64::from_le_bytes(*word)));
            first | last == 0
        }
        _ => marks(short_word(bytes)) == 0,
    }
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

const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
pub(in crate::msgpack) const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes come before the first that `hits` marks.
///
/// `hits` sets the high bit of each byte it looks for. It may set it for others too, but only in
/// bytes more significant than one that is right: of little-endian words the first is.
#[inline]
pub(in crate::msgpack) fn prefix_len(bytes: &[u8], hits: impl Fn(u64) -> u64) -> usize {
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = hits(u64::from_le_bytes(*word));
        if found != 0 {
            return at + first_byte(found);
        }
        at += 8;
    }
    if let Some(word) = bytes.last_chunk() {
        let start = bytes.len() - 8;
        let found = hits(u64::from_le_bytes(*word));
        return start + if found == 0 { 8 } else { first_byte(found) };
    }
    if hits(short_word(bytes)) == 0 {
        return bytes.len();
    }
    let is_hit = |byte: &u8| hits(u64::from(*byte)) & 0x80 != 0;
    bytes.iter().position(is_hit).unwrap_or(bytes.len())
}

/// All of fewer than eight bytes in one word, in any order, some perhaps twice, and spaces.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return first | last << 32;
    }
    let spaces = LOW_BITS * u64::from(b' ');
    bytes
        .iter()
        .fold(spaces, |word, byte| word << 8 | u64::from(*byte))
}

fn first_byte(found: u64) -> usize {
    found.trailing_zeros() as usize / 8
}

/// Marks quotes, backslashes and control characters.
#[inline]
pub(in crate::msgpack) fn needs_escape(word: u64) -> u64 {
    let controls = word.wrapping_sub(LOW_BITS * 0x20) & !word;
    let quotes = zero_bytes(word ^ (LOW_BITS * u64::from(b'"')));
    let backslashes = zero_bytes(word ^ (LOW_BITS * u64::from(b'\\')));
    (controls | quotes | backslashes) & HIGH_BITS
}

#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word
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
