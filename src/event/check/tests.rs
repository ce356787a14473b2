use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::event::{Limits, normalize, write_entry};
use crate::msgpack::testing::{encode, encoded_value, hostile_bytes, record};

/// An event as agents send it: 10 fields, 225 bytes.
fn usual_event(second: u32) -> Vec<u8> {
    use rmpv::Value;
    let fields = [
        ("host", Value::from("web-0017.example.net")),
        ("level", "info".into()),
        ("method", "GET".into()),
        ("path", "/api/v1/items/48151623/attachments?limit=50".into()),
        ("status", 200.into()),
        ("bytes", 18_734.into()),
        ("latency", 0.0312.into()),
        ("cached", false.into()),
        ("agent", "Mozilla/5.0 (X11; Linux x86_64)".into()),
        ("trace", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
    ];
    let record = fields.map(|(name, value)| (name.into(), value));
    let mut out = Vec::new();
    let time = Timestamp::from_event_time(second, 5);
    write_entry(&mut out, time, &encode(&Value::Map(record.into())));
    out
}

#[test]
fn a_plain_batch_is_counted_with_its_times() {
    let payload: Vec<u8> = [7, 3, 9, 4].into_iter().flat_map(usual_event).collect();
    let checked = check(&payload).unwrap();
    assert_eq!(checked.event_count, 4);
    assert_eq!(checked.time_min.ns(), 3_000_000_005);
    assert_eq!(checked.time_max.ns(), 9_000_000_005);
    assert!(checked.all_plain);
}

#[test]
fn no_entries_are_a_batch_too() {
    let checked = check(&[]).unwrap();
    assert_eq!((checked.event_count, checked.all_plain), (0, true));
}

#[test]
fn an_entry_that_is_not_plain_is_noticed() {
    for entry in [
        b"\x92\x00\x80".as_slice(),
        b"\x92\xd7\0\0\0\0\0\0\0\0\x05\x80",
        b"\x92\xc0\x80",
        b"\x92\x01\xc0",
        b"\x92\xd7\0\0\0\0\x05\0\0\0\x05\xc0",
        b"\x92\xd7\x01\0\0\0\x05\0\0\0\x05\x80",
        b"\x92\xa11\x80",
        b"\x93\x01\x80\x80",
        b"\x80",
    ] {
        let checked = check(&[b"\x92\x01\x80", entry].concat()).unwrap();
        assert_eq!((checked.event_count, checked.all_plain), (2, false));
        assert_eq!(checked.time_max.ns(), 1_000_000_000);
    }
}

#[test]
fn a_batch_that_ends_early_is_an_error() {
    let payload = [usual_event(1), usual_event(2)].concat();
    let first = usual_event(1).len();
    for len in 1..payload.len() {
        let checked = check(&payload[..len]);
        assert_eq!(checked.is_ok(), len == first, "cut at {len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_the_walk_says_is_what_the_entries_say(
        payload in vec(any_entry(), 0..6).prop_map(|entries| entries.concat()),
    ) {
        let checked = check(&payload).unwrap();
        let plain: Vec<_> = entries(&payload)
            .filter_map(|entry| entry.ok().filter(|entry| !entry.is_untimed()))
            .collect();
        let count = entries(&payload).count();
        prop_assert_eq!(checked.event_count, count as u64);
        prop_assert_eq!(checked.all_plain, plain.len() == count);
        let times = plain.iter().map(|entry| entry.time);
        prop_assert_eq!(checked.time_min, times.clone().min().unwrap_or_default());
        prop_assert_eq!(checked.time_max, times.max().unwrap_or_default());
    }

    #[test]
    fn whatever_came_is_plain_once_it_is_normalized(
        payload in vec(prop_oneof![any_entry(), hostile_bytes()], 0..6)
            .prop_map(|entries| entries.concat()),
    ) {
        let now = Timestamp::from_ns(5_000_000_000);
        let limits = Limits { entry_size_max: 500 };
        let normalized = normalize(&payload, now, limits);
        let checked = check(&normalized.payload).unwrap();
        prop_assert!(checked.all_plain);
        prop_assert_eq!(checked, normalized.checked);
        let rejected: u64 = normalized.rejected.iter().map(|one| one.event_count).sum();
        let count = checked.event_count + rejected;
        prop_assert_eq!(count, entries(&payload).count() as u64);
    }
}

fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let time = prop_oneof![
        any::<(u32, u32)>().prop_map(|(s, ns)| {
            let mut out = Vec::new();
            crate::msgpack::write::event_time(&mut out, s, ns);
            out
        }),
        any::<i64>().prop_map(|s| encode(&s.into())),
        (-3_i64..3).prop_map(|s| encode(&s.into())),
        encoded_value(),
    ];
    let record = record().prop_map(|record| encode(&record));
    let pair = (time, prop_oneof![4 => record, 1 => encoded_value()])
        .prop_map(|(time, record)| [&[0x92], time.as_slice(), &record].concat());
    prop_oneof![9 => pair, 1 => encoded_value()]
}
