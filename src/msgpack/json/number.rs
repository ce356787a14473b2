//! Digits, many at a time.
//!
//! Numbers are written into room of one size, which more is written to than the number has; what is
//! given is the number's length.

/// Bytes that a number takes at most, and what more is written.
pub(super) const SIZE: usize = 40;

pub(super) type Room = [u8; SIZE];

/// Eight digits fit a word: numbers below this one.
const WORD_MAX: u64 = 100_000_000;

/// Decimal places that [`decimal`] looks at, as a factor.
const PLACES: u64 = 1_000_000;

const ASCII: u64 = u64::from_ne_bytes([b'0'; 8]);

/// Writes an integer.
#[inline(always)]
pub(super) fn integer(room: &mut Room, value: i64) -> usize {
    room[0] = b'-';
    let sign = usize::from(value < 0);
    let magnitude = value.unsigned_abs();
    if magnitude < WORD_MAX * WORD_MAX {
        sign + whole(room, sign, magnitude)
    } else {
        long_integer(room, value)
    }
}

/// Writes an integer of any length.
#[inline(never)]
pub(super) fn long_integer(room: &mut Room, value: impl itoa::Integer) -> usize {
    text(room, itoa::Buffer::new().format(value))
}

/// Writes the shortest text that reads back as the same float; what is no number is `null`.
#[inline(always)]
pub(super) fn float(room: &mut Room, value: f64) -> usize {
    match decimal(value.abs()) {
        Some(scaled) => {
            room[0] = b'-';
            let sign = usize::from(value.is_sign_negative());
            let point = sign + whole(room, sign, scaled / PLACES);
            room[point] = b'.';
            point + 1 + fraction(room, point + 1, scaled % PLACES)
        }
        None => long_float(room, value),
    }
}

/// Writes a float of any length, of 32 or 64 bits.
#[inline(never)]
pub(super) fn long_float(room: &mut Room, value: impl ryu::Float + Into<f64> + Copy) -> usize {
    if value.into().is_finite() {
        text(room, ryu::Buffer::new().format_finite(value))
    } else {
        text(room, "null")
    }
}

/// Writes a text that is known to fit.
#[inline(always)]
pub(super) fn text(room: &mut Room, text: &str) -> usize {
    room[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

/// The float as a number of millionths, if it is the nearest to such a number.
///
/// Below `2^32` floats are closer to one another than millionths are, so that no other number of as
/// few digits reads back as the same float: this one is the shortest. Small ones are left out because
/// they are written with an exponent.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "what is not exact is found out by the comparison"
)]
fn decimal(magnitude: f64) -> Option<u64> {
    let is_in_range = (1e-5..4_294_967_296.0).contains(&magnitude) || magnitude == 0.0;
    let scaled = (magnitude * PLACES as f64 + 0.5) as u64;
    #[expect(clippy::float_cmp, reason = "the very same float is asked for")]
    let is_same = scaled as f64 / PLACES as f64 == magnitude;
    (is_in_range && is_same).then_some(scaled)
}

/// Writes a number of at most 16 digits without leading zeros.
#[inline(always)]
fn whole(room: &mut Room, at: usize, value: u64) -> usize {
    if value < WORD_MAX {
        return leading(room, at, value);
    }
    let len = leading(room, at, value / WORD_MAX);
    put(room, at + len, ASCII | digits(value % WORD_MAX));
    len + 8
}

/// Writes a number below [`WORD_MAX`] without leading zeros.
#[inline(always)]
fn leading(room: &mut Room, at: usize, value: u64) -> usize {
    let digits = digits(value);
    // The last digit stands, be it zero.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    put(room, at, (ASCII | digits) >> (8 * zeros));
    8 - zeros as usize
}

/// Writes millionths behind the point, without trailing zeros but for one.
#[inline(always)]
fn fraction(room: &mut Room, at: usize, value: u64) -> usize {
    let digits = digits(value * (WORD_MAX / PLACES));
    put(room, at, ASCII | digits);
    8 - (digits | 1).leading_zeros() as usize / 8
}

#[inline(always)]
fn put(room: &mut Room, at: usize, word: u64) {
    room[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// The eight digits of a number below [`WORD_MAX`], the first in the lowest byte.
///
/// Each step splits all parts of the word at once, by products that are exact in their range.
#[inline(always)]
fn digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integer_text(value: i64) -> String {
        let mut room = [0; SIZE];
        let len = integer(&mut room, value);
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    fn float_text(value: f64) -> String {
        let mut room = [0; SIZE];
        let len = float(&mut room, value);
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    #[test]
    fn integers_of_every_length_are_right_at_both_ends() {
        for len in 0..19 {
            let power = 10_i64.pow(len);
            for value in [power - 1, power, power + 1, i64::MAX - power] {
                assert_eq!(integer_text(value), value.to_string());
                assert_eq!(integer_text(-value), (-value).to_string());
            }
        }
        assert_eq!(integer_text(i64::MIN), i64::MIN.to_string());
    }

    #[test]
    fn all_parts_of_a_word_are_split_right() {
        for value in 0..10_000 {
            let expected = value.to_string();
            assert_eq!(integer_text(value), expected);
            assert_eq!(integer_text(value * 10_000), (value * 10_000).to_string());
        }
    }

    #[test]
    fn floats_at_the_ends_of_what_is_usual_are_as_ryu_writes_them() {
        for value in [
            0.0,
            1.0,
            0.1,
            0.3,
            0.1 + 0.2,
            1e-5,
            1e-5_f64.next_down(),
            9.9e-6,
            1e-6,
            0.999_999,
            0.999_999_9,
            1e15,
            1e16,
            1e17,
            4_294_967_295.999_999,
            4_294_967_296.0_f64.next_down(),
            4_294_967_296.0,
            4_294_967_296.000_001,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
        ] {
            for value in [value, -value] {
                let mut buffer = ryu::Buffer::new();
                assert_eq!(float_text(value), buffer.format_finite(value));
            }
        }
        assert_eq!(float_text(f64::NAN), "null");
        assert_eq!(float_text(f64::NEG_INFINITY), "null");
    }

    proptest! {
        #[test]
        fn integers_are_written_as_the_standard_library_writes_them(
            value in any::<i64>(),
            bits in 0..64_u32,
        ) {
            let value = value >> bits;
            prop_assert_eq!(integer_text(value), value.to_string());
        }

        #[test]
        fn floats_are_written_as_ryu_writes_them(
            value in prop_oneof![
                any::<f64>(),
                (any::<i32>(), 0..12).prop_map(|(n, places)| f64::from(n) / 10_f64.powi(places)),
                (any::<u64>(), 0..64_u32, -30..30_i32).prop_map(|(n, bits, exponent)| {
                    #[expect(clippy::cast_precision_loss, reason = "any float will do")]
                    let n = (n >> bits) as f64;
                    n * 2_f64.powi(exponent)
                }),
                (0.0..5e9, -2..3_i64).prop_map(|(near, steps)| {
                    let decimal: f64 = format!("{near:.6}").parse().unwrap();
                    f64::from_bits(decimal.to_bits().saturating_add_signed(steps))
                }),
            ].prop_filter("a number", |value| value.is_finite()),
        ) {
            let mut buffer = ryu::Buffer::new();
            prop_assert_eq!(float_text(value), buffer.format_finite(value));
        }
    }
}
