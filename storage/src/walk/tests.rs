use super::*;
use crate::checksum::Body;
use crate::frame;
use crate::id::ChunkId;

const START: u64 = 256;

fn seed() -> Seed {
    Seed::new(ChunkId::from_bytes([4; 16]))
}

/// The bytes of a frame at `offset` with `payload`.
fn frame(payload: &[u8], offset: u64) -> Vec<u8> {
    let head = FrameHead {
        body_crc: 0,
        payload_len: u32::try_from(payload.len()).unwrap(),
        event_count: 1,
        tag_len: 1,
        batch_id_len: 2,
        flags: 0,
    };
    let body = Body::new([b"t", b"id", payload]);
    let encoded = frame::encode(head, &body, &seed(), offset);
    let [tag, batch_id, payload] = encoded.body;
    [&encoded.head[..], tag, batch_id, payload, encoded.padding].concat()
}

fn frames(payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().fold(Vec::new(), |mut bytes, payload| {
        bytes.extend(frame(payload, START + bytes.len() as u64));
        bytes
    })
}

/// Walks all of `bytes` in stretches of `step` bytes, as the reader does.
fn walk_all(bytes: &[u8], step: u64) -> (Vec<u64>, Vec<Damage>) {
    let (seed, data_end) = (seed(), START + bytes.len() as u64);
    let (mut frames, mut damage, mut found) = (vec![], vec![], Found::default());
    let (mut position, mut end) = (START, START + step);
    while position < data_end {
        end = end.min(data_end);
        let range = to_usize(position - START)..to_usize(end - START);
        let stretch = Stretch {
            seed: &seed,
            bytes: &bytes[range],
            start: position,
            data_end,
        };
        match found.walk(&stretch) {
            Walked::UpTo(walked) => {
                assert!(walked > position);
                frames.extend(found.frames.iter().map(|frame| frame.offset));
                damage.extend(found.damage.iter().copied());
                (position, end) = (walked, walked + step);
            }
            Walked::NeedsUpTo(longer) => {
                assert!(longer > end);
                end = longer;
            }
            Walked::Newer(offset) => panic!("newer at {offset}"),
        }
    }
    (frames, damage)
}

#[test]
fn stretches_of_any_length_find_the_same_frames() {
    let bytes = frames(&[b"one", &[7; 100], b"three", &[0xff; 33]]);
    let (whole, damage) = walk_all(&bytes, 1 << 20);
    assert_eq!((whole.len(), damage.len()), (4, 0));
    for step in (8..200).step_by(8) {
        assert_eq!(
            walk_all(&bytes, step),
            (whole.clone(), vec![]),
            "step {step}"
        );
    }
}

#[test]
fn every_flipped_byte_costs_at_most_its_own_frame_in_stretches_of_any_length() {
    let bytes = frames(&[b"one", &[7; 100], b"three", &[0xff; 33]]);
    let (whole, _) = walk_all(&bytes, 1 << 20);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x55;
        for step in [8, 32, 64, 1 << 20] {
            let (kept, damage) = walk_all(&flipped, step);
            let hit = *whole
                .iter()
                .rfind(|offset| **offset <= START + at as u64)
                .unwrap();
            let lost: Vec<_> = whole
                .iter()
                .filter(|offset| !kept.contains(offset))
                .collect();
            assert!(
                lost.is_empty() || lost == [&hit],
                "byte {at}, step {step}: lost {lost:?}"
            );
            assert!(kept.iter().all(|offset| whole.contains(offset)));
            assert_eq!(lost.is_empty(), damage.is_empty());
        }
    }
}

#[test]
fn frames_behind_a_stretch_of_zeros_are_found() {
    let mut bytes = frames(&[b"one"]);
    let blank_at = START + bytes.len() as u64;
    bytes.extend([0; 4096]);
    let behind = START + bytes.len() as u64;
    bytes.extend(frame(b"two", behind));
    let (kept, damage) = walk_all(&bytes, 1 << 20);
    assert_eq!(kept, [START, behind]);
    assert_eq!(
        damage,
        [Damage {
            offset: blank_at,
            len: 4096,
            kind: DamageKind::Blank,
            event_count: None,
        }]
    );
}

#[test]
fn unknown_flags_stop_the_walk() {
    let seed = seed();
    let head = FrameHead {
        body_crc: 0,
        payload_len: 8,
        event_count: 1,
        tag_len: 0,
        batch_id_len: 0,
        flags: 2,
    };
    let mut bytes = head.encode(&seed.at(START)).to_vec();
    bytes.extend([1; 8]);
    let data_end = START + bytes.len() as u64;
    let stretch = Stretch {
        seed: &seed,
        bytes: &bytes,
        start: START,
        data_end,
    };
    assert_eq!(Found::default().walk(&stretch), Walked::Newer(START));
}
