//! The byte layout of a chunk file, as constants; `FORMAT.md` is its prose, and a test holds the
//! two together.
//!
//! All integers are little-endian. All checksums are CRC-32 with the IEEE polynomial, computed
//! over a seed followed by the bytes: the seed ties the bytes to their chunk and place.

/// One field of a fixed-size record: its name in `FORMAT.md`, its place and its size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

impl Field {
    const fn new(name: &'static str, offset: usize, size: usize) -> Field {
        Field { name, offset, size }
    }

    const fn end(self) -> usize {
        self.offset + self.size
    }

    /// Writes `value` into the field; it must have the field's size.
    pub(crate) fn put(self, record: &mut [u8], value: &[u8]) {
        record[self.offset..self.end()].copy_from_slice(value);
    }

    /// The field's bytes; `N` must be the field's size.
    pub(crate) fn bytes<const N: usize>(self, record: &[u8]) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&record[self.offset..self.end()]);
        value
    }

    pub(crate) fn u16(self, record: &[u8]) -> u16 {
        u16::from_le_bytes(self.bytes(record))
    }

    pub(crate) fn u32(self, record: &[u8]) -> u32 {
        u32::from_le_bytes(self.bytes(record))
    }

    pub(crate) fn u64(self, record: &[u8]) -> u64 {
        u64::from_le_bytes(self.bytes(record))
    }

    pub(crate) fn i64(self, record: &[u8]) -> i64 {
        i64::from_le_bytes(self.bytes(record))
    }
}

/// First eight bytes of every chunk file.
pub(crate) const MAGIC: [u8; 8] = *b"FOREBAY\0";
/// The version this crate writes, and the newest it reads.
pub(crate) const VERSION: u16 = 1;

/// Where the fixed header lies.
pub(crate) const HEADER_LEN: usize = 64;
/// Where the seal record lies.
pub(crate) const SEAL_OFFSET: usize = 64;
pub(crate) const SEAL_LEN: usize = 64;
/// Where the first destination slot lies; slot `n` is at `SLOTS_OFFSET + n * SLOT_LEN`.
pub(crate) const SLOTS_OFFSET: usize = 128;
pub(crate) const SLOT_LEN: usize = 32;
/// Most destinations of one chunk: every record that is rewritten lies in the first sector.
pub const MAX_DESTINATIONS: usize = 12;
/// What a disk writes as a whole or not at all, in bytes.
pub(crate) const SECTOR_LEN: usize = 512;
/// The unit of preallocation, and the size of the smallest chunk file, in bytes.
pub(crate) const BLOCK_LEN: u64 = 4096;
/// Frames start at multiples of this many bytes.
pub(crate) const FRAME_ALIGN: u64 = 8;
pub(crate) const FRAME_HEAD_LEN: usize = 24;
/// The flag of a frame whose payload is a copy of the fixed header and the metadata.
pub(crate) const HEAD_COPY_FLAG: u32 = 1;
/// Most bytes of a chunk's metadata.
pub(crate) const MAX_META_LEN: usize = 1 << 20;

const _: () = assert!(usize::BITS == 64, "file offsets are used as indexes");
const _: () = assert!(HEADER_LEN <= SEAL_OFFSET && SEAL_OFFSET + SEAL_LEN <= SLOTS_OFFSET);
const _: () = assert!(SLOTS_OFFSET + MAX_DESTINATIONS * SLOT_LEN <= SECTOR_LEN);
const _: () = assert!(SLOTS_OFFSET.is_multiple_of(8) && SLOT_LEN.is_multiple_of(8));
const _: () = assert!(FRAME_HEAD_LEN.is_multiple_of(8) && BLOCK_LEN.is_multiple_of(FRAME_ALIGN));

/// The fixed header, at offset 0.
pub(crate) mod header {
    use super::{Field, HEADER_LEN};

    pub(crate) const MAGIC: Field = Field::new("magic", 0, 8);
    pub(crate) const VERSION: Field = Field::new("version", MAGIC.end(), 2);
    pub(crate) const SLOT_COUNT: Field = Field::new("slot_count", VERSION.end(), 2);
    pub(crate) const DATA_START: Field = Field::new("data_start", SLOT_COUNT.end(), 4);
    pub(crate) const CHUNK_ID: Field = Field::new("chunk_id", DATA_START.end(), 16);
    pub(crate) const CREATED_NS: Field = Field::new("created_ns", CHUNK_ID.end(), 8);
    pub(crate) const META_LEN: Field = Field::new("meta_len", CREATED_NS.end(), 4);
    pub(crate) const META_CRC: Field = Field::new("meta_crc", META_LEN.end(), 4);
    pub(crate) const PADDING: Field = Field::new("padding", META_CRC.end(), 12);
    pub(crate) const CRC: Field = Field::new("header_crc", PADDING.end(), 4);
    #[cfg(test)]
    pub(crate) const FIELDS: &[Field] = &[
        MAGIC, VERSION, SLOT_COUNT, DATA_START, CHUNK_ID, CREATED_NS, META_LEN, META_CRC, PADDING,
        CRC,
    ];
    const _: () = assert!(CRC.end() == HEADER_LEN);
}

/// The seal record, at [`SEAL_OFFSET`]; offsets are relative to it.
pub(crate) mod seal {
    use super::{Field, SEAL_LEN};

    pub(crate) const DATA_LEN: Field = Field::new("data_len", 0, 8);
    pub(crate) const PAYLOAD_LEN: Field = Field::new("payload_len", DATA_LEN.end(), 8);
    pub(crate) const EVENT_COUNT: Field = Field::new("event_count", PAYLOAD_LEN.end(), 8);
    pub(crate) const TIME_MIN_NS: Field = Field::new("time_min_ns", EVENT_COUNT.end(), 8);
    pub(crate) const TIME_MAX_NS: Field = Field::new("time_max_ns", TIME_MIN_NS.end(), 8);
    pub(crate) const SEALED_NS: Field = Field::new("sealed_ns", TIME_MAX_NS.end(), 8);
    pub(crate) const FRAME_COUNT: Field = Field::new("frame_count", SEALED_NS.end(), 4);
    pub(crate) const REASON: Field = Field::new("reason", FRAME_COUNT.end(), 1);
    pub(crate) const PADDING: Field = Field::new("padding", REASON.end(), 7);
    pub(crate) const CRC: Field = Field::new("seal_crc", PADDING.end(), 4);
    #[cfg(test)]
    pub(crate) const FIELDS: &[Field] = &[
        DATA_LEN,
        PAYLOAD_LEN,
        EVENT_COUNT,
        TIME_MIN_NS,
        TIME_MAX_NS,
        SEALED_NS,
        FRAME_COUNT,
        REASON,
        PADDING,
        CRC,
    ];
    const _: () = assert!(CRC.end() == SEAL_LEN);
}

/// A destination slot; offsets are relative to its start.
pub(crate) mod slot {
    use super::{Field, SLOT_LEN};

    pub(crate) const STATE: Field = Field::new("state", 0, 1);
    pub(crate) const RESERVED: Field = Field::new("reserved", STATE.end(), 7);
    pub(crate) const AT_NS: Field = Field::new("at_ns", RESERVED.end(), 8);
    pub(crate) const PADDING: Field = Field::new("padding", AT_NS.end(), 12);
    pub(crate) const CRC: Field = Field::new("slot_crc", PADDING.end(), 4);
    #[cfg(test)]
    pub(crate) const FIELDS: &[Field] = &[STATE, RESERVED, AT_NS, PADDING, CRC];
    const _: () = assert!(CRC.end() == SLOT_LEN);
}

/// The head of a frame; offsets are relative to the frame's start.
pub(crate) mod frame {
    use super::{FRAME_HEAD_LEN, Field};

    pub(crate) const HEAD_CRC: Field = Field::new("head_crc", 0, 4);
    pub(crate) const BODY_CRC: Field = Field::new("body_crc", HEAD_CRC.end(), 4);
    pub(crate) const PAYLOAD_LEN: Field = Field::new("payload_len", BODY_CRC.end(), 4);
    pub(crate) const EVENT_COUNT: Field = Field::new("event_count", PAYLOAD_LEN.end(), 4);
    pub(crate) const TAG_LEN: Field = Field::new("tag_len", EVENT_COUNT.end(), 2);
    pub(crate) const BATCH_ID_LEN: Field = Field::new("batch_id_len", TAG_LEN.end(), 2);
    pub(crate) const FLAGS: Field = Field::new("flags", BATCH_ID_LEN.end(), 4);
    #[cfg(test)]
    pub(crate) const FIELDS: &[Field] = &[
        HEAD_CRC,
        BODY_CRC,
        PAYLOAD_LEN,
        EVENT_COUNT,
        TAG_LEN,
        BATCH_ID_LEN,
        FLAGS,
    ];
    const _: () = assert!(FLAGS.end() == FRAME_HEAD_LEN);
}

/// `n` as an index; lossless, because `usize` has 64 bits (asserted above).
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn to_usize(n: u64) -> usize {
    n as usize
}

/// The smallest multiple of `align` that is not below `n`, saturating.
pub(crate) const fn align_up(n: u64, align: u64) -> u64 {
    match n.checked_next_multiple_of(align) {
        Some(aligned) => aligned,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests;
