//! JSON objects.

use super::{DecodeError, Decoded, Decoder, of_record};
use crate::event::Value;
use crate::msgpack::from_json;

#[derive(Debug)]
pub(super) struct Json;

impl Decoder for Json {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let mut packed = Vec::with_capacity(bytes.len());
        from_json::value(&mut packed, bytes).map_err(|_| DecodeError::NotJson)?;
        match Value::unpack(&packed) {
            Ok(Value::Map(record)) => Ok(of_record(record)),
            _ => Err(DecodeError::NotAnObject),
        }
    }
}
