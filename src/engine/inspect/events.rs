//! A chunk's events by the page.

use forebay_storage::{ChunkId, Frame, ReadError, Route};

use crate::engine::status::{EventCursor, EventPage, EventReport};
use crate::event::{Timestamp, entries};

/// Bytes of MessagePack after which a page ends even if it has fewer events than asked for.
const PAGE_SIZE_MAX: usize = 1 << 20;

/// At most `limit` events from `from` on.
pub(super) fn page(
    route: &Route,
    id: ChunkId,
    from: EventCursor,
    limit: usize,
) -> Result<EventPage, ReadError> {
    let mut reader = route.read(id)?;
    let chunk_tag = reader.meta().key.tag.clone().unwrap_or_default();
    if from.frame_offset > 0 {
        reader.seek(from.frame_offset);
    }
    let mut filling = Filling {
        page: EventPage::default(),
        size: 0,
        limit,
        chunk_tag,
    };
    while let Some(window) = reader.next_window()? {
        filling.page.damaged_bytes += window.damage().iter().map(|damage| damage.len).sum::<u64>();
        for frame in window.frames() {
            if let Some(next) = filling.add(&frame, from) {
                filling.page.next = Some(next);
                return Ok(filling.page);
            }
        }
    }
    Ok(filling.page)
}

struct Filling {
    page: EventPage,
    size: usize,
    limit: usize,
    chunk_tag: String,
}

impl Filling {
    /// Adds the frame's events; gives the next page's cursor if this page is full before its end.
    fn add(&mut self, frame: &Frame<'_>, from: EventCursor) -> Option<EventCursor> {
        let skip = if frame.offset == from.frame_offset {
            from.entry_index
        } else {
            0
        };
        let tag = if frame.tag.is_empty() {
            &self.chunk_tag
        } else {
            frame.tag
        };
        for (entry_index, entry) in (0..).zip(entries(frame.payload)) {
            if entry_index < skip {
                continue;
            }
            if self.page.events.len() >= self.limit || self.size >= PAGE_SIZE_MAX {
                return Some(EventCursor {
                    frame_offset: frame.offset,
                    entry_index,
                });
            }
            // Dead letters may hold what is no event; it is shown as it is, without a time.
            let (time, record) = match entry {
                Ok(entry) => (entry.time, entry.record),
                Err(bad) => (Timestamp::from_ns(0), bad.bytes),
            };
            self.size += record.len();
            self.page.events.extend(EventReport::new(tag, time, record));
        }
        None
    }
}
