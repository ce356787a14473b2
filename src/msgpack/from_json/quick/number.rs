//! Numbers: of few digits a word of text at a time, all others digit by digit.

use super::super::super::json::room::room;
use super::{Place, Quick};

/// Bytes that a number takes in MessagePack at most.
pub(super) const SIZE: usize = 9;

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Without point or sign.
    UInt(u64),
    /// Below zero, and without point.
    Negative(i64),
    /// With a point or an exponent.
    Float(f64),
}

/// Bytes of text that are looked at at a time.
const WORD: usize = 8;

/// The number that `text` begins with, and its length, if it has fewer than 16 digits on each side of a
/// point, no exponent, and some text behind it. `None` says nothing about the text.
#[inline(always)]
pub(super) fn short(text: &[u8]) -> Option<(Number, usize)> {
    let is_negative = *text.first()? == b'-';
    let sign = usize::from(is_negative);
    let digits = Digits::of(text.get(sign..)?)?;
    if text[sign] == b'0' && digits.len > 1 {
        return None;
    }
    let behind = sign + digits.len;
    let rest = &text[behind..];
    match rest.first()? {
        b'e' | b'E' => None,
        b'.' => {
            let (value, len) = digits.float(&rest[1..])?;
            let value = if is_negative { -value } else { value };
            Some((Number::Float(value), behind + 1 + len))
        }
        _ => Some((Number::integer(digits.value, is_negative)?, behind)),
    }
}

/// Digits at the start of a text, one to 15.
struct Digits {
    value: u64,
    len: usize,
}

impl Digits {
    #[inline(always)]
    fn of(text: &[u8]) -> Option<Self> {
        let first = Self::of_word(text)?;
        if first.len < WORD {
            return (first.len > 0).then_some(first);
        }
        let second = Self::of_word(&text[WORD..])?;
        let value = first.value * POWERS.get(second.len)? + second.value;
        let len = WORD + second.len;
        Some(Self { value, len })
    }

    /// Of a word at most.
    #[inline(always)]
    fn of_word(text: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(*text.first_chunk()?) ^ u64::from_ne_bytes([b'0'; WORD]);
        // More than nine is marked, and perhaps what is behind the first that is.
        let above_nine = word.wrapping_add(u64::from_ne_bytes([0x7f - 9; WORD])) | word;
        let marks = above_nine & u64::from_ne_bytes([0x80; WORD]);
        let bits = marks.trailing_zeros() & !7;
        // The last digit moves to the word's end, zeros before the first.
        let moved = word.checked_shl(u64::BITS - bits).unwrap_or(0);
        Some(Self {
            value: value(moved),
            len: bits as usize / 8,
        })
    }

    /// The float with these digits before its point and those of `text` behind it, and their number.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "what is not exact is left out")]
    fn float(self, text: &[u8]) -> Option<(f64, usize)> {
        let places = Self::of(text)?;
        let digits_max = 16;
        if self.len + places.len > digits_max || matches!(text.get(places.len)?, b'e' | b'E') {
            return None;
        }
        // Both are exact, so that their quotient is the nearest float.
        let power = 10_u64.pow(u32::try_from(places.len).ok()?);
        let scaled = self.value * power + places.value;
        let is_exact = scaled <= 1 << f64::MANTISSA_DIGITS;
        is_exact.then_some((scaled as f64 / power as f64, places.len))
    }
}

/// Of ten, as far as [`Digits`] go in a second word.
const POWERS: [u64; WORD] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The number whose eight digits are in a word, the first in the lowest byte. Each step joins
/// neighbours, all at once.
#[inline(always)]
fn value(word: u64) -> u64 {
    let twos = (word.wrapping_mul((10 << 8) | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul((100 << 16) | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul((10_000 << 32) | 1) >> 32
}

/// So many digits fit an integer without a sign.
const DIGITS_MAX: usize = 19;

impl<'t> Quick<'t, '_> {
    /// Reads a number of any length.
    #[inline(never)]
    pub(super) fn any_number(&mut self, mut place: Place) -> Option<Place> {
        let start = place.at;
        let is_negative = self.text[start] == b'-';
        let at = &mut place.at;
        *at += usize::from(is_negative);
        let digits = self.digits(at)?;
        if digits.len() > DIGITS_MAX || digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        let number = if matches!(self.text.get(*at), Some(b'.' | b'e' | b'E')) {
            self.float(start, at)?
        } else {
            let value = digits
                .iter()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
            Number::integer(value, is_negative)?
        };
        place.end += number.write(room(self.out, place.end));
        Some(place)
    }

    /// The rest of a number that began at `start` and has a fraction or an exponent.
    fn float(&mut self, start: usize, at: &mut usize) -> Option<Number> {
        if self.text[*at] == b'.' {
            *at += 1;
            self.digits(at)?;
        }
        if let Some(b'e' | b'E') = self.text.get(*at) {
            *at += 1;
            let is_signed = matches!(self.text.get(*at), Some(b'+' | b'-'));
            *at += usize::from(is_signed);
            self.digits(at)?;
        }
        let text = std::str::from_utf8(&self.text[start..*at]).ok()?;
        let value: f64 = text.parse().ok()?;
        value.is_finite().then_some(Number::Float(value))
    }

    /// Passes over digits; there must be one at least.
    fn digits(&self, at: &mut usize) -> Option<&'t [u8]> {
        let rest = self.text.get(*at..)?;
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let len = rest.iter().take_while(|byte| is_digit(byte)).count();
        *at += len;
        (len > 0).then(|| &rest[..len])
    }
}

impl Number {
    /// The integer of these digits, if it is one that has its kind in both formats: minus zero has
    /// not, nor what is below all integers.
    #[inline(always)]
    pub(super) fn integer(magnitude: u64, is_negative: bool) -> Option<Self> {
        if !is_negative {
            return Some(Self::UInt(magnitude));
        }
        let value = 0_i64.checked_sub_unsigned(magnitude)?;
        (value < 0).then_some(Self::Negative(value))
    }

    /// Writes it as [`write`](super::super::super::write) does, and gives its length.
    #[inline(always)]
    pub(super) fn write(self, room: &mut [u8; SIZE]) -> usize {
        match self {
            Self::UInt(value) => unsigned(room, value),
            Self::Negative(value) => negative(room, value),
            Self::Float(value) => tagged(room, 0xcb, value.to_be_bytes()),
        }
    }
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
fn unsigned(room: &mut [u8; SIZE], value: u64) -> usize {
    match value {
        0..=0x7f => {
            room[0] = value as u8;
            1
        }
        0x80..=0xff => tagged(room, 0xcc, (value as u8).to_be_bytes()),
        0x100..=0xffff => tagged(room, 0xcd, (value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => tagged(room, 0xce, (value as u32).to_be_bytes()),
        _ => tagged(room, 0xcf, value.to_be_bytes()),
    }
}

#[inline(never)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm's pattern is the range of the type it casts to"
)]
fn negative(room: &mut [u8; SIZE], value: i64) -> usize {
    match value {
        -32.. => {
            room[0] = value as u8;
            1
        }
        -0x80..=-33 => tagged(room, 0xd0, (value as i8).to_be_bytes()),
        -0x8000..=-0x81 => tagged(room, 0xd1, (value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => tagged(room, 0xd2, (value as i32).to_be_bytes()),
        _ => tagged(room, 0xd3, value.to_be_bytes()),
    }
}

#[inline(always)]
fn tagged<const N: usize>(room: &mut [u8; SIZE], marker: u8, bytes: [u8; N]) -> usize {
    room[0] = marker;
    room[1..][..N].copy_from_slice(&bytes);
    1 + N
}
