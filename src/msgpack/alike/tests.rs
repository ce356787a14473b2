use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::msgpack::testing::{encode, hostile_bytes, record};
use crate::msgpack::write;

/// Walks over maps one after the other, this way and the plain way, and expects the same of both.
fn same_as_plain(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut alike = AlikeMaps::new();
    let mut at = 0;
    while at < bytes.len() {
        let plain = skip_values(bytes, at, 1, 1);
        prop_assert_eq!(alike.skip(bytes, at, 1), plain, "at {}", at);
        match plain {
            Ok(end) => at = end,
            Err(_) => break,
        }
    }
    Ok(())
}

fn map(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::map_head(&mut bytes, texts.len());
    for text in texts {
        write::str(&mut bytes, b"field");
        write::str(&mut bytes, text.as_bytes());
    }
    bytes
}

/// What is expected after these maps, each of which has to end where it does.
fn walked(maps: &[Vec<u8>]) -> AlikeMaps {
    let bytes = maps.concat();
    let mut alike = AlikeMaps::new();
    let mut at = 0;
    for map in maps {
        let end = alike.skip(&bytes, at, 1).unwrap();
        assert_eq!(end, at + map.len());
        at = end;
    }
    alike
}

#[test]
fn the_same_lengths_are_guessed() {
    let maps = [
        map(&["one", "two"]),
        map(&["ten", "six"]),
        map(&["abc", "def"]),
    ];
    let alike = walked(&maps);
    let lens: Vec<_> = alike.places[..4].iter().map(|place| place.len).collect();
    assert_eq!(lens, [6, 4, 6, 4]);
    assert!(alike.places[..4].iter().all(|place| place.misses == 1));
}

#[test]
fn a_place_whose_lengths_vary_is_not_guessed_for_long() {
    let texts = ["a", "bb", "ccc", "dddd", "eeeee"];
    let maps = texts.map(|text| map(&[text, "same"]));
    let alike = walked(&maps);
    let misses: Vec<_> = alike.places[..4].iter().map(|place| place.misses).collect();
    assert_eq!(misses, [1, MISSES_MAX, 1, 1]);
    assert!(!alike.places[1].is_met([0xa5, b'e']));
}

#[test]
fn another_size_becomes_the_pattern_when_the_old_one_is_gone() {
    let mut maps = vec![map(&["one"])];
    maps.extend(vec![map(&["one", "two"]); usize::from(STRANGERS_MAX) + 3]);
    assert_eq!(walked(&maps).marker, 0x82);
    // A few in between change nothing.
    let mut maps = vec![map(&["one"]); 3];
    maps.extend(vec![map(&["one", "two"]); usize::from(STRANGERS_MAX) - 1]);
    maps.push(map(&["one"]));
    maps.push(map(&["one", "two"]));
    assert_eq!(walked(&maps).marker, 0x81);
}

#[test]
fn a_length_in_the_second_byte_is_compared_too() {
    let long = "x".repeat(40);
    let longer = "x".repeat(41);
    walked(&[map(&[&long]), map(&[&long]), map(&[&longer]), map(&[&long])]);
}

#[test]
fn a_map_that_ends_early_is_told_as_by_the_plain_walk() {
    let whole = map(&["one", "two"]);
    let bytes = [whole.clone(), whole.clone(), whole.clone()].concat();
    for len in 0..bytes.len() {
        same_as_plain(&bytes[..len]).unwrap();
    }
}

#[test]
fn the_deepest_level_allowed_is_the_same() {
    let bytes = map(&["one"]).repeat(3);
    for depth in [DEPTH_MAX - 1, DEPTH_MAX] {
        let mut alike = AlikeMaps::new();
        for at in [0, bytes.len() / 3] {
            assert_eq!(
                alike.skip(&bytes, at, depth),
                skip_values(&bytes, at, 1, depth)
            );
        }
    }
}

/// A record, the same again with other lengths, and any other.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![record(), Just(rmpv::Value::Map(Vec::new()))];
    (vec(one, 1..4), vec(0..4_usize, 1..40)).prop_map(|(kinds, order)| {
        let encoded: Vec<_> = kinds.iter().map(encode).collect();
        let picked = order
            .into_iter()
            .map(|which| &encoded[which % encoded.len()]);
        picked.flatten().copied().collect()
    })
}

proptest! {
    #[test]
    fn records_end_where_the_plain_walk_ends_them(bytes in records()) {
        same_as_plain(&bytes)?;
    }

    #[test]
    fn records_with_a_wrong_byte_are_judged_as_by_the_plain_walk(
        mut bytes in records(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        same_as_plain(&bytes)?;
    }

    #[test]
    fn hostile_bytes_are_judged_as_by_the_plain_walk(bytes in hostile_bytes()) {
        let (marker, rest) = (0x82, bytes);
        let mut bytes = map(&["one", "two"]).repeat(2);
        bytes.push(marker);
        bytes.extend(rest);
        same_as_plain(&bytes)?;
    }
}
