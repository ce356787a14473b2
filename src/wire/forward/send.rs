//! Writing batches and acknowledgements, and reading acknowledgements.

use crate::msgpack::{self, Cursor, Value, write};
use crate::wire::compression::Codec;

/// What stands behind a payload.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions<'a> {
    /// The name that the receiver is to acknowledge the batch by; `None`: no acknowledgement.
    pub chunk: Option<&'a str>,
    /// Events in the payload.
    pub event_count: u64,
    /// How the payload is packed.
    pub codec: Option<Codec>,
}

/// Why a message is not an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAck {
    /// Not MessagePack.
    #[error("malformed acknowledgement")]
    Malformed(#[from] msgpack::Error),
    /// Not a map with a string or binary data under `ack`.
    #[error("not an acknowledgement")]
    NotAnAck,
}

/// Appends what stands before the payload of a PackedForward message: array, tag and the head of
/// `payload_size` bytes of binary data.
pub fn write_head(out: &mut Vec<u8>, tag: &str, payload_size: u32) {
    write::array_head(out, 3);
    write::str(out, tag.as_bytes());
    write::bin_head(out, payload_size as usize);
}

/// Appends what stands behind the payload. As Fluentd does, always with `size` and `compressed`.
pub fn write_options(out: &mut Vec<u8>, options: &SendOptions<'_>) {
    write::map_head(out, 2 + usize::from(options.chunk.is_some()));
    write::str(out, b"size");
    write::uint(out, options.event_count);
    write::str(out, b"compressed");
    write::str(out, options.codec.map_or("text", Codec::name).as_bytes());
    if let Some(chunk) = options.chunk {
        write::str(out, b"chunk");
        write::str(out, chunk.as_bytes());
    }
}

/// Appends the acknowledgement of the batch whose option `chunk` has the MessagePack value `chunk`.
pub fn write_ack(out: &mut Vec<u8>, chunk: &[u8]) {
    write::map_head(out, 1);
    write::str(out, b"ack");
    out.extend_from_slice(chunk);
}

/// The name of the batch that a complete message acknowledges.
///
/// # Errors
/// [`InvalidAck`].
pub fn read_ack(message: &[u8]) -> Result<&[u8], InvalidAck> {
    let mut cursor = Cursor::new(message);
    let Value::Map(pair_count) = cursor.read()? else {
        return Err(InvalidAck::NotAnAck);
    };
    for _ in 0..pair_count {
        let key = cursor.skip()?;
        let value = cursor.skip()?;
        if Cursor::new(key).read()?.as_bytes() == Some(b"ack") {
            let chunk = Cursor::new(value).read()?;
            return chunk.as_bytes().ok_or(InvalidAck::NotAnAck);
        }
    }
    Err(InvalidAck::NotAnAck)
}
