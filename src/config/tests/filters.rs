//! What is said of filters that are wrong.

use super::super::plan::{FilterKind, OnError};
use super::{plan, problems};

/// The smallest configuration with filters; their text begins on line 7.
fn with_filters(filters: &str) -> String {
    format!(
        "\
data_dir: d
inputs: {{i: {{type: http}}}}
outputs: {{o: {{type: stdout}}}}
routes:
  main: {{match: '**', to: o}}
filters:
{filters}"
    )
}

#[track_caller]
fn assert_problems(filters: &str, expected: &str) {
    assert_eq!(
        problems(&with_filters(filters)),
        expected.trim_matches('\n')
    );
}

#[test]
fn filters_keep_the_order_of_the_file_and_their_defaults() {
    let plan = plan(&with_filters(
        "  z: {type: grep, keep: {key: a, pattern: b}}\n  a: {type: counter, match: 'x.**', on_error: dead_letter}\n",
    ));
    let [first, second] = plan.filters.as_slice() else {
        panic!("{:?}", plan.filters);
    };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("z", "a"));
    assert!(first.matcher.is_none());
    assert_eq!(first.on_error, OnError::Keep);
    assert_eq!(second.on_error, OnError::DeadLetter);
    let FilterKind::Counter(counter) = &second.kind else {
        panic!("{second:?}");
    };
    assert_eq!(
        (
            counter.interval.as_secs(),
            counter.tag.as_str(),
            counter.drop
        ),
        (60, "counter", false)
    );
}

#[test]
fn h12_a_filter_that_names_a_route_that_is_not_there_is_refused_at_the_start() {
    assert_problems(
        "  f: {type: route, add: mian}\n",
        "
f.yaml:7:25: there is no route `mian`
 7 |   f: {type: route, add: mian}
   |                         ^^^^ did you mean `main`?
",
    );
}

#[test]
fn h08_a_decoder_that_is_not_there_is_refused_at_the_start() {
    assert_problems(
        "  f: {type: parser, key: m, decoder: xml}\n",
        "
f.yaml:7:38: there is no decoder `xml`
 7 |   f: {type: parser, key: m, decoder: xml}
   |                                      ^^^ the decoders are `json`, `msgpack`, `logfmt`, `regex`, `text`
",
    );
}

#[test]
fn everything_that_is_wrong_with_filters_has_its_place() {
    assert_problems(
        "  d: {type: grep, keep: {key: a}, on_error: panic}\n",
        r"
f.yaml:7:45: `panic` is none of `keep`, `tag`, `dead_letter`
 7 |   d: {type: grep, keep: {key: a}, on_error: panic}
   |                                             ^^^^^
",
    );
    assert_problems(
        "  a: {type: grpe}\n  b: {type: grep}\n",
        r"
f.yaml:7:13: unknown type `grpe`
 7 |   a: {type: grpe}
   |             ^^^^ did you mean `grep`?

f.yaml:8:3: this filter does nothing: there is no `keep` and no `drop`
 8 |   b: {type: grep}
   |   ^
",
    );
    assert_problems(
        r"  b: {type: grep}
  c: {type: grep, keep: {key: a, pattern: '(a'}}
  d: {type: grep, keep: {key: a}}
  e: {type: rewrite_tag, rules: {key: a, pattern: '(x)', tag: $2}}
  f: {type: record_transformer, add: {a: '${'}}
  g: {type: parser, key: m, decoder: regex, pattern: 'x'}
  h: {type: parser, key: m, decoder: json, time_format: unix}
  i: {type: heartbeat_watch}
  j: {type: counter, interval: 0s, keys: 'a b'}
  k: {type: grep, match: '{', keep: {key: a, pattern: a}}
",
        r"
f.yaml:7:3: this filter does nothing: there is no `keep` and no `drop`
 7 |   b: {type: grep}
   |   ^

f.yaml:8:43: `(a` is no pattern: unclosed group
 8 |   c: {type: grep, keep: {key: a, pattern: '(a'}}
   |                                           ^^^^

f.yaml:9:25: `pattern` is missing
 9 |   d: {type: grep, keep: {key: a}}
   |                         ^

f.yaml:10:63: `$2`: the pattern has no group $2
 10 |   e: {type: rewrite_tag, rules: {key: a, pattern: '(x)', tag: $2}}
    |                                                               ^^

f.yaml:11:39: `${`: `${` at position 0 is never closed
 11 |   f: {type: record_transformer, add: {a: '${'}}
    |                                       ^

f.yaml:12:54: this pattern has no named groups, so that it gives no fields
 12 |   g: {type: parser, key: m, decoder: regex, pattern: 'x'}
    |                                                      ^^^ such as `(?P<level>[A-Z]+)`

f.yaml:13:57: this has no effect: there is no `time_key`
 13 |   h: {type: parser, key: m, decoder: json, time_format: unix}
    |                                                         ^^^^

f.yaml:14:3: `timeout` is missing
 14 |   i: {type: heartbeat_watch}
    |   ^

f.yaml:15:32: this must be longer than 0
 15 |   j: {type: counter, interval: 0s, keys: 'a b'}
    |                                ^^

f.yaml:15:42: field `a b`: ' ' at position 1 cannot be part of a name
 15 |   j: {type: counter, interval: 0s, keys: 'a b'}
    |                                          ^^^^^

f.yaml:16:26: pattern `{`: `{` is never closed at position 0
 16 |   k: {type: grep, match: '{', keep: {key: a, pattern: a}}
    |                          ^^^
",
    );
}
