//! Finding where messages and their elements end, while they arrive.

use crate::msgpack::{Cursor, Error, Framer, Value, value_len};

/// Elements of a message that mean something; there may be more, which are passed over.
const ELEMENT_COUNT_MAX: usize = 4;

/// Finds the end of messages in a stream; no byte is walked more than twice.
///
/// Of a payload in one string or binary only the head is read. Used as [`Framer`] is: the caller
/// keeps the bytes of the message that is arriving, from its first byte on.
#[derive(Debug)]
pub struct Scanner {
    framer: Framer,
    layout: Layout,
    /// Elements that have not ended; `None` before the message's head is read.
    left: Option<u32>,
    /// Whether the element that comes next has been tried before.
    is_resumed: bool,
}

/// Where a complete message and its elements end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the whole message.
    pub len: usize,
    /// Elements of the array; `None` if the message is none.
    element_count: Option<u32>,
    /// Where the elements begin.
    start: usize,
    /// Where each of the first elements ends.
    ends: [usize; ELEMENT_COUNT_MAX],
}

impl Scanner {
    /// A scanner at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            framer: Framer::new(),
            layout: Layout::default(),
            left: None,
            is_resumed: false,
        }
    }

    /// The layout of the message that `bytes` begin with, once it is all there; the scanner is
    /// then ready for the next message, to be given from *its* first byte on.
    ///
    /// # Errors
    /// `Incomplete` until the message is all there, with at least as many bytes needed as it
    /// claims to have. The other errors are final.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Layout, Error> {
        let mut left = match self.left {
            Some(left) => left,
            None => self.read_head(bytes)?,
        };
        while left > 0 {
            let ended = self.pass_element(bytes);
            if let Err(Error::Incomplete { needed }) = ended {
                self.left = Some(left);
                let others = usize::try_from(left - 1).unwrap_or(usize::MAX);
                return Err(Error::Incomplete {
                    needed: needed.saturating_add(others),
                });
            }
            ended?;
            left -= 1;
        }
        self.left = None;
        Ok(std::mem::take(&mut self.layout))
    }

    /// Gives the number of elements; a message that is no array counts as one.
    fn read_head(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let is_array = match bytes.first() {
            None => return Err(Error::Incomplete { needed: 1 }),
            Some(marker) => matches!(marker, 0x90..=0x9f | 0xdc | 0xdd),
        };
        if !is_array {
            return Ok(1);
        }
        let mut cursor = Cursor::new(bytes);
        let Value::Array(count) = cursor.read()? else {
            return Ok(1);
        };
        self.layout.element_count = Some(count);
        self.layout.start = cursor.position();
        self.layout.len = cursor.position();
        Ok(count)
    }

    fn pass_element(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let start = self.layout.len;
        let rest = bytes.get(start..).unwrap_or_default();
        let len = self
            .element_len(rest)
            .map_err(|error| error.shifted(start))?;
        self.layout.push(start + len);
        Ok(())
    }

    /// Most elements are all there when they are first looked at, and then the plain walk, which
    /// keeps nothing to go on from, is several times faster.
    fn element_len(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if !self.is_resumed {
            match value_len(bytes) {
                Err(Error::Incomplete { .. }) => self.is_resumed = true,
                whole => return whole,
            }
        }
        let len = self.framer.advance(bytes)?;
        self.is_resumed = false;
        Ok(len)
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Layout {
    /// The elements' bytes; those that are missing are empty. `None` if the message is no array.
    #[must_use]
    pub(super) fn elements<'a>(&self, message: &'a [u8]) -> Option<[&'a [u8]; ELEMENT_COUNT_MAX]> {
        self.element_count?;
        let mut start = self.start;
        Some(self.ends.map(|end| {
            let element = message.get(start..end).unwrap_or_default();
            start = start.max(end);
            element
        }))
    }

    /// Elements are pushed in order; an `end` of 0 stands for an element that is missing.
    fn push(&mut self, end: usize) {
        self.len = end;
        if let Some(slot) = self.ends.iter_mut().find(|slot| **slot == 0) {
            *slot = end;
        }
    }
}
