//! Templates in settings structs. The name of the newtype tells the configuration's reader that
//! there is one, so that it is checked against the chunk keys without anybody asking for it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Template;

/// The newtype's name.
pub(crate) const SERDE_NAME: &str = "forebay::placeholder::Template";

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SERDE_NAME, TemplateVisitor)
    }
}

struct TemplateVisitor;

impl<'de> Visitor<'de> for TemplateVisitor {
    type Value = Template;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text with placeholders")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Template, D::Error> {
        inner.deserialize_str(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Template, E> {
        Template::compile(text).map_err(E::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"],
            "description": "A text with placeholders: `${tag}`, `${field}`, `${chunk_id}`, `%Y`.",
        })
    }
}
