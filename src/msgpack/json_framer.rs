//! Finding the end of a JSON text that arrives in pieces.

use super::{DEPTH_MAX, Error};

/// Finds where JSON objects and arrays end in a stream, without looking at a byte twice.
///
/// It counts brackets outside strings and nothing else: whether what it frames is JSON is found
/// out by whoever reads it. Used as [`Framer`](super::Framer) is.
#[derive(Clone, Debug, Default)]
pub struct JsonFramer {
    at: usize,
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
}

impl JsonFramer {
    /// A framer at the start of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of the text that `bytes` begin with, white space before it included, once it is
    /// all there; the framer is then ready for the next one.
    ///
    /// # Errors
    /// `Incomplete` until the text is all there, `Malformed` if it is neither an object nor an
    /// array, `TooDeep` as for MessagePack.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            if self.is_in_string {
                self.pass_in_string(byte);
            } else if self.is_end(byte)? {
                let len = self.at;
                *self = Self::new();
                return Ok(len);
            }
        }
        Err(Error::Incomplete { needed: 1 })
    }

    fn pass_in_string(&mut self, byte: u8) {
        if self.is_escaped {
            self.is_escaped = false;
            return;
        }
        match byte {
            b'\\' => self.is_escaped = true,
            b'"' => self.is_in_string = false,
            _ => {}
        }
    }

    /// Whether `byte`, which is in no string, closes the text.
    fn is_end(&mut self, byte: u8) -> Result<bool, Error> {
        let offset = self.at - 1;
        match byte {
            b'{' | b'[' if self.depth >= DEPTH_MAX => return Err(Error::TooDeep { offset }),
            b'{' | b'[' => self.depth += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            marker if self.depth == 0 => return Err(Error::Malformed { offset, marker }),
            b'}' | b']' => {
                self.depth -= 1;
                return Ok(self.depth == 0);
            }
            b'"' => self.is_in_string = true,
            _ => {}
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &str = "\n [\"a}\\\"]\", {\"b\": [1, 2]}]  {\"c\\\\\": \"[\"}\n{}";

    fn frame(piece_size: usize) -> Vec<String> {
        let mut framed = Vec::new();
        let mut framer = JsonFramer::new();
        let mut start = 0;
        let mut end = 0;
        while end < TEXTS.len() {
            end = (end + piece_size).min(TEXTS.len());
            while let Ok(len) = framer.advance(&TEXTS.as_bytes()[start..end]) {
                framed.push(TEXTS[start..start + len].trim().to_owned());
                start += len;
            }
        }
        framed
    }

    #[test]
    fn texts_end_where_their_brackets_close() {
        let whole = frame(TEXTS.len());
        assert_eq!(
            whole,
            ["[\"a}\\\"]\", {\"b\": [1, 2]}]", "{\"c\\\\\": \"[\"}", "{}"]
        );
        for piece_size in 1..8 {
            assert_eq!(frame(piece_size), whole, "pieces of {piece_size}");
        }
    }

    #[test]
    fn what_is_neither_object_nor_array_is_refused() {
        for (text, offset) in [("1", 0), (" }", 1), ("\"a\"", 0)] {
            let refused = JsonFramer::new().advance(text.as_bytes());
            let marker = text.as_bytes()[offset];
            assert_eq!(refused, Err(Error::Malformed { offset, marker }));
        }
        let deep = vec![b'['; 200];
        let refused = JsonFramer::new().advance(&deep);
        assert_eq!(refused, Err(Error::TooDeep { offset: 128 }));
    }
}
