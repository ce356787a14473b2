//! Ways into the format's parsers for the fuzz targets, and the checksums that let arbitrary bytes
//! past the parsers' first line of defence. Only with the feature `fuzzing`.

use std::path::Path;

use crate::checksum::Seed;
use crate::fs::{Access, Fs};
use crate::head::{Head, HeadError};
use crate::header::{Header, slot_offset};
use crate::id::ChunkId;
use crate::layout::{
    FRAME_HEAD_LEN, HEADER_LEN, MAX_DESTINATIONS, SEAL_LEN, SEAL_OFFSET, SLOT_LEN, frame, header,
    seal, slot, to_usize,
};
use crate::meta::ChunkMeta;
use crate::walk::{Damage, Found, FrameAt, Stretch, Walked};

/// What a walk met, and where it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Offset and length of each intact frame.
    pub frames: Vec<(u64, u64)>,
    /// Offset and length of each intact copy of the chunk's head.
    pub copies: Vec<(u64, u64)>,
    /// What lies between them.
    pub damage: Vec<Damage>,
    /// The offset of a frame of a newer version, at which the walk stopped.
    pub newer: Option<u64>,
}

/// Walks `bytes` as the data of the chunk `id` from file offset `start` on, at first `window_len`
/// bytes at a time.
///
/// # Panics
/// The walk does not move on, or asks for more than there is.
#[must_use]
pub fn walk(id: ChunkId, bytes: &[u8], start: u64, window_len: u64) -> Walk {
    let seed = Seed::new(id);
    let data_end = start + bytes.len() as u64;
    let (mut walk, mut found) = (Walk::default(), Found::default());
    let mut offset = start;
    let mut end = data_end.min(offset + window_len);
    while offset < data_end {
        let stretch = Stretch {
            seed: &seed,
            bytes: &bytes[to_usize(offset - start)..to_usize(end - start)],
            start: offset,
            data_end,
        };
        match found.walk(&stretch) {
            Walked::UpTo(walked) => {
                assert!(offset < walked && walked <= end, "it moves on, not beyond");
                let place = |at: &FrameAt| (at.offset, at.head.frame_len());
                walk.frames.extend(found.frames.iter().map(place));
                walk.copies.extend(found.copies.iter().map(place));
                walk.damage.extend_from_slice(&found.damage);
                offset = walked;
                end = data_end.min(offset + window_len);
            }
            Walked::NeedsUpTo(longer) => {
                assert!(end < longer && longer <= data_end, "more, but not too much");
                end = longer;
            }
            Walked::Newer(at) => {
                walk.newer = Some(at);
                return walk;
            }
        }
    }
    walk
}

/// Makes the checksums of the frame at the start of `bytes`, for file offset `offset`, right for
/// what it holds. Gives its length, or `None` if no head fits. A body that is cut off stays wrong.
pub fn stamp_frame(id: ChunkId, bytes: &mut [u8], offset: u64) -> Option<usize> {
    let seed = Seed::new(id).at(offset);
    let head = bytes.get(..FRAME_HEAD_LEN)?;
    let body_len = u64::from(frame::PAYLOAD_LEN.u32(head))
        + u64::from(frame::TAG_LEN.u16(head))
        + u64::from(frame::BATCH_ID_LEN.u16(head));
    let body_len = to_usize(body_len);
    if let Some(body) = bytes.get(FRAME_HEAD_LEN..FRAME_HEAD_LEN + body_len) {
        let crc = seed.of(body);
        frame::BODY_CRC.put(bytes, &crc.to_le_bytes());
    }
    let crc = seed.of(&bytes[frame::BODY_CRC.offset..FRAME_HEAD_LEN]);
    frame::HEAD_CRC.put(bytes, &crc.to_le_bytes());
    Some((FRAME_HEAD_LEN + body_len).next_multiple_of(8))
}

/// Makes the checksums of header, metadata, seal record and slots of a chunk file right for what
/// they hold, as far as they lie in `bytes`. Gives the chunk's id and where its frames begin.
pub fn stamp_head(bytes: &mut [u8]) -> Option<(ChunkId, usize)> {
    let first = bytes.get(..HEADER_LEN)?;
    let id = ChunkId::from_bytes(header::CHUNK_ID.bytes(first));
    let seed = Seed::new(id);
    let slot_count = usize::from(header::SLOT_COUNT.u16(first));
    let (meta_len, data_start) = (
        to_usize(header::META_LEN.u32(first).into()),
        to_usize(header::DATA_START.u32(first).into()),
    );
    let meta = to_usize(slot_offset(slot_count));
    if let Some(meta) = bytes.get(meta..meta + meta_len) {
        let crc = seed.of(meta);
        header::META_CRC.put(bytes, &crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[..header::CRC.offset]);
    header::CRC.put(bytes, &crc.to_le_bytes());
    if let Some(record) = bytes.get_mut(SEAL_OFFSET..SEAL_OFFSET + SEAL_LEN) {
        let crc = seed.of(&record[..seal::CRC.offset]);
        seal::CRC.put(record, &crc.to_le_bytes());
    }
    for index in 0..slot_count.min(MAX_DESTINATIONS) {
        let offset = to_usize(slot_offset(index));
        if let Some(record) = bytes.get_mut(offset..offset + SLOT_LEN) {
            let crc = seed.at(index as u64).of(&record[..slot::CRC.offset]);
            slot::CRC.put(record, &crc.to_le_bytes());
        }
    }
    Some((id, data_start))
}

/// What was read before a chunk's first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadSeen {
    /// The chunk.
    pub id: ChunkId,
    /// Where the frames begin.
    pub data_start: u64,
    /// How many bytes the file has.
    pub file_len: u64,
    /// How many slots there are, intact or not.
    pub slot_count: usize,
    /// The bytes of frames that the seal record states, if it is intact and possible.
    pub sealed_data_len: Option<u64>,
    /// The metadata.
    pub meta: ChunkMeta,
    /// The header's bytes, written again from what was read.
    pub header_bytes: [u8; HEADER_LEN],
}

/// Reads what stands before the frames of the file at `path`; `None` if that is not to be had.
#[must_use]
pub fn read_head(fs: &dyn Fs, path: &Path) -> Option<HeadSeen> {
    let file = fs.open(path, Access::Read).ok()?;
    let head: Result<Head, HeadError> = Head::read(&*file);
    let head = head.ok()?;
    Some(HeadSeen {
        id: head.header.id,
        data_start: head.data_start(),
        file_len: head.file_len,
        slot_count: head.slots.len(),
        sealed_data_len: head.seal().map(|seal| seal.data_len),
        header_bytes: head.header.encode(),
        meta: ChunkMeta::clone(&head.meta),
    })
}

/// Whether the header of `bytes` alone can be read.
#[must_use]
pub fn has_header(bytes: &[u8]) -> bool {
    Header::decode(bytes).is_ok()
}

/// The metadata in `bytes`, if they are exactly one.
#[must_use]
pub fn decode_meta(bytes: &[u8]) -> Option<ChunkMeta> {
    ChunkMeta::decode(bytes)
}

/// The bytes of metadata, if they are not too many.
#[must_use]
pub fn encode_meta(meta: &ChunkMeta) -> Option<Vec<u8>> {
    meta.encode()
}
