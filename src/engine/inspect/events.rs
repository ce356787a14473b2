//! A chunk's events, by the page and by the part.

use std::borrow::Cow;
use std::ops::ControlFlow;

use forebay_storage::{ChunkId, Frame, ReadError, Route};

use crate::engine::status::{
    EventCursor, EventPage, EventQuery, EventReport, ExportFormat, ExportPart,
};
use crate::event::{BadEntry, Entry, Timestamp, entries};
use crate::msgpack::{self, Cursor, Value};

/// Bytes of MessagePack after which a page ends even if it has fewer events than asked for.
const PAGE_SIZE_MAX: usize = 1 << 20;

/// Bytes of MessagePack that are looked through for one page.
const SEARCH_SIZE_MAX: usize = 32 << 20;

/// What is read on the way through a chunk.
struct Event<'a> {
    tag: &'a str,
    time: Timestamp,
    /// The time as it is stored.
    packed_time: Cow<'a, [u8]>,
    record: Cow<'a, [u8]>,
}

/// Where the way through a chunk has ended.
struct Walked {
    /// The event that was not taken; `None`: all were.
    next: Option<EventCursor>,
    damaged_bytes: u64,
}

/// A page of the events that `query` asks for.
pub(super) fn page(route: &Route, id: ChunkId, query: &EventQuery) -> Result<EventPage, ReadError> {
    let mut page = EventPage::default();
    let (mut size, mut searched_size) = (0, 0);
    let walked = walk(route, id, query.from, |event| {
        let is_full = page.events.len() >= query.limit || size >= PAGE_SIZE_MAX;
        if is_full || searched_size >= SEARCH_SIZE_MAX {
            return ControlFlow::Break(());
        }
        searched_size += event.record.len();
        let field = query.field.as_ref();
        if field.is_none_or(|field| field.matches(&event.record)) {
            size += event.record.len();
            page.events
                .extend(EventReport::new(event.tag, event.time, &event.record));
        }
        ControlFlow::Continue(())
    })?;
    page.next = walked.next;
    page.damaged_bytes = walked.damaged_bytes;
    Ok(page)
}

/// The next part of all of a chunk's events, in one of the formats.
pub(super) fn part(
    route: &Route,
    id: ChunkId,
    from: EventCursor,
    format: ExportFormat,
) -> Result<ExportPart, ReadError> {
    let mut bytes = Vec::new();
    let walked = walk(route, id, from, |event| {
        if bytes.len() >= PAGE_SIZE_MAX {
            return ControlFlow::Break(());
        }
        match format {
            ExportFormat::Ndjson => ndjson(&mut bytes, event),
            ExportFormat::Msgpack => message(&mut bytes, event),
        }
        ControlFlow::Continue(())
    })?;
    Ok(ExportPart {
        bytes,
        next: walked.next,
    })
}

fn ndjson(out: &mut Vec<u8>, event: &Event<'_>) {
    let report = EventReport::new(event.tag, event.time, &event.record);
    // Writing to memory does not fail, and what a record holds is always a value here.
    if report.is_some_and(|report| serde_json::to_writer(&mut *out, &report).is_ok()) {
        out.push(b'\n');
    }
}

/// An array of tag, time and record, which is a message of the forward protocol.
fn message(out: &mut Vec<u8>, event: &Event<'_>) {
    msgpack::write::array_head(out, 3);
    msgpack::write::str(out, event.tag.as_bytes());
    out.extend_from_slice(&event.packed_time);
    out.extend_from_slice(&event.record);
}

/// Shows `take` the events from `from` on, until it breaks off at one that it does not take.
fn walk(
    route: &Route,
    id: ChunkId,
    from: EventCursor,
    mut take: impl FnMut(&Event<'_>) -> ControlFlow<()>,
) -> Result<Walked, ReadError> {
    let mut reader = route.read(id)?;
    let chunk_tag = reader.meta().key.tag.clone().unwrap_or_default();
    if from.frame_offset > 0 {
        reader.seek(from.frame_offset);
    }
    let mut walked = Walked {
        next: None,
        damaged_bytes: 0,
    };
    while let Some(window) = reader.next_window()? {
        walked.damaged_bytes += window.damage().iter().map(|damage| damage.len).sum::<u64>();
        for frame in window.frames() {
            walked.next = walk_frame(&frame, &chunk_tag, from, &mut take);
            if walked.next.is_some() {
                return Ok(walked);
            }
        }
    }
    Ok(walked)
}

/// The place of the event that was not taken, if there is one.
fn walk_frame(
    frame: &Frame<'_>,
    chunk_tag: &str,
    from: EventCursor,
    take: &mut impl FnMut(&Event<'_>) -> ControlFlow<()>,
) -> Option<EventCursor> {
    let tag = if frame.tag.is_empty() {
        chunk_tag
    } else {
        frame.tag
    };
    let is_first = frame.offset == from.frame_offset;
    let skip = if is_first { from.entry_index } else { 0 };
    for (entry_index, entry) in (0..).zip(entries(frame.payload)) {
        if entry_index >= skip && take(&Event::new(tag, entry)).is_break() {
            return Some(EventCursor {
                frame_offset: frame.offset,
                entry_index,
            });
        }
    }
    None
}

impl<'a> Event<'a> {
    fn new(tag: &'a str, entry: Result<Entry<'a>, BadEntry<'a>>) -> Self {
        match entry {
            Ok(entry) => Self {
                tag,
                time: entry.time,
                packed_time: packed_time(&entry),
                record: entry.record.into(),
            },
            // Dead letters may hold what is no event; it is shown as it is, without a time.
            Err(bad) => Self {
                tag,
                time: Timestamp::from_ns(0),
                packed_time: Cow::Borrowed(&[0]),
                record: shown(bad.bytes),
            },
        }
    }
}

/// The value that `bytes` are, or, if they are none, binary data that holds them.
fn shown(bytes: &[u8]) -> Cow<'_, [u8]> {
    if Cursor::new(bytes)
        .skip()
        .is_ok_and(|value| value.len() == bytes.len())
    {
        return bytes.into();
    }
    let mut data = Vec::with_capacity(bytes.len() + 5);
    msgpack::write::bin(&mut data, bytes);
    data.into()
}

/// The first element of the entry, or of the array that stands there.
fn packed_time<'a>(entry: &Entry<'a>) -> Cow<'a, [u8]> {
    let mut cursor = Cursor::new(entry.bytes);
    let time = cursor.read().and_then(|_| {
        let mut inner = cursor;
        match inner.read()? {
            Value::Array(_) => inner.skip(),
            _ => cursor.skip(),
        }
    });
    time.map_or(Cow::Borrowed(&[0]), Cow::Borrowed)
}
