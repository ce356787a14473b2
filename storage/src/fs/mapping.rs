//! Read-only mappings of files: the only unsafe code of the crate.
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

/// The first bytes of a file, readable in place.
///
/// Before bytes of a mapped file are looked at, [`Mapping::populate`] must have succeeded for
/// their range: it turns an unreadable or missing page into an error instead of a signal.
#[derive(Debug)]
pub struct Mapping(Backing);

/// Bytes of address space that this process has mapped through [`Mapping`].
static MAPPED_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes of address space that chunk files are mapped into now, by all stores of the process.
pub fn mapped_bytes() -> u64 {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

#[derive(Debug)]
enum Backing {
    Mapped(Mmap),
    /// What a simulated file held when it was mapped.
    #[cfg(any(test, feature = "sim"))]
    Copied(Vec<u8>),
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match &self.0 {
            Backing::Mapped(map) => {
                MAPPED_BYTES.fetch_sub(map.len() as u64, Ordering::Relaxed);
            }
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(_) => {}
        }
    }
}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must have at least as many.
    pub(super) fn of_file(file: &std::fs::File, len: usize) -> io::Result<Mapping> {
        // SAFETY: the mapping's bytes must not change while a `&[u8]` to them is held, and must
        // exist. Change: a mapping is handed out only for bytes below a chunk's end, which are
        // never written again (appends go behind the end; the records in the first sector are
        // parsed from `read_at`, never from a mapping). The data directory's lock keeps other
        // Forebay processes out; anybody else who writes into it can break this, as with every
        // mapped file. Existence: the store never truncates a chunk below its end, and whatever
        // else is missing is found by `populate` before the first look
        // (test `a_file_cut_short_is_an_error_not_a_signal`).
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }?;
        MAPPED_BYTES.fetch_add(map.len() as u64, Ordering::Relaxed);
        Ok(Mapping(Backing::Mapped(map)))
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Mapping {
        Mapping(Backing::Copied(bytes))
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether no bytes are mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mapped bytes; see the type's page for what may be looked at.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Backing::Mapped(map) => map,
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(bytes) => bytes,
        }
    }

    /// Reads the range into memory.
    ///
    /// # Errors
    /// The device's error, or `Unsupported` where the system cannot do this (Linux before 5.14,
    /// other systems); the caller then reads into a buffer of its own.
    pub fn populate(&self, range: Range<usize>) -> io::Result<()> {
        match &self.0 {
            Backing::Mapped(map) => populate(map, range),
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(_) => Ok(()),
        }
    }

    /// Gives the range's pages back; the page cache keeps them. They must be populated again
    /// before the next look. `&mut` makes sure that nobody is looking.
    pub fn release(&mut self, range: Range<usize>) {
        match &self.0 {
            Backing::Mapped(map) => release(map, range),
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(_) => {}
        }
    }
}

#[cfg(target_os = "linux")]
fn populate(map: &Mmap, range: Range<usize>) -> io::Result<()> {
    map.advise_range(memmap2::Advice::PopulateRead, range.start, range.len())
        .map_err(|error| {
            match error.kind() {
                // The kernel does not know the advice.
                io::ErrorKind::InvalidInput => io::ErrorKind::Unsupported.into(),
                _ => error,
            }
        })
}

#[cfg(not(target_os = "linux"))]
fn populate(_: &Mmap, _: Range<usize>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn release(map: &Mmap, range: Range<usize>) {
    // SAFETY: MADV_DONTNEED on a private mapping discards changes made through it and reloads
    // the file's bytes at the next access. The mapping is read-only, so there are none to lose,
    // and the caller's `&mut Mapping` rules out a live slice of the range.
    let advised = unsafe {
        map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
    };
    // Only memory use depends on it.
    drop(advised);
}

#[cfg(not(target_os = "linux"))]
fn release(_: &Mmap, _: Range<usize>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_mapping_shows_its_bytes() {
        let mut mapping = Mapping::of_bytes(vec![1, 2, 3]);
        assert!(mapping.populate(0..3).is_ok());
        mapping.release(0..3);
        assert_eq!(
            (mapping.bytes(), mapping.is_empty()),
            (&[1, 2, 3][..], false)
        );
    }
}
