//! Chains as a whole, and filters that the tests bring; the built-in ones have files of their own.

use super::testing::{Rig, at_s, count, event, link};
use super::*;

mod built_in;
mod strain;

/// Fails where the record says so, having edited the event and injected another first.
struct Fails;

impl Filter for Fails {
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        let is_panic = event.record().get("panic").is_some();
        let is_failure = is_panic || event.record().get("fail").is_some();
        if is_failure {
            event.record_mut().insert("half", "done");
            event.set_tag("app.half")?;
            context.routes.add("spare")?;
            context.injector.inject(event.clone())?;
        }
        assert!(!is_panic, "on purpose");
        match is_failure {
            true => Err(Failure::new("as the record says")),
            false => Ok(Verdict::Keep),
        }
    }
}

/// Injects so many copies of each event, under the same tag.
struct Copies(usize);

impl Filter for Copies {
    fn apply(&self, event: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        for _ in 0..self.0 {
            // What is refused is counted.
            let _ = context.injector.inject(event.clone());
        }
        Ok(Verdict::Keep)
    }
}

#[test]
fn h10_events_pass_the_filters_in_the_order_of_the_file() {
    let rig = Rig::new(
        "first: {type: record_transformer, add: {steps: \"${steps}1\"}}\n\
         second: {type: record_transformer, match: 'app.*', add: {steps: \"${steps}2\"}}\n\
         other: {type: record_transformer, match: other, add: {steps: \"${steps}x\"}}",
    );
    let out = rig.send("app.a", r#"[{"steps":"0"},{"steps":"9"}]"#);
    assert_eq!(
        out.records("app.a"),
        [r#"{"steps":"012"}"#, r#"{"steps":"912"}"#]
    );
}

#[test]
fn h11_a_blocked_event_reaches_no_later_filter_and_no_route() {
    let rig = Rig::of(vec![
        Rig::new("g: {type: grep, drop: {key: level, pattern: debug}}").chain_link(),
        link("after", Copies(0), OnError::Keep),
    ]);
    let out = rig.send("app", r#"[{"level":"debug"},{"level":"info"}]"#);
    assert_eq!(out.records("app"), [r#"{"level":"info"}"#]);
    let seen: Vec<_> = rig
        .chain
        .links()
        .iter()
        .map(|link| count(&link.stats.events))
        .collect();
    assert_eq!(seen, [2, 1]);
    assert_eq!(count(&rig.stats().blocked), 1);
}

#[test]
fn h12_filters_choose_the_routes_of_each_event() {
    let rig = Rig::new(
        "more: {type: route, match: app.more, add: [spare, alerts]}\n\
         less: {type: route, match: app.less, remove: apps}\n\
         only: {type: route, match: app.only, only: spare}",
    );
    let routes = |tag: &str| {
        let out = rig.send(tag, "[{}]");
        let routes: Vec<_> = out.events.iter().map(|(route, ..)| *route).collect();
        (routes, out.unmatched_count)
    };
    assert_eq!(routes("app.more"), (vec!["alerts", "apps", "spare"], 0));
    assert_eq!(routes("app.less"), (vec![], 1));
    assert_eq!(routes("app.only"), (vec!["spare"], 0));
    assert_eq!(routes("app.none"), (vec!["apps"], 0));
    assert_eq!(routes("none"), (vec![], 1));
}

#[test]
fn h12_a_route_that_is_not_there_is_counted_and_the_event_goes_on() {
    struct Names;
    impl Filter for Names {
        fn apply(&self, _: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
            context.routes.add("nowhere")?;
            Ok(Verdict::Keep)
        }
    }
    let rig = Rig::with(Names, OnError::Keep);
    assert_eq!(rig.send("app", "[{}]").records("app"), ["{}"]);
    assert_eq!(count(&rig.stats().unknown_routes), 1);
    assert_eq!(count(&rig.stats().failed_kept), 1);
}

#[test]
fn h13_injected_events_pass_all_filters_but_the_one_that_made_them() {
    let rig = Rig::of(vec![
        link("first", Copies(0), OnError::Keep),
        link("second", Copies(1), OnError::Keep),
        link("third", Copies(0), OnError::Keep),
    ]);
    assert_eq!(rig.send("app", "[{}]").records("app"), ["{}", "{}"]);
    let seen: Vec<_> = rig
        .chain
        .links()
        .iter()
        .map(|link| count(&link.stats.events))
        .collect();
    assert_eq!(seen, [2, 1, 2]);
}

#[test]
fn h13_filters_that_inject_for_each_other_come_to_an_end() {
    let rig = Rig::of(vec![
        link("ping", Copies(1), OnError::Keep),
        link("pong", Copies(1), OnError::Keep),
    ]);
    let out = rig.send("app", "[{}]");
    // The event, and two lines of descent, each as long as is allowed.
    assert_eq!(out.events.len(), 1 + 2 * GENERATION_MAX as usize);
    let refused = rig
        .chain
        .links()
        .iter()
        .map(|link| count(&link.stats.injections_refused));
    assert_eq!(refused.sum::<u64>(), 2);
}

#[test]
fn h13_more_injections_than_are_allowed_are_refused_and_wait_for_nothing() {
    let rig = Rig::with(Copies(INJECTED_MAX + 5), OnError::Keep);
    let out = rig.send("app", "[{},{}]");
    assert_eq!(out.events.len(), 2 + INJECTED_MAX);
    let refused = (INJECTED_MAX + 10) as u64;
    assert_eq!(count(&rig.stats().injections_refused), refused);
    assert_eq!(count(&rig.stats().injected), INJECTED_MAX as u64);
}

#[test]
fn an_event_that_a_filter_fails_on_is_as_it_was_and_goes_where_on_error_says() {
    let events = r#"[{"n":1},{"n":2,"fail":1},{"n":3,"panic":1}]"#;
    let (one, two, three) = (r#"{"n":1}"#, r#"{"n":2,"fail":1}"#, r#"{"n":3,"panic":1}"#);

    let rig = Rig::with(Fails, OnError::Keep);
    let out = rig.send("app", events);
    assert_eq!(out.records("app"), [one, two, three]);
    assert_eq!(count(&rig.stats().failed_kept), 2);
    assert_eq!(count(&rig.stats().injected), 0);

    let rig = Rig::with(Fails, OnError::Tag);
    let out = rig.send("app", events);
    assert_eq!((out.records("app"), out.unmatched_count), (vec![one], 2));
    assert_eq!(count(&rig.stats().failed_tagged), 2);

    let rig = Rig::with(Fails, OnError::DeadLetter);
    let out = rig.send("app", events);
    assert_eq!(out.records("app"), [one]);
    assert_eq!(
        out.dead,
        ["1 app: as the record says", "1 app: it panicked"]
    );
    assert_eq!(count(&rig.stats().failed_dead), 2);
}

#[test]
fn a_tagged_failure_is_matched_by_its_new_tag() {
    let rig = Rig::new(
        "parse: {type: parser, key: message, decoder: json, on_error: tag}\n\
         mark: {type: route, match: 'filter_failed.**', only: spare}",
    );
    let out = rig.send("app.x", r#"[{"message":"no json"}]"#);
    let expected = (
        "spare",
        "filter_failed.app.x".to_owned(),
        r#"{"message":"no json"}"#.to_owned(),
    );
    assert_eq!(out.events, [expected]);
}

#[test]
fn dead_letters_of_one_reason_are_together_and_reasons_are_few() {
    struct Talks;
    impl Filter for Talks {
        fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
            Err(Failure::new(event.record().get("n").unwrap().to_string()))
        }
    }
    let rig = Rig::with(Talks, OnError::DeadLetter);
    let events: Vec<_> = (0..100).map(|n| format!("{{\"n\":{n}}}")).collect();
    let out = rig.send("app", &format!("[{}]", events.join(",")));
    assert_eq!(out.dead.len(), 17);
    assert_eq!(out.dead[16], "84 app: one of many reasons");
    assert_eq!(rig.send("app", "[{\"n\":3},{\"n\":3}]").dead, ["2 app: 3"]);
}

#[test]
fn an_unedited_event_keeps_its_bytes_and_what_is_no_event_passes_by() {
    // Fluent Bit's metadata, a map in a longer form, and an entry that is no event.
    let payload = b"\x92\x92\xd7\0\0\0\0\x01\0\0\0\x02\x80\xde\0\x01\xa1a\x01\x07";
    let rig = Rig::new("g: {type: grep, keep: {key: a, pattern: '1'}}");
    let strained = rig.chain.batch("app", payload, rig.now, &|_| Some(1));
    assert_eq!(strained.portions.len(), 1);
    assert_eq!(strained.portions[0].payload, payload);
    assert_eq!(count(&rig.stats().events), 1);
}

#[test]
fn no_two_portions_for_a_route_have_the_same_tag() {
    // Both events go to `apps`, one of them elsewhere too: a route that recognises repeats must not
    // take one for the other.
    let rig = Rig::of(vec![link("first_only", FirstToSpare, OnError::Keep)]);
    let strained = rig
        .chain
        .batch("app", b"\x92\x05\x80\x92\x05\x80", at_s(9), &|_| Some(1));
    let portions: Vec<_> = strained
        .portions
        .iter()
        .map(|p| (p.route, p.event_count))
        .collect();
    assert_eq!(portions, [(1, 2), (2, 1)]);
}

/// Sends the first event of all to `spare` too.
struct FirstToSpare;

impl Filter for FirstToSpare {
    fn apply(&self, _: &mut Event, context: &mut Context<'_>) -> Result<Verdict, Failure> {
        static SEEN: std::sync::Once = std::sync::Once::new();
        let mut added = Ok(());
        SEEN.call_once(|| added = context.routes.add("spare"));
        added?;
        Ok(Verdict::Keep)
    }
}

#[test]
fn the_call_by_time_may_fail_and_is_counted() {
    struct Late;
    impl Filter for Late {
        fn apply(&self, _: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
            Ok(Verdict::Keep)
        }
        fn close(&self, _: Now, injector: &mut Injector) -> Result<(), Failure> {
            injector.inject(event("app", &[("n", 1)]))?;
            Err(Failure::new("late"))
        }
    }
    let rig = Rig::with(Late, OnError::Keep);
    assert_eq!(rig.close().records("app"), [r#"{"n":1}"#]);
    assert_eq!(count(&rig.stats().failed_ticks), 1);
}
