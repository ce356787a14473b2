//! The built-in filters, made of configuration text.

use super::*;

#[test]
fn grep_keeps_and_drops_by_all_or_any_of_its_patterns() {
    let events = r#"[{"a":"x","b":1},{"a":"x"},{"b":1},{"c":{"d":"x"}},{}]"#;
    for (settings, kept) in [
        ("keep: {key: a, pattern: x}", vec![0, 1]),
        (
            "keep: [{key: a, pattern: x}, {key: b, pattern: '^1$'}]",
            vec![0],
        ),
        (
            "keep: [{key: a, pattern: x}, {key: b, pattern: '1'}], keep_if: any",
            vec![0, 1, 2],
        ),
        (
            "drop: [{key: a, pattern: x}, {key: b, pattern: '1'}]",
            vec![3, 4],
        ),
        (
            "exclude: [{key: a, pattern: x}, {key: b, pattern: '1'}], drop_if: all",
            vec![1, 2, 3, 4],
        ),
        ("regexp: {key: $.c.d, pattern: x}", vec![3]),
        ("keep: {key: a, pattern: '^$'}", vec![2, 3, 4]),
        (
            "keep: {key: a, pattern: x}, drop: {key: b, pattern: '1'}",
            vec![1],
        ),
        ("drop: {key: c, pattern: x}", vec![0, 1, 2, 3, 4]),
    ] {
        let rig = Rig::new(&format!("g: {{type: grep, {settings}}}"));
        let out = rig.send("app", events);
        let all = [
            "{\"a\":\"x\",\"b\":1}",
            "{\"a\":\"x\"}",
            "{\"b\":1}",
            "{\"c\":{\"d\":\"x\"}}",
            "{}",
        ];
        let expected: Vec<_> = kept.into_iter().map(|index| all[index]).collect();
        assert_eq!(out.records("app"), expected, "{settings}");
    }
}

#[test]
fn record_transformer_adds_keeps_removes_and_renames() {
    for (settings, record, expected) in [
        (
            "add: {a: new, t: '${tag[1]}'}",
            r#"{"a":1}"#,
            r#"{"a":"new","t":"x"}"#,
        ),
        (
            "add: {copy: '${$.n.m}', text: 'n=${$.n.m}'}, remove: n",
            r#"{"n":{"m":7}}"#,
            r#"{"copy":7,"text":"n=7"}"#,
        ),
        (
            "add: {copy: '${none}', text: '-${none}'}",
            "{}",
            r#"{"text":"-"}"#,
        ),
        (
            "keep: [b, a], rename: {b: c}",
            r#"{"a":1,"b":2,"d":3}"#,
            r#"{"a":1,"c":2}"#,
        ),
        (
            "remove_keys: [a, $.b.c]",
            r#"{"a":1,"b":{"c":1,"d":2}}"#,
            r#"{"b":{"d":2}}"#,
        ),
        (
            "record: {time: '${time}'}",
            "{}",
            r#"{"time":"1970-01-01T00:16:40Z"}"#,
        ),
    ] {
        let rig = Rig::new(&format!("t: {{type: record_transformer, {settings}}}"));
        let out = rig.send("app.x", &format!("[{record}]"));
        assert_eq!(out.records("app.x"), [expected], "{settings}");
    }
    let rig = Rig::new("t: {type: record_transformer, add: {host: '${hostname}'}}");
    let host = crate::placeholder::event::hostname();
    assert_eq!(
        rig.send("app", "[{}]").records("app"),
        [format!("{{\"host\":\"{host}\"}}")]
    );
}

#[test]
fn parser_puts_what_it_reads_into_the_record() {
    for (settings, record, expected) in [
        (
            "decoder: json",
            r#"{"m":"{\"a\":1}","a":0}"#,
            r#"{"m":"{\"a\":1}","a":1}"#,
        ),
        (
            "decoder: logfmt, remove_key: true",
            r#"{"m":"a=1 b","k":2}"#,
            r#"{"k":2,"a":"1","b":true}"#,
        ),
        (
            "decoder: json, reserve_data: false",
            r#"{"m":"{\"a\":1}","k":2}"#,
            r#"{"a":1}"#,
        ),
        (
            "decoder: regex, pattern: '^(?P<x>.)(?P<y>.)', remove_key: true",
            r#"{"m":"ab"}"#,
            r#"{"x":"a","y":"b"}"#,
        ),
        // What cannot be read stays as it was.
        (
            "decoder: json, remove_key: true",
            r#"{"m":"{"}"#,
            r#"{"m":"{"}"#,
        ),
        ("decoder: json", r#"{"m":5}"#, r#"{"m":5}"#),
        ("decoder: json", r#"{"n":5}"#, r#"{"n":5}"#),
    ] {
        let rig = Rig::new(&format!("p: {{type: parser, key: m, {settings}}}"));
        let out = rig.send("app", &format!("[{record}]"));
        assert_eq!(out.records("app"), [expected], "{settings}");
    }
}

#[test]
fn parser_gives_the_event_the_time_that_it_reads() {
    let rig = Rig::new(
        "p: {type: parser, key: m, decoder: json, time_key: at, time_format: unix, remove_key: true}",
    );
    let mut payload = Vec::new();
    let text = br#"[{"m":"{\"at\":7,\"a\":1}"}]"#;
    crate::event::entries_from_json(&mut payload, crate::event::Timestamp::EPOCH, text).unwrap();
    let strained = rig.chain.batch("app", &payload, rig.now, &|_| Some(1));
    assert_eq!(
        strained.portions[0].payload,
        b"\x92\xd7\0\0\0\0\x07\0\0\0\0\x81\xa1a\x01"
    );
}

#[test]
fn rewrite_tag_takes_the_first_rule_that_holds() {
    let rig = Rig::new(
        "r:\n  type: rewrite_tag\n  rules:\n  \
         - {key: level, pattern: '^(err)(or)?$', tag: 'alert.$1$2.${tag[1]}'}\n  \
         - {key: level, pattern: '.', invert: true, tag: 'app.nolevel.${user}'}\n  \
         - {key: level, pattern: debug, tag: '${tag}.debug'}",
    );
    for (record, tag) in [
        (r#"{"level":"error"}"#, "alert.error.x"),
        (r#"{"level":"err"}"#, "alert.err.x"),
        (r#"{"user":"ann"}"#, "app.nolevel.ann"),
        (r#"{"level":"debug"}"#, "app.x.debug"),
        (r#"{"level":"info"}"#, "app.x"),
    ] {
        let out = rig.send("app.x", &format!("[{record}]"));
        assert_eq!(out.records(tag), [record]);
    }
}

#[test]
fn a_rewritten_event_goes_to_the_filters_below_that_match_its_new_tag() {
    let rig = Rig::new(
        "above: {type: record_transformer, match: app.new, add: {above: x}}\n\
         r: {type: rewrite_tag, rules: {key: a, pattern: '.', tag: app.new}}\n\
         old: {type: record_transformer, match: app.old, add: {old: x}}\n\
         new: {type: record_transformer, match: app.new, add: {new: x}}",
    );
    let out = rig.send("app.old", r#"[{"a":1}]"#);
    assert_eq!(out.records("app.new"), [r#"{"a":1,"new":"x"}"#]);
}

#[test]
fn h15_a_source_that_falls_silent_is_told_once_and_once_more_when_it_is_back() {
    let mut rig = Rig::new(
        "w: {type: heartbeat_watch, key: host, timeout: 10s, expect: never, \
         missing_tag: alert.missing, back_tag: alert.back}",
    );
    assert_eq!(
        rig.send("app", r#"[{"host":"a"},{"other":1}]"#)
            .events
            .len(),
        2
    );
    assert!(rig.pass(9).events.is_empty());
    assert_eq!(rig.send("app", r#"[{"host":"a"}]"#).events.len(), 1);
    let told = rig.pass(9);
    assert_eq!(
        told.records("alert.missing"),
        [r#"{"source":"never","status":"missing","silent_s":10.0}"#]
    );
    assert_eq!(
        rig.pass(60).records("alert.missing"),
        [r#"{"source":"a","status":"missing","silent_s":10.0,"last_seen":"1970-01-01T00:16:49Z"}"#]
    );
    let back = rig.send("app", r#"[{"host":"a"}]"#);
    let told = r#"{"source":"a","status":"back","silent_s":69.0}"#.to_owned();
    assert_eq!(back.events[1], ("alerts", "alert.back".to_owned(), told));
    assert_eq!(rig.pass(10).events.len(), 1, "silent again");
}

#[test]
fn h15_without_a_key_the_tag_is_the_source_and_sources_are_bounded() {
    let mut rig =
        Rig::new("w: {type: heartbeat_watch, timeout: 10s, sources_max: 2, missing_tag: alert.m}");
    for tag in ["app.a", "app.b", "app.c"] {
        assert_eq!(
            rig.send(tag, "[{}]").events.len(),
            1,
            "what is not watched goes on"
        );
    }
    let told = rig.pass(10);
    assert_eq!(told.events.len(), 2);
    // What it injects goes nowhere near itself: otherwise it would watch its own events.
    assert!(rig.pass(100).events.is_empty());
}

#[test]
fn h14_a_counter_tells_by_time_when_nothing_more_comes() {
    let mut rig =
        Rig::new("c: {type: counter, keys: level, interval: 1m, tag: app.count, drop: true}");
    let out = rig.send("app", r#"[{"level":"a"},{"level":"b"},{"level":"a"},{}]"#);
    assert!(out.events.is_empty(), "swallowed");
    assert!(rig.pass(59).events.is_empty());
    let (from, to) = ("1970-01-01T00:16:40Z", "1970-01-01T00:17:40Z");
    let told = |level: &str, count| {
        format!(r#"{{"level":{level},"from":"{from}","to":"{to}","count":{count}}}"#)
    };
    let expected = [told("\"a\"", 2), told("\"b\"", 1), told("null", 1)];
    let mut found = rig
        .pass(1)
        .records("app.count")
        .iter()
        .map(|r| (*r).to_owned())
        .collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, expected);
    assert!(
        rig.pass(1_000).events.is_empty(),
        "nothing came, nothing is told"
    );
}

#[test]
fn h14_a_counter_tells_by_traffic_when_nobody_calls_it() {
    let mut rig = Rig::new("c: {type: counter, interval: 1m, tag: alert.count}");
    rig.send("app.a", "[{},{}]");
    rig.now = at_s(1_061);
    let out = rig.send("app.a", "[{}]");
    let told =
        r#"{"tag":"app.a","from":"1970-01-01T00:16:40Z","to":"1970-01-01T00:17:41Z","count":2}"#;
    assert_eq!(out.events.len(), 2, "the event itself goes on");
    assert_eq!(
        out.events[1],
        ("alerts", "alert.count".to_owned(), told.to_owned())
    );
    let left = rig.close();
    assert!(left.events[0].2.ends_with("\"count\":1}"), "{left:?}");
    assert!(rig.close().events.is_empty());
}

#[test]
fn h14_a_rollup_sums_what_is_a_number() {
    let mut rig = Rig::new(
        "r: {type: rollup, fields: [ms, $.n.m], keys: host, interval: 1m, tag: app.sum, drop: true}",
    );
    rig.send(
        "app",
        r#"[{"host":"a","ms":3},{"host":"a","ms":"1.5"},{"host":"a","ms":"slow"},{"host":"a"}]"#,
    );
    assert_eq!(
        rig.pass(60).records("app.sum"),
        [
            r#"{"host":"a","from":"1970-01-01T00:16:40Z","to":"1970-01-01T00:17:40Z","count":4,"ms":{"count":2,"sum":4.5,"min":1.5,"max":3.0,"avg":2.25}}"#
        ]
    );
}

#[test]
fn keys_beyond_the_most_are_counted_together() {
    let mut rig = Rig::new(
        "c: {type: counter, keys: k, keys_max: 2, interval: 1m, tag: app.count, drop: true}",
    );
    rig.send("app", r#"[{"k":1},{"k":2},{"k":3},{"k":4},{"k":1}]"#);
    let told = rig.pass(60);
    let counts: Vec<_> = told
        .records("app.count")
        .iter()
        .map(|record| {
            record
                .rsplit("\"count\":")
                .next()
                .unwrap()
                .trim_end_matches('}')
                .parse::<u64>()
                .unwrap()
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 5);
    assert_eq!(counts.len(), 3);
    assert!(
        told.events
            .iter()
            .any(|(.., record)| record.contains("\"others\":true"))
    );
}

#[test]
fn what_there_is_no_room_to_tell_is_told_later() {
    let mut rig = Rig::new(
        "c: {type: counter, keys: k, keys_max: 20000, interval: 1m, tag: app.count, drop: true}",
    );
    let events: Vec<_> = (0..INJECTED_MAX + 7)
        .map(|k| format!("{{\"k\":{k}}}"))
        .collect();
    rig.send("app", &format!("[{}]", events.join(",")));
    assert_eq!(rig.pass(60).events.len(), INJECTED_MAX + 7);
    assert!(count(&rig.stats().injections_refused) > 0);
}
