//! What the program needs to know of the filters.

use std::time::Duration;

use regex::Regex;

use crate::config::types::OtherPlan;
use crate::decoder::{DecoderPlan, TimeKey};
use crate::event::FieldPath;
use crate::placeholder::event::EventTemplate;
use crate::route::TagMatcher;

/// One filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterPlan {
    /// Its name.
    pub name: String,
    /// The tags that it sees; `None`: all.
    pub matcher: Option<TagMatcher>,
    /// What becomes of an event that it fails on.
    pub on_error: OnError,
    /// What it does.
    pub kind: FilterKind,
}

/// What becomes of an event that a filter fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It goes on as it was.
    Keep,
    /// It goes on as it was, but with `filter_failed.` before its tag.
    Tag,
    /// It goes to the dead letters, with the reason.
    DeadLetter,
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterKind {
    /// Keeps or drops by patterns.
    Grep(GrepPlan),
    /// Edits fields.
    RecordTransformer(RecordTransformerPlan),
    /// Decodes a field.
    Parser(ParserPlan),
    /// Gives other tags.
    RewriteTag(RewriteTagPlan),
    /// Chooses routes.
    Route(RouteFilterPlan),
    /// Tells of sources that are silent.
    HeartbeatWatch(HeartbeatWatchPlan),
    /// Counts events.
    Counter(WindowPlan),
    /// Sums numbers up.
    Rollup(RollupPlan),
    /// Of a type that is not built in.
    Other(OtherPlan),
}

impl FilterKind {
    /// Its type's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Grep(_) => "grep",
            Self::RecordTransformer(_) => "record_transformer",
            Self::Parser(_) => "parser",
            Self::RewriteTag(_) => "rewrite_tag",
            Self::Route(_) => "route",
            Self::HeartbeatWatch(_) => "heartbeat_watch",
            Self::Counter(_) => "counter",
            Self::Rollup(_) => "rollup",
            Self::Other(plan) => plan.type_name,
        }
    }
}

/// Keeps or drops by patterns.
#[derive(Clone, Debug, PartialEq)]
pub struct GrepPlan {
    /// An event is kept if these match; every one, or any.
    pub keep: Vec<FieldPattern>,
    /// Whether one of them is enough.
    pub keep_if_any: bool,
    /// An event is dropped if these match; any, or every one.
    pub drop: Vec<FieldPattern>,
    /// Whether all of them are needed.
    pub drop_if_all: bool,
}

/// A field, and what its text is to match.
#[derive(Clone, Debug)]
pub struct FieldPattern {
    /// The field.
    pub key: FieldPath,
    /// The pattern.
    pub pattern: Regex,
}

impl PartialEq for FieldPattern {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.pattern.as_str() == other.pattern.as_str()
    }
}

/// Edits fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordTransformerPlan {
    /// Fields that are added or replaced.
    pub add: Vec<(String, EventTemplate)>,
    /// Fields that stay; empty: all.
    pub keep: Vec<String>,
    /// Fields that go.
    pub remove: Vec<FieldPath>,
    /// Fields that get another name.
    pub rename: Vec<(String, String)>,
}

/// Decodes a field.
#[derive(Clone, Debug, PartialEq)]
pub struct ParserPlan {
    /// The field.
    pub key: FieldPath,
    /// How it is decoded.
    pub decoder: DecoderPlan,
    /// Where the event's time stands in what was decoded.
    pub time_key: Option<TimeKey>,
    /// Whether the event's other fields stay.
    pub reserve_data: bool,
    /// Whether the field that was decoded goes.
    pub remove_key: bool,
}

/// Gives other tags.
#[derive(Clone, Debug, PartialEq)]
pub struct RewriteTagPlan {
    /// The first rule that matches decides.
    pub rules: Vec<RewriteRule>,
}

/// When an event gets which tag.
#[derive(Clone, Debug, PartialEq)]
pub struct RewriteRule {
    /// What has to match.
    pub field: FieldPattern,
    /// Whether it must not match instead.
    pub invert: bool,
    /// The tag.
    pub tag: EventTemplate,
}

/// Chooses routes.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteFilterPlan {
    /// Instead of the route that the tag leads to.
    pub only: Option<Vec<String>>,
    /// Beside it.
    pub add: Vec<String>,
    /// But not these.
    pub remove: Vec<String>,
}

/// Tells of sources that are silent.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatWatchPlan {
    /// The field that tells sources apart; `None`: the tag does.
    pub key: Option<FieldPath>,
    /// How long a source may be silent.
    pub timeout: Duration,
    /// Sources that are watched from the start.
    pub expect: Vec<String>,
    /// The tag of the event that says that one is missing.
    pub missing_tag: String,
    /// The tag of the event that says that it is back.
    pub back_tag: String,
    /// How many sources are watched.
    pub sources_max: usize,
}

/// What is told at the end of each interval.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowPlan {
    /// The fields whose values events are told apart by; with none, the tag does.
    pub keys: Vec<FieldPath>,
    /// How long an interval is.
    pub interval: Duration,
    /// The tag of what is told.
    pub tag: String,
    /// Whether the events that were counted go no further.
    pub drop: bool,
    /// How many keys are told apart in an interval; the others are told together.
    pub keys_max: usize,
}

/// Sums numbers up.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupPlan {
    /// When and by what.
    pub window: WindowPlan,
    /// The fields whose numbers are summed up.
    pub fields: Vec<FieldPath>,
}
