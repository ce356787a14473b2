//! Cutting the records of a part out of a chunk's frames.
//!
//! A record's place is counted over the intact frames in their order. Damage that appears between
//! two attempts would shift the places behind it; from the first damage on everything is therefore
//! taken to be in the part: what is repeated is delivered twice, nothing is skipped.

use std::ops::Range;
use std::sync::Arc;

use super::Frame;
use crate::event::entries;
use crate::output::RangeSet;

pub(super) struct Cutter {
    records: Arc<RangeSet>,
    /// The place of the next frame's first record.
    next: u64,
    met_damage: bool,
}

impl Cutter {
    pub(super) fn new(records: Arc<RangeSet>) -> Self {
        Self {
            records,
            next: 0,
            met_damage: false,
        }
    }

    /// What of the window's frames is in the part.
    pub(super) fn cut<'a>(
        &mut self,
        window: &forebay_storage::Window<'a>,
        tag: &'a str,
    ) -> Vec<Frame<'a>> {
        let first_damage = window.damage().first().map(|damage| damage.offset);
        let mut cut = Vec::new();
        for stored in window.frames() {
            self.met_damage |= first_damage.is_some_and(|offset| offset < stored.offset);
            self.take(Frame::of(stored, tag), &mut cut);
        }
        self.met_damage |= first_damage.is_some();
        cut
    }

    fn take<'a>(&mut self, frame: Frame<'a>, cut: &mut Vec<Frame<'a>>) {
        let start = self.next;
        let end = start + u64::from(frame.event_count);
        self.next = end;
        let mut wanted = self.records.within(start..end).peekable();
        if self.met_damage || wanted.peek() == Some(&(start..end)) {
            cut.push(frame);
        } else if wanted.peek().is_some() {
            let ranges = wanted.map(|range| range.start - start..range.end - start);
            cut_frame(frame, ranges, cut);
        }
    }
}

/// The records of `frame` at `ranges`, each range as a frame of its own; all of it if it does not
/// have the records that it says.
fn cut_frame<'a>(
    frame: Frame<'a>,
    ranges: impl Iterator<Item = Range<u64>>,
    cut: &mut Vec<Frame<'a>>,
) {
    let Some(starts) = starts(frame) else {
        cut.push(frame);
        return;
    };
    let at = |place: u64| {
        usize::try_from(place)
            .ok()
            .and_then(|place| starts.get(place))
    };
    for range in ranges {
        let (Some(start), Some(end)) = (at(range.start), at(range.end)) else {
            continue;
        };
        cut.push(Frame {
            payload: &frame.payload[*start..*end],
            // A part of a frame has no more records than the frame.
            event_count: u32::try_from(range.end - range.start).unwrap_or(frame.event_count),
            ..frame
        });
    }
}

/// Where each record of the payload begins, and where the last one ends.
fn starts(frame: Frame<'_>) -> Option<Vec<usize>> {
    let mut entries = entries(frame.payload);
    let mut starts = vec![0];
    while entries.next().is_some() {
        starts.push(entries.position());
    }
    let count = usize::try_from(frame.event_count).ok()?;
    let is_whole = starts.len() == count + 1 && starts.last() == Some(&frame.payload.len());
    is_whole.then_some(starts)
}
