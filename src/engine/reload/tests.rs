use super::difference::only_by_restart;
use super::*;
use crate::config::System;
use std::collections::BTreeMap;

/// The smallest configuration, with lines that stand for what may change.
fn plan(inputs: &str, routes: &str, outputs: &str, more: &str) -> Plan {
    let text = format!(
        "data_dir: d\n{more}\ninputs:\n  i: {{type: http}}\n{inputs}\nroutes:\n{routes}\noutputs:\n{outputs}\n"
    );
    config::load_str("test", &text, &System).unwrap()
}

fn usual() -> Plan {
    plan("", "  r: {match: '**', to: o}", "  o: {type: stdout}", "")
}

fn between(before: &Plan, after: &Plan) -> Changes {
    Changes::between(before, after, &Stamps::of(before), &Stamps::of(after))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_same_text_makes_no_difference() {
    let changes = between(&usual(), &usual());
    assert_eq!(changes.to_string(), "nothing is different");
    assert_eq!(changes.inputs.kept, ["i"]);
    assert_eq!(changes.routes.kept, ["r"]);
    assert!(only_by_restart(&usual(), &usual(), &BTreeMap::new()).is_empty());
}

#[test]
fn what_is_different_is_named() {
    let after = plan(
        "  j: {type: forward}",
        "  s: {match: 'a', to: [o, p]}\n  r: {match: '**', to: o, buffer: {flush_interval: 9s}}",
        "  o: {type: stdout}\n  p: {type: 'null'}",
        "filters:\n  g: {type: grep, keep: {key: a, pattern: b}}",
    );
    let changes = between(&usual(), &after);
    assert_eq!(changes.inputs.added, ["j"]);
    assert_eq!(changes.filters.added, ["g"]);
    assert_eq!(changes.routes.changed, ["r"]);
    assert_eq!(changes.routes.added, ["s"]);
    assert_eq!(changes.outputs.kept, ["o"]);
    let text =
        "inputs added: j; filters added: g; routes changed: r; routes added: s; outputs added: p";
    assert_eq!(changes.to_string(), text);
    let back = between(&after, &usual());
    assert_eq!(back.routes.removed, ["s"]);
    assert_eq!(back.outputs.removed, ["p"]);
}

#[test]
fn a_route_changes_with_its_output() {
    let other = plan("", "  r: {match: '**', to: o}", "  o: {type: 'null'}", "");
    let changes = between(&usual(), &other);
    assert_eq!(changes.outputs.changed, ["o"]);
    assert_eq!(changes.routes.changed, ["r"]);
    assert_eq!(changes.routes.kept, names(&[]));
}

#[test]
fn secrets_and_patterns_are_compared_by_what_they_say() {
    let with = |key: &str, pattern: &str| {
        plan(
            &format!("  f: {{type: forward, security: {{self_hostname: h, shared_key: '{key}'}}}}"),
            "  r: {match: '**', to: o}",
            "  o: {type: stdout}",
            &format!("filters:\n  g: {{type: grep, keep: {{key: a, pattern: '{pattern}'}}}}"),
        )
    };
    let same = between(&with("k", "x"), &with("k", "x"));
    assert_eq!(same.to_string(), "nothing is different");
    let other = between(&with("k", "x"), &with("l", "y"));
    assert_eq!(other.to_string(), "inputs changed: f; filters changed: g");
}

#[test]
fn what_only_a_restart_changes_is_named_by_its_place() {
    let after = plan(
        "  lines: {type: stdin, tag: a}",
        "  r: {match: '**', to: o}",
        "  o: {type: stdout}",
        "log: {filter: debug, format: json}\nadmin: {listen: '127.0.0.1:2021'}",
    );
    let after = Plan {
        data_dir: "elsewhere".into(),
        open_files_max: Some(99),
        ..after
    };
    let settings = only_by_restart(&usual(), &after, &BTreeMap::new());
    assert_eq!(
        settings,
        ["data_dir", "open_files_max", "admin", "log.format"]
    );
    let settings = only_by_restart(&after, &usual(), &BTreeMap::new());
    assert_eq!(
        settings.last().unwrap(),
        "inputs.lines (it reads standard input)"
    );
}

#[tokio::test]
async fn who_asks_an_engine_that_is_gone_hears_so() {
    let (handle, requests) = handle();
    drop(requests);
    let refused = handle.reload().await;
    assert!(matches!(*refused.unwrap_err(), Error::Stopping));
}

#[test]
fn a_certificate_that_is_renewed_changes_what_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let (new, path) = (dir.path().join("new"), dir.path().join(name));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
        path.display().to_string()
    };
    let (cert, key, ca) = (write("cert", "c"), write("key", "k"), write("ca", "a"));
    let plan = plan(
        &format!("  f: {{type: forward, tls: {{cert_path: '{cert}', key_path: '{key}'}}}}"),
        "  r: {match: '**', to: [o, p]}",
        &format!(
            "  o: {{type: stdout}}\n  p: {{type: http, url: 'https://h', tls: {{ca_path: '{ca}'}}}}"
        ),
        "",
    );
    let before = Stamps::of(&plan);
    let changes = || Changes::between(&plan, &plan, &before, &Stamps::of(&plan)).to_string();
    assert_eq!(changes(), "nothing is different");
    write("cert", "d");
    assert_eq!(changes(), "inputs changed: f");
    std::fs::remove_file(ca).unwrap();
    assert_eq!(
        changes(),
        "inputs changed: f; routes changed: r; outputs changed: p"
    );
}
