//! Comma-separated values (RFC 4180): the named fields, one line an event.
//!
//! A field is quoted where it holds a comma, a quote or a line's end, and quotes in it are
//! doubled. Lines end with LF alone, and there is no line with the names. A field that the record
//! has not, or that is nil, is empty; `time` and `tag` are ours unless the record has them. A name
//! is a field at the top level, or a path such as `$.kubernetes.pod`.

use std::sync::Arc;

use csv_core::{WriteResult, Writer};

use super::injected::{TAG, TIME};
use super::text;
use crate::event::{FieldPath, FieldPathError};
use crate::msgpack::Error;

/// Bytes that the CSV writer gives at a time; a delimiter or a line's end takes three at most.
const BUFFER_SIZE: usize = 256;

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    path: FieldPath,
    absent: Absent,
}

/// What stands in a column whose field the record has not.
#[derive(Clone, Copy, Debug)]
enum Absent {
    Nothing,
    Time,
    Tag,
}

/// The columns with these names.
///
/// # Errors
/// If one is not a field's path.
pub(super) fn columns(names: &[String]) -> Result<Arc<[Column]>, FieldPathError> {
    names.iter().map(|name| column(name)).collect()
}

fn column(name: &str) -> Result<Column, FieldPathError> {
    Ok(Column {
        path: FieldPath::parse(name)?,
        absent: match name {
            TIME => Absent::Time,
            TAG => Absent::Tag,
            _ => Absent::Nothing,
        },
    })
}

/// Appends the line of one event, with its end. `writer` is at the start of a line.
pub(super) fn line(
    out: &mut Vec<u8>,
    writer: &mut Writer,
    columns: &[Column],
    time: &str,
    tag: &str,
    record: &[u8],
) -> Result<(), Error> {
    let mut plain = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            append(out, |buffer| writer.delimiter(buffer));
        }
        plain.clear();
        match (column.path.find(record), column.absent) {
            (Some(value), _) => text::value(&mut plain, value)?,
            (None, Absent::Time) => plain.extend_from_slice(time.as_bytes()),
            (None, Absent::Tag) => plain.extend_from_slice(tag.as_bytes()),
            (None, Absent::Nothing) => {}
        }
        field(out, writer, &plain);
    }
    append(out, |buffer| writer.terminator(buffer));
    Ok(())
}

/// Appends one field, quoted where it has to be.
fn field(out: &mut Vec<u8>, writer: &mut Writer, mut field: &[u8]) {
    let mut is_whole = false;
    while !is_whole {
        append(out, |buffer| {
            let (result, read_len, written_len) = writer.field(field, buffer);
            field = &field[read_len..];
            is_whole = result == WriteResult::InputEmpty;
            (result, written_len)
        });
    }
}

/// Appends what `write` puts into the buffer that it is given.
fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut [u8]) -> (WriteResult, usize)) {
    let mut buffer = [0; BUFFER_SIZE];
    let (_, len) = write(&mut buffer);
    out.extend_from_slice(&buffer[..len]);
}
