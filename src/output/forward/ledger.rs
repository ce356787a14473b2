//! What a connection has sent and what the server still has to acknowledge.
//!
//! Pure: time is a parameter, nothing is sent. A chunk is entered when its first message is about
//! to be written, is *sealed* with its deadline when its last one is, and leaves when every message
//! is acknowledged, in any order. Whatever is still in the ledger when the connection ends goes
//! back to the scheduler.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_storage::ChunkId;

use super::message::MessageId;

/// The chunks in flight on one connection; as many as the scheduler has deliveries in flight.
///
/// `D` is what is parked with a chunk: the delivery.
#[derive(Debug)]
pub(super) struct Ledger<D> {
    entries: Vec<Entry<D>>,
    next_slot: u64,
}

/// Names one chunk in a ledger; never used twice, though the same chunk may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u64);

#[derive(Debug)]
struct Entry<D> {
    slot: Slot,
    chunk_id: ChunkId,
    parked: D,
    /// Messages sent (or about to be) and not acknowledged.
    outstanding: BTreeSet<u32>,
    /// By when the last acknowledgement must have come; `None` while messages are being written.
    deadline: Option<Duration>,
}

/// What an acknowledgement did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acknowledged<D> {
    /// It names no message that is waiting.
    Unknown,
    /// Others of the chunk are still waiting.
    Partly,
    /// It was the chunk's last.
    Wholly(D),
}

impl<D> Ledger<D> {
    /// A ledger of a new connection.
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            next_slot: 0,
        }
    }

    /// Enters a chunk of which nothing is written yet.
    pub(super) fn enter(&mut self, chunk_id: ChunkId, parked: D) -> Slot {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        self.entries.push(Entry {
            slot,
            chunk_id,
            parked,
            outstanding: BTreeSet::new(),
            deadline: None,
        });
        slot
    }

    /// The chunk's messages `indices` are about to be written and will be acknowledged.
    pub(super) fn expect_acks(&mut self, slot: Slot, indices: std::ops::Range<u32>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.slot == slot) {
            entry.outstanding.extend(indices);
        }
    }

    /// The chunk is wholly written. Gives back what is parked if nothing is outstanding; otherwise
    /// the last acknowledgement must come by `deadline`.
    pub(super) fn seal(&mut self, slot: Slot, deadline: Duration) -> Option<D> {
        let position = self.position(slot)?;
        if self.entries[position].outstanding.is_empty() {
            return Some(self.entries.swap_remove(position).parked);
        }
        self.entries[position].deadline = Some(deadline);
        None
    }

    /// Takes a chunk out whose acknowledgements no longer matter.
    pub(super) fn withdraw(&mut self, slot: Slot) -> Option<D> {
        let position = self.position(slot)?;
        Some(self.entries.swap_remove(position).parked)
    }

    /// The server has acknowledged a message.
    ///
    /// The same chunk may be here twice, when the scheduler took the first delivery back and gave
    /// out another: then the acknowledgement counts for one that is still waiting for it.
    pub(super) fn acknowledge(&mut self, id: MessageId) -> Acknowledged<D> {
        let waits = |entry: &Entry<D>| {
            entry.chunk_id == id.chunk_id && entry.outstanding.contains(&id.index)
        };
        let Some(position) = self.entries.iter().position(waits) else {
            return Acknowledged::Unknown;
        };
        let entry = &mut self.entries[position];
        entry.outstanding.remove(&id.index);
        if entry.outstanding.is_empty() && entry.deadline.is_some() {
            return Acknowledged::Wholly(self.entries.swap_remove(position).parked);
        }
        Acknowledged::Partly
    }

    /// The earliest deadline of all chunks.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.entries.iter().filter_map(|entry| entry.deadline).min()
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<D> {
        self.entries.drain(..).map(|entry| entry.parked).collect()
    }

    fn position(&self, slot: Slot) -> Option<usize> {
        self.entries.iter().position(|entry| entry.slot == slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn chunk(byte: u8) -> ChunkId {
        ChunkId::from_bytes([byte; 16])
    }

    fn message(byte: u8, index: u32) -> MessageId {
        MessageId {
            chunk_id: chunk(byte),
            index,
        }
    }

    /// A ledger with chunk 1 (`'a'`) of three messages, wholly written.
    fn three_messages() -> Ledger<char> {
        let mut ledger = Ledger::new();
        let slot = ledger.enter(chunk(1), 'a');
        ledger.expect_acks(slot, 0..3);
        assert_eq!(ledger.seal(slot, DEADLINE), None);
        ledger
    }

    #[test]
    fn a_chunk_leaves_with_its_last_acknowledgement_in_any_order() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut ledger = three_messages();
            assert_eq!(
                ledger.acknowledge(message(1, order[0])),
                Acknowledged::Partly
            );
            assert_eq!(
                ledger.acknowledge(message(1, order[1])),
                Acknowledged::Partly
            );
            assert_eq!(
                ledger.acknowledge(message(1, order[2])),
                Acknowledged::Wholly('a')
            );
            assert!(ledger.drain().is_empty());
        }
    }

    #[test]
    fn unknown_and_repeated_acknowledgements_change_nothing() {
        let mut ledger = three_messages();
        assert_eq!(ledger.acknowledge(message(1, 0)), Acknowledged::Partly);
        assert_eq!(ledger.acknowledge(message(1, 0)), Acknowledged::Unknown);
        assert_eq!(ledger.acknowledge(message(1, 3)), Acknowledged::Unknown);
        assert_eq!(ledger.acknowledge(message(2, 1)), Acknowledged::Unknown);
        assert_eq!(ledger.drain(), ['a']);
    }

    #[test]
    fn a_chunk_that_is_still_being_written_does_not_leave() {
        let mut ledger = Ledger::new();
        let slot = ledger.enter(chunk(1), 'a');
        ledger.expect_acks(slot, 0..1);
        assert_eq!(ledger.acknowledge(message(1, 0)), Acknowledged::Partly);
        ledger.expect_acks(slot, 1..2);
        assert_eq!(ledger.seal(slot, DEADLINE), None);
        assert_eq!(ledger.acknowledge(message(1, 1)), Acknowledged::Wholly('a'));
    }

    #[test]
    fn a_chunk_acknowledged_before_it_is_sealed_leaves_when_it_is() {
        let mut ledger = Ledger::new();
        let slot = ledger.enter(chunk(1), 'a');
        ledger.expect_acks(slot, 0..1);
        assert_eq!(ledger.acknowledge(message(1, 0)), Acknowledged::Partly);
        assert_eq!(ledger.seal(slot, DEADLINE), Some('a'));
        assert_eq!(ledger.seal(slot, DEADLINE), None);
    }

    #[test]
    fn the_same_chunk_sent_twice_leaves_twice() {
        let mut ledger = Ledger::new();
        for name in ['a', 'b'] {
            let slot = ledger.enter(chunk(1), name);
            ledger.expect_acks(slot, 0..1);
            assert_eq!(ledger.seal(slot, DEADLINE), None);
        }
        let mut left = Vec::new();
        while let Acknowledged::Wholly(name) = ledger.acknowledge(message(1, 0)) {
            left.push(name);
        }
        left.sort_unstable();
        assert_eq!(left, ['a', 'b']);
    }

    #[test]
    fn the_next_deadline_is_the_earliest_of_sealed_chunks() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.next_deadline(), None);
        for (byte, seconds) in [(1, 7), (2, 5), (3, 9)] {
            let slot = ledger.enter(chunk(byte), byte);
            ledger.expect_acks(slot, 0..1);
            assert_eq!(ledger.next_deadline().is_none(), byte == 1);
            let _ = ledger.seal(slot, Duration::from_secs(seconds));
        }
        assert_eq!(ledger.next_deadline(), Some(Duration::from_secs(5)));
        assert_eq!(ledger.acknowledge(message(2, 0)), Acknowledged::Wholly(2));
        assert_eq!(ledger.next_deadline(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_is_withdrawn_or_drained_is_gone() {
        let mut ledger = three_messages();
        let slot = ledger.enter(chunk(2), 'b');
        assert_eq!(ledger.withdraw(slot), Some('b'));
        assert_eq!(ledger.withdraw(slot), None);
        assert_eq!(ledger.drain(), ['a']);
        assert_eq!(ledger.acknowledge(message(1, 0)), Acknowledged::Unknown);
    }
}
