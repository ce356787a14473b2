//! Types of plugins that are not built in: how the configuration learns of them and reads their
//! settings.
//!
//! The configuration stands below the plugins and knows none. Whoever knows them (the registry)
//! hands a [`Types`] to [`load_with`](super::load_with); a `type` that is not built in is looked
//! up there, its settings are read as the type's [`Settings`], with positions, and stand in the
//! plan as an [`OtherPlan`].

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::error::{At, Position, Problems};
use super::node::Node;
use super::settings::{BufferDefaults, Fault, Settings};
use crate::decoder::OtherDecoder;
use crate::placeholder::Template;

mod de;
#[cfg(test)]
mod tests;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// It takes events in.
    Input,
    /// It edits, drops, routes or injects events.
    Filter,
    /// It sends events to a destination.
    Output,
    /// It makes events of bytes.
    Decoder,
    /// It makes bytes of events.
    Encoder,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Filter => "filter",
            Self::Output => "output",
            Self::Decoder => "decoder",
            Self::Encoder => "encoder",
        })
    }
}

/// The types of plugins that are not built in.
pub trait Types: Send + Sync {
    /// Their names, other names they go by included.
    fn names(&self, kind: PluginKind) -> Vec<&'static str>;

    /// The JSON Schema of each type's settings, with all its names.
    fn schemas(&self, kind: PluginKind) -> Vec<(Vec<&'static str>, Value)>;

    /// The decoder of that name, if there is one that is not built in.
    fn decoder(&self, name: &str) -> Option<OtherDecoder> {
        let _ = name;
        None
    }

    /// Reads the settings of a plugin of the type `name`; `None` once something is wrong with
    /// them, or if there is no such type.
    fn read(&self, kind: PluginKind, name: &str, reading: Reading<'_>) -> Option<OtherPlan>;
}

/// No type but those that are built in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTypes;

impl Types for NoTypes {
    fn names(&self, _: PluginKind) -> Vec<&'static str> {
        Vec::new()
    }

    fn schemas(&self, _: PluginKind) -> Vec<(Vec<&'static str>, Value)> {
        Vec::new()
    }

    fn read(&self, _: PluginKind, _: &str, _: Reading<'_>) -> Option<OtherPlan> {
        None
    }
}

/// The JSON Schema of settings, defaults included.
#[must_use]
pub fn settings_schema<S: Settings>() -> Value {
    let mut style = SchemaSettings::draft2020_12();
    style.inline_subschemas = true;
    style.meta_schema = None;
    let mut schema = style
        .into_generator()
        .into_root_schema_for::<S>()
        .to_value();
    let defaults = serde_json::to_value(S::default()).unwrap_or_default();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties {
            let default = &defaults[name];
            if !default.is_null() && property.is_object() {
                property["default"] = default.clone();
            }
        }
    }
    schema
}

/// A plugin of a type that is not built in, as the user wrote it.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) kind: At<String>,
    /// The whole table, `type` included.
    pub(super) node: Node,
}

/// The settings of one plugin, about to be read.
pub struct Reading<'a> {
    /// `output` and its name, for messages.
    owner: String,
    /// Where its name stands.
    name: Position,
    node: &'a Node,
    problems: &'a mut Problems,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        kind: PluginKind,
        name: &At<String>,
        node: &'a Node,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            owner: format!("{kind} `{}`", name.value),
            name: name.position,
            node,
            problems,
        }
    }

    /// Reads them as a `S`, which is then validated; `type_name` is the type's own name.
    #[must_use]
    pub fn read<S: Settings>(self, type_name: &'static str) -> Option<OtherPlan> {
        let Self {
            owner,
            name,
            node,
            problems,
        } = self;
        let read = de::read::<S>(node, name, &owner, problems)?;
        if let Err(Fault { key, message }) = read.settings.validate() {
            let position = key.as_deref().and_then(|key| node.position_of(key));
            let of = key.map_or_else(String::new, |key| format!("`{key}`: "));
            problems.add(position.unwrap_or(name), format!("{owner}: {of}{message}"));
            return None;
        }
        Some(OtherPlan {
            type_name,
            buffer_defaults: read.settings.buffer_defaults(),
            settings: Arc::new(read.settings),
            written: Arc::new(node.clone()),
            templates: read.templates,
        })
    }
}

/// A plugin of a type that is not built in, its settings checked.
#[derive(Clone)]
pub struct OtherPlan {
    /// The type's own name.
    pub type_name: &'static str,
    /// What its routes' buffers are by default.
    pub buffer_defaults: BufferDefaults,
    settings: Arc<dyn Held>,
    /// What the settings were read from, secrets included: it is compared and never shown.
    written: Arc<Node>,
    /// The texts with placeholders that the user wrote, and where.
    pub(super) templates: Vec<(Template, Position)>,
}

impl OtherPlan {
    /// The settings, if they are a `S`.
    #[must_use]
    pub fn settings<S: Settings>(&self) -> Option<&S> {
        (*self.settings).as_any().downcast_ref()
    }
}

/// Settings are alike if the same is written; what a type's settings are need not be comparable.
impl PartialEq for OtherPlan {
    fn eq(&self, other: &Self) -> bool {
        self.type_name == other.type_name
            && self.buffer_defaults == other.buffer_defaults
            && self.written == other.written
    }
}

impl fmt::Debug for OtherPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherPlan")
            .field("type_name", &self.type_name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Settings of whatever type.
trait Held: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<S: Settings> Held for S {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
