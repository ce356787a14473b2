//! From the tree of the text to the types of the schema.
//!
//! A table's type names its settings once, in [`tables!`]: the name, other names it goes by, and
//! what its value is. Reading takes them one by one and says where a value does not fit; what
//! nobody took is an unknown name, and the nearest known one is suggested. Everything wrong is
//! found in one go: a setting that does not fit is noted and left out.

use super::error::{At, Position, Problems, did_you_mean, list};
use super::node::{Entry, Kind, Node};

mod scalar;

pub(super) use scalar::{Size, choose};

/// What can be read from a node of the text.
pub(super) trait FromNode: Sized {
    /// The value, or `None` once `problems` says why there is none.
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self>;
}

/// What can be read from the text of a scalar.
pub(super) trait FromText: Sized {
    /// # Errors
    /// What is wrong with `text`.
    fn from_text(text: &str) -> Result<Self, Misfit>;
}

/// Why a scalar does not fit.
pub(super) struct Misfit {
    message: String,
    hint: Option<String>,
}

impl Misfit {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// A table with names of the user's choice, in the order of the text.
pub(super) type Named<T> = Vec<(At<String>, T)>;

/// A list, or one value that stands for a list of one.
pub(super) type OneOrMany<T> = Vec<At<T>>;

/// A table that is being read.
pub(super) struct Table<'a> {
    entries: &'a [Entry],
    is_taken: Vec<bool>,
    /// Every setting asked for, by all its names, its own first.
    known: Vec<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// The table that `node` is.
    pub(super) fn open(node: &'a Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Table(entries) = &node.kind else {
            problems.add(
                node.position,
                format!("{} stands where a table should", found(node)),
            );
            return None;
        };
        Some(Self {
            entries,
            is_taken: vec![false; entries.len()],
            known: Vec::new(),
        })
    }

    /// The setting that goes by one of `names`, of which the first is its own.
    ///
    /// Its position is the value's if that is a scalar, else its name's.
    pub(super) fn take<T: FromNode>(
        &mut self,
        names: &[&'static str],
        problems: &mut Problems,
    ) -> Option<At<T>> {
        self.known.push(names.to_vec());
        let entry = self.take_entry(names, problems)?;
        if matches!(entry.node.kind, Kind::Empty) {
            problems.add(
                entry.key.position,
                format!("`{}` has no value", entry.key.value),
            );
            return None;
        }
        Some(At {
            value: T::from_node(&entry.node, problems)?,
            position: position(entry),
        })
    }

    fn take_entry(&mut self, names: &[&'static str], problems: &mut Problems) -> Option<&'a Entry> {
        let mut taken: Option<&Entry> = None;
        for (entry, is_taken) in self.entries.iter().zip(&mut self.is_taken) {
            if !names.contains(&entry.key.value.as_str()) {
                continue;
            }
            *is_taken = true;
            match taken {
                None => taken = Some(entry),
                Some(first) => problems.add(
                    entry.key.position,
                    format!(
                        "`{}` and `{}` are two names of one setting",
                        entry.key.value, first.key.value
                    ),
                ),
            }
        }
        taken
    }

    /// The table's `type`; `types` are those that are built in.
    pub(super) fn take_type(
        &mut self,
        node: &Node,
        types: &[&'static str],
        problems: &mut Problems,
    ) -> Option<At<String>> {
        let has_type = self.entries.iter().any(|entry| entry.key.value == "type");
        if !has_type {
            let position = self
                .entries
                .first()
                .map_or(node.position, |first| first.key.position);
            problems.add_with_hint(position, "`type` is missing", Some(possible_types(types)));
            return None;
        }
        self.take::<String>(&["type"], problems)
    }

    /// Says which names nobody took.
    pub(super) fn finish(self, problems: &mut Problems) {
        let untaken = self
            .entries
            .iter()
            .zip(&self.is_taken)
            .filter(|(_, is_taken)| !**is_taken);
        for (Entry { key, .. }, _) in untaken {
            let own_names = || self.known.iter().filter_map(|names| names.first().copied());
            let hint = did_you_mean(&key.value, self.known.iter().flatten().copied())
                .or_else(|| Some(format!("possible here: {}", list(own_names()))));
            problems.add_with_hint(key.position, format!("unknown key `{}`", key.value), hint);
        }
    }
}

/// What may be written as `type`, for hints.
pub(super) fn possible_types(types: &[&'static str]) -> String {
    format!("possible types: {}", list(types.iter().copied()))
}

/// Where to point at for the value of `entry`.
fn position(entry: &Entry) -> Position {
    match entry.node.kind {
        Kind::Scalar(_) => entry.node.position,
        Kind::Empty | Kind::List(_) | Kind::Table(_) => entry.key.position,
    }
}

/// What `node` is, for messages.
pub(super) fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Empty => "nothing".to_owned(),
        Kind::Scalar(text) => format!("`{text}`"),
        Kind::List(_) => "a list".to_owned(),
        Kind::Table(_) => "a table".to_owned(),
    }
}

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let table = Table::open(node, problems)?;
        let mut named = Self::new();
        for Entry { key, node } in table.entries {
            if matches!(node.kind, Kind::Empty) {
                problems.add(key.position, format!("`{}` has no value", key.value));
            } else if let Some(value) = T::from_node(node, problems) {
                named.push((key.clone(), value));
            }
        }
        Some(named)
    }
}

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Empty | Kind::Scalar(_) | Kind::Table(_) => std::slice::from_ref(node),
        };
        let read = |item: &Node| {
            Some(At {
                value: T::from_node(item, problems)?,
                position: item.position,
            })
        };
        Some(items.iter().filter_map(read).collect())
    }
}

impl<T: FromText> FromNode for T {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Scalar(text) = &node.kind else {
            let message = format!("{} stands where a single value should", found(node));
            problems.add(node.position, message);
            return None;
        };
        T::from_text(text)
            .map_err(|misfit| problems.add_with_hint(node.position, misfit.message, misfit.hint))
            .ok()
    }
}

/// Declares enumerations: what the user writes and what it means.
macro_rules! choices {
    ($($name:ty { $($text:literal => $value:expr,)+ })+) => {$(
        impl $crate::config::decode::FromText for $name {
            fn from_text(text: &str) -> Result<Self, $crate::config::decode::Misfit> {
                $crate::config::decode::choose(text, &[$(($text, $value)),+])
            }
        }

        impl $crate::config::describe::Described for $name {
            fn describe() -> serde_json::Value {
                $crate::config::describe::choice(&[$($text),+])
            }
        }
    )+};
}

/// Declares tables: for each setting its name, other names it goes by, what its value is, and after
/// `=` what holds if it is not written, as it would be written. Doc comments are shown to users.
macro_rules! tables {
    ($(
        $(#[doc = $about:literal])*
        $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident $(or $($alias:literal),+)? : $value:ty $(= $default:literal)?,
            )*
        }
    )+) => {$(
        $(#[doc = $about])*
        #[derive(Debug, Default)]
        pub(in crate::config) struct $name {
            $(
                $(#[doc = $doc])*
                pub(in crate::config) $field: Option<$crate::config::error::At<$value>>,
            )*
        }

        impl $name {
            /// Takes its settings out of `table`.
            pub(in crate::config) fn read(
                table: &mut $crate::config::decode::Table<'_>,
                problems: &mut $crate::config::error::Problems,
            ) -> Self {
                Self {
                    $($field: table.take(
                        &[stringify!($field).trim_start_matches("r#"), $($($alias),+)?],
                        problems,
                    ),)*
                }
            }
        }

        impl $crate::config::describe::Described for $name {
            fn describe() -> serde_json::Value {
                let settings = vec![$($crate::config::describe::Setting {
                    names: const {
                        &[$crate::config::decode::bare(stringify!($field)), $($($alias),+)?]
                    },
                    about: &[$($doc),*],
                    kind: <$value as $crate::config::describe::Described>::describe(),
                    default: None $(.or(Some($default)))?,
                }),*];
                $crate::config::describe::table(&[$($about),*], settings)
            }
        }

        impl $crate::config::decode::FromNode for $name {
            fn from_node(
                node: &$crate::config::node::Node,
                problems: &mut $crate::config::error::Problems,
            ) -> Option<Self> {
                let mut table = $crate::config::decode::Table::open(node, problems)?;
                let read = Self::read(&mut table, problems);
                table.finish(problems);
                Some(read)
            }
        }
    )+};
}

/// A field's name without the mark that lets a keyword be one.
pub(super) const fn bare(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Declares tables of several kinds, told apart by their `type`.
macro_rules! tables_by_type {
    ($(
        $(#[doc = $about:literal])*
        $name:ident { $($text:literal => $variant:ident($table:ty),)+ }
    )+) => {$(
        $(#[doc = $about])*
        #[derive(Debug)]
        pub(in crate::config) enum $name {
            $($variant(Box<$table>),)+
            /// Of a type that is not built in.
            Other($crate::config::types::Other),
        }

        impl $name {
            /// The types that are built in.
            pub(in crate::config) const TYPES: &[&str] = &[$($text),+];
        }

        impl $name {
            /// The settings of each type.
            pub(in crate::config) fn described() -> Vec<(&'static str, serde_json::Value)> {
                vec![$((
                    $text,
                    <$table as $crate::config::describe::Described>::describe(),
                )),+]
            }
        }

        impl $crate::config::describe::Described for $name {
            fn describe() -> serde_json::Value {
                $crate::config::describe::by_type(concat!($($about),*).trim(), &Self::described())
            }
        }

        impl $crate::config::decode::FromNode for $name {
            fn from_node(
                node: &$crate::config::node::Node,
                problems: &mut $crate::config::error::Problems,
            ) -> Option<Self> {
                let mut table = $crate::config::decode::Table::open(node, problems)?;
                let kind = table.take_type(node, Self::TYPES, problems)?;
                let read = match kind.value.as_str() {
                    $($text => Self::$variant(Box::new(<$table>::read(&mut table, problems))),)+
                    _ => {
                        let node = node.clone();
                        return Some(Self::Other($crate::config::types::Other { kind, node }));
                    }
                };
                table.finish(problems);
                Some(read)
            }
        }
    )+};
}

pub(super) use {choices, tables, tables_by_type};
