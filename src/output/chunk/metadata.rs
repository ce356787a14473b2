//! What all events of a chunk have in common, as Fluentd calls it.

use forebay_storage::{ChunkKey, KeyField, KeyValue};

use crate::event::Timestamp;

/// What all events of a chunk have in common; each part only if it is among the chunk keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The first moment of the time window.
    pub timekey: Option<Timestamp>,
    /// The tag.
    pub tag: Option<&'a str>,
    /// The record fields, in the order of the chunk keys.
    pub variables: Option<&'a [KeyField]>,
}

impl<'a> Metadata<'a> {
    pub(super) fn of(key: &'a ChunkKey) -> Self {
        Self {
            timekey: key
                .window
                .and_then(|window| Timestamp::from_s(window.start_s)),
            tag: key.tag.as_deref(),
            variables: (!key.fields.is_empty()).then_some(&*key.fields),
        }
    }

    /// The value of a field that is a chunk key, by the name it has there.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'a KeyValue> {
        let mut variables = self.variables?.iter();
        let field = variables.find(|field| field.path == name);
        field.map(|field| &field.value)
    }
}
