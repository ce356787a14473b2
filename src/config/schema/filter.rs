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
        /// Patterns of the tags that pass through it; every tag if absent.
        r#match: OneOrMany<String>,
        /// What becomes of an event that it fails on: it goes on unchanged, goes on under the tag `filter_failed.` and its own, or is a dead letter.
        on_error: OnError = "keep",
    }

    /// A field and what it is to match.
    FieldPattern {
        /// A field, or a path such as `$.http.path`.
        key: String,
        /// A regular expression that matches anywhere in its text; of Unicode it knows categories, scripts and case (`\p{L}`, `\p{Greek}`, `(?i)`).
        pattern: String,
    }

    /// Keeps or drops by patterns.
    Grep {
        /// Patterns that events must match to go on; without any, all do.
        keep or "regexp": OneOrMany<FieldPattern>,
        /// Whether all of `keep` have to match, or any.
        keep_if: Quantity = "all",
        /// Patterns that make events go no further.
        drop or "exclude": OneOrMany<FieldPattern>,
        /// Whether all of `drop` have to match, or any.
        drop_if: Quantity = "any",
    }

    /// Edits fields.
    RecordTransformer {
        /// Fields to set, as texts with placeholders.
        add or "record": Named<String>,
        /// The only fields that stay.
        keep or "keep_keys": OneOrMany<String>,
        /// Fields that go.
        remove or "remove_keys": OneOrMany<String>,
        /// New names of fields by their old ones.
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
        /// The field that is decoded.
        key or "key_name": String,
        /// Whether the other fields stay.
        reserve_data: bool = "true",
        /// Whether the decoded field goes.
        remove_key or "remove_key_name_field": bool = "false",
    }

    /// When an event gets which tag.
    RewriteRule {
        /// A field, or a path such as `$.http.path`.
        key: String,
        /// A regular expression that matches anywhere in its text; of Unicode it knows categories, scripts and case (`\p{L}`, `\p{Greek}`, `(?i)`).
        pattern: String,
        /// The new tag, with placeholders and groups of the pattern such as `$1`.
        tag: String,
        /// Whether the rule holds where the pattern does not match.
        invert: bool = "false",
    }

    /// Gives other tags.
    RewriteTag {
        /// The first that holds gives the tag.
        rules or "rule": OneOrMany<RewriteRule>,
    }

    /// Chooses routes.
    RouteFilter {
        /// The routes that events take, in place of the one that matches their tag.
        only: OneOrMany<String>,
        /// Routes that they take as well.
        add: OneOrMany<String>,
        /// Routes that they do not take.
        remove: OneOrMany<String>,
    }

    /// Tells of sources that are silent.
    HeartbeatWatch {
        /// The field that tells sources apart; their tag if absent.
        key: String,
        /// How long a source may be silent.
        timeout: Duration,
        /// Sources that are missed also if they were never heard of.
        expect: OneOrMany<String>,
        /// The tag of the event that tells of a silent source.
        missing_tag: String = "heartbeat.missing",
        /// The tag of the event that tells that it is back.
        back_tag: String = "heartbeat.back",
        /// Most sources that are watched.
        sources_max: usize = "10000",
    }

    /// What is told at the end of each interval.
    Window {
        /// Fields whose values are told apart.
        keys: OneOrMany<String>,
        /// How long an interval is.
        interval: Duration = "60s",
        /// The tag of the events that tell; the name of the type if absent.
        tag: String,
        /// Whether the events themselves go no further.
        drop: bool = "false",
        /// Most values that are told apart in an interval; the others are told together.
        keys_max: usize = "10000",
    }

    /// Sums numbers up.
    Rollup {
        /// The fields whose numbers are summed up.
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
