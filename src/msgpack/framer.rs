//! Finding the end of a value that arrives in pieces.

use super::shape::{Head, head_at};
use super::skip::{common_len, head_bytes};
use super::{DEPTH_MAX, Error};

/// Finds where values end in a stream, without walking a byte twice.
///
/// The caller keeps the bytes of the value that is arriving, from its first byte on, and calls
/// [`advance`](Self::advance) with all of them each time there are more. The framer remembers how
/// far it came; it keeps one number for each open array or map, 128 at most.
#[derive(Clone, Debug)]
pub struct Framer {
    /// Up to where the value's heads have been read; beyond the bytes that were given, if a
    /// string is still arriving.
    at: usize,
    /// How many values are still to come on each level, the outermost first; never 0.
    open: Vec<u64>,
}

impl Framer {
    /// A framer at the start of a value.
    #[must_use]
    pub fn new() -> Self {
        Self {
            at: 0,
            open: vec![1],
        }
    }

    /// The length of the value that `bytes` begin with, once it is all there; the framer is then
    /// ready for the next value, to be given from *its* first byte on.
    ///
    /// # Errors
    /// `Incomplete` until the value is all there. Its `needed` counts what the value claims to
    /// hold (each announced value has at least one byte), so that a caller with a limit on the
    /// size can refuse the value before it arrives. The other errors are final.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        while !self.open.is_empty() {
            if self.at >= bytes.len() {
                return Err(self.incomplete(bytes.len()));
            }
            self.step(bytes)?;
        }
        if self.at > bytes.len() {
            return Err(self.incomplete(bytes.len()));
        }
        let len = self.at;
        *self = Self::new();
        Ok(len)
    }

    /// Reads one head.
    fn step(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let head = self.head(bytes)?;
        self.at += head.size;
        if head.is_container && self.open.len() > DEPTH_MAX as usize {
            return Err(Error::TooDeep { offset: self.at });
        }
        if let Some(expected) = self.open.last_mut() {
            *expected -= 1;
        }
        if head.children > 0 {
            self.open.push(head.children);
        }
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
        Ok(())
    }

    fn head(&self, bytes: &[u8]) -> Result<Head, Error> {
        match head_bytes(bytes, self.at).and_then(common_len) {
            Some(size) => Ok(Head::leaf(size)),
            None => head_at(bytes, self.at),
        }
    }

    /// All levels' values are still to come, behind `at`.
    fn incomplete(&self, len: usize) -> Error {
        let values = self
            .open
            .iter()
            .fold(0, |sum: u64, n| sum.saturating_add(*n));
        let values = usize::try_from(values).unwrap_or(usize::MAX);
        Error::Incomplete {
            needed: self.at.saturating_sub(len).saturating_add(values),
        }
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::msgpack::testing::{encoded_value, hostile_bytes};
    use crate::msgpack::value_len;

    #[test]
    fn a_hostile_head_is_refused_by_what_it_claims() {
        let mut framer = Framer::new();
        let head = [0xdd, 0xff, 0xff, 0xff, 0xff];
        let needed = u32::MAX as usize;
        assert_eq!(framer.advance(&head), Err(Error::Incomplete { needed }));
        let mut framer = Framer::new();
        let head = [0xdf, 0xff, 0xff, 0xff, 0xff];
        let needed = 2 * needed;
        assert_eq!(framer.advance(&head), Err(Error::Incomplete { needed }));
    }

    #[test]
    fn what_is_missing_is_counted_over_all_levels() {
        let mut framer = Framer::new();
        let bytes = [0x93, 0x92, 0xd9, 10, b'a'];
        assert_eq!(
            framer.advance(&bytes),
            Err(Error::Incomplete { needed: 9 + 1 + 2 })
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let mut deepest = vec![0x91; DEPTH_MAX as usize];
        deepest.push(0xc0);
        assert_eq!(Framer::new().advance(&deepest), Ok(deepest.len()));
        let deeper = vec![0x91; DEPTH_MAX as usize + 1];
        let refused = Framer::new().advance(&deeper);
        assert!(matches!(refused, Err(Error::TooDeep { .. })));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            bytes in prop_oneof![encoded_value(), hostile_bytes()],
            piece_size in 1..40_usize,
        ) {
            let mut framer = Framer::new();
            let mut seen = 0;
            let framed = loop {
                seen = (seen + piece_size).min(bytes.len());
                match framer.advance(&bytes[..seen]) {
                    Err(Error::Incomplete { needed }) if seen < bytes.len() => {
                        prop_assert!(needed > 0);
                    }
                    end => break end,
                }
            };
            match (framed, value_len(&bytes)) {
                (Err(Error::Incomplete { .. }), Err(Error::Incomplete { .. })) => {}
                (framed, whole) => prop_assert_eq!(framed, whole),
            }
        }
    }
}
