//! The bytes of a connection that have come and are not used yet.

use std::io;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a connection starts with and falls back to when it is idle.
const CAPACITY_MIN: usize = 4 * 1024;

/// Up to where a busy connection's buffer grows to take more in one read. One that is larger,
/// because a message was, comes back to this.
const CAPACITY_BUSY: usize = 256 * 1024;

/// From here on, a read takes just what is missing of a message, so that the next one starts at
/// the front of the buffer and need not be moved there.
const EXACT_READ_MIN: usize = 16 * 1024;

/// Reads that would have done with less before a large buffer shrinks.
const SPARING_READS_MAX: u32 = 64;

/// A buffer that grows with what comes, never with what is announced: a sender that claims much
/// and sends little costs little.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Where the unused bytes begin.
    start: usize,
    /// Whether the last read filled the buffer to the brim.
    was_filled: bool,
    /// Reads since the buffer was last needed as large as it is.
    sparing_read_count: u32,
}

impl ReadBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            was_filled: false,
            sparing_read_count: 0,
        }
    }

    /// The bytes that have come and are not used.
    pub(super) fn unused(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Drops the first `len` unused bytes.
    pub(super) fn consume(&mut self, len: usize) {
        self.start = self.bytes.len().min(self.start + len);
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Reads more. `needed` bytes at least are missing of what has begun to come. Gives the number
    /// of bytes read; 0: there will be no more.
    ///
    /// Loses nothing if the future is dropped.
    pub(super) async fn fill(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        needed: usize,
    ) -> io::Result<usize> {
        self.make_room(needed);
        let spare = self.bytes.capacity() - self.bytes.len();
        let is_exact = !self.bytes.is_empty() && (EXACT_READ_MIN..spare).contains(&needed);
        let limit = if is_exact { needed } else { spare };
        let read = reader.read_buf(&mut (&mut self.bytes).limit(limit)).await?;
        self.was_filled = read == spare;
        Ok(read)
    }

    /// Gives memory back while nothing comes.
    pub(super) fn rest(&mut self) {
        self.move_to_front();
        self.bytes.shrink_to(CAPACITY_MIN);
        self.was_filled = false;
    }

    fn make_room(&mut self, needed: usize) {
        let spare = self.bytes.capacity() - self.bytes.len();
        let unused = self.unused().len();
        if needed > spare || unused <= self.start {
            self.move_to_front();
        }
        self.shrink_if_spared(unused.saturating_add(needed));
        if self.bytes.len() == self.bytes.capacity() || self.should_widen() {
            let capacity = self.capacity_wanted(needed);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    fn move_to_front(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
    }

    /// More came than fitted, and may do so again.
    fn should_widen(&self) -> bool {
        self.was_filled && self.bytes.capacity() < CAPACITY_BUSY
    }

    /// At most twice what there is, and not much more than is of use. What is needed is often
    /// only a lower bound, so that growth is never by less than half.
    fn capacity_wanted(&self, needed: usize) -> usize {
        let len = self.bytes.len();
        let of_use = len.saturating_add(needed.max(len / 2)).max(CAPACITY_BUSY);
        let doubled = self.bytes.capacity().saturating_mul(2).min(of_use);
        doubled.max(len + 1).max(CAPACITY_MIN)
    }

    fn shrink_if_spared(&mut self, size: usize) {
        if self.bytes.capacity() <= CAPACITY_BUSY || size > CAPACITY_BUSY {
            self.sparing_read_count = 0;
            return;
        }
        self.sparing_read_count += 1;
        if self.sparing_read_count > SPARING_READS_MAX {
            self.move_to_front();
            self.bytes.shrink_to(CAPACITY_BUSY);
            self.sparing_read_count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills once from `bytes`; the stream is always ready.
    fn fill(buffer: &mut ReadBuffer, bytes: &mut &[u8], needed: usize) -> usize {
        futures_util::FutureExt::now_or_never(buffer.fill(bytes, needed))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let stream: Vec<u8> = (0..1_000_000_u32)
            .map(|i| i.to_le_bytes()[i as usize % 3])
            .collect();
        let mut source = stream.as_slice();
        let mut buffer = ReadBuffer::new();
        let mut seen = Vec::new();
        for step in 1.. {
            let read = fill(&mut buffer, &mut source, 1 + step * 37 % 50_000);
            if read == 0 {
                break;
            }
            let used = (step * 7919 % 60_000).min(buffer.unused().len());
            seen.extend_from_slice(&buffer.unused()[..used]);
            buffer.consume(used);
        }
        seen.extend_from_slice(buffer.unused());
        assert!(seen == stream);
    }

    #[test]
    fn what_is_announced_takes_no_memory() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..100 {
            fill(&mut buffer, &mut &[1][..], 1 << 30);
        }
        assert_eq!(buffer.unused().len(), 100);
        assert_eq!(buffer.bytes.capacity(), CAPACITY_MIN);
    }

    #[test]
    fn a_large_message_grows_the_buffer_by_doubling_and_hardly_beyond_itself() {
        let size = 3_000_000;
        let stream = vec![7; 2 * size];
        for is_known in [true, false] {
            let mut source = stream.as_slice();
            let mut buffer = ReadBuffer::new();
            let mut fill_count = 0;
            while buffer.unused().len() < size {
                let there = buffer.unused().len();
                let needed = if is_known { size - there } else { 1 };
                fill(&mut buffer, &mut source, needed);
                let capacity = buffer.bytes.capacity();
                assert!(capacity <= CAPACITY_BUSY.max(2 * there).max(2 * CAPACITY_MIN));
                fill_count += 1;
            }
            assert!(fill_count < 20);
            assert!(buffer.bytes.capacity() <= size + size / 2);
        }
    }

    #[test]
    fn a_large_buffer_shrinks_when_it_was_not_needed_for_long() {
        let mut buffer = ReadBuffer::new();
        buffer.bytes.reserve_exact(10 * CAPACITY_BUSY);
        for _ in 0..=SPARING_READS_MAX {
            assert!(buffer.bytes.capacity() >= 10 * CAPACITY_BUSY);
            fill(&mut buffer, &mut &[1, 2, 3][..], 1);
            buffer.consume(3);
        }
        assert_eq!(buffer.bytes.capacity(), CAPACITY_BUSY);
        buffer.rest();
        assert_eq!(buffer.bytes.capacity(), CAPACITY_MIN);
    }

    #[test]
    fn resting_keeps_what_has_come() {
        let mut buffer = ReadBuffer::new();
        let stream = vec![9; 100_000];
        let mut source = stream.as_slice();
        while fill(&mut buffer, &mut source, 1) > 0 {}
        buffer.consume(1000);
        buffer.rest();
        assert_eq!(buffer.unused(), &stream[1000..]);
        assert_eq!(buffer.bytes.capacity(), 99_000);
    }
}
