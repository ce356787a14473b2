//! The fixed header of a chunk file and the two kinds of record behind it that are rewritten:
//! the seal record and the destination slots. All of them lie in the file's first sector.

use crate::checksum::Seed;
use crate::id::ChunkId;
use crate::layout::{
    BLOCK_LEN, FRAME_ALIGN, HEADER_LEN, MAGIC, MAX_DESTINATIONS, MAX_META_LEN, SEAL_LEN, SLOT_LEN,
    SLOTS_OFFSET, VERSION, align_up, header, seal, slot, to_usize,
};

/// The fixed header: written once, with the chunk's first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: ChunkId,
    pub(crate) created_ns: i64,
    /// Destinations of the route when the chunk was created; at most [`MAX_DESTINATIONS`].
    pub(crate) slot_count: u16,
    /// Where the first frame is.
    pub(crate) data_start: u32,
    pub(crate) meta_len: u32,
    pub(crate) meta_crc: u32,
}

/// Why the first 64 bytes are not a header this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Written by a newer version: not damage, never to be touched.
    Newer(u16),
    /// Too short, no magic, a wrong checksum, or lengths that contradict one another.
    Unreadable(&'static str),
}

impl Header {
    /// The header for metadata of `meta_len` bytes; `None` if that does not fit.
    pub(crate) fn new(
        id: ChunkId,
        created_ns: i64,
        slot_count: usize,
        meta: &[u8],
    ) -> Option<Header> {
        if slot_count > MAX_DESTINATIONS || meta.len() > MAX_META_LEN {
            return None;
        }
        Some(Header {
            id,
            created_ns,
            slot_count: u16::try_from(slot_count).ok()?,
            data_start: u32::try_from(data_start(slot_count, meta.len())).ok()?,
            meta_len: u32::try_from(meta.len()).ok()?,
            meta_crc: Seed::new(id).of(meta),
        })
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        header::MAGIC.put(&mut bytes, &MAGIC);
        header::VERSION.put(&mut bytes, &VERSION.to_le_bytes());
        header::SLOT_COUNT.put(&mut bytes, &self.slot_count.to_le_bytes());
        header::DATA_START.put(&mut bytes, &self.data_start.to_le_bytes());
        header::CHUNK_ID.put(&mut bytes, self.id.as_bytes());
        header::CREATED_NS.put(&mut bytes, &self.created_ns.to_le_bytes());
        header::META_LEN.put(&mut bytes, &self.meta_len.to_le_bytes());
        header::META_CRC.put(&mut bytes, &self.meta_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..header::CRC.offset]);
        header::CRC.put(&mut bytes, &crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
        let bytes = bytes
            .get(..HEADER_LEN)
            .ok_or(HeaderError::Unreadable("file too short"))?;
        if header::MAGIC.bytes(bytes) != MAGIC {
            return Err(HeaderError::Unreadable("not a chunk file"));
        }
        if crc32fast::hash(&bytes[..header::CRC.offset]) != header::CRC.u32(bytes) {
            return Err(HeaderError::Unreadable("header checksum does not match"));
        }
        match header::VERSION.u16(bytes) {
            VERSION => Header::of_this_version(bytes),
            0 => Err(HeaderError::Unreadable("format version 0")),
            newer => Err(HeaderError::Newer(newer)),
        }
    }

    fn of_this_version(bytes: &[u8]) -> Result<Header, HeaderError> {
        let header = Header {
            id: ChunkId::from_bytes(header::CHUNK_ID.bytes(bytes)),
            created_ns: header::CREATED_NS.i64(bytes),
            slot_count: header::SLOT_COUNT.u16(bytes),
            data_start: header::DATA_START.u32(bytes),
            meta_len: header::META_LEN.u32(bytes),
            meta_crc: header::META_CRC.u32(bytes),
        };
        let (slot_count, meta_len) = (
            usize::from(header.slot_count),
            to_usize(u64::from(header.meta_len)),
        );
        let is_consistent = slot_count <= MAX_DESTINATIONS
            && meta_len <= MAX_META_LEN
            && data_start(slot_count, meta_len) == u64::from(header.data_start);
        is_consistent
            .then_some(header)
            .ok_or(HeaderError::Unreadable("header contradicts itself"))
    }

    /// Where the metadata lies in the file.
    pub(crate) fn meta_offset(&self) -> u64 {
        slot_offset(usize::from(self.slot_count))
    }
}

/// Where slot `index` lies in the file.
pub(crate) fn slot_offset(index: usize) -> u64 {
    (SLOTS_OFFSET + index * SLOT_LEN) as u64
}

fn data_start(slot_count: usize, meta_len: usize) -> u64 {
    align_up(slot_offset(slot_count) + meta_len as u64, FRAME_ALIGN)
}

/// How many bytes of a file show its header, records and usually its metadata in one read.
pub(crate) const FIRST_READ_LEN: usize = to_usize(BLOCK_LEN);

/// Why a chunk takes no more appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealReason {
    /// It reached its limit in bytes, or the next append would have passed it.
    Size,
    /// It reached its limit in events.
    Count,
    /// Its time window is over.
    Window,
    /// It is as old as the flush interval.
    Age,
    /// The flush mode is `immediate`.
    Immediate,
    /// The daemon is stopping.
    Shutdown,
    /// Somebody asked for a flush.
    Request,
    /// A write or sync failed; it ends at its last durable byte.
    Failure,
    /// Recovery found it unsealed and unfit for more appends.
    Recovery,
}

impl SealReason {
    /// Every reason, in the order of its byte on disk, which starts at 1.
    pub const ALL: [SealReason; 9] = [
        SealReason::Size,
        SealReason::Count,
        SealReason::Window,
        SealReason::Age,
        SealReason::Immediate,
        SealReason::Shutdown,
        SealReason::Request,
        SealReason::Failure,
        SealReason::Recovery,
    ];

    /// The reason as one lower-case word, e.g. for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            SealReason::Size => "size",
            SealReason::Count => "count",
            SealReason::Window => "window",
            SealReason::Age => "age",
            SealReason::Immediate => "immediate",
            SealReason::Shutdown => "shutdown",
            SealReason::Request => "request",
            SealReason::Failure => "failure",
            SealReason::Recovery => "recovery",
        }
    }

    fn to_byte(self) -> u8 {
        match self {
            SealReason::Size => 1,
            SealReason::Count => 2,
            SealReason::Window => 3,
            SealReason::Age => 4,
            SealReason::Immediate => 5,
            SealReason::Shutdown => 6,
            SealReason::Request => 7,
            SealReason::Failure => 8,
            SealReason::Recovery => 9,
        }
    }

    fn from_byte(byte: u8) -> Option<SealReason> {
        SealReason::ALL
            .into_iter()
            .find(|reason| reason.to_byte() == byte)
    }
}

/// The seal record: written when the chunk takes no more appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealRecord {
    /// Bytes of frames, from `data_start` on.
    pub(crate) data_len: u64,
    pub(crate) payload_len: u64,
    pub(crate) event_count: u64,
    pub(crate) frame_count: u32,
    /// Earliest and latest event time; the first is above the second if they are unknown.
    pub(crate) time_min_ns: i64,
    pub(crate) time_max_ns: i64,
    pub(crate) sealed_ns: i64,
    pub(crate) reason: SealReason,
}

/// What lies where a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded<T> {
    /// Only zeros: it was never written.
    Absent,
    /// Something, but not what was written there.
    Damaged,
    Present(T),
}

impl SealRecord {
    /// Where the data ends, behind that header; `None` if that is no offset.
    pub(crate) fn data_end(&self, header: &Header) -> Option<u64> {
        u64::from(header.data_start).checked_add(self.data_len)
    }

    pub(crate) fn encode(&self, seed: &Seed) -> [u8; SEAL_LEN] {
        let mut bytes = [0; SEAL_LEN];
        seal::DATA_LEN.put(&mut bytes, &self.data_len.to_le_bytes());
        seal::PAYLOAD_LEN.put(&mut bytes, &self.payload_len.to_le_bytes());
        seal::EVENT_COUNT.put(&mut bytes, &self.event_count.to_le_bytes());
        seal::FRAME_COUNT.put(&mut bytes, &self.frame_count.to_le_bytes());
        seal::TIME_MIN_NS.put(&mut bytes, &self.time_min_ns.to_le_bytes());
        seal::TIME_MAX_NS.put(&mut bytes, &self.time_max_ns.to_le_bytes());
        seal::SEALED_NS.put(&mut bytes, &self.sealed_ns.to_le_bytes());
        seal::REASON.put(&mut bytes, &[self.reason.to_byte()]);
        let crc = seed.of(&bytes[..seal::CRC.offset]);
        seal::CRC.put(&mut bytes, &crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEAL_LEN], seed: &Seed) -> Recorded<SealRecord> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Recorded::Absent;
        }
        if seed.of(&bytes[..seal::CRC.offset]) != seal::CRC.u32(bytes) {
            return Recorded::Damaged;
        }
        let [reason] = seal::REASON.bytes(bytes);
        let Some(reason) = SealReason::from_byte(reason) else {
            return Recorded::Damaged;
        };
        Recorded::Present(SealRecord {
            data_len: seal::DATA_LEN.u64(bytes),
            payload_len: seal::PAYLOAD_LEN.u64(bytes),
            event_count: seal::EVENT_COUNT.u64(bytes),
            frame_count: seal::FRAME_COUNT.u32(bytes),
            time_min_ns: seal::TIME_MIN_NS.i64(bytes),
            time_max_ns: seal::TIME_MAX_NS.i64(bytes),
            sealed_ns: seal::SEALED_NS.i64(bytes),
            reason,
        })
    }
}

/// What a chunk owes to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// The destination has not confirmed it yet.
    Owed,
    /// The destination has confirmed it.
    Delivered,
    /// It will not be tried again; a copy is elsewhere (dead letters, secondary).
    Rejected,
}

impl SlotState {
    fn to_byte(self) -> u8 {
        match self {
            SlotState::Owed => 1,
            SlotState::Delivered => 2,
            SlotState::Rejected => 3,
        }
    }
}

/// One destination slot: written with the header, rewritten by commit or rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRecord {
    pub(crate) state: SlotState,
    /// When the state was reached (for `Owed`: when the chunk was created), Unix nanoseconds.
    pub(crate) at_ns: i64,
}

impl SlotRecord {
    pub(crate) fn encode(&self, seed: &Seed, index: usize) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        slot::STATE.put(&mut bytes, &[self.state.to_byte()]);
        slot::AT_NS.put(&mut bytes, &self.at_ns.to_le_bytes());
        let crc = seed.at(index as u64).of(&bytes[..slot::CRC.offset]);
        slot::CRC.put(&mut bytes, &crc.to_le_bytes());
        bytes
    }

    /// The slot, or `None` if it is damaged: the chunk is then owed, since repeating a delivery
    /// is allowed and skipping one is not.
    pub(crate) fn decode(bytes: &[u8; SLOT_LEN], seed: &Seed, index: usize) -> Option<SlotRecord> {
        if seed.at(index as u64).of(&bytes[..slot::CRC.offset]) != slot::CRC.u32(bytes) {
            return None;
        }
        let state = match slot::STATE.bytes(bytes) {
            [1] => SlotState::Owed,
            [2] => SlotState::Delivered,
            [3] => SlotState::Rejected,
            _ => return None,
        };
        Some(SlotRecord {
            state,
            at_ns: slot::AT_NS.i64(bytes),
        })
    }
}

#[cfg(test)]
mod tests;
