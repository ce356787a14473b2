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

/// Mappings that this process has made through [`Mapping`].
static MAPPING_COUNT: AtomicU64 = AtomicU64::new(0);

/// Mappings of chunk files there are now, by all stores of the process.
pub fn mapping_count() -> u64 {
    MAPPING_COUNT.load(Ordering::Relaxed)
}

/// Bytes of address space that chunk files are mapped into now, by all stores of the process.
pub fn mapped_bytes() -> u64 {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

#[derive(Debug)]
enum Backing {
    Mapped(Mmap),
    #[cfg(any(test, feature = "sim"))]
    Copied(Copied),
}

/// What a simulated file held when it was mapped.
#[cfg(any(test, feature = "sim"))]
#[derive(Debug)]
struct Copied {
    bytes: Vec<u8>,
    /// Populating these fails, in this way.
    unreadable: Option<Range<usize>>,
    failure: io::ErrorKind,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        match &self.0 {
            Backing::Mapped(map) => {
                MAPPED_BYTES.fetch_sub(map.len() as u64, Ordering::Relaxed);
                MAPPING_COUNT.fetch_sub(1, Ordering::Relaxed);
            }
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(_) => {}
        }
    }
}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must have at least as many.
    pub(super) fn of_file(file: &std::fs::File, len: usize) -> io::Result<Mapping> {
        // SAFETY: what memmap2 warns of is a `&[u8]` to bytes that change or vanish. A slice is
        // made only by `Mapping::bytes`; see there.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }?;
        MAPPED_BYTES.fetch_add(map.len() as u64, Ordering::Relaxed);
        MAPPING_COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Mapping(Backing::Mapped(map)))
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn of_bytes(bytes: Vec<u8>, unreadable: Option<Range<usize>>) -> Mapping {
        Mapping(Backing::Copied(Copied {
            bytes,
            unreadable,
            failure: io::ErrorKind::Other,
        }))
    }

    #[cfg(any(test, feature = "sim"))]
    pub(super) fn unpopulatable(bytes: Vec<u8>) -> Mapping {
        let (unreadable, failure) = (Some(0..usize::MAX), io::ErrorKind::Unsupported);
        Mapping(Backing::Copied(Copied {
            bytes,
            unreadable,
            failure,
        }))
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        match &self.0 {
            Backing::Mapped(map) => map.len(),
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(copied) => copied.bytes.len(),
        }
    }

    /// Whether no bytes are mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mapped bytes of a range that has been populated and not released since, and that
    /// nobody writes to any more: frames, not the records in the first sector.
    ///
    /// # Panics
    /// The range is not within the mapping.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "{range:?} is not mapped"
        );
        match &self.0 {
            Backing::Mapped(map) => {
                // SAFETY: the range lies within the mapping (asserted above), which lives as
                // long as `self`. Its bytes do not change: frames below a chunk's end are never
                // written again, appends go behind the end, and the records of the first sector
                // are outside of every range that a reader asks for; they are parsed from
                // `read_at`. An unsealed chunk that somebody else may be appending to is not
                // mapped at all (`reader::Source`). The lock on the data directory keeps other
                // Forebay processes out; any other program that writes into it can break this,
                // as with every mapped file. Its bytes exist: the store never cuts a chunk below
                // its end, and what else is missing is found by `populate` before the first look
                // (test `a_file_cut_short_is_an_error_not_a_signal`).
                unsafe { std::slice::from_raw_parts(map.as_ptr().add(range.start), range.len()) }
            }
            #[cfg(any(test, feature = "sim"))]
            Backing::Copied(copied) => &copied.bytes[range],
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
            Backing::Copied(copied) => copied.populate(&range),
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

#[cfg(any(test, feature = "sim"))]
impl Copied {
    fn populate(&self, range: &Range<usize>) -> io::Result<()> {
        let overlaps = |part: &Range<usize>| part.start < range.end && range.start < part.end;
        if self.unreadable.iter().any(overlaps) {
            Err(self.failure.into())
        } else {
            Ok(())
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
        let mut mapping = Mapping::of_bytes(vec![1, 2, 3], None);
        assert!(mapping.populate(0..3).is_ok());
        mapping.release(0..3);
        assert_eq!(
            (mapping.bytes(1..3), mapping.is_empty()),
            (&[2, 3][..], false)
        );
    }
}
