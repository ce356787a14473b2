//! A record that can be read and edited by name.

use super::{FieldPath, Value};
use crate::msgpack::{self, Cursor, write};

/// A record: fields in their order.
///
/// Names are strings nearly always; whatever else a sender used as one is kept. Of several fields
/// of one name all are kept, and the first is the one that is found and replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    fields: Vec<(Value, Value)>,
}

impl Record {
    /// A record without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The map that `bytes` are.
    ///
    /// # Errors
    /// [`msgpack::Error`] if they are no MessagePack, or nest too deep. What is no map is a record
    /// without fields; entries of batches have been [checked](super::check).
    pub fn unpack(bytes: &[u8]) -> Result<Self, msgpack::Error> {
        Ok(match Value::unpack(bytes)? {
            Value::Map(record) => record,
            _ => Self::new(),
        })
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, count: u32) -> Result<Self, msgpack::Error> {
        let pair = |_| Ok((Value::read(cursor)?, Value::read(cursor)?));
        let fields = (0..count)
            .map(pair)
            .collect::<Result<_, msgpack::Error>>()?;
        Ok(Self { fields })
    }

    /// Appends the record as MessagePack.
    pub fn pack(&self, out: &mut Vec<u8>) {
        write::map_head(out, self.fields.len());
        for (name, value) in &self.fields {
            name.pack(out);
            value.pack(out);
        }
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// The value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|at| &self.fields[at].1)
    }

    /// The value of the field `name`, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position(name).map(|at| &mut self.fields[at].1)
    }

    /// Sets the field `name`: where it is, or behind all others. Gives the value that was there.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        match self.get_mut(&name) {
            Some(old) => Some(std::mem::replace(old, value)),
            None => {
                self.fields.push((Value::Str(name), value));
                None
            }
        }
    }

    /// As [`insert`](Self::insert), for a name that may be no string.
    pub fn put(&mut self, name: Value, value: Value) {
        match self.fields.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Takes the field `name` out, and all others of that name.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.position(name)?;
        let (_, value) = self.fields.remove(at);
        self.fields
            .retain(|(other, _)| other.as_str() != Some(name));
        Some(value)
    }

    /// Gives the field `from` the name `to`, in its place; a field that had that name is gone.
    /// Whether there was one to rename.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        if from == to || self.get(from).is_none() {
            return from == to && self.get(from).is_some();
        }
        self.remove(to);
        if let Some(at) = self.position(from) {
            self.fields[at].0 = Value::from(to);
        }
        true
    }

    /// Keeps the fields that `is_kept` says.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&Value, &Value) -> bool) {
        self.fields.retain(|(name, value)| is_kept(name, value));
    }

    /// The value that `path` leads to.
    #[must_use]
    pub fn find(&self, path: &FieldPath) -> Option<&Value> {
        path.find_in(self)
    }

    /// Takes the field that `path` leads to out of its map; a value in an array stays.
    pub fn take(&mut self, path: &FieldPath) -> Option<Value> {
        path.take_from(self)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|(other, _)| other.as_str() == Some(name))
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Record {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let field = |(name, value): (N, V)| (Value::Str(name.into()), value.into());
        Self {
            fields: fields.into_iter().map(field).collect(),
        }
    }
}

impl IntoIterator for Record {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        [("a", 1), ("b", 2), ("c", 3)].into_iter().collect()
    }

    fn names(record: &Record) -> Vec<&str> {
        record
            .iter()
            .filter_map(|(name, _)| name.as_str())
            .collect()
    }

    #[test]
    fn a_field_is_replaced_in_its_place_or_added_at_the_end() {
        let mut record = record();
        assert_eq!(record.insert("b", "new"), Some(Value::Int(2)));
        assert_eq!(record.insert("d", true), None);
        assert_eq!(names(&record), ["a", "b", "c", "d"]);
        assert_eq!(record.get("b"), Some(&Value::from("new")));
    }

    #[test]
    fn a_renamed_field_keeps_its_place_and_replaces_its_namesake() {
        let mut record = record();
        assert!(record.rename("c", "a"));
        assert_eq!(names(&record), ["b", "a"]);
        assert_eq!(record.get("a"), Some(&Value::Int(3)));
        assert!(!record.rename("x", "y"));
        assert!(record.rename("b", "b"));
        assert_eq!(names(&record), ["b", "a"]);
    }

    #[test]
    fn all_fields_of_a_name_are_removed() {
        let mut record: Record = [("a", 1), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!(record.remove("a"), Some(Value::Int(1)));
        assert_eq!(names(&record), ["b"]);
    }

    #[test]
    fn paths_lead_into_nested_values() {
        let inner: Record = [("x", Value::from(vec![Value::from(7)]))]
            .into_iter()
            .collect();
        let mut record: Record = [("a", Value::from(inner))].into_iter().collect();
        let path = |text| FieldPath::parse(text).unwrap();
        assert_eq!(record.find(&path("$.a.x[0]")), Some(&Value::Int(7)));
        assert_eq!(record.find(&path("$.a.y")), None);
        assert_eq!(record.take(&path("$.a.x[0]")), None);
        assert!(record.take(&path("$.a.x")).is_some());
        assert_eq!(record.get("a"), Some(&Value::Map(Record::new())));
    }

    #[test]
    fn names_that_are_no_strings_survive() {
        let packed = b"\x82\x01\x02\xa1a\x03";
        let mut record = Record::unpack(packed).unwrap();
        record.insert("a", 4);
        let mut again = Vec::new();
        record.pack(&mut again);
        assert_eq!(again, b"\x82\x01\x02\xa1a\x04");
    }
}
