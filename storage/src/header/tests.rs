use proptest::prelude::*;

use super::*;

fn seed() -> Seed {
    Seed::new(ChunkId::from_bytes([5; 16]))
}

proptest! {
    #[test]
    fn a_header_survives_its_bytes(
        id: [u8; 16], created_ns: i64, slot_count in 0usize..=MAX_DESTINATIONS, meta: Vec<u8>,
    ) {
        let id = ChunkId::from_bytes(id);
        let header = Header::new(id, created_ns, slot_count, &meta).unwrap();
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn a_seal_record_survives_its_bytes(
        lengths: (u64, u64, u64), frame_count: u32, times: (i64, i64, i64), reason in 0usize..9,
    ) {
        let record = SealRecord {
            data_len: lengths.0,
            payload_len: lengths.1,
            event_count: lengths.2,
            frame_count,
            time_min_ns: times.0,
            time_max_ns: times.1,
            sealed_ns: times.2,
            reason: SealReason::ALL[reason],
        };
        let bytes = record.encode(&seed());
        prop_assert_eq!(SealRecord::decode(&bytes, &seed()), Recorded::Present(record));
    }

    #[test]
    fn any_bytes_decode_or_do_not_but_never_panic(bytes: [u8; 64]) {
        let _ = Header::decode(&bytes);
        let _ = SealRecord::decode(&bytes, &seed());
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_noticed() {
    let record = SlotRecord {
        state: SlotState::Delivered,
        at_ns: 77,
    };
    let bytes = record.encode(&seed(), 3);
    assert_eq!(SlotRecord::decode(&bytes, &seed(), 3), Some(record));
    assert_eq!(SlotRecord::decode(&bytes, &seed(), 4), None);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SlotRecord::decode(&flipped, &seed(), 3), None);
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let header = Header::new(ChunkId::from_bytes([1; 16]), 0, 1, b"meta").unwrap();
    let mut bytes = header.encode();
    header::VERSION.put(&mut bytes, &2u16.to_le_bytes());
    assert!(matches!(
        Header::decode(&bytes),
        Err(HeaderError::Unreadable(_))
    ));
    let crc = crc32fast::hash(&bytes[..header::CRC.offset]);
    header::CRC.put(&mut bytes, &crc.to_le_bytes());
    assert_eq!(Header::decode(&bytes), Err(HeaderError::Newer(2)));
}

#[test]
fn a_record_of_zeros_is_absent() {
    assert_eq!(
        SealRecord::decode(&[0; SEAL_LEN], &seed()),
        Recorded::Absent
    );
}
