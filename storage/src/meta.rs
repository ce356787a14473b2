//! A chunk's metadata: what is of variable size and never changes.
//!
//! The only place that uses bincode. The bytes are a schema version (1), then the bincode 2
//! standard encoding. Their checksum is in the header and is compared before they are decoded,
//! since most single-bit flips would decode to a wrong value.

use std::sync::Arc;

use bincode::config::{self, Config};
use bincode::error::DecodeError;
use bincode::{BorrowDecode, Decode, Encode};

use crate::id::ChunkId;
use crate::key::ChunkKey;
use crate::layout::MAX_META_LEN;

const SCHEMA_VERSION: u8 = 1;

/// What a chunk says about itself beyond its fixed header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChunkMeta {
    /// The route's name. This and the destinations are shared by the chunks of an open route.
    pub route: Arc<str>,
    /// The destinations of the route when the chunk was created, in the order of the slots.
    pub destinations: Arc<[String]>,
    /// What all its events have in common.
    pub key: ChunkKey,
    /// Why it is a dead letter, if it is one.
    pub note: Option<Box<DeadNote>>,
}

/// Why a chunk, or a part of one, is among the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct DeadNote {
    /// One word or short phrase, e.g. `rejected`.
    pub reason: String,
    /// The destination that would not take it; `None` if it never got as far as that.
    pub destination: Option<String>,
    /// Delivery attempts made.
    pub attempts: u32,
    /// Unix nanoseconds of the first failure; 0 if there was no attempt.
    pub first_failure_ns: i64,
    /// Unix nanoseconds of the last failure; 0 if there was no attempt.
    pub last_failure_ns: i64,
    /// The destination's last answer, or what was wrong with the data.
    pub answer: String,
    /// The chunk it was part of.
    pub source: Option<ChunkId>,
}

impl ChunkMeta {
    /// The bytes behind the slots, or `None` if they would be longer than 1 MiB.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![SCHEMA_VERSION];
        bincode::encode_into_std_write(self, &mut bytes, limits()).ok()?;
        (bytes.len() <= MAX_META_LEN).then_some(bytes)
    }

    /// The metadata in `bytes`, whose checksum has been compared; `None` if they are not exactly
    /// one value of a schema this version knows.
    pub(crate) fn decode(bytes: &[u8]) -> Option<ChunkMeta> {
        let (version, encoded) = bytes.split_first()?;
        if *version != SCHEMA_VERSION {
            return None;
        }
        let (meta, consumed) = bincode::decode_from_slice(encoded, limits()).ok()?;
        (consumed == encoded.len()).then_some(meta)
    }
}

/// What the chunks of a route have in common: it is decoded once for all.
#[derive(Clone, Debug)]
pub(crate) struct CommonMeta {
    route: Arc<str>,
    destinations: Arc<[String]>,
    /// What the bytes begin with; `None` if that cannot be said.
    start: Option<Vec<u8>>,
}

impl CommonMeta {
    pub(crate) fn new(route: Arc<str>, destinations: Arc<[String]>) -> CommonMeta {
        let mut start = vec![SCHEMA_VERSION];
        let common = (&route, &destinations);
        let encoded = bincode::encode_into_std_write(common, &mut start, limits());
        let start = encoded.is_ok().then_some(start);
        CommonMeta {
            route,
            destinations,
            start,
        }
    }

    /// As [`ChunkMeta::decode`]; what is in common is shared.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<ChunkMeta> {
        let start = self.start.as_deref();
        let Some(own) = start.and_then(|start| bytes.strip_prefix(start)) else {
            return ChunkMeta::decode(bytes);
        };
        let ((key, note), consumed) = bincode::decode_from_slice(own, limits()).ok()?;
        (consumed == own.len()).then(|| ChunkMeta {
            route: Arc::clone(&self.route),
            destinations: Arc::clone(&self.destinations),
            key,
            note,
        })
    }
}

// A hostile length would otherwise be allocated before it is read.
fn limits() -> impl Config {
    config::standard().with_limit::<MAX_META_LEN>()
}

impl Encode for ChunkId {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        self.as_bytes().encode(encoder)
    }
}

impl<Context> Decode<Context> for ChunkId {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<ChunkId, DecodeError> {
        Ok(ChunkId::from_bytes(Decode::decode(decoder)?))
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for ChunkId {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<ChunkId, DecodeError> {
        Ok(ChunkId::from_bytes(BorrowDecode::borrow_decode(decoder)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{KeyField, KeyValue, TimeWindow};

    fn value() -> impl Strategy<Value = KeyValue> {
        prop_oneof![
            Just(KeyValue::Nil),
            any::<bool>().prop_map(KeyValue::Bool),
            any::<i64>().prop_map(KeyValue::Int),
            any::<u64>().prop_map(KeyValue::UInt),
            any::<u64>().prop_map(KeyValue::Float),
            ".*".prop_map(KeyValue::Str),
            any::<Vec<u8>>().prop_map(KeyValue::Bin),
            any::<Vec<u8>>().prop_map(KeyValue::Other),
        ]
    }

    prop_compose! {
        fn meta()(
            route in ".*",
            destinations in prop::collection::vec(".*", 0..12),
            tag in prop::option::of(".*"),
            window in prop::option::of(any::<(i64, u32)>()),
            fields in prop::collection::vec((".*", value()), 0..4),
            note in prop::option::of((".*", any::<u32>(), any::<i64>(), any::<[u8; 16]>())),
        ) -> ChunkMeta {
            let window = window.map(|(start_s, len_s)| TimeWindow { start_s, len_s });
            let fields =
                fields.into_iter().map(|(path, value)| KeyField { path, value }).collect();
            let note = note.map(|(text, attempts, at_ns, id)| Box::new(DeadNote {
                reason: text.clone(),
                destination: Some(text.clone()),
                attempts,
                first_failure_ns: at_ns,
                last_failure_ns: at_ns,
                answer: text,
                source: Some(ChunkId::from_bytes(id)),
            }));
            let (route, destinations) = (route.into(), destinations.into());
            ChunkMeta { route, destinations, key: ChunkKey { tag, window, fields }, note }
        }
    }

    proptest! {
        #[test]
        fn metadata_survives_its_bytes(meta in meta()) {
            let bytes = meta.encode().unwrap();
            prop_assert_eq!(ChunkMeta::decode(&bytes), Some(meta));
        }

        #[test]
        fn what_is_shared_changes_nothing(meta in meta(), other in meta(), is_own: bool) {
            let common = if is_own { &meta } else { &other };
            let (route, destinations) = (&common.route, &common.destinations);
            let is_common = *route == meta.route && *destinations == meta.destinations;
            let common = CommonMeta::new(Arc::clone(route), Arc::clone(destinations));
            let bytes = meta.encode().unwrap();
            let decoded = common.decode(&bytes).unwrap();
            prop_assert_eq!(&decoded, &meta);
            prop_assert_eq!(is_common, Arc::ptr_eq(&decoded.destinations, &common.destinations));
            prop_assert_eq!(common.decode(&bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(common.decode(&[&bytes[..], &[0]].concat()), None);
        }

        #[test]
        fn any_bytes_decode_or_do_not_but_never_panic(bytes: Vec<u8>) {
            let _ = ChunkMeta::decode(&bytes);
        }
    }

    #[test]
    fn bytes_left_over_and_unknown_schemas_are_refused() {
        let meta = ChunkMeta {
            route: "r".into(),
            destinations: [].into(),
            key: ChunkKey::default(),
            note: None,
        };
        let mut bytes = meta.encode().unwrap();
        bytes.push(0);
        assert_eq!(ChunkMeta::decode(&bytes), None);
        bytes.pop();
        bytes[0] = 2;
        assert_eq!(ChunkMeta::decode(&bytes), None);
    }
}
