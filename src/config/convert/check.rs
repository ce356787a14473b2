//! Checks that several parts of the conversion share.

use std::time::Duration;

use crate::config::decode::Size;
use crate::config::error::{At, Position, Problems};

/// Fills in what the user did not write.
pub(super) trait OrDefault<T> {
    /// The value, or `default`.
    fn or_default_of(self, default: T) -> T;
}

impl<T> OrDefault<T> for Option<At<T>> {
    fn or_default_of(self, default: T) -> T {
        self.map_or(default, |at| at.value)
    }
}

/// The setting `name`, which must be there; `position` is shown if it is not.
pub(super) fn required<T>(
    setting: Option<At<T>>,
    name: &str,
    position: Position,
    problems: &mut Problems,
) -> Option<At<T>> {
    if setting.is_none() {
        problems.add(position, format!("`{name}` is missing"));
    }
    setting
}

/// The text of `setting`, which must not be empty if it is there.
pub(super) fn non_empty(setting: Option<At<String>>, problems: &mut Problems) -> Option<String> {
    let At { value, position } = setting?;
    if value.is_empty() {
        problems.add(position, "this must not be empty");
    }
    Some(value)
}

/// The duration of `setting`, which must be longer than nothing.
pub(super) fn positive(
    setting: Option<At<Duration>>,
    default: Duration,
    problems: &mut Problems,
) -> Duration {
    let Some(At { value, position }) = setting else {
        return default;
    };
    if value.is_zero() {
        problems.add(position, "this must be longer than 0");
    }
    value
}

/// The bytes of `setting`, at least 1.
pub(super) fn size(setting: Option<At<Size>>, default: u64, problems: &mut Problems) -> u64 {
    let Some(At {
        value: Size(bytes),
        position,
    }) = setting
    else {
        return default;
    };
    if bytes == 0 {
        problems.add(position, "this must be more than 0 bytes");
    }
    bytes
}

/// As [`size`], for what is held in memory.
pub(super) fn memory_size(
    setting: Option<At<Size>>,
    default: u64,
    problems: &mut Problems,
) -> usize {
    usize::try_from(size(setting, default, problems)).unwrap_or(usize::MAX)
}

/// The number of `setting`, at least 1 and at most `max`.
pub(super) fn count(
    setting: Option<At<usize>>,
    default: usize,
    max: usize,
    problems: &mut Problems,
) -> usize {
    let Some(At { value, position }) = setting else {
        return default;
    };
    if value == 0 || value > max {
        problems.add(position, format!("this must be from 1 to {max}"));
    }
    value
}

/// Longest name of an input, a route or an output: it becomes a directory and a metric's label.
const NAME_LEN_MAX: usize = 64;

/// Checks a name of the user's choice.
pub(super) fn name(name: &At<String>, problems: &mut Problems) {
    let At { value, position } = name;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts_well && value.len() <= NAME_LEN_MAX && value.chars().all(is_allowed) {
        return;
    }
    problems.add_with_hint(
        *position,
        format!("`{value}` cannot be a name"),
        Some(format!(
            "up to {NAME_LEN_MAX} letters, digits, `_`, `-` and `.`, the first a letter, digit or `_`"
        )),
    );
}
