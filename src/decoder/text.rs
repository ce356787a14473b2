//! Anything, as one field.

use super::{DecodeError, Decoded, Decoder, of_record};
use crate::event::{Record, Value};

/// The field.
const FIELD: &str = "message";

#[derive(Debug)]
pub(super) struct Text;

impl Decoder for Text {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let mut record = Record::new();
        record.insert(FIELD, Value::string(bytes));
        Ok(of_record(record))
    }
}
