use proptest::prelude::*;

use super::*;

const CHUNK_ID: ChunkId = ChunkId::from_bytes(*b"0123456789abcdef");

fn frame<'a>(tag: &'a str, payload: &'a [u8], event_count: u32) -> Frame<'a> {
    Frame {
        tag,
        batch_id: b"",
        payload,
        event_count,
    }
}

fn encoder(tag: Option<&str>, codec: Option<Codec>) -> Encoder {
    Encoder::new(CHUNK_ID, tag.map(str::to_owned), codec, true)
}

fn bytes(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let slices = outgoing.slices();
    slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect()
}

/// Tag, payload and options of one message.
type Decoded = (String, Vec<u8>, Vec<(String, String)>);

/// The messages in `bytes`, as another library reads them.
fn decode(mut bytes: &[u8]) -> Vec<Decoded> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let message = rmpv::decode::read_value(&mut bytes).unwrap();
        let [tag, payload, options] = message.as_array().unwrap().as_slice() else {
            panic!("not an array of three: {message}");
        };
        let options = options.as_map().unwrap().iter();
        let text = |value: &rmpv::Value| value.to_string().trim_matches('"').to_owned();
        messages.push((
            text(tag),
            payload.as_slice().unwrap().to_vec(),
            options
                .map(|(key, value)| (text(key), text(value)))
                .collect(),
        ));
    }
    messages
}

#[test]
fn a_message_has_these_bytes() {
    let frames = [
        frame("web", b"\x92\x01\x80", 1),
        frame("web", b"\x92\x02\x80", 1),
    ];
    let mut encoder = encoder(None, None);
    let first = encoder.encode(frames.into_iter()).unwrap();
    let mut expected = b"\x93\xa3web\xc4\x06\x92\x01\x80\x92\x02\x80".to_vec();
    expected.extend(b"\x83\xa4size\x02\xaacompressed\xa4text\xa5chunk\xbc");
    expected.extend(b"MDEyMzQ1Njc4OWFiY2RlZgAAAAA=");
    assert_eq!(bytes(&first), expected);
    assert_eq!(first.awaited(), 0..1);
}

#[test]
fn each_run_of_a_tag_is_a_message_and_they_are_numbered_through() {
    let frames = [
        frame("a", b"\x01", 1),
        frame("a", b"\x02\x02", 2),
        frame("b", b"\x03", 1),
        frame("a", b"\x04", 1),
    ];
    let mut encoder = encoder(None, None);
    let first = encoder.encode(frames.into_iter()).unwrap();
    let second = encoder.encode(frames[3..].iter().copied()).unwrap();
    assert_eq!(first.awaited(), 0..3);
    assert_eq!(second.awaited(), 3..4);
    let decoded = decode(&[bytes(&first), bytes(&second)].concat());
    let seen: Vec<_> = decoded
        .iter()
        .map(|(tag, payload, options)| {
            let id = MessageId::decode(options[2].1.as_bytes()).unwrap();
            (
                tag.as_str(),
                payload.as_slice(),
                options[0].1.as_str(),
                id.index,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a", &b"\x01\x02\x02"[..], "3", 0),
            ("b", b"\x03", "1", 1),
            ("a", b"\x04", "1", 2),
            ("a", b"\x04", "1", 3),
        ]
    );
}

#[test]
fn a_tag_of_the_output_makes_one_run() {
    let frames = [frame("a", b"\x01", 1), frame("b", b"\x02", 1)];
    let outgoing = encoder(Some("all"), None).encode(frames.into_iter());
    let decoded = decode(&bytes(&outgoing.unwrap()));
    assert_eq!(decoded.len(), 1);
    assert_eq!(decoded[0].0, "all");
    assert_eq!(decoded[0].1, b"\x01\x02");
}

#[test]
fn without_acknowledgement_there_is_no_id_and_nothing_is_awaited() {
    let mut encoder = Encoder::new(CHUNK_ID, None, None, false);
    let outgoing = encoder
        .encode([frame("a", b"\x01", 1)].into_iter())
        .unwrap();
    assert!(outgoing.awaited().is_empty());
    let options = decode(&bytes(&outgoing)).remove(0).2;
    assert!(options.iter().all(|(key, _)| key != "chunk"), "{options:?}");
}

#[test]
fn packed_payloads_unpack_to_what_was_stored() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let frames = [frame("a", &[7; 5000], 5), frame("a", &[8; 10], 1)];
        let outgoing = encoder(None, Some(codec)).encode(frames.into_iter());
        let (_, payload, options) = decode(&bytes(&outgoing.unwrap())).remove(0);
        assert!(payload.len() < 500);
        let stored = [vec![7; 5000], vec![8; 10]].concat();
        assert_eq!(codec.unpack(&payload, 10_000).unwrap(), stored);
        assert_eq!(
            options[1],
            ("compressed".to_owned(), codec.name().to_owned())
        );
    }
}

#[test]
fn large_payloads_are_not_copied_and_small_ones_are() {
    let (small, large) = ([1; COPIED_SIZE_MAX - 1], [2; COPIED_SIZE_MAX]);
    let frames = [&small[..], &large, &small, &small, &large].map(|bytes| frame("a", bytes, 1));
    let outgoing = encoder(None, None).encode(frames.into_iter()).unwrap();
    let mapped = outgoing
        .slices()
        .iter()
        .filter(|s| s.as_ptr() == large.as_ptr())
        .count();
    assert_eq!(mapped, 2);
    assert_eq!(outgoing.slices().len(), 5, "small neighbours share a slice");
}

#[test]
fn an_empty_window_has_no_message() {
    let outgoing = encoder(None, None).encode(std::iter::empty()).unwrap();
    assert!(outgoing.slices().is_empty());
    assert!(outgoing.awaited().is_empty());
}

#[test]
fn foreign_ids_are_not_ours() {
    for text in [
        &b""[..],
        b"AAAA",
        b"not base64 at all!",
        b"MDEyMzQ1Njc4OWFiY2RlZgAAAAAA",
    ] {
        assert_eq!(MessageId::decode(text), None);
    }
}

proptest! {
    #[test]
    fn ids_come_back(chunk_id: [u8; 16], index: u32) {
        let id = MessageId { chunk_id: ChunkId::from_bytes(chunk_id), index };
        prop_assert_eq!(MessageId::decode(id.encode().as_bytes()), Some(id));
    }

    #[test]
    fn every_byte_arrives_under_its_tag_in_order(
        frames in prop::collection::vec((0..3_u8, prop::collection::vec(any::<u8>(), 0..2000)), 0..20)
    ) {
        let tags = ["a", "b", "c"];
        let sent = frames.iter().map(|(tag, payload)| frame(tags[usize::from(*tag)], payload, 1));
        let outgoing = encoder(None, None).encode(sent).unwrap();
        let decoded = decode(&bytes(&outgoing));
        let adjacent_equal = decoded.windows(2).any(|pair| pair[0].0 == pair[1].0);
        prop_assert!(!adjacent_equal);
        for (number, tag) in tags.iter().enumerate() {
            let of_tag = decoded.iter().filter(|message| message.0 == *tag);
            let arrived: Vec<u8> = of_tag.flat_map(|message| message.1.clone()).collect();
            let of_tag = frames.iter().filter(|(frame, _)| usize::from(*frame) == number);
            let expected: Vec<u8> = of_tag.flat_map(|(_, payload)| payload.clone()).collect();
            prop_assert_eq!(arrived, expected);
        }
    }
}
