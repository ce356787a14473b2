//! Copies of a chunk's head among its frames: what they hold, when one is due, finding one.
//!
//! A chunk whose first sector, or first block, is lost would otherwise be frames that nobody can
//! name. `FORMAT.md` argues for the three places.

use std::ops::Range;

use super::HeadError;
use crate::checksum::{Body, Seed};
use crate::frame::{self, FrameHead};
use crate::fs::{File, read_full_at};
use crate::header::{Header, HeaderError};
use crate::id::ChunkId;
use crate::layout::{
    BLOCK_LEN, FRAME_HEAD_LEN, HEAD_COPY_FLAG, HEADER_LEN, MAX_META_LEN, SECTOR_LEN, align_up,
    to_usize,
};
use crate::meta::ChunkMeta;
use crate::walk::{Found, FrameAt, Stretch, Walked};

/// Bytes looked through at once; no copy is longer.
const STRETCH_LEN: u64 = 2 << 20;
const _: () = assert!(STRETCH_LEN > (MAX_META_LEN + HEADER_LEN + FRAME_HEAD_LEN + 8) as u64);

/// Whether a copy is to follow the frame that ends at `end`: the first frame of the file, the
/// first that reaches beyond the head's last sector, and the first beyond its last block.
pub(crate) fn is_due(header: &Header, last_copy: Option<u64>, end: u64) -> bool {
    let data_start = u64::from(header.data_start);
    let places = [SECTOR_LEN as u64, BLOCK_LEN].map(|len| align_up(data_start, len));
    last_copy.is_none_or(|last| places.iter().any(|place| last < *place && *place <= end))
}

/// The bytes of a copy at the file offset `offset`, a multiple of 8 long.
pub(crate) fn encode(header: &Header, meta: &[u8], seed: &Seed, offset: u64) -> Vec<u8> {
    let payload = [&header.encode()[..], meta].concat();
    let head = FrameHead {
        body_crc: 0,
        // At most 1 MiB of metadata, as `Header::new` has checked.
        payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        event_count: 0,
        tag_len: 0,
        batch_id_len: 0,
        flags: HEAD_COPY_FLAG,
    };
    let body = Body::new([&[], &[], &payload]);
    let encoded = frame::encode(head, &body, seed, offset);
    [&encoded.head[..], &payload, encoded.padding].concat()
}

/// Looks for a copy of the head of chunk `id`, from the file's start on.
pub(super) fn find(file: &dyn File, id: ChunkId) -> Result<Option<(Header, ChunkMeta)>, HeadError> {
    let file_len = file.len().map_err(HeadError::Io)?;
    let (seed, mut found) = (Seed::new(id), Found::default());
    let mut position = 0;
    while position < file_len {
        let range = position..file_len.min(position + STRETCH_LEN);
        let Some(bytes) = read(file, &range)? else {
            break;
        };
        let stretch = Stretch {
            seed: &seed,
            bytes: &bytes,
            start: position,
            data_end: file_len,
        };
        position = match found.walk(&stretch) {
            // A frame with a flag we do not know says nothing about how to read it.
            Walked::Newer(_) => return Err(HeadError::Unreadable("a newer version's frames")),
            Walked::UpTo(walked) => walked,
            Walked::NeedsUpTo(end) if end - position > STRETCH_LEN => end,
            // The file has become shorter since it was measured.
            Walked::NeedsUpTo(_) => break,
        };
        for copy in &found.copies {
            match decode(&bytes, range.start, copy, id) {
                Err(HeaderError::Newer(version)) => return Err(HeadError::Newer(version)),
                Err(HeaderError::Unreadable(_)) => {}
                Ok(parts) => return Ok(Some(parts)),
            }
        }
    }
    Ok(None)
}

fn read(file: &dyn File, range: &Range<u64>) -> Result<Option<Vec<u8>>, HeadError> {
    let mut bytes = vec![0; to_usize(range.end - range.start)];
    let read = read_full_at(file, &mut bytes, range.start).map_err(HeadError::Io)?;
    bytes.truncate(read);
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// What the copy at `at` says, if it is one of this chunk's head.
fn decode(
    bytes: &[u8],
    start: u64,
    at: &FrameAt,
    id: ChunkId,
) -> Result<(Header, ChunkMeta), HeaderError> {
    let contradiction = HeaderError::Unreadable("the copy contradicts itself");
    let payload = to_usize(at.offset - start) + FRAME_HEAD_LEN;
    let payload = &bytes[payload..payload + to_usize(at.head.body_len())];
    let header = Header::decode(payload)?;
    let meta = &payload[HEADER_LEN..];
    let is_whole = header.id == id
        && meta.len() as u64 == u64::from(header.meta_len)
        && Seed::new(id).of(meta) == header.meta_crc
        && at.offset >= u64::from(header.data_start);
    let meta = is_whole.then(|| ChunkMeta::decode(meta)).flatten();
    let meta = meta.filter(|meta| meta.destinations.len() == usize::from(header.slot_count));
    meta.map(|meta| (header, meta)).ok_or(contradiction)
}
