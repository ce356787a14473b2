use forebay_storage::{KeyValue, TimeWindow};
use proptest::prelude::*;

use super::*;
use crate::chunk_key::{TimeKey, Zone};
use crate::event::{Timestamp, check, write_entry};

/// Entries of seconds and JSON records.
fn batch(events: &[(i64, &str)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (second, record) in events {
        let mut packed = Vec::new();
        crate::msgpack::from_json::value(&mut packed, record.as_bytes()).unwrap();
        let time = Timestamp::from_s(*second).unwrap();
        write_entry(&mut payload, time, &packed);
    }
    payload
}

fn spec(keys: &[&str]) -> KeySpec {
    let time = keys.contains(&"time").then(|| TimeKey {
        len_s: 60,
        zone: Zone::utc(),
    });
    KeySpec::parse(keys.iter().copied(), time).unwrap()
}

fn grouped<'a>(spec: &KeySpec, payload: &'a [u8]) -> Vec<Group<'a>> {
    let checked = check(payload).unwrap();
    let groups = group(spec, "app.web", payload, &checked).unwrap();
    for group in &groups {
        assert_eq!(check(&group.payload), Ok(group.checked));
    }
    groups
}

fn fields(group: &Group<'_>) -> Vec<KeyValue> {
    let fields = group.key.fields.iter();
    fields.map(|field| field.value.clone()).collect()
}

#[test]
fn a_key_of_nothing_or_the_tag_takes_the_batch_as_it_is() {
    let payload = batch(&[(1, "{}"), (2, r#"{"a":1}"#)]);
    for (keys, tag) in [(&[][..], None), (&["tag"][..], Some("app.web".to_owned()))] {
        let groups = grouped(&spec(keys), &payload);
        assert_eq!(groups.len(), 1);
        assert!(matches!(groups[0].payload, Cow::Borrowed(whole) if whole == payload));
        let key = ChunkKey {
            tag,
            ..ChunkKey::default()
        };
        assert_eq!(groups[0].key, key);
        assert_eq!(groups[0].checked.event_count, 2);
    }
}

#[test]
fn an_empty_batch_has_no_groups() {
    assert!(grouped(&spec(&["tag"]), &[]).is_empty());
    assert!(grouped(&spec(&["a"]), &[]).is_empty());
}

#[test]
fn times_of_one_window_need_no_look_at_the_events() {
    let payload = batch(&[(60, "{}"), (119, "{}")]);
    let groups = grouped(&spec(&["time"]), &payload);
    assert!(matches!(
        groups[..],
        [Group {
            payload: Cow::Borrowed(_),
            ..
        }]
    ));
    let window = TimeWindow {
        start_s: 60,
        len_s: 60,
    };
    assert_eq!(groups[0].key.window, Some(window));
}

#[test]
fn windows_split_a_batch_and_keep_its_order() {
    let payload = batch(&[
        (119, "{}"),
        (120, r#"{"a":1}"#),
        (60, r#"{"b":1}"#),
        (121, "{}"),
    ]);
    let groups = grouped(&spec(&["time", "tag"]), &payload);
    let split: Vec<_> = groups
        .iter()
        .map(|group| (group.key.window.unwrap().start_s, group.payload.to_vec()))
        .collect();
    assert_eq!(
        split,
        [
            (60, batch(&[(119, "{}"), (60, r#"{"b":1}"#)])),
            (120, batch(&[(120, r#"{"a":1}"#), (121, "{}")])),
        ]
    );
    assert!(
        groups
            .iter()
            .all(|group| group.key.tag.as_deref() == Some("app.web"))
    );
}

#[test]
fn fields_split_by_typed_value() {
    let payload = batch(&[
        (1, r#"{"u":1}"#),
        (2, r#"{"u":"1"}"#),
        (3, r#"{"u":1.0}"#),
        (4, r#"{}"#),
        (5, r#"{"u":null}"#),
        (6, r#"{"u":{"v":1}}"#),
        (7, r#"{"u":true}"#),
        (8, r#"{"u":1}"#),
    ]);
    let groups = grouped(&spec(&["u"]), &payload);
    let split: Vec<_> = groups
        .iter()
        .map(|group| (fields(group).remove(0), group.checked.event_count))
        .collect();
    assert_eq!(
        split,
        [
            (KeyValue::Int(1), 2),
            (KeyValue::Str("1".into()), 1),
            (KeyValue::Float(1.0_f64.to_bits()), 1),
            (KeyValue::Nil, 2),
            (KeyValue::Other(b"\x81\xa1v\x01".to_vec()), 1),
            (KeyValue::Bool(true), 1),
        ]
    );
}

#[test]
fn one_value_written_in_two_ways_is_one_group_of_the_whole_batch() {
    let payload = b"\x92\x05\x81\xa1u\x01\x92\x06\x81\xa1u\xcc\x01\x92\x07\x81\xa1u\x01";
    let groups = grouped(&spec(&["u"]), payload);
    assert!(matches!(
        groups[..],
        [Group {
            payload: Cow::Borrowed(_),
            ..
        }]
    ));
    assert_eq!(groups[0].checked.event_count, 3);
}

#[test]
fn several_fields_nested_ones_too_and_the_window_make_one_key() {
    let payload = batch(&[
        (1, r#"{"u":"ab","k":{"pod":"c"}}"#),
        (2, r#"{"u":"a","k":{"pod":"bc"}}"#),
        (61, r#"{"u":"ab","k":{"pod":"c"}}"#),
    ]);
    let groups = grouped(&spec(&["u", "$.k.pod", "time"]), &payload);
    assert_eq!(groups.len(), 3);
    let paths: Vec<_> = groups[0]
        .key
        .fields
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    assert_eq!(paths, ["u", "$.k.pod"]);
    let [first, last] = [&groups[0], &groups[2]].map(fields);
    assert_eq!(first, last);
    assert_ne!(groups[0].key.window, groups[2].key.window);
}

#[test]
fn a_batch_that_is_not_plain_is_refused() {
    let payload = b"\x92\x05\x80\x07";
    let checked = check(payload).unwrap();
    let refused = group(&spec(&["u"]), "t", payload, &checked);
    assert_eq!(refused, Err(EntryFault::NotAPair));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_event_goes_to_the_group_of_its_key_and_order_stays(
        events in proptest::collection::vec((0..200_i64, 0..4_usize, any::<bool>()), 1..30),
        keys in proptest::sample::subsequence(vec!["tag", "time", "u"], 0..=3),
    ) {
        let values = [r#"{"u":1}"#, r#"{"u":"1"}"#, r#"{"u":-1}"#, "{}"];
        let records: Vec<_> = events.iter().map(|(s, v, _)| (*s + 1, values[*v])).collect();
        let payload = batch(&records);
        let spec = spec(&keys);
        let key_of = |record: &(i64, &str)| {
            let window = keys.contains(&"time").then_some(record.0 / 60);
            let value = keys.contains(&"u").then_some(record.1.to_owned());
            (window, value)
        };
        let mut expected: Vec<(_, Vec<(i64, &str)>)> = Vec::new();
        for record in &records {
            let key = key_of(record);
            match expected.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(*record),
                None => expected.push((key, vec![*record])),
            }
        }
        let groups = grouped(&spec, &payload);
        let payloads: Vec<_> = groups.iter().map(|group| group.payload.to_vec()).collect();
        let expected: Vec<_> = expected.iter().map(|(_, group)| batch(group)).collect();
        prop_assert_eq!(payloads, expected);
    }
}
