//! What can be written, as JSON Schema: of one type, and of the whole file.
//!
//! Everything comes from the tables of the `schema`: names, other names, kinds of values, sentences
//! (their doc comments) and defaults, which a test compares with what the plan has without them. Types
//! that are not built in bring theirs.
//!
//! In every place where a single value stands, a variable may stand instead, so that the schema
//! admits any text with `${` there.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::{Schema, json_schema};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::decode::{Named, OneOrMany, Size};
use super::schema;
use super::types::{PluginKind, Types};

/// What is known of a kind of value.
pub(super) trait Described {
    /// Its JSON Schema.
    fn describe() -> Value;
}

/// The JSON Schema of a configuration file, with `types` beside those that are built in.
#[must_use]
pub fn file_schema(types: &dyn Types) -> Value {
    let mut file = schema::Config::describe();
    for (section, kind) in [
        ("inputs", PluginKind::Input),
        ("filters", PluginKind::Filter),
        ("outputs", PluginKind::Output),
    ] {
        let of_one = &mut file["properties"][section]["additionalProperties"];
        for (names, settings) in types.schemas(kind) {
            add_type(of_one, &names, &with_common(kind, settings));
        }
    }
    file["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    file["title"] = json!("Configuration of Forebay");
    file["required"] = json!(["data_dir", "inputs", "routes", "outputs"]);
    file
}

/// The settings of the types that are built in, by name.
#[must_use]
pub fn builtin(kind: PluginKind) -> Vec<(&'static str, Value)> {
    match kind {
        PluginKind::Input => schema::Input::described(),
        PluginKind::Output => schema::Output::described(),
        PluginKind::Filter => schema::filter::Filter::described(),
        PluginKind::Decoder | PluginKind::Encoder => Vec::new(),
    }
}

/// The settings of a type that is not built in, with those that every plugin of its kind has.
#[must_use]
pub fn with_common(kind: PluginKind, settings: Value) -> Value {
    match kind {
        PluginKind::Filter => merged(&[schema::filter::FilterCommon::describe(), settings]),
        PluginKind::Input | PluginKind::Output | PluginKind::Decoder | PluginKind::Encoder => {
            settings
        }
    }
}

/// The schema of one plugin of several types, each with its names and the schema of its settings.
pub(super) fn by_type(about: &str, types: &[(&'static str, Value)]) -> Value {
    let mut schema = json!({
        "type": "object",
        "description": about,
        "required": ["type"],
        "properties": { "type": { "enum": [] } },
        "allOf": [],
    });
    for (name, settings) in types {
        add_type(&mut schema, &[name], settings);
    }
    schema
}

fn add_type(schema: &mut Value, names: &[&'static str], settings: &Value) {
    let is_it = json!({ "properties": { "type": { "enum": names } }, "required": ["type"] });
    let mut settings = settings.clone();
    settings["properties"]["type"] = json!(true);
    settings["additionalProperties"] = json!(false);
    push(
        &mut schema["allOf"],
        json!({ "if": is_it, "then": settings }),
    );
    for name in names {
        push(&mut schema["properties"]["type"]["enum"], json!(name));
    }
}

fn push(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}

/// One table with the settings of several; what the last of them says of itself holds.
pub(super) fn merged(tables: &[Value]) -> Value {
    let mut all = json!({});
    for table in tables {
        if let Some(own) = table["properties"].as_object() {
            for (name, setting) in own {
                all[name] = setting.clone();
            }
        }
    }
    let mut merged = tables.last().cloned().unwrap_or_default();
    merged["properties"] = all;
    merged
}

/// One setting of a table.
pub(super) struct Setting {
    /// Its own name, then the others it goes by.
    pub(super) names: &'static [&'static str],
    /// Its sentences.
    pub(super) about: &'static [&'static str],
    /// Its kind of value.
    pub(super) kind: Value,
    /// What holds if it is not written, as it would be written.
    pub(super) default: Option<&'static str>,
}

/// The schema of a table with these settings and no others.
pub(super) fn table(about: &[&str], settings: Vec<Setting>) -> Value {
    let mut properties = Map::new();
    for setting in settings {
        let [own, others @ ..] = setting.names else {
            continue;
        };
        for other in others {
            let mut kind = setting.kind.clone();
            kind["description"] = json!(format!("Another name of `{own}`."));
            properties.insert((*other).to_owned(), kind);
        }
        let mut kind = setting.kind;
        let about = sentences(setting.about);
        if !about.is_empty() {
            kind["description"] = json!(about);
        }
        if let Some(default) = setting.default {
            let value = serde_json::from_str(default);
            kind["default"] = value.unwrap_or_else(|_| json!(default));
        }
        properties.insert((*own).to_owned(), kind);
    }
    json!({
        "type": "object",
        "description": sentences(about),
        "additionalProperties": false,
        "properties": properties,
    })
}

fn sentences(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

/// One of several words.
pub(super) fn choice(words: &[&str]) -> Value {
    or_variable(json!({ "enum": words }))
}

/// A single value, or a text with a variable in it.
fn or_variable(kind: Value) -> Value {
    json!({ "anyOf": [kind, { "type": "string", "pattern": r"\$\{" }] })
}

/// A length of time.
pub(super) fn duration_schema() -> Schema {
    json_schema!({
        "type": ["string", "number"],
        "format": "duration of forebay",
        "pattern": r"^\s*((\d+(\.\d+)?(ms|s|m|h|d)\s*)+|\d+(\.\d+)?)\s*$|\$\{",
        "minimum": 0,
    })
}

/// A number of bytes.
pub(super) fn size_schema() -> Schema {
    json_schema!({
        "type": ["string", "integer"],
        "format": "size of forebay",
        "pattern": r"^\s*\d+\s*([kKmMgGtT]?([iI]?[bB])?)\s*$|\$\{",
        "minimum": 0,
    })
}

/// Text: what looks like a number is text where text is asked for.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

impl Described for String {
    fn describe() -> Value {
        text()
    }
}

impl Described for SecretString {
    fn describe() -> Value {
        text()
    }
}

impl Described for SocketAddr {
    fn describe() -> Value {
        or_variable(json!({ "type": "string", "format": "address", "pattern": r":\d+$" }))
    }
}

impl Described for bool {
    fn describe() -> Value {
        or_variable(json!({ "type": "boolean" }))
    }
}

impl Described for f64 {
    fn describe() -> Value {
        or_variable(json!({ "type": "number" }))
    }
}

macro_rules! counts {
    ($($number:ty),*) => {$(
        impl Described for $number {
            fn describe() -> Value {
                or_variable(json!({ "type": "integer", "minimum": 0 }))
            }
        }
    )*};
}

counts!(u32, u64, usize);

impl Described for Size {
    fn describe() -> Value {
        size_schema().to_value()
    }
}

impl Described for Duration {
    fn describe() -> Value {
        duration_schema().to_value()
    }
}

impl<T: Described> Described for Named<T> {
    fn describe() -> Value {
        json!({ "type": "object", "additionalProperties": T::describe() })
    }
}

impl<T: Described> Described for OneOrMany<T> {
    fn describe() -> Value {
        let one = T::describe();
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// What a value is, in a word or two, for people.
#[must_use]
pub fn kind_word(schema: &Value) -> String {
    if let Some(format) = schema["format"].as_str() {
        return format.trim_end_matches(" of forebay").to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return words.join(" | ");
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let list = kinds.iter().any(|kind| kind["type"] == "array");
        let first = kinds.first().map(kind_word).unwrap_or_default();
        return if list {
            format!("{first}, or a list")
        } else {
            first
        };
    }
    match &schema["type"] {
        Value::String(kind) if kind == "object" => "table".to_owned(),
        Value::String(kind) if kind == "array" => "list".to_owned(),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("text")
            .replace("string", "text"),
        _ => "anything".to_owned(),
    }
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
