//! The named groups of a pattern.

use regex::Regex;

use super::{DecodeError, Decoded, Decoder, of_record};
use crate::event::Record;

#[derive(Debug)]
pub(super) struct Groups(pub(super) Regex);

impl Decoder for Groups {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
        let groups = self.0.captures(text).ok_or(DecodeError::NoMatch)?;
        let mut record = Record::new();
        for name in self.0.capture_names().flatten() {
            if let Some(group) = groups.name(name) {
                record.insert(name, group.as_str());
            }
        }
        Ok(of_record(record))
    }
}
