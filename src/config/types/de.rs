//! Serde's view of the configuration's tree: settings structs are read with positions.
//!
//! Scalars are text until a field says what it is: a string `0123` stays what was written, a
//! number is parsed as one. Keys that a struct does not have are all found at once, and so refused
//! whether or not the struct denies them; of anything else the first fault is told.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::config::decode::found;
use crate::config::error::{Position, Problems, did_you_mean, list};
use crate::config::node::{Entry, Kind, Node};
use crate::config::settings::Settings;
use crate::placeholder::{self, Template};

/// Settings, and the templates among them.
pub(super) struct Read<S> {
    pub(super) settings: S,
    pub(super) templates: Vec<(Template, Position)>,
}

/// Reads the table `node`, all but its `type`, as settings of `owner`; `name` is where to point
/// for what is missing.
pub(super) fn read<S: Settings>(
    node: &Node,
    name: Position,
    owner: &str,
    problems: &mut Problems,
) -> Option<Read<S>> {
    let notes = RefCell::new(Notes::default());
    let root = At {
        node,
        notes: &notes,
        is_root: true,
    };
    let read = S::deserialize(root);
    let notes = notes.into_inner();
    let had_unknown = !notes.unknown.is_empty();
    for Unknown {
        position,
        key,
        hint,
    } in notes.unknown
    {
        problems.add_with_hint(position, format!("{owner}: unknown key `{key}`"), hint);
    }
    match read {
        Ok(settings) if !had_unknown => Some(Read {
            settings,
            templates: notes.templates,
        }),
        Ok(_) => None,
        Err(error) => {
            let position = error.position.unwrap_or(name);
            let key = error
                .key
                .map_or_else(String::new, |key| format!("`{key}`: "));
            problems.add_with_hint(
                position,
                format!("{owner}: {key}{}", error.message),
                error.hint,
            );
            None
        }
    }
}

/// What is found on the way.
#[derive(Default)]
struct Notes {
    templates: Vec<(Template, Position)>,
    unknown: Vec<Unknown>,
}

struct Unknown {
    position: Position,
    key: String,
    hint: Option<String>,
}

/// What does not fit.
#[derive(Debug)]
struct Error {
    message: String,
    hint: Option<String>,
    position: Option<Position>,
    /// The setting, with those that it is in before it: `tls.cert`.
    key: Option<String>,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            position: None,
            key: None,
        }
    }

    /// The same, if nobody has said where it is.
    fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// The same, inside of `key`.
    fn inside(mut self, key: &str) -> Self {
        self.key = Some(match self.key {
            Some(inner) => format!("{key}.{inner}"),
            None => key.to_owned(),
        });
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self {
            hint: did_you_mean(variant, expected.iter().copied()),
            ..Self::new(format!(
                "`{variant}` is none of {}",
                list(expected.iter().copied())
            ))
        }
    }
}

/// A node of the tree.
#[derive(Clone, Copy)]
struct At<'a> {
    node: &'a Node,
    notes: &'a RefCell<Notes>,
    /// Whether it is the plugin's table, whose `type` is not a setting.
    is_root: bool,
}

impl<'a> At<'a> {
    fn inner(self, node: &'a Node) -> Self {
        Self {
            node,
            notes: self.notes,
            is_root: false,
        }
    }

    fn misfit(self, should: &str) -> Error {
        let message = format!("{} stands where {should} should", found(self.node));
        Error::new(message).at(self.node.position)
    }

    fn scalar(self, should: &str) -> Result<&'a str, Error> {
        match &self.node.kind {
            Kind::Scalar(text) => Ok(text),
            _ => Err(self.misfit(should)),
        }
    }

    fn entries(self) -> Result<&'a [Entry], Error> {
        match &self.node.kind {
            Kind::Table(entries) => Ok(entries),
            _ => Err(self.misfit("a table")),
        }
    }

    fn parse<T: std::str::FromStr>(self, should: &str) -> Result<T, Error> {
        let text = self.scalar(should)?;
        let misfit = |_| Error::new(format!("`{text}` is not {should}")).at(self.node.position);
        text.parse().map_err(misfit)
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        known: Option<&[&str]>,
    ) -> Result<V::Value, Error> {
        let mut entries: Vec<&Entry> = self.entries()?.iter().collect();
        if self.is_root {
            entries.retain(|entry| entry.key.value != "type");
        }
        if let Some(known) = known {
            let is_known = |entry: &&Entry| known.contains(&entry.key.value.as_str());
            let unknown = entries.iter().filter(|entry| !is_known(entry));
            let noted = unknown.map(|entry| unknown_key(entry, known));
            self.notes.borrow_mut().unknown.extend(noted);
            entries.retain(is_known);
        }
        let table = Table {
            at: self,
            entries: entries.into_iter(),
            current: None,
        };
        visitor.visit_map(table).map_err(|error| {
            if self.is_root {
                error
            } else {
                error.at(self.node.position)
            }
        })
    }
}

fn unknown_key(entry: &Entry, known: &[&str]) -> Unknown {
    let key = entry.key.value.clone();
    let possible = || match known {
        [] => Some("there are no settings".to_owned()),
        _ => Some(format!("possible here: {}", list(known.iter().copied()))),
    };
    Unknown {
        position: entry.key.position,
        hint: did_you_mean(&key, known.iter().copied()).or_else(possible),
        key,
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $should:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse($should)?).map_err(|error: Error| error.at(self.node.position))
        }
    )*};
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Error;

    parsed! {
        deserialize_bool visit_bool "a truth value",
        deserialize_i8 visit_i8 "a whole number of this size",
        deserialize_i16 visit_i16 "a whole number of this size",
        deserialize_i32 visit_i32 "a whole number of this size",
        deserialize_i64 visit_i64 "a whole number",
        deserialize_u8 visit_u8 "a count of this size",
        deserialize_u16 visit_u16 "a count of this size",
        deserialize_u32 visit_u32 "a count of this size",
        deserialize_u64 visit_u64 "a count",
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "a single character",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Empty => visitor.visit_unit(),
            Kind::Scalar(text) => plain(text, visitor),
            Kind::List(_) => self.deserialize_seq(visitor),
            Kind::Table(_) => self.map(visitor, None),
        }
        .map_err(|error: Error| error.at(self.node.position))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.scalar("a single value")?;
        visitor
            .visit_str(text)
            .map_err(|error: Error| error.at(self.node.position))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.scalar("a single value")?.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            Kind::Empty => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            Kind::Empty => visitor.visit_unit(),
            _ => Err(self.misfit("nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == placeholder::SERDE_NAME
            && let Kind::Scalar(text) = &self.node.kind
            && let Ok(template) = Template::compile(text)
        {
            let noted = (template, self.node.position);
            self.notes.borrow_mut().templates.push(noted);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Kind::List(items) = &self.node.kind else {
            return Err(self.misfit("a list"));
        };
        let items = Items {
            at: self,
            items: items.iter(),
        };
        visitor
            .visit_seq(items)
            .map_err(|error| error.at(self.node.position))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.map(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.map(visitor, Some(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = match &self.node.kind {
            Kind::Scalar(text) => Variant {
                at: self,
                name: text,
                position: self.node.position,
                content: None,
            },
            Kind::Table(entries) if entries.len() == 1 => Variant {
                at: self,
                name: &entries[0].key.value,
                position: entries[0].key.position,
                content: Some(&entries[0].node),
            },
            _ => return Err(self.misfit("one of several choices")),
        };
        visitor
            .visit_enum(variant)
            .map_err(|error| error.at(self.node.position))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::new("no such setting").at(self.node.position))
    }
}

/// A scalar for a field that takes anything: what it looks like.
fn plain<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, Error> {
    if let Ok(value) = text.parse() {
        visitor.visit_bool(value)
    } else if let Some(value) = text
        .parse()
        .ok()
        .filter(|value: &i64| value.to_string() == text)
    {
        visitor.visit_i64(value)
    } else if let Some(value) = text
        .parse()
        .ok()
        .filter(|value: &u64| value.to_string() == text)
    {
        visitor.visit_u64(value)
    } else if let Some(value) = text
        .parse()
        .ok()
        .filter(|value: &f64| looks_like(*value, text))
    {
        visitor.visit_f64(value)
    } else {
        visitor.visit_str(text)
    }
}

/// Whether `text` is a finite number with a point, and not, say, a version or a word.
fn looks_like(value: f64, text: &str) -> bool {
    value.is_finite() && text.contains('.') && text.ends_with(|c: char| c.is_ascii_digit())
}

/// The entries of a table, one by one.
struct Table<'a> {
    at: At<'a>,
    entries: std::vec::IntoIter<&'a Entry>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Table<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key = Key(&entry.key.value);
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.at(entry.key.position))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.current.take() else {
            return Err(Error::new("a value without its key"));
        };
        // Where nothing stands, its key is what can be shown.
        let position = match entry.node.kind {
            Kind::Scalar(_) => entry.node.position,
            _ => entry.key.position,
        };
        seed.deserialize(self.at.inner(&entry.node))
            .map_err(|error| {
                let error = match error.position {
                    Some(inner) if inner == entry.node.position => Error {
                        position: Some(position),
                        ..error
                    },
                    _ => error.at(position),
                };
                error.inside(&entry.key.value)
            })
    }
}

/// A key, which is text, or what text says.
struct Key<'a>(&'a str);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StrDeserializer<'_, Error> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = self
            .0
            .parse()
            .map_err(|_| Error::new(format!("`{}` is not a count", self.0)));
        visitor.visit_u64(number?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = self.0.parse();
        let number = number.map_err(|_| Error::new(format!("`{}` is not a whole number", self.0)));
        visitor.visit_i64(number?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 u8 u16 u32 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list, one by one.
struct Items<'a> {
    at: At<'a>,
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        let item = seed.deserialize(self.at.inner(node));
        item.map(Some).map_err(|error| error.at(node.position))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// One of several choices: a word, or a word and what belongs to it.
struct Variant<'a> {
    at: At<'a>,
    name: &'a str,
    position: Position,
    content: Option<&'a Node>,
}

impl<'a> Variant<'a> {
    fn content(self) -> Result<At<'a>, Error> {
        let missing = || Error::new(format!("`{}` needs a value", self.name)).at(self.position);
        Ok(self.at.inner(self.content.ok_or_else(missing)?))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StringDeserializer<Error> = self.name.to_owned().into_deserializer();
        let variant = seed
            .deserialize(name)
            .map_err(|error| error.at(self.position))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Error::new(format!("`{}` takes no value", self.name)).at(self.position)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.content()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content()?.map(visitor, Some(fields))
    }
}
