//! Finding the frames, and the damage between them, in a stretch of a chunk file.
//!
//! Pure: bytes in, places out. Every byte of the stretch ends up in exactly one frame or one
//! piece of damage. The cost is linear in the stretch's length whatever it holds: a head with a
//! valid checksum is believed about its length, so no byte of a body is searched for frames.

use std::ops::Range;

use crate::checksum::Seed;
use crate::frame::FrameHead;
use crate::layout::{FRAME_ALIGN, FRAME_HEAD_LEN, HEAD_COPY_FLAG, to_usize};

/// Where a frame lies in the file, and what its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameAt {
    pub(crate) offset: u64,
    pub(crate) head: FrameHead,
}

impl FrameAt {
    /// Where the next frame may begin.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.head.frame_len()
    }
}

/// Bytes of a chunk that are not part of a valid frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where they begin in the file.
    pub offset: u64,
    /// How many there are.
    pub len: u64,
    /// What is wrong with them.
    pub kind: DamageKind,
    /// Events they held, if that is known: the head of their frame is intact.
    pub event_count: Option<u32>,
}

impl Damage {
    /// The offset after the last damaged byte.
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// What is wrong with damaged bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// A frame whose head is intact and whose body is not.
    Body,
    /// The header or the metadata, of which a copy was found; or such a copy. No event.
    Head,
    /// Bytes in which no frame begins.
    Garbage,
    /// Zeros where a frame should be.
    Blank,
    /// The file ends before its data does.
    Missing,
    /// The device would not give the bytes.
    Unreadable,
}

impl DamageKind {
    /// The kind as one lower-case word, e.g. for a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            DamageKind::Body => "body",
            DamageKind::Head => "head",
            DamageKind::Garbage => "garbage",
            DamageKind::Blank => "blank",
            DamageKind::Missing => "missing",
            DamageKind::Unreadable => "unreadable",
        }
    }
}

/// A stretch of a chunk file to walk.
pub(crate) struct Stretch<'a> {
    pub(crate) seed: &'a Seed,
    /// The bytes, from file offset `start` on; `start` is a multiple of [`FRAME_ALIGN`].
    pub(crate) bytes: &'a [u8],
    pub(crate) start: u64,
    /// Where the chunk's data ends; not before the stretch does.
    pub(crate) data_end: u64,
}

/// What was found; kept between calls so that its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) frames: Vec<FrameAt>,
    pub(crate) damage: Vec<Damage>,
    /// Copies of the chunk's head: no events, no damage.
    pub(crate) copies: Vec<FrameAt>,
}

/// How far a walk came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// Everything below this offset is accounted for, and at least one byte is.
    UpTo(u64),
    /// The first frame reaches to this offset, beyond the stretch: give a longer one.
    NeedsUpTo(u64),
    /// The frame at this offset has flags that this version does not know.
    Newer(u64),
}

impl Found {
    /// Walks `stretch` and replaces what was found before.
    pub(crate) fn walk(&mut self, stretch: &Stretch<'_>) -> Walked {
        self.frames.clear();
        self.damage.clear();
        self.copies.clear();
        let mut offset = stretch.start;
        while offset < stretch.end() {
            match stretch.look(offset) {
                Look::Frame(frame) => {
                    offset = frame.end();
                    if frame.head.is_head_copy() {
                        self.copies.push(frame);
                    } else {
                        self.frames.push(frame);
                    }
                }
                Look::Damaged(damage) => {
                    offset = damage.end();
                    self.damage.push(damage);
                }
                Look::Beyond(_) if offset > stretch.start => break,
                Look::Beyond(end) => return Walked::NeedsUpTo(end),
                Look::Newer if offset > stretch.start => break,
                Look::Newer => return Walked::Newer(offset),
                Look::Nothing => offset = self.gap(stretch, offset),
            }
        }
        Walked::UpTo(offset)
    }

    /// Forgets what was found but for one piece of damage.
    pub(crate) fn replace(&mut self, damage: Damage) {
        *self = Found {
            damage: vec![damage],
            ..Found::default()
        };
    }

    /// Whether there is neither a frame nor damage.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.damage.is_empty() && self.copies.is_empty()
    }

    /// The last frame of either kind.
    pub(crate) fn last(&self) -> Option<&FrameAt> {
        let lasts = [self.frames.last(), self.copies.last()];
        lasts.into_iter().flatten().max_by_key(|frame| frame.offset)
    }

    /// Says of damage on these parts of the file that it could not be read.
    pub(crate) fn mark_unreadable(&mut self, unreadable: &[Range<u64>]) {
        for damage in &mut self.damage {
            if unreadable
                .iter()
                .any(|part| part.start < damage.end() && damage.offset < part.end)
            {
                damage.kind = DamageKind::Unreadable;
            }
        }
    }

    /// Records the gap that begins at `offset`; returns where it ends.
    fn gap(&mut self, stretch: &Stretch<'_>, offset: u64) -> u64 {
        let end = stretch.next_head(offset + FRAME_ALIGN);
        let bytes = &stretch.bytes[stretch.index(offset)..stretch.index(end)];
        let garbage_end = offset + len_without_zeros(bytes);
        let pieces = [
            (offset..garbage_end, DamageKind::Garbage),
            (garbage_end..end, DamageKind::Blank),
        ];
        for (range, kind) in pieces {
            if !range.is_empty() {
                self.damage.push(piece(range, kind));
            }
        }
        end
    }
}

enum Look {
    Frame(FrameAt),
    Damaged(Damage),
    /// A frame that ends at this offset, beyond the stretch but not beyond the data.
    Beyond(u64),
    Newer,
    Nothing,
}

impl Stretch<'_> {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn index(&self, offset: u64) -> usize {
        to_usize(offset - self.start)
    }

    fn head(&self, offset: u64) -> Option<FrameHead> {
        FrameHead::decode(&self.bytes[self.index(offset)..], || self.seed.at(offset))
    }

    fn look(&self, offset: u64) -> Look {
        let Some(head) = self.head(offset) else {
            return self.look_without_head(offset);
        };
        let end = offset + head.frame_len();
        if head.flags & !HEAD_COPY_FLAG != 0 {
            return Look::Newer;
        }
        if end > self.data_end {
            return Look::Damaged(damaged_frame(offset..self.end(), &head));
        }
        if end > self.end() {
            return Look::Beyond(end);
        }
        let body = self.index(offset) + FRAME_HEAD_LEN;
        let body = &self.bytes[body..body + to_usize(head.body_len())];
        if self.seed.at(offset).of(body) == head.body_crc {
            Look::Frame(FrameAt { offset, head })
        } else {
            Look::Damaged(damaged_frame(offset..end, &head))
        }
    }

    fn look_without_head(&self, offset: u64) -> Look {
        if self.cuts_head_at(offset) {
            Look::Beyond(offset + FRAME_HEAD_LEN as u64)
        } else {
            Look::Nothing
        }
    }

    /// Whether a head may begin at `offset` of which the stretch lacks a part; it is looked at
    /// again at the start of the next stretch.
    fn cuts_head_at(&self, offset: u64) -> bool {
        let head_end = offset + FRAME_HEAD_LEN as u64;
        head_end > self.end() && head_end <= self.data_end
    }

    /// The first offset from `offset` on where a head is or may be, or the stretch's end.
    fn next_head(&self, mut offset: u64) -> u64 {
        while offset < self.end() && !self.cuts_head_at(offset) && self.head(offset).is_none() {
            offset += FRAME_ALIGN;
        }
        offset.min(self.end())
    }
}

fn piece(range: Range<u64>, kind: DamageKind) -> Damage {
    Damage {
        offset: range.start,
        len: range.end - range.start,
        kind,
        event_count: None,
    }
}

/// A frame of which only the head is intact.
fn damaged_frame(range: Range<u64>, head: &FrameHead) -> Damage {
    let kind = if head.is_head_copy() {
        DamageKind::Head
    } else {
        DamageKind::Body
    };
    Damage {
        event_count: Some(head.event_count),
        ..piece(range, kind)
    }
}

/// Length of `bytes` without the zeros at their end, as a multiple of [`FRAME_ALIGN`] or all.
fn len_without_zeros(bytes: &[u8]) -> u64 {
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    (used as u64)
        .next_multiple_of(FRAME_ALIGN)
        .min(bytes.len() as u64)
}

#[cfg(test)]
mod tests;
