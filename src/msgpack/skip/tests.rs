use proptest::prelude::*;

use super::*;
use crate::msgpack::testing::{encode, encoded_value, hostile_bytes, value};

#[test]
fn every_marker_has_the_length_that_the_specification_gives() {
    let fixed = [
        (0x00, 1),
        (0x7f, 1),
        (0xe0, 1),
        (0xff, 1),
        (0xa0, 1),
        (0xbf, 32),
        (0x80, 1),
        (0x90, 1),
        (0xc0, 1),
        (0xc2, 1),
        (0xc3, 1),
        (0xca, 5),
        (0xcb, 9),
        (0xcc, 2),
        (0xcd, 3),
        (0xce, 5),
        (0xcf, 9),
        (0xd0, 2),
        (0xd1, 3),
        (0xd2, 5),
        (0xd3, 9),
        (0xd4, 3),
        (0xd5, 4),
        (0xd6, 6),
        (0xd7, 10),
        (0xd8, 18),
    ];
    for (marker, len) in fixed {
        let mut bytes = vec![0; 40];
        bytes[0] = marker;
        assert_eq!(value_len(&bytes), Ok(len), "{marker:#04x}");
        for short in 1..len {
            let needed = len - short;
            assert_eq!(
                value_len(&bytes[..short]),
                Err(Error::Incomplete { needed })
            );
        }
    }
}

#[test]
fn lengths_behind_the_marker_are_big_endian() {
    for (head, len) in [
        (&[0xd9, 3][..], 5),
        (&[0xda, 1, 2], 3 + 258),
        (&[0xdb, 0, 1, 0, 2], 5 + 65_538),
        (&[0xc4, 200], 202),
        (&[0xc5, 0, 3], 6),
        (&[0xc6, 0, 0, 0, 3], 8),
        (&[0xc7, 8, 0], 3 + 8),
        (&[0xc8, 0, 8, 0], 4 + 8),
        (&[0xc9, 0, 0, 0, 8, 0], 6 + 8),
        (&[0xdc, 0, 3], 3 + 3),
        (&[0xdd, 0, 0, 0, 3], 5 + 3),
        (&[0xde, 0, 3], 3 + 6),
        (&[0xdf, 0, 0, 0, 3], 5 + 6),
    ] {
        let mut bytes = head.to_vec();
        bytes.resize(70_000, 0);
        assert_eq!(value_len(&bytes), Ok(len), "{head:02x?}");
        assert_eq!(value_len(&bytes[..len]), Ok(len), "{head:02x?}");
        let short = value_len(&bytes[..len - 1]);
        assert_eq!(short, Err(Error::Incomplete { needed: 1 }), "{head:02x?}");
    }
}

#[test]
fn four_billion_announced_values_cost_nothing() {
    let mut bytes = vec![0xdd, 0xff, 0xff, 0xff, 0xff];
    bytes.extend([0xc0; 100]);
    let needed = u32::MAX as usize - 100;
    assert_eq!(value_len(&bytes), Err(Error::Incomplete { needed }));
}

#[test]
fn the_byte_that_is_no_marker_is_named_with_its_offset() {
    for tail in [0, 20] {
        let mut bytes = vec![0x92, 0xa1, b'a', 0xc1];
        bytes.resize(4 + tail, 0);
        let malformed = Error::Malformed {
            offset: 3,
            marker: 0xc1,
        };
        assert_eq!(value_len(&bytes), Err(malformed));
    }
}

#[test]
fn nesting_is_bounded() {
    for marker in [0x91_u8, 0x81] {
        let mut deepest = vec![marker; DEPTH_MAX as usize];
        deepest.extend([0xc0; DEPTH_MAX as usize + 1]);
        let refused = value_len(&[&[0x91], deepest.as_slice()].concat());
        assert!(matches!(refused, Err(Error::TooDeep { .. })), "{refused:?}");
        let allowed = value_len(&deepest);
        assert!(
            !matches!(allowed, Err(Error::TooDeep { .. })),
            "{allowed:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_value_ends_where_another_library_ends_it(
        value in value(),
        tail in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut bytes = encode(&value);
        let len = bytes.len();
        bytes.extend(tail);
        prop_assert_eq!(value_len(&bytes), Ok(len));
    }

    #[test]
    fn every_shorter_prefix_is_incomplete(bytes in encoded_value()) {
        for len in 0..bytes.len() {
            let short = value_len(&bytes[..len]);
            let missing = bytes.len() - len;
            let is_told = matches!(short, Err(Error::Incomplete { needed }) if (1..=missing).contains(&needed));
            prop_assert!(is_told, "{short:?} of {missing} missing");
        }
    }

    #[test]
    fn hostile_bytes_are_judged_as_another_library_judges_them(bytes in hostile_bytes()) {
        let mut rest = bytes.as_slice();
        let theirs = rmpv::decode::read_value(&mut rest).map(|_| bytes.len() - rest.len());
        match (value_len(&bytes), theirs) {
            (Ok(ours), theirs) => prop_assert_eq!(ours, theirs.expect("they read it too")),
            // It reads the reserved byte as nil.
            (Err(Error::Malformed { .. } | Error::TooDeep { .. }), _) => {}
            (Err(Error::Incomplete { .. }), theirs) => prop_assert!(theirs.is_err()),
        }
    }
}
