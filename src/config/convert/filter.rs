//! Filters.

use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::check::{self, OrDefault as _};
use super::pattern;
use crate::chunk_key::Zone;
use crate::config::decode::{Named, OneOrMany};
use crate::config::defaults::filter as defaults;
use crate::config::error::{At, Position, Problems, did_you_mean, list};
use crate::config::plan::{
    FieldPattern, FilterKind, FilterPlan, GrepPlan, HeartbeatWatchPlan, OnError, ParserPlan,
    RecordTransformerPlan, RewriteRule, RewriteTagPlan, RollupPlan, RouteFilterPlan, WindowPlan,
};
use crate::config::schema::filter as schema;
use crate::config::types::{PluginKind, Types};
use crate::decoder::{DecoderPlan, TimeFormat, TimeKey};
use crate::event::FieldPath;
use crate::placeholder::event::EventTemplate;

/// As many as a word has bits: those that match a tag are kept as such.
const FILTERS_MAX: usize = 64;

/// A compiled pattern takes no more memory than this.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// More sources, or keys, than this are a mistake, not a wish.
const KEYS_MAX: usize = 1_000_000;

/// All filters in the order of the text; `routes` are the names that they may name.
pub(super) fn filters(
    filters: Option<At<Named<schema::Filter>>>,
    routes: &[String],
    types: &dyn Types,
    problems: &mut Problems,
) -> Vec<FilterPlan> {
    let Some(At { value, position }) = filters else {
        return Vec::new();
    };
    if value.len() > FILTERS_MAX {
        problems.add(
            position,
            format!("there are more than {FILTERS_MAX} filters"),
        );
    }
    let plans = value
        .into_iter()
        .map(|(name, filter)| one(name, filter, routes, types, problems));
    plans.collect::<Vec<_>>().into_iter().flatten().collect()
}

fn one(
    name: At<String>,
    filter: schema::Filter,
    routes: &[String],
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<FilterPlan> {
    check::name(&name, problems);
    let schema::Filter { common, kind } = filter;
    let matcher = common.r#match.map(|at| pattern::matcher(at, problems));
    let at = name.position;
    let kind = match kind {
        schema::FilterKind::Grep(grep) => FilterKind::Grep(self::grep(grep, at, problems)),
        schema::FilterKind::RecordTransformer(transformer) => {
            FilterKind::RecordTransformer(record_transformer(transformer, at, problems))
        }
        schema::FilterKind::Parser(parser, decoder) => {
            FilterKind::Parser(self::parser(parser, decoder, at, types, problems)?)
        }
        schema::FilterKind::RewriteTag(rewrite) => {
            FilterKind::RewriteTag(rewrite_tag(rewrite, at, problems)?)
        }
        schema::FilterKind::Route(route) => {
            FilterKind::Route(self::route(route, routes, at, problems))
        }
        schema::FilterKind::HeartbeatWatch(watch) => {
            FilterKind::HeartbeatWatch(heartbeat_watch(watch, at, problems)?)
        }
        schema::FilterKind::Counter(window) => {
            FilterKind::Counter(self::window(window, defaults::COUNTER_TAG, problems))
        }
        schema::FilterKind::Rollup(rollup, window) => {
            FilterKind::Rollup(self::rollup(rollup, window, at, problems))
        }
        schema::FilterKind::Other(other) => {
            let kind = PluginKind::Filter;
            let plan = super::other(kind, &name, &other, &schema::TYPES, types, problems);
            FilterKind::Other(plan?)
        }
    };
    Some(FilterPlan {
        name: name.value,
        matcher: match matcher {
            Some(matcher) => Some(matcher?),
            None => None,
        },
        on_error: common.on_error.or_default_of(OnError::Keep),
        kind,
    })
}

fn grep(grep: schema::Grep, at: Position, problems: &mut Problems) -> GrepPlan {
    if grep.keep.is_none() && grep.drop.is_none() {
        problems.add(
            at,
            "this filter does nothing: there is no `keep` and no `drop`",
        );
    }
    GrepPlan {
        keep: field_patterns(grep.keep, problems),
        keep_if_any: grep.keep_if.or_default_of(schema::Quantity::All) == schema::Quantity::Any,
        drop: field_patterns(grep.drop, problems),
        drop_if_all: grep.drop_if.or_default_of(schema::Quantity::Any) == schema::Quantity::All,
    }
}

fn field_patterns(
    patterns: Option<At<OneOrMany<schema::FieldPattern>>>,
    problems: &mut Problems,
) -> Vec<FieldPattern> {
    let patterns = patterns.map_or_else(Vec::new, |at| at.value);
    let one = |at: At<schema::FieldPattern>| {
        let At { value, position } = at;
        field_pattern(value.key, value.pattern, position, problems)
    };
    patterns.into_iter().filter_map(one).collect()
}

fn field_pattern(
    key: Option<At<String>>,
    pattern: Option<At<String>>,
    position: Position,
    problems: &mut Problems,
) -> Option<FieldPattern> {
    let key = check::required(key, "key", position, problems);
    let pattern = check::required(pattern, "pattern", position, problems);
    let (key, pattern) = (
        key.and_then(|at| field(&at, problems)),
        pattern.and_then(|at| regex(&at, problems)),
    );
    Some(FieldPattern {
        key: key?,
        pattern: pattern?,
    })
}

fn field(at: &At<String>, problems: &mut Problems) -> Option<FieldPath> {
    FieldPath::parse(&at.value)
        .map_err(|error| problems.add(at.position, error.to_string()))
        .ok()
}

fn fields(at: Option<At<OneOrMany<String>>>, problems: &mut Problems) -> Vec<FieldPath> {
    let fields = at.map_or_else(Vec::new, |at| at.value);
    fields.iter().filter_map(|at| field(at, problems)).collect()
}

fn regex(at: &At<String>, problems: &mut Problems) -> Option<Regex> {
    let compiled = RegexBuilder::new(&at.value)
        .size_limit(PATTERN_SIZE_MAX)
        .build();
    compiled
        .map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            problems.add(at.position, format!("`{}` is no pattern: {why}", at.value));
        })
        .ok()
}

fn template(at: &At<String>, group_count: usize, problems: &mut Problems) -> Option<EventTemplate> {
    EventTemplate::compile(&at.value, group_count)
        .map_err(|error| problems.add(at.position, error.to_string()))
        .ok()
}

fn record_transformer(
    transformer: schema::RecordTransformer,
    at: Position,
    problems: &mut Problems,
) -> RecordTransformerPlan {
    if transformer.add.is_none()
        && transformer.keep.is_none()
        && transformer.remove.is_none()
        && transformer.rename.is_none()
    {
        let message = "this filter does nothing: there is no `add`, `keep`, `remove` or `rename`";
        problems.add(at, message);
    }
    let add = transformer.add.or_default_of(Named::new()).into_iter();
    let rename = transformer.rename.or_default_of(Named::new()).into_iter();
    let keep = transformer.keep.map_or_else(Vec::new, |at| at.value);
    RecordTransformerPlan {
        add: add
            .filter_map(|(name, text)| {
                // The text of a value in a table of names has no place of its own.
                let text = At {
                    value: text,
                    position: name.position,
                };
                Some((name.value, template(&text, 0, problems)?))
            })
            .collect(),
        keep: keep.into_iter().map(|at| at.value).collect(),
        remove: fields(transformer.remove, problems),
        rename: rename.map(|(from, to)| (from.value, to)).collect(),
    }
}

fn parser(
    parser: schema::Parser,
    decoder: schema::Decoder,
    at: Position,
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<ParserPlan> {
    let key = check::required(parser.key, "key", at, problems);
    let key = key.and_then(|at| field(&at, problems));
    let name = check::required(decoder.decoder.clone(), "decoder", at, problems);
    let decoder = name.and_then(|_| self::decoder(decoder, at, types, problems));
    let (decoder, time_key) = decoder?;
    Some(ParserPlan {
        key: key?,
        decoder,
        time_key,
        reserve_data: parser.reserve_data.or_default_of(true),
        remove_key: parser.remove_key.or_default_of(false),
    })
}

/// A decoder, and where the time stands in what it gives. Without a name it is that for text.
pub(super) fn decoder(
    settings: schema::Decoder,
    at: Position,
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<(DecoderPlan, Option<TimeKey>)> {
    let name = settings.decoder.unwrap_or(At {
        value: "text".to_owned(),
        position: at,
    });
    let pattern_position = settings.pattern.as_ref().map(|at| at.position);
    let plan = match name.value.as_str() {
        "json" => Some(DecoderPlan::Json),
        "msgpack" => Some(DecoderPlan::Msgpack),
        "logfmt" => Some(DecoderPlan::Logfmt),
        "text" => Some(DecoderPlan::Text),
        "regex" => check::required(settings.pattern, "pattern", name.position, problems)
            .and_then(|at| groups(&at, problems))
            .map(DecoderPlan::Regex),
        other if let Some(other) = types.decoder(other) => Some(DecoderPlan::Other(other)),
        unknown => {
            let added = types.names(PluginKind::Decoder);
            let names = || DecoderPlan::NAMES.into_iter().chain(added.iter().copied());
            let hint = did_you_mean(unknown, names())
                .or_else(|| Some(format!("the decoders are {}", list(names()))));
            problems.add_with_hint(
                name.position,
                format!("there is no decoder `{unknown}`"),
                hint,
            );
            None
        }
    };
    if let (Some(position), true) = (pattern_position, name.value != "regex") {
        problems.add(position, "this has no effect: only `regex` has a pattern");
    }
    let time = Time {
        key: settings.time_key,
        format: settings.time_format,
        zone: settings.time_zone,
        is_kept: settings.keep_time_key,
    };
    let time_key = time_key(time, problems);
    Some((plan?, time_key))
}

/// A pattern with named groups.
fn groups(at: &At<String>, problems: &mut Problems) -> Option<Regex> {
    let pattern = regex(at, problems)?;
    if pattern.capture_names().flatten().next().is_none() {
        problems.add_with_hint(
            at.position,
            "this pattern has no named groups, so that it gives no fields",
            Some("such as `(?P<level>[A-Z]+)`".to_owned()),
        );
    }
    Some(pattern)
}

struct Time {
    key: Option<At<String>>,
    format: Option<At<String>>,
    zone: Option<At<String>>,
    is_kept: Option<At<bool>>,
}

fn time_key(time: Time, problems: &mut Problems) -> Option<TimeKey> {
    let Some(key) = time.key else {
        let positions = [
            time.format.as_ref().map(|at| at.position),
            time.zone.as_ref().map(|at| at.position),
            time.is_kept.as_ref().map(|at| at.position),
        ];
        for position in positions.into_iter().flatten() {
            problems.add(position, "this has no effect: there is no `time_key`");
        }
        return None;
    };
    let format = time.format.map_or(Some(TimeFormat::Rfc3339), |at| {
        TimeFormat::parse(&at.value)
            .map_err(|error| problems.add(at.position, error.to_string()))
            .ok()
    });
    let zone = time.zone.map_or(Some(Zone::local()), |at| {
        Zone::parse(&at.value)
            .map_err(|error| problems.add(at.position, error.to_string()))
            .ok()
    });
    Some(TimeKey {
        field: key.value,
        format: format?,
        zone: zone?,
        is_kept: time.is_kept.or_default_of(false),
    })
}

fn rewrite_tag(
    rewrite: schema::RewriteTag,
    at: Position,
    problems: &mut Problems,
) -> Option<RewriteTagPlan> {
    let rules = check::required(rewrite.rules, "rules", at, problems)?;
    if rules.value.is_empty() {
        problems.add(rules.position, "there are no rules");
    }
    let rules = rules.value.into_iter();
    Some(RewriteTagPlan {
        rules: rules.filter_map(|at| rewrite_rule(at, problems)).collect(),
    })
}

fn rewrite_rule(at: At<schema::RewriteRule>, problems: &mut Problems) -> Option<RewriteRule> {
    let At { value, position } = at;
    let field = field_pattern(value.key, value.pattern, position, problems);
    let tag = check::required(value.tag, "tag", position, problems);
    let (field, tag) = (field?, tag?);
    let invert = value.invert.or_default_of(false);
    let group_count = match invert {
        true => 0,
        false => field.pattern.captures_len() - 1,
    };
    if tag.value.is_empty() {
        problems.add(tag.position, "this must not be empty");
    }
    Some(RewriteRule {
        tag: template(&tag, group_count, problems)?,
        field,
        invert,
    })
}

fn route(
    route: schema::RouteFilter,
    known: &[String],
    at: Position,
    problems: &mut Problems,
) -> RouteFilterPlan {
    if route.only.is_none() && route.add.is_none() && route.remove.is_none() {
        problems.add(
            at,
            "this filter does nothing: there is no `only`, `add` or `remove`",
        );
    }
    RouteFilterPlan {
        only: route
            .only
            .map(|only| route_names(Some(only), known, problems)),
        add: route_names(route.add, known, problems),
        remove: route_names(route.remove, known, problems),
    }
}

fn route_names(
    names: Option<At<OneOrMany<String>>>,
    known: &[String],
    problems: &mut Problems,
) -> Vec<String> {
    let names = names.map_or_else(Vec::new, |at| at.value);
    for At { value, position } in &names {
        if !known.contains(value) {
            let all = || known.iter().map(String::as_str);
            let hint = did_you_mean(value, all())
                .or_else(|| Some(format!("the routes are {}", list(all()))));
            problems.add_with_hint(*position, format!("there is no route `{value}`"), hint);
        }
    }
    names.into_iter().map(|at| at.value).collect()
}

fn heartbeat_watch(
    watch: schema::HeartbeatWatch,
    at: Position,
    problems: &mut Problems,
) -> Option<HeartbeatWatchPlan> {
    let timeout = check::required(watch.timeout, "timeout", at, problems);
    let expect = watch.expect.map_or_else(Vec::new, |at| at.value);
    Some(HeartbeatWatchPlan {
        key: watch.key.and_then(|at| field(&at, problems)),
        timeout: check::positive(Some(timeout?), Duration::ZERO, problems),
        expect: expect.into_iter().map(|at| at.value).collect(),
        missing_tag: tag(watch.missing_tag, defaults::MISSING_TAG, problems),
        back_tag: tag(watch.back_tag, defaults::BACK_TAG, problems),
        sources_max: check::count(watch.sources_max, defaults::SOURCES_MAX, KEYS_MAX, problems),
    })
}

pub(super) fn tag(setting: Option<At<String>>, default: &str, problems: &mut Problems) -> String {
    check::non_empty(setting, problems).unwrap_or_else(|| default.to_owned())
}

fn window(window: schema::Window, default_tag: &str, problems: &mut Problems) -> WindowPlan {
    WindowPlan {
        keys: fields(window.keys, problems),
        interval: check::positive(window.interval, defaults::INTERVAL, problems),
        tag: tag(window.tag, default_tag, problems),
        drop: window.drop.or_default_of(false),
        keys_max: check::count(window.keys_max, defaults::KEYS_MAX, KEYS_MAX, problems),
    }
}

fn rollup(
    rollup: schema::Rollup,
    window: schema::Window,
    at: Position,
    problems: &mut Problems,
) -> RollupPlan {
    let fields = check::required(rollup.fields, "fields", at, problems);
    RollupPlan {
        window: self::window(window, defaults::ROLLUP_TAG, problems),
        fields: self::fields(fields, problems),
    }
}
