//! Events: their times, their records, and batches of them.
//!
//! A batch is MessagePack *entries* back to back. An entry is `[time, record]`, or Fluent Bit's
//! `[[time, metadata], record]`; the time is an `EventTime` or an integer of seconds, the record
//! is a map. Entries are stored as they came. Where one cannot be ([`EntryFault`]) it is set aside
//! alone, and the rest of its batch goes its way.
//!
//! Whoever edits events (filters) works on [`Event`]s with their [`Record`]s and [`Value`]s; an event
//! that nobody edits keeps its bytes.
//!
//! [`check`] is the hot path: one walk over a batch that is right already, which is nearly every
//! one. Only if it says that not all entries are plain does [`normalize`] copy the batch.

mod check;
mod entry;
mod field_path;
mod from_json;
mod normalize;
mod owned;
mod record;
mod timestamp;
mod value;

pub(crate) use check::Tally;
pub use check::{Checked, check};
pub use entry::{BadEntry, Entries, Entry, EntryFault, EntryHead, entries, entry_head};
pub use field_path::{FieldPath, FieldPathError};
pub use from_json::{entries_from_json, entries_from_ndjson};
pub use normalize::{Limits, Normalized, Rejected, normalize};
pub use owned::{EmptyTag, Event};
pub use record::Record;
pub use timestamp::Timestamp;
pub use value::Value;

/// Appends the entry `[time, record]`; `record` is the MessagePack of a map.
pub fn write_entry(out: &mut Vec<u8>, time: Timestamp, record: &[u8]) {
    write_entry_head(out, time);
    out.extend_from_slice(record);
}

/// Appends an entry up to its record, which the caller appends.
pub fn write_entry_head(out: &mut Vec<u8>, time: Timestamp) {
    crate::msgpack::write::array_head(out, 2);
    time.write(out);
}
