//! gzip and Zstandard, both ways.
//!
//! Unpacking always has a limit on what comes out, and memory grows with what has come out, never
//! with what a header claims: a bomb costs its limit and is then an error, not a cut-off result.

use std::io::{self, Read, Write};

/// The first allocation when unpacking, and the least growth.
const GROWTH_MIN: usize = 16 * 1024;

/// The window that every Zstandard decoder is asked to support (RFC 8878, section 3.1.1.1.2): 8 MiB.
const ZSTD_WINDOW_LOG_MIN: u32 = 23;

/// The widest window that Zstandard's own tools unpack without being asked to: 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// By how much logs shrink at most, when they are packed in the usual way.
const PACKING_USUAL: usize = 16;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip (RFC 1952); several members may follow one another.
    Gzip,
    /// Zstandard (RFC 8878); several frames may follow one another.
    Zstd,
}

/// Why bytes could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// More comes out than is allowed.
    #[error("more than {size_max} bytes unpacked")]
    TooLarge {
        /// The limit, in bytes.
        size_max: usize,
    },
    /// The bytes are not what the codec writes, or end early.
    #[error("damaged {codec} data")]
    Damaged {
        /// What was expected.
        codec: Codec,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
}

impl Codec {
    /// The codec's name in protocols: `gzip` or `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The codec that `name` stands for in protocols.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Packs `bytes` as one member or frame.
    ///
    /// # Errors
    /// Only when the encoder has no memory.
    pub fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }

    /// What `packed` says that it unpacks to, in bytes; a guess where it says nothing. It may be
    /// wrong by any amount.
    #[must_use]
    pub fn claimed_size(self, packed: &[u8]) -> usize {
        let claimed = match self {
            // The size modulo 2^32 of the last member is at its end.
            Self::Gzip => packed
                .last_chunk()
                .map(|size| u32::from_le_bytes(*size).into()),
            // That of the first frame is at its beginning, if it is there.
            Self::Zstd => zstd::zstd_safe::get_frame_content_size(packed)
                .ok()
                .flatten(),
        };
        let claimed = claimed.and_then(|size: u64| usize::try_from(size).ok());
        claimed.unwrap_or(packed.len().saturating_mul(PACKING_USUAL))
    }

    /// Unpacks all members or frames of `packed`.
    ///
    /// Takes at most `size_max` bytes of memory and a little; Zstandard's window may add 8 MiB, or
    /// once more `size_max`, whichever is more.
    ///
    /// # Errors
    /// [`UnpackError`]; never a part of the result.
    pub fn unpack(self, packed: &[u8], size_max: usize) -> Result<Vec<u8>, UnpackError> {
        let unpacked = match self {
            Self::Gzip => read_at_most(flate2::bufread::MultiGzDecoder::new(packed), size_max),
            Self::Zstd => {
                zstd_decoder(packed, size_max).and_then(|decoder| read_at_most(decoder, size_max))
            }
        };
        match unpacked {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(UnpackError::TooLarge { size_max }),
            Err(source) => Err(UnpackError::Damaged {
                codec: self,
                source,
            }),
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn zstd_decoder(packed: &[u8], size_max: usize) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    let window_log = size_max
        .checked_next_power_of_two()
        .map_or(ZSTD_WINDOW_LOG_MAX, usize::ilog2)
        .clamp(ZSTD_WINDOW_LOG_MIN, ZSTD_WINDOW_LOG_MAX);
    decoder.window_log_max(window_log)?;
    Ok(decoder)
}

/// All that `reader` gives, or `None` if that is more than `size_max` bytes.
fn read_at_most(mut reader: impl Read, size_max: usize) -> io::Result<Option<Vec<u8>>> {
    let ceiling = size_max.saturating_add(1);
    let mut bytes = Vec::new();
    while bytes.len() < ceiling {
        let growth = bytes.len().max(GROWTH_MIN).min(ceiling - bytes.len());
        bytes.reserve_exact(growth);
        // Reading just what fits keeps the vector from growing on its own, by doubling.
        let mut part = reader
            .by_ref()
            .take(u64::try_from(growth).unwrap_or(u64::MAX));
        if part.read_to_end(&mut bytes)? < growth {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODECS: [Codec; 2] = [Codec::Gzip, Codec::Zstd];

    #[test]
    fn what_was_packed_comes_back() {
        for codec in CODECS {
            for len in [0, 1, 1000, 300_000] {
                let bytes: Vec<u8> = (0..len).map(|i: u32| i.to_le_bytes()[1]).collect();
                let packed = codec.pack(&bytes).unwrap();
                assert_eq!(codec.unpack(&packed, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn members_and_frames_are_joined() {
        for codec in CODECS {
            let mut packed = codec.pack(b"first,").unwrap();
            packed.extend(codec.pack(b"").unwrap());
            packed.extend(codec.pack(b"second").unwrap());
            assert_eq!(codec.unpack(&packed, 100).unwrap(), b"first,second");
        }
    }

    #[test]
    fn one_byte_over_the_limit_is_an_error() {
        for codec in CODECS {
            let packed = codec.pack(&[7; 100_000]).unwrap();
            assert!(codec.unpack(&packed, 100_000).is_ok());
            let refused = codec.unpack(&packed, 99_999).unwrap_err();
            assert!(matches!(
                refused,
                UnpackError::TooLarge { size_max: 99_999 }
            ));
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_its_limit() {
        for codec in CODECS {
            let bomb = codec.pack(&vec![0; 8 << 20]).unwrap();
            assert!(bomb.len() < 10_000);
            let refused = codec.unpack(&bomb, 1000).unwrap_err();
            assert!(matches!(refused, UnpackError::TooLarge { .. }));
        }
    }

    #[test]
    fn memory_grows_with_what_comes_out_up_to_the_limit() {
        let bytes = read_at_most(io::repeat(1).take(100_000), 100_000)
            .unwrap()
            .unwrap();
        assert_eq!(bytes.len(), 100_000);
        assert!(bytes.capacity() <= 100_001);
        assert!(read_at_most(io::repeat(1), 100_000).unwrap().is_none());
    }

    #[test]
    fn a_frame_that_claims_a_huge_window_is_refused() {
        // No single segment, no content size; window descriptor of 2^31 bytes; empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        let refused = Codec::Zstd.unpack(&frame, 1000).unwrap_err();
        assert!(matches!(refused, UnpackError::Damaged { .. }));
    }

    #[test]
    fn bytes_that_end_early_are_damaged() {
        for codec in CODECS {
            let packed = codec.pack(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
            for len in 1..packed.len() {
                let refused = codec.unpack(&packed[..len], 100).unwrap_err();
                assert!(
                    matches!(refused, UnpackError::Damaged { .. }),
                    "{codec} {len}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, damage in 0_usize..40) {
            for codec in CODECS {
                let _ = codec.unpack(&bytes, 1000);
                let mut packed = codec.pack(&bytes).unwrap();
                let index = damage % packed.len();
                packed[index] ^= 0x55;
                if let Ok(unpacked) = codec.unpack(&packed, 1000) {
                    prop_assert!(unpacked.len() <= 1000);
                }
            }
        }
    }
}
