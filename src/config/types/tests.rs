use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::plan::{FlushMode, OutputPlan, Plan};
use crate::config::settings::{BufferDefaults, Fault, Period, Secret, Settings, Size};
use crate::config::types::{OtherPlan, PluginKind, Reading, Types, settings_schema};
use crate::config::{Error, Lookup, load_with};
use crate::placeholder::Template;

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Bus {
    subject: Template,
    #[serde(alias = "deadline")]
    timeout: Period,
    message_size_max: Size,
    retries: u32,
    ratio: f64,
    is_quiet: bool,
    user: Option<String>,
    password: Secret,
    servers: Vec<Server>,
    labels: BTreeMap<String, String>,
    mode: Mode,
    extra: serde_json::Value,
    batches: u64,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
struct Server {
    host: String,
    #[serde(default)]
    port: u16,
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Plain,
    Packed {
        level: u8,
    },
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            subject: Template::literal("logs"),
            timeout: Period::from_secs(5),
            message_size_max: Size(1 << 20),
            retries: 3,
            ratio: 0.5,
            is_quiet: false,
            user: None,
            password: Secret::default(),
            servers: Vec::new(),
            labels: BTreeMap::new(),
            mode: Mode::Plain,
            extra: serde_json::Value::Null,
            batches: 0,
        }
    }
}

impl Settings for Bus {
    fn validate(&self) -> Result<(), Fault> {
        match self.message_size_max {
            Size(0) => Err(Fault::of(
                "message_size_max",
                "this must be more than 0 bytes",
            )),
            _ => Ok(()),
        }
    }

    fn buffer_defaults(&self) -> BufferDefaults {
        BufferDefaults {
            keys: Some(vec!["time".to_owned(), "tag".to_owned()]),
            timekey: Some(Duration::from_secs(60)),
            flush_interval: Some(Duration::from_secs(7)),
            chunk_limit_size: (self.batches > 0).then_some(self.batches << 20),
            ..BufferDefaults::default()
        }
    }
}

/// Knows `bus`.
struct OnlyBus;

impl Types for OnlyBus {
    fn names(&self, kind: PluginKind) -> Vec<&'static str> {
        match kind {
            PluginKind::Output => vec!["bus"],
            _ => Vec::new(),
        }
    }

    fn schemas(&self, kind: PluginKind) -> Vec<(Vec<&'static str>, serde_json::Value)> {
        match kind {
            PluginKind::Output => vec![(vec!["bus"], settings_schema::<Bus>())],
            _ => Vec::new(),
        }
    }

    fn read(&self, _: PluginKind, _: &str, reading: Reading<'_>) -> Option<OtherPlan> {
        reading.read::<Bus>("bus")
    }
}

struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// An output `o` with these settings, of which the first is on line 7, and the route's settings.
fn text(route: &str, settings: &[&str]) -> String {
    let mut text = format!(
        "data_dir: d\ninputs: {{i: {{type: http}}}}\n{route}\noutputs:\n  o:\n    type: bus\n"
    );
    for setting in settings {
        text.push_str(&format!("    {setting}\n"));
    }
    text
}

const ROUTE: &str = "routes: {r: {match: '**', to: o}}";

fn plan(text: &str) -> Plan {
    load_with("f.yaml", text, &Nothing, &OnlyBus).unwrap_or_else(|error| panic!("{error}"))
}

fn bus(settings: &[&str]) -> OtherPlan {
    match plan(&text(ROUTE, settings)).outputs.remove("o") {
        Some(OutputPlan::Other(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

/// The places and messages of what is wrong.
fn wrong(text: &str) -> Vec<String> {
    match load_with("f.yaml", text, &Nothing, &OnlyBus) {
        Err(Error::Invalid(problems)) => problems
            .iter()
            .map(|problem| {
                let at = problem.position;
                let hint = problem
                    .hint
                    .as_ref()
                    .map_or_else(String::new, |hint| format!(" ({hint})"));
                format!("{}:{}: {}{hint}", at.line, at.column, problem.message)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn g09_h01_f02_h03_what_is_not_written_has_the_struct_s_default() {
    let plan = bus(&["retries: 7"]);
    let settings: &Bus = plan.settings().unwrap();
    assert_eq!(settings.retries, 7);
    assert_eq!(settings.timeout, Period::from_secs(5));
    assert_eq!(settings.subject.as_str(), "logs");
    assert!(
        plan.settings::<crate::config::settings::NoSettings>()
            .is_none()
    );
}

#[test]
fn f02_every_kind_of_value_is_read_as_its_field_says() {
    let plan = bus(&[
        "subject: 'logs.%Y.${tag}'",
        "deadline: 1m30s",
        "message_size_max: 8MiB",
        "ratio: 2",
        "is_quiet: true",
        "user: 0123",
        "password: 0456",
        "servers: [{host: a, port: 1}, {host: b}]",
        "labels: {env: 5, site: x}",
        "mode: {packed: {level: 9}}",
        "extra: {n: 1, f: 1.5, v: 1.2.3, t: true, l: [a, ~]}",
    ]);
    let bus: &Bus = plan.settings().unwrap();
    assert_eq!(bus.subject.as_str(), "logs.%Y.${tag}");
    assert_eq!(bus.timeout, Period::from_secs(90));
    assert_eq!(bus.message_size_max, Size(8 << 20));
    assert!((bus.ratio - 2.0).abs() < f64::EPSILON && bus.is_quiet);
    assert_eq!(bus.user.as_deref(), Some("0123"));
    assert_eq!(bus.password.expose(), "0456");
    assert_eq!(
        (bus.servers[0].port, bus.servers[1].host.as_str()),
        (1, "b")
    );
    assert_eq!(bus.labels["env"], "5");
    assert_eq!(bus.mode, Mode::Packed { level: 9 });
    let extra = serde_json::json!({"n": 1, "f": 1.5, "v": "1.2.3", "t": true, "l": ["a", null]});
    assert_eq!(bus.extra, extra);
}

#[test]
fn f02_h02_faults_name_output_and_key_and_stand_where_they_are() {
    for (settings, expected) in [
        (
            vec!["retries: many"],
            "7:14: output `o`: `retries`: `many` is not a count of this size",
        ),
        (
            vec!["retries: -1"],
            "7:14: output `o`: `retries`: `-1` is not a count of this size",
        ),
        (
            vec!["is_quiet: yes"],
            "7:15: output `o`: `is_quiet`: `yes` is not a truth value",
        ),
        (
            vec!["retries: [1]"],
            "7:5: output `o`: `retries`: a list stands where a count of this size should",
        ),
        (
            vec!["servers:", "  - {host: a, port: x}"],
            "8:25: output `o`: `servers.port`: `x` is not a count of this size",
        ),
        (
            vec!["servers: [{port: 1}]"],
            "7:15: output `o`: `servers`: `host` is missing",
        ),
        (
            vec!["message_size_max: 0"],
            "7:23: output `o`: `message_size_max`: this must be more than 0 bytes",
        ),
        (
            vec!["mode: plan"],
            "7:11: output `o`: `mode`: `plan` is none of `plain`, `packed` (did you mean `plain`?)",
        ),
    ] {
        assert_eq!(wrong(&text(ROUTE, &settings)), [expected], "{settings:?}");
    }
}

#[test]
fn f02_all_unknown_keys_are_refused_with_the_nearest_that_there_is() {
    let found = wrong(&text(
        ROUTE,
        &["retrys: 1", "servers: [{host: a, prot: 1}]"],
    ));
    assert_eq!(
        found,
        [
            "7:5: output `o`: unknown key `retrys` (did you mean `retries`?)",
            "8:25: output `o`: unknown key `prot` (did you mean `port`?)",
        ]
    );
}

#[test]
fn i08_an_unknown_type_is_an_error_that_knows_the_added_ones() {
    let found = wrong(&text(ROUTE, &[]).replace("type: bus", "type: buss"));
    assert_eq!(found, ["6:11: unknown type `buss` (did you mean `bus`?)"]);
}

#[test]
fn f22_placeholders_of_an_added_type_are_checked_against_the_chunk_keys() {
    let route = "routes: {r: {match: '**', to: o, buffer: {keys: [tag]}}}";
    assert_eq!(
        wrong(&text(route, &["subject: '${tag}.${user}'"])),
        ["7:14: `${tag}.${user}`: `${user}` needs `user` among the chunk keys of the route `r`"]
    );
    let found = wrong(&text(route, &["subject: '${tag'"]));
    assert_eq!(
        found,
        ["7:14: output `o`: `subject`: `${tag`: `${` at position 0 is never closed"]
    );
    plan(&text(route, &["subject: '${tag[0]}'"]));
}

#[test]
fn f16_an_output_s_buffer_defaults_hold_where_the_route_says_nothing() {
    let buffer = plan(&text(ROUTE, &[])).routes.remove(0).buffer;
    assert!(buffer.keys.tag);
    assert_eq!(buffer.keys.time.as_ref().map(|time| time.len_s), Some(60));
    assert_eq!(buffer.flush_mode, FlushMode::Lazy);
    assert_eq!(buffer.chunk_limit_size, 8 << 20);

    let route = "routes: {r: {match: '**', to: o, buffer: {keys: [], chunk_limit_size: 1MiB}}}";
    let buffer = plan(&text(route, &["batches: 3"])).routes.remove(0).buffer;
    assert!(!buffer.keys.tag && buffer.keys.time.is_none());
    assert_eq!(buffer.chunk_limit_size, 1 << 20);
    assert_eq!(buffer.flush_interval, Duration::from_secs(7));
}

#[test]
fn f16_outputs_that_want_different_defaults_are_asked_to_be_told() {
    let route = "routes: {r: {match: '**', to: [o, p, s]}}";
    let both = |batches: &str| {
        let mut text = text(route, &["batches: 3"]);
        text.push_str(&format!(
            "  p: {{type: bus, batches: {batches}}}\n  s: {{type: stdout}}\n"
        ));
        text
    };
    assert_eq!(plan(&both("3")).routes[0].buffer.chunk_limit_size, 3 << 20);
    assert_eq!(
        wrong(&both("4")),
        [
            "3:10: the outputs `o` and `p` want different values of `chunk_limit_size`: write it in `buffer`"
        ]
    );
}

#[test]
fn the_schema_of_an_added_type_has_its_keys_and_defaults() {
    let schema = crate::config::file_schema(&OnlyBus);
    let of_one = &schema["properties"]["outputs"]["additionalProperties"];
    let names = of_one["properties"]["type"]["enum"].as_array().unwrap();
    assert!(names.contains(&"bus".into()) && names.contains(&"http".into()));
    let types = of_one["allOf"].as_array().unwrap();
    let bus = &types.last().unwrap()["then"];
    assert_eq!(bus["additionalProperties"], false);
    assert_eq!(bus["properties"]["timeout"]["default"], "5s");
    assert_eq!(bus["properties"]["message_size_max"]["default"], "1MiB");
    assert_eq!(bus["properties"]["retries"]["default"], 3);
}
