//! Looking for bytes in text, eight at a time.

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

/// Bytes that [`plain_len`] looks at.
pub(in crate::msgpack) const PAIR: usize = 16;

/// How many bytes come before the first that is a quote, a backslash, a control character or not ASCII.
#[inline(always)]
pub(in crate::msgpack) fn plain_len(bytes: &[u8; PAIR]) -> usize {
    let (words, _) = bytes.as_chunks();
    let [low, high] = [words[0], words[1]];
    let low = u128::from(not_plain(u64::from_le_bytes(low)));
    let high = u128::from(not_plain(u64::from_le_bytes(high)));
    (low | high << 64).trailing_zeros() as usize / 8
}

/// Whether [`plain_len`] is all. Without a branch inside, so that the compiler makes a vector of it.
#[inline(always)]
pub(in crate::msgpack) fn is_plain(bytes: &[u8; PAIR]) -> bool {
    bytes.iter().fold(0, |marks, byte| marks | mark(*byte)) == 0
}

/// All ones for a byte that needs an escape or is not ASCII. Signed, the latter are below the space.
#[inline(always)]
pub(in crate::msgpack) fn mark(byte: u8) -> u8 {
    let is_marked = (byte.cast_signed() < 0x20) | (byte == b'"') | (byte == b'\\');
    if is_marked { 0xff } else { 0 }
}

/// [`needs_escape`] and bytes beyond ASCII, in fewer steps: those need not be told from zero bytes.
#[inline(always)]
fn not_plain(word: u64) -> u64 {
    let below = |bound: u64| word.wrapping_sub(LOW_BITS * bound);
    let equal = |byte: u64| (word ^ (LOW_BITS * byte)).wrapping_sub(LOW_BITS);
    (word | below(0x20) | equal(u64::from(b'"')) | equal(u64::from(b'\\'))) & HIGH_BITS
}
