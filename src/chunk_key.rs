//! Chunk keys: what groups events into a chunk.
//!
//! A route says by what its events are grouped ([`KeySpec`]): any of tag, time window and record
//! fields, or nothing. [`group`] splits a batch accordingly. Values are compared as typed values,
//! so a batch may hold `1` and `"1"` for one field: they are two keys.

use crate::event::{FieldPath, FieldPathError};

mod group;
mod value;
mod window;
mod zone;

pub use group::{Group, common_key, group};
pub use value::key_value;
pub use window::Windows;
pub use zone::{Zone, ZoneError};

/// What groups a route's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySpec {
    /// By tag.
    pub tag: bool,
    /// By time window.
    pub time: Option<TimeKey>,
    /// By these fields of the record.
    pub fields: Vec<FieldPath>,
}

/// The time windows of a chunk key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeKey {
    /// How long a window is, in seconds; never 0.
    pub len_s: u32,
    /// In which zone a window of a day begins at midnight.
    pub zone: Zone,
}

/// Why a list of chunk keys means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySpecError {
    /// A name that is neither `tag`, `time` nor a field.
    #[error(transparent)]
    Field(#[from] FieldPathError),
    /// A key that is there twice.
    #[error("chunk key `{key}` is there twice")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// `time` without the length of its windows.
    #[error("chunk key `time` needs a `timekey` above 0")]
    TimekeyMissing,
    /// The length of windows without `time`.
    #[error("`timekey` needs `time` among the chunk keys")]
    TimeMissing,
}

impl KeySpec {
    /// Reads a list of chunk keys: `tag`, `time`, and names of fields. `time` says what windows
    /// there are, if `timekey` is configured.
    ///
    /// # Errors
    /// [`KeySpecError`].
    pub fn parse<'k>(
        keys: impl IntoIterator<Item = &'k str>,
        time: Option<TimeKey>,
    ) -> Result<Self, KeySpecError> {
        let mut spec = Self::default();
        let mut has_time = false;
        for key in keys {
            let is_new = match key {
                "tag" => !std::mem::replace(&mut spec.tag, true),
                "time" => !std::mem::replace(&mut has_time, true),
                _ => spec.add_field(FieldPath::parse(key)?),
            };
            if !is_new {
                let key = key.to_owned();
                return Err(KeySpecError::Duplicate { key });
            }
        }
        spec.time = windows_if_wanted(has_time, time)?;
        Ok(spec)
    }

    /// Whether there is one chunk for all of a route's events, or for all of a tag.
    #[must_use]
    pub fn ignores_events(&self) -> bool {
        self.time.is_none() && self.fields.is_empty()
    }

    fn add_field(&mut self, field: FieldPath) -> bool {
        let is_new = !self.fields.contains(&field);
        self.fields.push(field);
        is_new
    }
}

fn windows_if_wanted(
    has_time: bool,
    time: Option<TimeKey>,
) -> Result<Option<TimeKey>, KeySpecError> {
    match time {
        None if has_time => Err(KeySpecError::TimekeyMissing),
        Some(_) if !has_time => Err(KeySpecError::TimeMissing),
        Some(time) if time.len_s == 0 => Err(KeySpecError::TimekeyMissing),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hourly() -> TimeKey {
        TimeKey {
            len_s: 3600,
            zone: Zone::utc(),
        }
    }

    #[test]
    fn keys_are_read_in_any_order() {
        let spec = KeySpec::parse(["$.a.b", "time", "user", "tag"], Some(hourly())).unwrap();
        assert!(spec.tag && spec.time == Some(hourly()));
        let fields: Vec<_> = spec.fields.iter().map(FieldPath::as_str).collect();
        assert_eq!(fields, ["$.a.b", "user"]);
        assert!(KeySpec::parse([], None).unwrap().ignores_events());
    }

    #[test]
    fn lists_that_mean_nothing_are_refused() {
        let mut never = hourly();
        never.len_s = 0;
        for (keys, time, message) in [
            (
                &["time"][..],
                None,
                "chunk key `time` needs a `timekey` above 0",
            ),
            (
                &["time"],
                Some(never),
                "chunk key `time` needs a `timekey` above 0",
            ),
            (
                &["tag"],
                Some(hourly()),
                "`timekey` needs `time` among the chunk keys",
            ),
            (&["tag", "a", "tag"], None, "chunk key `tag` is there twice"),
            (
                &["time", "time"],
                Some(hourly()),
                "chunk key `time` is there twice",
            ),
            (&["a", "a"], None, "chunk key `a` is there twice"),
            (
                &["a b"],
                None,
                "field `a b`: ' ' at position 1 cannot be part of a name",
            ),
        ] {
            let error = KeySpec::parse(keys.iter().copied(), time).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }
}
