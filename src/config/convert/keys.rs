//! Chunk keys and tag patterns.

use std::time::Duration;

use crate::chunk_key::{KeySpec, TimeKey, Zone};
use crate::config::error::{At, Position, Problems};
use crate::config::schema;
use crate::event::FieldPath;

/// What the `keys` of `buffer` and the settings of its time windows mean. Without `keys` events
/// are grouped by tag.
pub(super) fn keys(buffer: &mut schema::Buffer, problems: &mut Problems) -> KeySpec {
    let Some(keys) = buffer.keys.take() else {
        let spec = KeySpec {
            tag: true,
            ..KeySpec::default()
        };
        refuse_time_settings(buffer, problems);
        return spec;
    };
    let mut spec = KeySpec::default();
    let mut time: Option<Position> = None;
    let mut seen: Vec<String> = Vec::new();
    for At { value, position } in keys.value {
        if seen.contains(&value) {
            problems.add(position, format!("the chunk key `{value}` is there twice"));
            continue;
        }
        match value.as_str() {
            "tag" => spec.tag = true,
            "time" => time = Some(position),
            field => match FieldPath::parse(field) {
                Ok(field) => spec.fields.push(field),
                Err(error) => problems.add(position, error.to_string()),
            },
        }
        seen.push(value);
    }
    match time {
        Some(position) => spec.time = time_key(buffer, position, problems),
        None => refuse_time_settings(buffer, problems),
    }
    spec
}

/// The windows of the key `time`, which stands at `position`.
fn time_key(
    buffer: &mut schema::Buffer,
    position: Position,
    problems: &mut Problems,
) -> Option<TimeKey> {
    let zone = zone(buffer, problems);
    let Some(timekey) = buffer.timekey.take() else {
        problems.add_with_hint(
            position,
            "the chunk key `time` needs a `timekey`, the length of its windows",
            Some("such as `timekey: 1h`".to_owned()),
        );
        return None;
    };
    let Some(len_s) = whole_seconds(timekey.value) else {
        problems.add(
            timekey.position,
            "this must be whole seconds, at least one and less than 136 years",
        );
        return None;
    };
    Some(TimeKey { len_s, zone: zone? })
}

fn whole_seconds(duration: Duration) -> Option<u32> {
    let seconds = u32::try_from(duration.as_secs()).ok()?;
    (seconds > 0 && duration.subsec_nanos() == 0).then_some(seconds)
}

/// The system's zone unless another is set; `None` once `problems` says why.
fn zone(buffer: &mut schema::Buffer, problems: &mut Problems) -> Option<Zone> {
    let is_utc = buffer.timekey_use_utc.take().is_some_and(|at| at.value);
    let Some(At { value, position }) = buffer.timekey_zone.take() else {
        return Some(if is_utc { Zone::utc() } else { Zone::local() });
    };
    if is_utc {
        problems.add(position, "this has no effect: `timekey_use_utc` is `true`");
    }
    Zone::parse(&value)
        .map_err(|error| problems.add(position, error.to_string()))
        .ok()
}

/// Settings of time windows where there are none.
fn refuse_time_settings(buffer: &schema::Buffer, problems: &mut Problems) {
    let positions = [
        buffer.timekey.as_ref().map(|at| at.position),
        buffer.timekey_wait.as_ref().map(|at| at.position),
        buffer.timekey_zone.as_ref().map(|at| at.position),
        buffer.timekey_use_utc.as_ref().map(|at| at.position),
    ];
    for position in positions.into_iter().flatten() {
        problems.add(
            position,
            "this has no effect: `time` is not among the `keys`",
        );
    }
}
