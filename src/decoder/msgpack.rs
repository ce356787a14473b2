//! MessagePack: a map, or an entry with its time.

use super::{DecodeError, Decoded, Decoder, of_record};
use crate::event::{Record, Value, entries};
use crate::msgpack::value_len;

#[derive(Debug)]
pub(super) struct Msgpack;

impl Decoder for Msgpack {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        if value_len(bytes) != Ok(bytes.len()) {
            return Err(DecodeError::NotMsgpack);
        }
        if let Some(Ok(entry)) = entries(bytes).next() {
            let record = Record::unpack(entry.record).map_err(|_| DecodeError::NotMsgpack)?;
            let time = (!entry.is_untimed()).then_some(entry.time);
            return Ok(Decoded { time, record });
        }
        match Value::unpack(bytes) {
            Ok(Value::Map(record)) => Ok(of_record(record)),
            _ => Err(DecodeError::NotAnObject),
        }
    }
}
