//! The short way for what most JSON is: one pass over the text, without a value in between.
//!
//! It knows what is right and usual, and gives up (`None`) on everything else: what is wrong, lone
//! and paired surrogates, integers of more than 18 digits, minus zero. The long way then reads the
//! text again from its start, and says what is wrong if something is. Both must mean the same by the
//! same text: a test compares them, and the fuzz target `json`.

use super::super::json::words::{HIGH_BITS, needs_escape, prefix_len};
use super::super::write;
use super::{JSON_DEPTH_MAX, fill_head, reserve_head};

/// So many digits fit any integer.
const DIGITS_MAX: usize = 18;

/// A place in a text, and where its MessagePack goes.
pub(super) struct Quick<'t, 'o> {
    text: &'t [u8],
    at: usize,
    out: &'o mut Vec<u8>,
}

/// Appends the one value that `text` holds. Without it, `out` holds part of it.
pub(super) fn value(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let mut quick = Quick { text, at: 0, out };
    quick.value(0)?;
    quick.ends()
}

/// Appends each element of the array that `text` holds, each after `before_each`; gives their number.
/// Without it, `out` holds part of them.
pub(super) fn elements(
    out: &mut Vec<u8>,
    text: &[u8],
    before_each: &mut impl FnMut(&mut Vec<u8>),
) -> Option<u64> {
    let mut quick = Quick { text, at: 0, out };
    quick.take(b'[')?;
    let mut count = 0;
    if quick.next() != Some(b']') {
        loop {
            before_each(quick.out);
            quick.value(0)?;
            count += 1;
            if !quick.goes_on(b']')? {
                break;
            }
        }
    } else {
        quick.at += 1;
    }
    quick.ends()?;
    Some(count)
}

impl<'t> Quick<'t, '_> {
    fn value(&mut self, depth: u32) -> Option<()> {
        match self.next()? {
            b'"' => self.string(),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", |out| write::bool(out, true)),
            b'f' => self.word(b"false", |out| write::bool(out, false)),
            b'n' => self.word(b"null", write::nil),
            _ => None,
        }
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        let head = self.open(depth)?;
        let mut count = 0;
        if self.next()? == b'}' {
            self.at += 1;
        } else {
            loop {
                if self.next()? != b'"' {
                    return None;
                }
                self.string()?;
                self.take(b':')?;
                self.value(depth + 1)?;
                count += 1;
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        fill_head(self.out, head, |head| write::map_head(head, count));
        Some(())
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        let head = self.open(depth)?;
        let mut count = 0;
        if self.next()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.value(depth + 1)?;
                count += 1;
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        fill_head(self.out, head, |head| write::array_head(head, count));
        Some(())
    }

    /// Passes over the bracket; gives where the head goes.
    fn open(&mut self, depth: u32) -> Option<usize> {
        if depth >= JSON_DEPTH_MAX {
            return None;
        }
        self.at += 1;
        Some(reserve_head(self.out))
    }

    #[inline]
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let plain = prefix_len(rest, |word| needs_escape(word) | word & HIGH_BITS);
        if *rest.get(plain)? != b'"' {
            return self.unusual_string();
        }
        write::str(self.out, &rest[..plain]);
        self.at += plain + 1;
        Some(())
    }

    /// A string with escapes or characters beyond ASCII.
    #[inline(never)]
    fn unusual_string(&mut self) -> Option<()> {
        let mut unescaped = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let clean = prefix_len(rest, needs_escape);
            let (part, rest) = (&rest[..clean], &rest[clean..]);
            let special = *rest.first()?;
            self.at += clean + 1;
            if special == b'"' && unescaped.is_empty() {
                std::str::from_utf8(part).ok()?;
                write::str(self.out, part);
                return Some(());
            }
            unescaped.extend_from_slice(part);
            match special {
                b'"' => break,
                b'\\' => self.escape(&mut unescaped)?,
                _ => return None,
            }
        }
        std::str::from_utf8(&unescaped).ok()?;
        write::str(self.out, &unescaped);
        Some(())
    }

    /// What follows a backslash.
    fn escape(&mut self, unescaped: &mut Vec<u8>) -> Option<()> {
        let letter = *self.text.get(self.at)?;
        self.at += 1;
        unescaped.push(match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digits: &[u8; 4] = self.text[self.at..].first_chunk()?;
                self.at += digits.len();
                let code = digits.iter().try_fold(0, |code, digit| {
                    Some(code << 4 | char::from(*digit).to_digit(16)?)
                })?;
                // A surrogate is none.
                let character = char::from_u32(code)?;
                unescaped.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        });
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let is_negative = self.text[start] == b'-';
        self.at += usize::from(is_negative);
        let digits = self.digits()?;
        if digits.len() > DIGITS_MAX || digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        if matches!(self.text.get(self.at), Some(b'.' | b'e' | b'E')) {
            return self.float(start);
        }
        let value = digits
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        if is_negative && value == 0 {
            return None;
        }
        write::int(self.out, if is_negative { -value } else { value });
        Some(())
    }

    /// The rest of a number that began at `start` and has a fraction or an exponent.
    fn float(&mut self, start: usize) -> Option<()> {
        if self.text[self.at] == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            let is_signed = matches!(self.text.get(self.at), Some(b'+' | b'-'));
            self.at += usize::from(is_signed);
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        let value: f64 = text.parse().ok()?;
        value.is_finite().then(|| write::float(self.out, value))
    }

    /// Passes over digits; there must be one at least.
    fn digits(&mut self) -> Option<&'t [u8]> {
        let rest = &self.text[self.at..];
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let len = rest.iter().take_while(|byte| is_digit(byte)).count();
        self.at += len;
        (len > 0).then(|| &rest[..len])
    }

    fn word(&mut self, word: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            write(self.out);
        })
    }

    /// Whether a comma follows, or what closes.
    #[inline]
    fn goes_on(&mut self, closing: u8) -> Option<bool> {
        let found = self.next()?;
        self.at += 1;
        match found {
            b',' => Some(true),
            _ => (found == closing).then_some(false),
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space, not passed over.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn ends(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }
}
