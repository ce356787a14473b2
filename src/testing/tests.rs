use std::time::Duration;

use super::*;
use crate::event::Timestamp;
use crate::output::{Outcome, RangeSet, Rejection, Way};

mod broken;
mod built_in;
mod writers;

const ONE: &str = r#"{"n": 1}"#;

fn fake(settings: &str) -> (FakeDestination, Driver) {
    let destination = FakeDestination::default();
    let driver = Driver::new(destination.clone(), settings).unwrap();
    (destination, driver)
}

#[tokio::test]
async fn f27_run_starts_feeds_flushes_and_closes_and_each_can_be_done_alone() {
    let (destination, mut driver) = fake("way: buffered");
    let outcomes = driver.run(async |driver| driver.feed("t", ONE)).await;
    assert_eq!(outcomes.unwrap(), [Outcome::Delivered]);
    assert_eq!(destination.records(), [r#"{"n":1}"#]);
    assert!(matches!(driver.calls()[0], Call::Write(_)));
    assert_eq!(driver.calls().last(), Some(&Call::Close));
    driver.feed("t", ONE);
    assert!(matches!(driver.flush().await, Err(TestError::NotOpen)));
    driver.start().await.unwrap();
    assert_eq!(driver.flush().await.unwrap(), [Outcome::Delivered]);
    assert!(!driver.calls().ends_with(&[Call::Close]));
    driver.close().await;
}

#[tokio::test]
async fn f28_bad_settings_are_an_error_before_anything_is_opened() {
    let refused = Driver::new(FakeDestination::default(), "way: sideways").err();
    let Some(TestError::Settings(error)) = refused else {
        panic!("it is taken");
    };
    let text = error.to_string();
    assert!(text.contains("sideways") && text.contains("way"), "{text}");
}

#[tokio::test]
async fn f03_f04_f05_f28_each_way_is_really_called_and_transfers() {
    for way in [Way::Direct, Way::Buffered, Way::Deferred] {
        let (destination, mut driver) = fake("way: all");
        driver.start().await.unwrap();
        driver.feed("t", r#"[{"n":1},{"n":2}]"#);
        assert_eq!(driver.flush_by(way).await.unwrap(), [Outcome::Delivered]);
        assert_eq!(destination.records(), [r#"{"n":1}"#, r#"{"n":2}"#]);
        let called = match (&driver.calls()[..], way) {
            ([Call::Process(tag)], Way::Direct) => tag == "t",
            ([Call::Write(_)], Way::Buffered) | ([Call::TryWrite(_)], Way::Deferred) => true,
            _ => false,
        };
        assert!(called, "{way:?}: {:?}", driver.calls());
        driver.close().await;
    }
}

#[tokio::test]
async fn f19_f28_what_format_makes_of_events_is_what_the_output_gets() {
    for way in ["buffered", "deferred"] {
        let (destination, mut driver) = fake(&format!("way: {way}\nlines: true"));
        let outcomes = driver
            .run(async |driver| driver.feed("t", r#"[{"n":1},{"n":2}]"#))
            .await;
        assert_eq!(outcomes.unwrap(), [Outcome::Delivered]);
        assert_eq!(driver.formatted(), b"{\"n\":1}\n{\"n\":2}\n");
        assert_eq!(destination.records(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    }
}

#[tokio::test]
async fn f09_the_way_is_chosen_when_the_settings_are_known() {
    for (settings, way) in [("way: direct", Way::Direct), ("way: all", Way::Deferred)] {
        let (_, mut driver) = fake(settings);
        driver.start().await.unwrap();
        assert_eq!(driver.way().unwrap(), way);
        driver.close().await;
    }
    let driver = Driver::with_buffer(FakeDestination::default(), "way: direct", "keys: [tag]");
    let mut driver = driver.unwrap();
    driver.start().await.unwrap();
    assert!(matches!(driver.way(), Err(TestError::NoWay(_))));
    driver.close().await;
}

#[tokio::test]
async fn g05_g06_g07_done_is_freed_again_is_tried_later_and_never_is_never_offered_again() {
    for way in ["buffered", "deferred"] {
        let (destination, mut driver) = fake(&format!("way: {way}"));
        destination.answer([retry("busy"), reject("malformed")]);
        driver.start().await.unwrap();
        driver.feed("t", ONE);
        assert_eq!(driver.flush().await.unwrap(), [retry("busy")]);
        assert_eq!(driver.owed_count(), 1);
        assert_eq!(driver.flush().await.unwrap(), [reject("malformed")]);
        assert_eq!(
            (driver.owed_count(), driver.rejected()),
            (0, &["malformed".to_owned()][..])
        );
        assert_eq!(driver.flush().await.unwrap(), []);
        driver.feed("t", ONE);
        assert_eq!(driver.flush().await.unwrap(), [Outcome::Delivered]);
        assert_eq!((driver.owed_count(), destination.attempt_count()), (0, 3));
        driver.close().await;
    }
}

#[tokio::test]
async fn i04_g04_f10_a_chunk_comes_by_one_call_whole_however_it_was_fed() {
    let destination = FakeDestination::default();
    let buffer = "keys: [tag]";
    let driver = Driver::with_buffer(destination.clone(), "way: buffered", buffer);
    let mut driver = driver.unwrap();
    driver.start().await.unwrap();
    for n in 0..5 {
        driver.feed("a", &format!(r#"{{"n":{n}}}"#));
        driver.feed("b", &format!(r#"{{"n":{n}}}"#));
    }
    assert_eq!(driver.flush().await.unwrap(), vec![Outcome::Delivered; 2]);
    assert_eq!(driver.calls().len(), 2, "{:?}", driver.calls());
    let of_one: Vec<_> = (0..5).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let expected = [of_one.clone(), of_one].concat();
    assert_eq!(destination.records(), expected);
    driver.close().await;
}

#[tokio::test]
async fn of_a_part_that_was_confirmed_the_rest_is_offered_again() {
    let (destination, mut driver) = fake("way: buffered");
    let rejection = Rejection {
        records: RangeSet::from(2..3),
        reason: "too long".to_owned(),
    };
    destination.answer([Outcome::Partial {
        done: RangeSet::first(1),
        rejected: vec![rejection],
    }]);
    driver.start().await.unwrap();
    driver.feed("t", r#"[{"n":0},{"n":1},{"n":2},{"n":3}]"#);
    let outcomes = driver.flush().await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Partial { .. }]));
    assert_eq!(driver.rejected(), ["too long"]);
    assert_eq!(driver.flush().await.unwrap(), [Outcome::Delivered]);
    assert_eq!(destination.records(), [r#"{"n":1}"#, r#"{"n":3}"#]);
    assert_eq!(driver.owed_count(), 0);
    driver.close().await;
}

#[tokio::test]
async fn f11_f12_f13_events_of_one_window_and_tag_are_one_chunk() {
    let destination = FakeDestination::default();
    let buffer = "keys: [time, tag]\ntimekey: 15m";
    let driver = Driver::with_buffer(destination.clone(), "way: buffered", buffer);
    let mut driver = driver.unwrap();
    driver.start().await.unwrap();
    for (second, tag) in [(0, "a"), (899, "a"), (900, "a"), (0, "b")] {
        let time = Timestamp::from_s(1_699_999_200 + second).unwrap();
        driver.feed_at(time, tag, ONE);
    }
    let outcomes = driver.flush().await.unwrap();
    assert_eq!(outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(destination.records().len(), 4);
    driver.close().await;
}

#[tokio::test(start_paused = true)]
async fn time_is_the_test_s_own() {
    let (_, driver) = fake("");
    let clock = driver.clock();
    let before = clock.now();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let after = clock.now();
    assert_eq!(after.unix_ns - before.unix_ns, 3_600_000_000_000);
    assert_eq!(
        after.monotonic - before.monotonic,
        Duration::from_secs(3600)
    );
}

#[tokio::test]
async fn ilogtail_trap_a_what_is_fed_and_not_confirmed_outlives_a_crash() {
    let (destination, mut driver) = fake("way: buffered");
    destination.answer([retry("busy")]);
    driver.start().await.unwrap();
    driver.feed("t", ONE);
    assert_eq!(driver.flush().await.unwrap(), [retry("busy")]);
    driver.restart().await.unwrap();
    assert_eq!(driver.owed_count(), 1);
    assert_eq!(driver.flush().await.unwrap(), [Outcome::Delivered]);
    driver.restart().await.unwrap();
    assert_eq!(driver.owed_count(), 0);
    driver.close().await;
}
