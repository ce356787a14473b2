//! One frame: a head of fixed layout, then tag, batch id and payload, padded with zeros.
//!
//! Head and body have a checksum each. The head's says how far the frame reaches even when its
//! body is damaged, so that a reader finds the next frame without searching.

use crate::checksum::{Body, Seed};
use crate::layout::{FRAME_ALIGN, FRAME_HEAD_LEN, HEAD_COPY_FLAG, align_up, frame, to_usize};

/// The head of a frame, without its own checksum. Little-endian on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// CRC of seed, tag, batch id and payload.
    pub(crate) body_crc: u32,
    /// Bytes of payload; never 0, so that zeros are never a frame.
    pub(crate) payload_len: u32,
    /// Events in the payload.
    pub(crate) event_count: u32,
    pub(crate) tag_len: u16,
    pub(crate) batch_id_len: u16,
    /// 0, or [`HEAD_COPY_FLAG`]; anything else is of a newer version.
    pub(crate) flags: u32,
}

impl FrameHead {
    /// The head's bytes at the place `seed` stands for.
    pub(crate) fn encode(&self, seed: &Seed) -> [u8; FRAME_HEAD_LEN] {
        let mut bytes = [0; FRAME_HEAD_LEN];
        frame::BODY_CRC.put(&mut bytes, &self.body_crc.to_le_bytes());
        frame::PAYLOAD_LEN.put(&mut bytes, &self.payload_len.to_le_bytes());
        frame::EVENT_COUNT.put(&mut bytes, &self.event_count.to_le_bytes());
        frame::TAG_LEN.put(&mut bytes, &self.tag_len.to_le_bytes());
        frame::BATCH_ID_LEN.put(&mut bytes, &self.batch_id_len.to_le_bytes());
        frame::FLAGS.put(&mut bytes, &self.flags.to_le_bytes());
        let crc = seed.of(&bytes[frame::BODY_CRC.offset..]);
        frame::HEAD_CRC.put(&mut bytes, &crc.to_le_bytes());
        bytes
    }

    /// The head at the start of `bytes`, if it is one that was written at this place.
    pub(crate) fn decode(bytes: &[u8], seed: impl FnOnce() -> Seed) -> Option<FrameHead> {
        let bytes = bytes.get(..FRAME_HEAD_LEN)?;
        let head = FrameHead {
            body_crc: frame::BODY_CRC.u32(bytes),
            payload_len: frame::PAYLOAD_LEN.u32(bytes),
            event_count: frame::EVENT_COUNT.u32(bytes),
            tag_len: frame::TAG_LEN.u16(bytes),
            batch_id_len: frame::BATCH_ID_LEN.u16(bytes),
            flags: frame::FLAGS.u32(bytes),
        };
        // Tested before the checksum: a search through zeros must cost next to nothing.
        if head.payload_len == 0 {
            return None;
        }
        let crc = seed().of(&bytes[frame::BODY_CRC.offset..]);
        (crc == frame::HEAD_CRC.u32(bytes)).then_some(head)
    }

    /// Whether the frame holds a copy of the chunk's head instead of events.
    pub(crate) fn is_head_copy(&self) -> bool {
        self.flags == HEAD_COPY_FLAG
    }

    /// Bytes of tag, batch id and payload.
    pub(crate) fn body_len(&self) -> u64 {
        u64::from(self.payload_len) + u64::from(self.tag_len) + u64::from(self.batch_id_len)
    }

    /// Bytes from this frame's start to the next one's.
    pub(crate) fn frame_len(&self) -> u64 {
        align_up(FRAME_HEAD_LEN as u64 + self.body_len(), FRAME_ALIGN)
    }
}

/// The bytes of a frame at one place, in parts that need no copy.
pub(crate) struct EncodedFrame<'a> {
    pub(crate) head: [u8; FRAME_HEAD_LEN],
    pub(crate) body: [&'a [u8]; 3],
    pub(crate) padding: &'static [u8],
    /// Bytes of all parts together; a multiple of [`FRAME_ALIGN`].
    pub(crate) len: u64,
}

impl EncodedFrame<'_> {
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.head);
        self.body
            .iter()
            .for_each(|part| bytes.extend_from_slice(part));
        bytes.extend_from_slice(self.padding);
    }
}

/// Lays out `body` as a frame for the file offset `offset`.
///
/// `head` has everything but the body's checksum.
pub(crate) fn encode<'a>(
    mut head: FrameHead,
    body: &Body<'a>,
    seed: &Seed,
    offset: u64,
) -> EncodedFrame<'a> {
    static ZEROS: [u8; to_usize(FRAME_ALIGN)] = [0; to_usize(FRAME_ALIGN)];
    let seed = seed.at(offset);
    head.body_crc = seed.of_body(body);
    let len = head.frame_len();
    let padding_len = len - head.body_len() - FRAME_HEAD_LEN as u64;
    EncodedFrame {
        head: head.encode(&seed),
        body: body.parts(),
        padding: &ZEROS[..to_usize(padding_len)],
        len,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::ChunkId;

    proptest! {
        #[test]
        fn a_head_survives_its_bytes_and_only_at_its_place(
            body_crc: u32, payload_len in 1u32.., event_count: u32, tag_len: u16,
            batch_id_len: u16, offset in 0u64..1 << 40,
        ) {
            let head =
                FrameHead { body_crc, payload_len, event_count, tag_len, batch_id_len, flags: 0 };
            let seed = Seed::new(ChunkId::from_bytes([9; 16]));
            let bytes = head.encode(&seed.at(offset));
            prop_assert_eq!(FrameHead::decode(&bytes, || seed.at(offset)), Some(head));
            prop_assert_eq!(FrameHead::decode(&bytes, || seed.at(offset + 8)), None);
            prop_assert_eq!(FrameHead::decode(&bytes[..23], || seed.at(offset)), None);
            prop_assert!(head.frame_len().is_multiple_of(FRAME_ALIGN));
        }
    }

    #[test]
    fn zeros_are_never_a_frame() {
        let seed = Seed::new(ChunkId::from_bytes([9; 16]));
        assert_eq!(FrameHead::decode(&[0; 64], || seed.at(0)), None);
    }
}
