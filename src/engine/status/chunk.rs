//! Chunks as the API shows them.

use forebay_storage::{ChunkKey, KeyValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Moment;

/// What a chunk does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkState {
    /// It takes appends.
    Staged,
    /// It is sealed and waits for a delivery.
    Queued,
    /// At least one delivery is under way.
    InFlight,
    /// It is a dead letter.
    Dead,
}

/// A page of chunks.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ChunkPage {
    /// The chunks, by id.
    pub chunks: Vec<ChunkReport>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<String>,
}

/// One chunk.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChunkReport {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The route it belongs to.
    pub route: String,
    /// What it does at the moment.
    pub state: ChunkState,
    /// Whether the operator holds it: it is offered to nobody until it is released.
    pub held: bool,
    /// What its events have in common.
    pub key: KeyReport,
    /// When it was created.
    pub created: Moment,
    /// When it was sealed; `None`: it is staged, or was sealed before the last start.
    pub sealed: Option<Moment>,
    /// Why it was sealed, or why it is a dead letter.
    pub reason: Option<String>,
    /// Its events.
    pub events: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// What became of it at each output of its route.
    pub outputs: Vec<Progress>,
}

/// What became of a chunk at one output.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Progress {
    /// The output's name in the configuration.
    pub name: String,
    /// How far it is.
    pub state: Delivering,
    /// Deliveries started.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_reason: Option<String>,
    /// When it is tried next, if it waits for a retry.
    pub next_attempt: Option<Moment>,
}

/// How far a chunk is at one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivering {
    /// Not confirmed, not under way.
    Owed,
    /// A delivery is under way.
    InFlight,
    /// Confirmed.
    Committed,
    /// Given up: the chunk is kept as a dead letter.
    Rejected,
}

/// A chunk key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct KeyReport {
    /// The events' tag, if `tag` is a chunk key.
    pub tag: Option<String>,
    /// The time window, if `time` is a chunk key.
    pub window: Option<WindowReport>,
    /// The record fields that are chunk keys.
    pub fields: Vec<FieldReport>,
}

/// A window of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WindowReport {
    /// Its first moment.
    pub start: Moment,
    /// Its length.
    pub len_s: u32,
}

/// One record field of a chunk key.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FieldReport {
    /// The field as written in the configuration.
    pub path: String,
    /// The value's type in MessagePack: `nil`, `bool`, `int`, `float`, `str`, `bin` or `other`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The value. Bytes, and values that are no scalar, are written as hexadecimal digits; floats
    /// that JSON cannot hold as `null`.
    pub value: Value,
}

impl From<&ChunkKey> for KeyReport {
    fn from(key: &ChunkKey) -> Self {
        let window = key.window.map(|window| WindowReport {
            start: Moment(window.start_s.saturating_mul(1_000_000_000)),
            len_s: window.len_s,
        });
        let fields = key.fields.iter().map(|field| {
            let (kind, value) = typed_json(&field.value);
            FieldReport {
                path: field.path.clone(),
                kind,
                value,
            }
        });
        Self {
            tag: key.tag.clone(),
            window,
            fields: fields.collect(),
        }
    }
}

impl KeyReport {
    /// Whether `text` stands in the key, written as `tag path=value path=value`.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        let mut line = self.tag.clone().unwrap_or_default();
        for FieldReport { path, value, .. } in &self.fields {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            line.push_str(&format!(" {path}={value}"));
        }
        line.contains(text)
    }
}

fn typed_json(value: &KeyValue) -> (&'static str, Value) {
    match value {
        KeyValue::Nil => ("nil", Value::Null),
        KeyValue::Bool(value) => ("bool", Value::from(*value)),
        KeyValue::Int(value) => ("int", Value::from(*value)),
        KeyValue::UInt(value) => ("int", Value::from(*value)),
        KeyValue::Float(bits) => ("float", Value::from(f64::from_bits(*bits))),
        KeyValue::Str(value) => ("str", Value::from(value.as_str())),
        KeyValue::Bin(bytes) => ("bin", Value::from(hex(bytes))),
        KeyValue::Other(bytes) => ("other", Value::from(hex(bytes))),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use forebay_storage::{KeyField, TimeWindow};

    use super::*;

    fn field(value: KeyValue) -> KeyField {
        KeyField {
            path: "$.a.b".to_owned(),
            value,
        }
    }

    #[test]
    fn a_key_shows_the_types_of_its_values() {
        let key = ChunkKey {
            tag: Some("app.web".to_owned()),
            window: Some(TimeWindow {
                start_s: 3_600,
                len_s: 60,
            }),
            fields: [
                field(KeyValue::Int(1)),
                field(KeyValue::Str("1".to_owned())),
                field(KeyValue::Bin(vec![0x0f, 0xa0])),
                field(KeyValue::Float(f64::NAN.to_bits())),
            ]
            .into(),
        };
        let report = KeyReport::from(&key);
        for (text, expected) in [
            ("app.web", true),
            ("$.a.b=1", true),
            ("web $.a", true),
            ("", true),
            ("app.db", false),
        ] {
            assert_eq!(report.has(text), expected, "{text}");
        }
        let shown = serde_json::to_value(report).unwrap();
        assert_eq!(shown["tag"], "app.web");
        assert_eq!(shown["window"]["start"], "1970-01-01T01:00:00.000000000Z");
        let types: Vec<_> = shown["fields"].as_array().unwrap().iter().collect();
        assert_eq!(
            (&types[0]["type"], &types[0]["value"]),
            (&"int".into(), &1.into())
        );
        assert_eq!(
            (&types[1]["type"], &types[1]["value"]),
            (&"str".into(), &"1".into())
        );
        assert_eq!(types[2]["value"], "0fa0");
        assert_eq!(types[3]["value"], Value::Null);
    }

    #[test]
    fn states_are_written_in_the_words_of_the_design() {
        let words = [
            (ChunkState::Staged, "staged"),
            (ChunkState::Queued, "queued"),
            (ChunkState::InFlight, "in_flight"),
            (ChunkState::Dead, "dead"),
        ];
        for (state, word) in words {
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
    }
}
