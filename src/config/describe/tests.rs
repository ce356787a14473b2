use serde_json::Value;

use super::*;
use crate::config::types::NoTypes;
use crate::config::{Lookup, load_str};

struct Nothing;

impl Lookup for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// The plan of a configuration with `settings` in the table that `place` names.
fn plan(place: &str, settings: &str) -> String {
    let at = |table: &str| if table == place { settings } else { "" };
    let (kind, of_type) = place.split_once(' ').unwrap_or((place, ""));
    let (mut input, mut output) = ("type: http".to_owned(), "type: stdout".to_owned());
    let mut filters = String::new();
    match kind {
        "input" => input = format!("type: {of_type}, {settings}"),
        "filter" => {
            let needed = match of_type {
                "grep" => "keep: {key: k, pattern: p}, drop: {key: k, pattern: p}, ",
                "record_transformer" => "remove: k, ",
                "parser" => "key: k, decoder: json, ",
                "rewrite_tag" => "rules: {key: k, pattern: p, tag: t}, ",
                "route" => "add: r, ",
                "heartbeat_watch" => "timeout: 1s, ",
                "rollup" => "fields: k, ",
                _ => "",
            };
            filters = format!("filters: {{f: {{type: {of_type}, {needed}{settings}}}}}\n");
        }
        "output" => {
            let needed = match of_type {
                "forward" => "servers: [a], ",
                "http" => "url: 'http://a', ",
                "file" => "path: a, ",
                _ => "",
            };
            output = format!("type: {of_type}, {needed}{settings}");
        }
        _ => {}
    }
    let buffer = match place {
        "buffer" => format!(", buffer: {{{settings}}}"),
        "deduplicate" => format!(", buffer: {{deduplicate: {{{settings}}}}}"),
        // Whether there is a section decides how outputs are driven.
        _ if place == "output buffered" => String::new(),
        _ => ", buffer: {}".to_owned(),
    };
    let text = format!(
        "data_dir: d\n{}\ninputs: {{i: {{{input}}}}}\n{filters}outputs: {{o: {{{output}}}}}\nroutes: {{r: \
         {{match: '**', to: o{buffer}}}}}\nadmin: {{{}}}\nlog: {{{}}}\n",
        at("file"),
        at("admin"),
        at("log")
    );
    let plan =
        load_str("f.yaml", &text, &Nothing).unwrap_or_else(|error| panic!("{error}\n{text}"));
    format!("{plan:?}")
}

/// Every default that is shown, with the table it is in.
fn defaults() -> Vec<(String, String, String)> {
    let file = file_schema(&NoTypes);
    let route = &file["properties"]["routes"]["additionalProperties"];
    let buffer = route["properties"]["buffer"].clone();
    let deduplicate = buffer["properties"]["deduplicate"]["anyOf"][1].clone();
    let mut tables = vec![
        ("file".to_owned(), file.clone()),
        ("admin".to_owned(), file["properties"]["admin"].clone()),
        ("log".to_owned(), file["properties"]["log"].clone()),
        ("buffer".to_owned(), buffer),
        ("deduplicate".to_owned(), deduplicate),
    ];
    for (kind, word) in [
        (PluginKind::Input, "input"),
        (PluginKind::Filter, "filter"),
        (PluginKind::Output, "output"),
    ] {
        for (name, settings) in builtin(kind) {
            tables.push((format!("{word} {name}"), settings));
        }
    }
    let mut found = Vec::new();
    for (place, table) in tables {
        for (name, setting) in table["properties"].as_object().unwrap() {
            if let Some(default) = setting.get("default") {
                found.push((place.clone(), name.clone(), default.to_string()));
            }
        }
    }
    found
}

#[test]
fn every_default_that_is_shown_is_what_holds_if_it_is_not_written() {
    let defaults = defaults();
    assert!(defaults.len() > 50, "{}", defaults.len());
    for (place, name, value) in defaults {
        let written = plan(&place, &format!("{name}: {value}"));
        assert_eq!(written, plan(&place, ""), "{place}: {name}: {value}");
    }
}

#[test]
fn every_setting_says_in_a_sentence_what_it_is() {
    fn check(path: &str, schema: &Value) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, setting) in properties {
                let about = setting["description"].as_str().unwrap_or_default();
                assert!(about.ends_with('.'), "{path}.{name}: {about:?}");
                check(&format!("{path}.{name}"), setting);
            }
        }
    }
    for kind in [PluginKind::Input, PluginKind::Filter, PluginKind::Output] {
        for (name, settings) in builtin(kind) {
            check(name, &settings);
        }
    }
    let file = file_schema(&NoTypes);
    check(
        "buffer",
        &file["properties"]["routes"]["additionalProperties"]["properties"]["buffer"],
    );
}

#[test]
fn the_page_of_the_guide_is_made_from_the_schema() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/configuration.md");
    let made = page::page(&file_schema(&NoTypes));
    if std::env::var_os("FOREBAY_WRITE").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        found == made,
        "{PAGE} is not what the schema says: FOREBAY_WRITE=1 cargo test --lib describe"
    );
}

#[test]
fn an_unknown_type_of_filter_is_refused() {
    let text = "data_dir: d\ninputs: {i: {type: http}}\nfilters: {f: {type: grap}}\noutputs: {o: {type: \
                stdout}}\nroutes: {r: {match: '**', to: o}}\n";
    let refused = load_str("f.yaml", text, &Nothing).unwrap_err().to_string();
    assert!(
        refused.contains("f.yaml:3:21: unknown type `grap`"),
        "{refused}"
    );
    assert!(refused.contains("did you mean `grep`?"), "{refused}");
}

#[test]
fn every_name_that_is_read_is_in_the_schema() {
    let file = file_schema(&NoTypes);
    let buffer = &file["properties"]["routes"]["additionalProperties"]["properties"]["buffer"];
    assert_eq!(buffer["additionalProperties"], false);
    for name in [
        "overflow",
        "overflow_action",
        "max_concurrent",
        "flush_thread_count",
    ] {
        assert!(buffer["properties"][name].is_object(), "{name}");
    }
    let route = &file["properties"]["routes"]["additionalProperties"];
    assert!(route["properties"]["match"].is_object());
}
