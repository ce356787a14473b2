//! The bytes of a connection that have come and are not used yet.

use std::io;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::input::memory::Share;

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
/// and sends little costs little. Its memory is taken from the connection's share of the input's
/// budget.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Bytes of capacity that the share holds.
    shared: usize,
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
            shared: 0,
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

    /// Makes room to read into; `needed` bytes at least are missing of what has begun to come.
    /// Waits for memory where there is none; that which is of use but not necessary is not waited
    /// for.
    ///
    /// Loses nothing if the future is dropped.
    pub(super) async fn make_room(&mut self, needed: usize, share: &mut Share) {
        let spare = self.bytes.capacity() - self.bytes.len();
        let unused = self.unused().len();
        if needed > spare || unused <= self.start {
            self.move_to_front();
        }
        self.shrink_if_spared(unused.saturating_add(needed), share);
        let capacity = self.capacity_wanted(needed);
        let more = capacity.saturating_sub(self.bytes.capacity());
        if self.bytes.len() == self.bytes.capacity() {
            share.grow(more).await;
            self.widen(capacity);
        } else if self.should_widen() && share.try_grow(more) {
            self.widen(capacity);
        }
    }

    /// Reads into the room that there is; `needed` as for [`make_room`](Self::make_room). Gives
    /// the number of bytes read; 0: there will be no more.
    ///
    /// Loses nothing if the future is dropped.
    pub(super) async fn read(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        needed: usize,
    ) -> io::Result<usize> {
        let spare = self.bytes.capacity() - self.bytes.len();
        let is_exact = !self.bytes.is_empty() && (EXACT_READ_MIN..spare).contains(&needed);
        let limit = if is_exact { needed } else { spare };
        let read = reader.read_buf(&mut (&mut self.bytes).limit(limit)).await?;
        self.was_filled = read == spare;
        Ok(read)
    }

    /// Gives memory back while nothing comes.
    pub(super) fn rest(&mut self, share: &mut Share) {
        self.shrink_to(CAPACITY_MIN, share);
        self.was_filled = false;
    }

    /// To a capacity that the share has grown for.
    fn widen(&mut self, capacity: usize) {
        self.bytes.reserve_exact(capacity - self.bytes.len());
        self.shared = capacity;
    }

    fn shrink_to(&mut self, capacity: usize, share: &mut Share) {
        self.move_to_front();
        self.bytes.shrink_to(capacity);
        let shared = self.shared.min(self.bytes.capacity());
        share.give_back(self.shared - shared);
        self.shared = shared;
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

    fn shrink_if_spared(&mut self, size: usize, share: &mut Share) {
        if share.is_needed() {
            return self.shrink_to(size.min(self.bytes.capacity()).max(CAPACITY_MIN), share);
        }
        if self.bytes.capacity() <= CAPACITY_BUSY || size > CAPACITY_BUSY {
            self.sparing_read_count = 0;
            return;
        }
        self.sparing_read_count += 1;
        if self.sparing_read_count > SPARING_READS_MAX {
            self.shrink_to(CAPACITY_BUSY, share);
            self.sparing_read_count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::FutureExt;

    use super::*;
    use crate::input::InputStats;
    use crate::input::memory::{FREE_SIZE, Memory};

    /// A share of a budget that is never spent.
    fn share() -> Share {
        Memory::new(1 << 30, &Arc::default()).share()
    }

    /// Fills once from `bytes`; the stream is always ready.
    fn fill(buffer: &mut ReadBuffer, bytes: &mut &[u8], needed: usize, share: &mut Share) -> usize {
        buffer.make_room(needed, share).now_or_never().unwrap();
        buffer.read(bytes, needed).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let stream: Vec<u8> = (0..1_000_000_u32)
            .map(|i| i.to_le_bytes()[i as usize % 3])
            .collect();
        let mut source = stream.as_slice();
        let (mut buffer, mut share) = (ReadBuffer::new(), share());
        let mut seen = Vec::new();
        for step in 1.. {
            let read = fill(&mut buffer, &mut source, 1 + step * 37 % 50_000, &mut share);
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
        let (mut buffer, mut share) = (ReadBuffer::new(), share());
        for _ in 0..100 {
            fill(&mut buffer, &mut &[1][..], 1 << 30, &mut share);
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
            let (mut buffer, mut share) = (ReadBuffer::new(), share());
            let mut fill_count = 0;
            while buffer.unused().len() < size {
                let there = buffer.unused().len();
                let needed = if is_known { size - there } else { 1 };
                fill(&mut buffer, &mut source, needed, &mut share);
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
        let (mut buffer, mut share) = (ReadBuffer::new(), share());
        assert!(share.try_grow(10 * CAPACITY_BUSY));
        buffer.widen(10 * CAPACITY_BUSY);
        for _ in 0..=SPARING_READS_MAX {
            assert!(buffer.bytes.capacity() >= 10 * CAPACITY_BUSY);
            fill(&mut buffer, &mut &[1, 2, 3][..], 1, &mut share);
            buffer.consume(3);
        }
        assert_eq!(buffer.bytes.capacity(), CAPACITY_BUSY);
        buffer.rest(&mut share);
        assert_eq!(buffer.bytes.capacity(), CAPACITY_MIN);
    }

    #[test]
    fn resting_keeps_what_has_come() {
        let (mut buffer, mut share) = (ReadBuffer::new(), share());
        let stream = vec![9; 100_000];
        let mut source = stream.as_slice();
        while fill(&mut buffer, &mut source, 1, &mut share) > 0 {}
        buffer.consume(1000);
        buffer.rest(&mut share);
        assert_eq!(buffer.unused(), &stream[1000..]);
        assert_eq!(buffer.bytes.capacity(), 99_000);
    }

    #[test]
    fn the_budget_has_what_a_buffer_takes_and_gets_it_back() {
        let stats = Arc::new(InputStats::default());
        let mut share = Memory::new(1 << 30, &stats).share();
        let mut buffer = ReadBuffer::new();
        let taken = || usize::try_from(stats.read_memory.load(Relaxed)).unwrap();
        let stream = vec![9; 1_000_000];
        let mut source = stream.as_slice();
        while fill(&mut buffer, &mut source, 1, &mut share) > 0 {
            let charged = buffer.bytes.capacity().saturating_sub(FREE_SIZE);
            assert_eq!(taken(), charged.next_multiple_of(1024));
        }
        buffer.consume(1_000_000);
        buffer.rest(&mut share);
        assert_eq!(taken(), 0);
    }

    #[test]
    fn a_full_buffer_waits_for_memory_and_one_with_room_does_not() {
        let memory = Memory::new(100 * 1024, &Arc::default());
        let (mut share, mut others) = (memory.share(), [memory.share(), memory.share()]);
        others[0].grow(100 * 1024 + FREE_SIZE).now_or_never();
        others[1].grow(100 * 1024).now_or_never().unwrap();
        let mut buffer = ReadBuffer::new();
        let stream = vec![9; 1_000_000];
        let mut source = stream.as_slice();
        while buffer.bytes.capacity() < FREE_SIZE {
            fill(&mut buffer, &mut source, 1, &mut share);
        }
        assert_eq!(buffer.unused().len(), FREE_SIZE);
        assert!(buffer.make_room(1, &mut share).now_or_never().is_none());
        buffer.consume(FREE_SIZE / 2 + 1);
        fill(&mut buffer, &mut source, 1, &mut share);
        assert_eq!(buffer.bytes.capacity(), FREE_SIZE);
    }

    #[test]
    fn a_buffer_gives_back_what_others_need() {
        let memory = Memory::new(1 << 20, &Arc::default());
        let (mut share, mut other, mut third) = (memory.share(), memory.share(), memory.share());
        let mut buffer = ReadBuffer::new();
        assert!(share.try_grow(1 << 20));
        buffer.widen(1 << 20);
        other.grow(1 << 20).now_or_never().unwrap();
        let mut waiting = Box::pin(third.grow(1 << 19));
        assert!((&mut waiting).now_or_never().is_none());
        fill(&mut buffer, &mut &[1, 2, 3][..], 1, &mut share);
        assert_eq!(buffer.bytes.capacity(), CAPACITY_MIN);
        assert!(waiting.now_or_never().is_some());
    }
}
