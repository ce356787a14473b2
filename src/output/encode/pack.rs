//! Packing what is written: gzip, Zstandard, or not at all.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use crate::config::plan::Compression;

/// A writer that packs what passes through it into one gzip member or one Zstandard frame.
///
/// Dropping it without [`finish`](Self::finish) may leave the packed stream without its end.
pub(crate) struct Packer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// A packer that writes to `to`.
    ///
    /// # Errors
    /// If the Zstandard library has no memory for its tables.
    pub(crate) fn new(compression: Compression, to: W) -> io::Result<Self> {
        let inner = match compression {
            Compression::None => Inner::Plain(to),
            Compression::Gzip => Inner::Gzip(GzEncoder::new(to, flate2::Compression::default())),
            Compression::Zstd => Inner::Zstd(zstd::stream::write::Encoder::new(
                to,
                zstd::DEFAULT_COMPRESSION_LEVEL,
            )?),
        };
        Ok(Self(inner))
    }

    /// Writes what is held, ends the packed stream and gives the writer back.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::Plain(to) => Ok(to),
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(to) => to.write(bytes),
            Inner::Gzip(encoder) => encoder.write(bytes),
            Inner::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(to) => to.flush(),
            Inner::Gzip(encoder) => encoder.flush(),
            Inner::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed(compression: Compression, parts: &[&[u8]]) -> Vec<u8> {
        let mut packer = Packer::new(compression, Vec::new()).unwrap();
        for part in parts {
            packer.write_all(part).unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn parts_come_out_as_one_stream() {
        let parts: [&[u8]; 3] = [b"one\n", b"", b"two\n"];
        assert_eq!(packed(Compression::None, &parts), b"one\ntwo\n");

        let mut unpacked = Vec::new();
        let gzip = packed(Compression::Gzip, &parts);
        flate2::read::GzDecoder::new(gzip.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, b"one\ntwo\n");

        let zstd = packed(Compression::Zstd, &parts);
        assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), b"one\ntwo\n");
    }
}
