//! Where frames, and the copies of the head between them, go in the file.

use super::{Chunk, Entry, Writer};
use crate::frame::{self, EncodedFrame};
use crate::head::copy;
use crate::layout::to_usize;

/// What one write puts behind the chunk's end.
pub(super) struct LaidOut<'a> {
    /// All frames but the last, with the copies that are due behind them.
    earlier: Vec<u8>,
    /// The last frame, from where its bytes are: a single large one is not copied.
    last: EncodedFrame<'a>,
    /// A copy of the head that is to follow it; empty if none is due.
    copy: Vec<u8>,
    /// Where the chunk ends then.
    pub(super) end: u64,
    /// Where its last copy of the head is then.
    pub(super) last_copy: Option<u64>,
}

impl LaidOut<'_> {
    /// All parts in their order, behind `head_bytes` and before the `rest` of the first block.
    pub(super) fn between<'p>(&'p self, head_bytes: &'p [u8], rest: &'p [u8]) -> [&'p [u8]; 9] {
        let [tag, batch_id, payload] = self.last.body;
        [
            head_bytes,
            &self.earlier,
            &self.last.head,
            tag,
            batch_id,
            payload,
            self.last.padding,
            &self.copy,
            rest,
        ]
    }
}

impl Chunk {
    /// Lays out the frames of some entries, and of a last one.
    pub(super) fn lay_out<'a>(
        &self,
        writer: &Writer,
        entries: &[Entry<'a>],
        last: &Entry<'a>,
    ) -> LaidOut<'a> {
        let seed = self.seed();
        let (mut end, mut last_copy) = (writer.end, writer.last_copy);
        let frames_len: u64 = entries.iter().map(|entry| entry.head.frame_len()).sum();
        let mut earlier = Vec::with_capacity(to_usize(frames_len));
        let mut place = |entry: &Entry<'a>| {
            let frame = frame::encode(entry.head, &entry.body, &seed, end);
            end += frame.len;
            let copy = self.due_copy(last_copy, end);
            if !copy.is_empty() {
                last_copy = Some(end);
                end += copy.len() as u64;
            }
            (frame, copy)
        };
        for entry in entries {
            let (frame, copy) = place(entry);
            frame.append_to(&mut earlier);
            earlier.extend_from_slice(&copy);
        }
        let (last, copy) = place(last);
        LaidOut {
            earlier,
            last,
            copy,
            end,
            last_copy,
        }
    }

    /// The copy of the head that is to follow a frame that ends at `end`; empty if none is.
    fn due_copy(&self, last_copy: Option<u64>, end: u64) -> Vec<u8> {
        if !copy::is_due(&self.header, last_copy, end) {
            return Vec::new();
        }
        // Metadata that could not be encoded would have no chunk.
        let meta = self.meta.encode().unwrap_or_default();
        copy::encode(&self.header, &meta, &self.seed(), end)
    }
}
