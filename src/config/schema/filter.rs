//! What the user writes of the filters.

use std::time::Duration;

use serde_json::Value;

use crate::config::decode::{FromNode, Named, OneOrMany, Table, choices, tables};
use crate::config::describe::{Described, by_type, merged};
use crate::config::error::Problems;
use crate::config::node::{Kind, Node};
use crate::config::plan::OnError;
use crate::config::types::Other;

tables! {
    /// What every filter has.
    FilterCommon {
        r#match: OneOrMany<String>,
        on_error: OnError,
    }

    /// A field and what it is to match.
    FieldPattern {
        key: String,
        pattern: String,
    }

    /// Keeps or drops by patterns.
    Grep {
        keep or "regexp": OneOrMany<FieldPattern>,
        keep_if: Quantity,
        drop or "exclude": OneOrMany<FieldPattern>,
        drop_if: Quantity,
    }

    /// Edits fields.
    RecordTransformer {
        add or "record": Named<String>,
        keep or "keep_keys": OneOrMany<String>,
        remove or "remove_keys": OneOrMany<String>,
        rename: Named<String>,
    }

    /// How bytes become a record.
    Decoder {
        /// What makes a record of the bytes: `json`, `msgpack`, `logfmt`, `regex` or `text`.
        decoder or "format": String,
        /// What `regex` matches; its named groups become fields.
        pattern or "expression": String,
        /// The field that holds the time of the event; without it, events get the time of their arrival.
        time_key: String,
        /// How the time is written: `rfc3339` if absent, `unix`, `unix_ms`, or a pattern such as `%Y-%m-%d %H:%M:%S`.
        time_format: String,
        /// The zone of times that do not say theirs; the system's if absent.
        time_zone or "timezone": String,
        /// Whether the field with the time stays in the record; it does not if this is absent.
        keep_time_key: bool,
    }

    /// Decodes a field.
    Parser {
        key or "key_name": String,
        reserve_data: bool,
        remove_key or "remove_key_name_field": bool,
    }

    /// When an event gets which tag.
    RewriteRule {
        key: String,
        pattern: String,
        tag: String,
        invert: bool,
    }

    /// Gives other tags.
    RewriteTag {
        rules or "rule": OneOrMany<RewriteRule>,
    }

    /// Chooses routes.
    RouteFilter {
        only: OneOrMany<String>,
        add: OneOrMany<String>,
        remove: OneOrMany<String>,
    }

    /// Tells of sources that are silent.
    HeartbeatWatch {
        key: String,
        timeout: Duration,
        expect: OneOrMany<String>,
        missing_tag: String,
        back_tag: String,
        sources_max: usize,
    }

    /// What is told at the end of each interval.
    Window {
        keys: OneOrMany<String>,
        interval: Duration,
        tag: String,
        drop: bool,
        keys_max: usize,
    }

    /// Sums numbers up.
    Rollup {
        fields: OneOrMany<String>,
    }
}

/// One filter.
#[derive(Debug)]
pub(in crate::config) struct Filter {
    pub(in crate::config) common: FilterCommon,
    pub(in crate::config) kind: FilterKind,
}

/// What it does.
#[derive(Debug)]
pub(in crate::config) enum FilterKind {
    Grep(Grep),
    RecordTransformer(RecordTransformer),
    Parser(Parser, Decoder),
    RewriteTag(RewriteTag),
    Route(RouteFilter),
    HeartbeatWatch(HeartbeatWatch),
    Counter(Window),
    Rollup(Rollup, Window),
    /// Of a type that is not built in.
    Other(Other),
}

pub(in crate::config) const TYPES: [&str; 8] = [
    "grep",
    "record_transformer",
    "parser",
    "rewrite_tag",
    "route",
    "heartbeat_watch",
    "counter",
    "rollup",
];

impl Filter {
    /// The settings of each type.
    pub(in crate::config) fn described() -> Vec<(&'static str, Value)> {
        let common = FilterCommon::describe();
        let of_type = |name: &'static str, own: &[Value]| {
            let mut tables = vec![common.clone()];
            tables.extend_from_slice(own);
            (name, merged(&tables))
        };
        vec![
            of_type("grep", &[Grep::describe()]),
            of_type("record_transformer", &[RecordTransformer::describe()]),
            of_type("parser", &[Parser::describe(), Decoder::describe()]),
            of_type("rewrite_tag", &[RewriteTag::describe()]),
            of_type("route", &[RouteFilter::describe()]),
            of_type("heartbeat_watch", &[HeartbeatWatch::describe()]),
            of_type("counter", &[Window::describe()]),
            of_type("rollup", &[Rollup::describe(), Window::describe()]),
        ]
    }
}

impl Described for Filter {
    fn describe() -> Value {
        by_type("One filter.", &Self::described())
    }
}

impl FromNode for Filter {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Table::open(node, problems)?;
        let kind = table.take_type(node, &TYPES, problems)?;
        let common = FilterCommon::read(&mut table, problems);
        let kind = match kind.value.as_str() {
            "grep" => FilterKind::Grep(Grep::read(&mut table, problems)),
            "record_transformer" => {
                FilterKind::RecordTransformer(RecordTransformer::read(&mut table, problems))
            }
            "parser" => FilterKind::Parser(
                Parser::read(&mut table, problems),
                Decoder::read(&mut table, problems),
            ),
            "rewrite_tag" => FilterKind::RewriteTag(RewriteTag::read(&mut table, problems)),
            "route" => FilterKind::Route(RouteFilter::read(&mut table, problems)),
            "heartbeat_watch" => {
                FilterKind::HeartbeatWatch(HeartbeatWatch::read(&mut table, problems))
            }
            "counter" => FilterKind::Counter(Window::read(&mut table, problems)),
            "rollup" => FilterKind::Rollup(
                Rollup::read(&mut table, problems),
                Window::read(&mut table, problems),
            ),
            _ => {
                let node = own_settings(node);
                let kind = FilterKind::Other(Other { kind, node });
                return Some(Self { common, kind });
            }
        };
        table.finish(problems);
        Some(Self { common, kind })
    }
}

/// What stands in `node` but what every filter has.
fn own_settings(node: &Node) -> Node {
    let mut own = node.clone();
    if let Kind::Table(entries) = &mut own.kind {
        let is_common = |name: &str| matches!(name, "match" | "on_error");
        entries.retain(|entry| !is_common(&entry.key.value));
    }
    own
}

/// How many of several patterns have to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Quantity {
    All,
    Any,
}

choices! {
    Quantity {
        "all" => Self::All,
        "any" => Self::Any,
    }
    OnError {
        "keep" => Self::Keep,
        "tag" => Self::Tag,
        "dead_letter" => Self::DeadLetter,
    }
}
