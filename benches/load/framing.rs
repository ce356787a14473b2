//! Where a PackedForward message ends, found without looking at an event.

/// What must be known of a message once its head and its options are read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes from the message's first to its payload's first.
    pub(crate) len: usize,
    /// Bytes of the payload.
    pub(crate) payload_len: usize,
}

/// The options behind the payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    /// Bytes of the options.
    pub(crate) len: usize,
    /// The value of `chunk` as it is encoded; empty if there is none.
    pub(crate) chunk: &'a [u8],
}

/// The message that `bytes` begin with; `None` until enough of them are there.
///
/// # Panics
/// If it is no PackedForward message: nobody sends another here.
pub(crate) fn head(bytes: &[u8]) -> Option<Head> {
    let first = *bytes.first()?;
    assert!(
        matches!(first, 0x92 | 0x93),
        "no PackedForward message: {first:#x}"
    );
    let (tag_head, tag_len) = sized(bytes.get(1..)?)?;
    let payload_at = 1 + tag_head + tag_len;
    let (payload_head, payload_len) = sized(bytes.get(payload_at..)?)?;
    Some(Head {
        len: payload_at + payload_head,
        payload_len,
    })
}

/// The options that `bytes` begin with; `None` until all of them are there.
///
/// # Panics
/// If they are no map of few entries.
pub(crate) fn options(bytes: &[u8]) -> Option<Options<'_>> {
    let first = *bytes.first()?;
    assert_eq!(first & 0xF0, 0x80, "options are a small map");
    let mut at = 1;
    let mut chunk: &[u8] = &[];
    for _ in 0..first & 0x0F {
        let name_len = value_len(bytes.get(at..)?)?;
        let name = bytes.get(at..at + name_len)?;
        at += name_len;
        let len = value_len(bytes.get(at..)?)?;
        let value = bytes.get(at..at + len)?;
        at += len;
        if name.ends_with(b"chunk") {
            chunk = value;
        }
    }
    Some(Options { len: at, chunk })
}

/// `{"ack": chunk}`, with the chunk as it was encoded.
pub(crate) fn write_ack(out: &mut Vec<u8>, chunk: &[u8]) {
    out.extend_from_slice(b"\x81\xa3ack");
    out.extend_from_slice(chunk);
}

/// Bytes of a string, binary or small number with its head.
fn value_len(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        0x00..=0x7F | 0xC0 | 0xC2 | 0xC3 | 0xE0..=0xFF => Some(1),
        0xCC => Some(2),
        0xCD => Some(3),
        0xCE => Some(5),
        0xCF => Some(9),
        _ => sized(bytes).map(|(head, len)| head + len),
    }
}

/// Bytes of the head of a string or binary, and of what follows it.
fn sized(bytes: &[u8]) -> Option<(usize, usize)> {
    let big_endian = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
        )
    };
    match *bytes.first()? {
        first @ 0xA0..=0xBF => Some((1, usize::from(first & 0x1F))),
        0xD9 | 0xC4 => Some((2, big_endian(1..2)?)),
        0xDA | 0xC5 => Some((3, big_endian(1..3)?)),
        0xDB | 0xC6 => Some((5, big_endian(1..5)?)),
        other => panic!("neither string nor binary: {other:#x}"),
    }
}
