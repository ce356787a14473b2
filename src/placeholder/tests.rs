use forebay_storage::{KeyField, KeyValue};
use proptest::prelude::*;

use super::*;
use crate::chunk_key::TimeKey;

fn spec(keys: &[&str], len_s: u32) -> KeySpec {
    let time = keys.contains(&"time").then(|| TimeKey {
        len_s,
        zone: Zone::utc(),
    });
    KeySpec::parse(keys.iter().copied(), time).unwrap()
}

fn key(tag: &str, fields: &[(&str, KeyValue)]) -> ChunkKey {
    let field = |(path, value): &(&str, KeyValue)| KeyField {
        path: (*path).to_owned(),
        value: value.clone(),
    };
    ChunkKey {
        tag: Some(tag.to_owned()),
        window: Some(TimeWindow {
            start_s: 1_767_222_000,
            len_s: 3600,
        }),
        fields: fields.iter().map(field).collect(),
    }
}

fn text(value: &str) -> KeyValue {
    KeyValue::Str(value.to_owned())
}

#[test]
fn f22_fluentd_trap_d_every_placeholder_becomes_its_value() {
    let key = key(
        "app.web.front",
        &[("user", text("ann")), ("$.k.n", KeyValue::Int(7))],
    );
    for (template, rendered) in [
        ("plain", "plain"),
        ("${tag}", "app.web.front"),
        (
            "${tag[0]}/${tag[2]}/${tag[-1]}/${tag[-3]}",
            "app/front/front/app",
        ),
        ("<${tag[3]}${tag[-4]}${tag[-2147483648]}>", "<>"),
        ("${user}-${$.k.n}", "ann-7"),
        ("${chunk_id}/${chunk_id}", "c0ffee/c0ffee"),
        ("%Y%m%d-%H.log", "20251231-23.log"),
        ("%F %-d%% %z", "2025-12-31 31% +0000"),
        ("100% a%20b $5 $", "100% a%20b $5 $"),
        ("日本${tag[0]}語%Y", "日本app語2025"),
    ] {
        let compiled = Template::compile(template).expect(template);
        assert_eq!(compiled.render(&key, "c0ffee", &Zone::utc()), rendered);
    }
}

#[test]
fn times_are_those_of_the_zone() {
    let template = Template::compile("%Y-%m-%dT%H:%M:%S%z").unwrap();
    let zone = Zone::parse("+09:00").unwrap();
    let rendered = template.render(&key("t", &[]), "id", &zone);
    assert_eq!(rendered, "2026-01-01T08:00:00+0900");
}

#[test]
fn values_of_all_types_have_a_text() {
    let template = Template::compile("<${v}>").unwrap();
    for (value, rendered) in [
        (KeyValue::Nil, "<>"),
        (KeyValue::Bool(true), "<true>"),
        (KeyValue::Int(-1), "<-1>"),
        (KeyValue::UInt(u64::MAX), "<18446744073709551615>"),
        (KeyValue::Float(1.5_f64.to_bits()), "<1.5>"),
        (KeyValue::Float(f64::NAN.to_bits()), "<NaN>"),
        (KeyValue::Bin(vec![0, 0xff]), "<00ff>"),
        (KeyValue::Other(vec![0x92, 1, 2]), "<[1,2]>"),
    ] {
        let key = key("t", &[("v", value)]);
        assert_eq!(template.render(&key, "id", &Zone::utc()), rendered);
    }
    let absent = template.render(&ChunkKey::default(), "id", &Zone::utc());
    assert_eq!(absent, "<>");
}

#[test]
fn f22_values_never_lead_out_of_the_place() {
    for (template, value, rendered) in [
        ("logs/${v}.log", "a/b", Some("logs/a/b.log")),
        // Harmless, but not worth telling apart.
        ("logs/${v}.log", "..", None),
        ("../${v}", "a", Some("../a")),
        ("/${v}", "a", Some("/a")),
        ("logs/${v}", "a..b", Some("logs/a..b")),
        ("logs/${v}", "", Some("logs/")),
        ("logs/${v}", "../x", None),
        ("logs/${v}", "a/../../x", None),
        ("logs/${v}", "a/..", None),
        ("logs/${v}", "..", None),
        ("logs/${v}", "/etc/passwd", None),
        ("logs/${v}", "a\0", None),
        ("logs/.${v}", "./x", None),
        ("logs/.${v}/x", ".", None),
        ("logs/${v}${v}/x", ".", None),
        (".${v}./x", "", None),
        ("${v}/x", "", None),
    ] {
        let key = key("t", &[("v", text(value))]);
        let compiled = Template::compile(template).unwrap();
        let path = compiled.render_path(&key, "id", &Zone::utc());
        assert_eq!(
            path.ok().as_deref(),
            rendered,
            "`{template}` with `{value}`"
        );
    }
}

#[test]
fn values_in_addresses_are_encoded() {
    let key = key("a b/c?d#é", &[]);
    let template = Template::compile("https://host/%%41/${tag}?id=${chunk_id}").unwrap();
    let url = template.render_url(&key, "c0ffee", &Zone::utc()).unwrap();
    assert_eq!(url, "https://host/%41/a%20b%2Fc%3Fd%23%C3%A9?id=c0ffee");
    let key = self::key("..", &[]);
    assert!(template.render_url(&key, "c0ffee", &Zone::utc()).is_err());
}

#[test]
fn what_means_nothing_is_refused() {
    for (template, message) in [
        ("a${tag", "`a${tag`: `${` at position 1 is never closed"),
        ("${}", "`${}`: `${}` at position 0 is no placeholder"),
        (
            "é${a b}",
            "`é${a b}`: `${a b}` at position 2 is no placeholder",
        ),
        (
            "${tag[x]}",
            "`${tag[x]}`: `${tag[x]}` at position 0 is no placeholder",
        ),
        (
            "${tag[1}",
            "`${tag[1}`: `${tag[1}` at position 0 is no placeholder",
        ),
        (
            "${$['a']}",
            "`${$['a']}`: `${$['a']}` at position 0 is no placeholder",
        ),
        (
            "a%Ez",
            "`a%Ez`: `%E` at position 1 is no part of a time; write `%%` for `%`",
        ),
    ] {
        let error = Template::compile(template).expect_err(template);
        assert_eq!(error.to_string(), message);
    }
}

fn check(template: &str, spec: &KeySpec, coverage: Coverage) -> Result<(), String> {
    let template = Template::compile(template).unwrap();
    template
        .check(spec, coverage)
        .map_err(|error| error.to_string())
}

#[test]
fn f22_placeholders_need_their_chunk_keys() {
    let all = spec(&["tag", "time", "user", "$.a.b"], 3600);
    let nothing = spec(&[], 0);
    for (template, placeholder, key) in [
        ("${tag}", "${tag}", "tag"),
        ("${tag[-1]}", "${tag[-1]}", "tag"),
        ("${user}", "${user}", "user"),
        ("${$.a.b}", "${$.a.b}", "$.a.b"),
        ("%Y", "%Y", "time"),
    ] {
        let coverage = Coverage::PlaceholdersNeedKeys;
        assert_eq!(check(template, &all, coverage), Ok(()));
        let message = format!("`{template}`: `{placeholder}` needs `{key}` among the chunk keys");
        assert_eq!(check(template, &nothing, coverage), Err(message));
    }
    assert_eq!(check("${chunk_id}", &nothing, Coverage::BothWays), Ok(()));
}

#[test]
fn chunk_keys_need_their_placeholders_where_that_is_asked_for() {
    for (keys, len_s, template, missing) in [
        (&["tag"][..], 0, "x", Some(("tag", "${tag}"))),
        (&["tag"], 0, "${tag[0]}", None),
        (&["user"], 0, "${chunk_id}", Some(("user", "${user}"))),
        (&["time"], 3600, "x", Some(("time", "%H"))),
        (&["time"], 3600, "%Y%m%d", Some(("time", "%H"))),
        (&["time"], 3600, "%Y%m%d%H", None),
        (&["time"], 3600, "%H", None),
        (&["time"], 7200, "%d", Some(("time", "%H"))),
        (&["time"], 60, "%F %H", Some(("time", "%M"))),
        (&["time"], 60, "%F %R", None),
        (&["time"], 30, "%F %R", Some(("time", "%S"))),
        (&["time"], 30, "%s", None),
        (&["time"], 86_400, "%Y%m", Some(("time", "%d"))),
        (&["time"], 86_400, "%Y%m%d", None),
        (&["time"], 31 * 86_400, "%Y%m", None),
    ] {
        let spec = spec(keys, len_s);
        assert_eq!(
            check(template, &spec, Coverage::PlaceholdersNeedKeys),
            Ok(())
        );
        let expected = missing.map_or(Ok(()), |(key, placeholder)| {
            Err(format!(
                "`{template}`: chunk key `{key}` needs `{placeholder}`, or two chunks share one place"
            ))
        });
        assert_eq!(check(template, &spec, Coverage::BothWays), expected);
    }
}

proptest! {
    #[test]
    fn hostile_templates_and_values_never_panic_nor_lead_out(
        template in "([a./%$]|\\$\\{v\\}|\\$\\{tag\\[-?[0-9]\\]\\}){0,8}",
        any_template in any::<String>(),
        value in "[a./\0]{0,6}",
    ) {
        let _ = Template::compile(&any_template);
        let key = key(&value, &[("v", text(&value))]);
        if let Ok(template) = Template::compile(&template) {
            let Ok(path) = template.render_path(&key, "id", &Zone::utc()) else {
                return Ok(());
            };
            let parents = |path: &str| path.split('/').filter(|part| *part == "..").count();
            let harmless = self::key("a.a.a.a.a.a.a.a.a.a", &[("v", text("a"))]);
            let harmless = template.render(&harmless, "id", &Zone::utc());
            prop_assert!(!path.contains('\0'));
            prop_assert_eq!(parents(&path), parents(&harmless));
            prop_assert_eq!(path.starts_with('/'), harmless.starts_with('/'));
        }
    }
}
