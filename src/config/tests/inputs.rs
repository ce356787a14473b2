//! Inputs that are read: what holds, and what is said of them when they are wrong.

use super::super::plan::{InputPlan, InternalInputPlan};
use super::{plan, problems, with_input};
use crate::event::Record;

#[track_caller]
fn assert_problems(text: &str, expected: &str) {
    assert_eq!(problems(text), expected.trim_matches('\n'));
}

fn input(kind: &str, settings: &[&str]) -> InputPlan {
    plan(&with_input(kind, settings))
        .inputs
        .remove("i")
        .unwrap()
}

#[test]
fn what_is_not_written_has_the_documented_value() {
    let InputPlan::Stdin(stdin) = input("stdin", &[]) else {
        panic!("another type");
    };
    assert_eq!(
        (stdin.tag.as_str(), stdin.line_size_max),
        ("stdin", 1 << 20)
    );
    assert_eq!(stdin.decoder.name(), "text");
    assert!(stdin.time_key.is_none());
    let InputPlan::Dummy(dummy) = input("dummy", &[]) else {
        panic!("another type");
    };
    let record: Record = [("message", "dummy")].into_iter().collect();
    assert_eq!((dummy.tag.as_str(), dummy.record), ("dummy", record));
    assert!((dummy.rate - 1.0).abs() < f64::EPSILON);
    assert_eq!((dummy.counter, dummy.count), (None, None));
}

#[test]
fn h08_a_decoder_that_is_not_there_is_refused_at_the_start() {
    assert_problems(
        &with_input("stdin", &["decoder: jsn"]),
        "
f.yaml:7:14: there is no decoder `jsn`
 7 |     decoder: jsn
   |              ^^^ did you mean `json`?
",
    );
    assert_problems(
        &with_input("stdin", &["decoder: regex"]),
        "
f.yaml:7:14: `pattern` is missing
 7 |     decoder: regex
   |              ^^^^^
",
    );
}

#[test]
fn what_is_made_up_must_be_a_record_at_a_rate() {
    assert_problems(
        &with_input("dummy", &["rate: 0", "record: '[1]'", "tag: ''"]),
        "
f.yaml:7:11: this must be more than 0
 7 |     rate: 0
   |           ^

f.yaml:8:13: this is no record: not an object
 8 |     record: '[1]'
   |             ^^^^^

f.yaml:9:10: this must not be empty
 9 |     tag: ''
   |          ^^
",
    );
    assert_problems(
        &with_input("internal", &["level: debug"]),
        "
f.yaml:7:12: `debug` is none of `error`, `warn`, `info`
 7 |     level: debug
   |            ^^^^^
",
    );
}

#[test]
fn standard_input_and_the_log_are_read_once() {
    let text = with_input("stdin", &[]) + "  j: {type: stdin}\n";
    assert_problems(
        &text,
        "
f.yaml:7:3: `i` reads standard input already
 7 |   j: {type: stdin}
   |   ^
",
    );
}

#[test]
fn the_log_knows_the_routes_that_take_it_and_their_outputs() {
    let text = "\
data_dir: d
inputs: {i: {type: internal, tag: own}}
outputs: {a: {type: stdout}, b: {type: 'null'}, c: {type: 'null'}}
routes:
  errors: {match: own.error, to: a, secondary: b}
  others: {match: 'x.**', to: c}
  own: {match: 'own.*', to: a}
";
    let Some(InputPlan::Internal(InternalInputPlan {
        own_routes,
        mut own_outputs,
        ..
    })) = plan(text).inputs.remove("i")
    else {
        panic!("another type");
    };
    own_outputs.sort();
    own_outputs.dedup();
    assert_eq!(own_routes, ["errors", "own", "own"]);
    assert_eq!(own_outputs, ["a", "b"]);
}
