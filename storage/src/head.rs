//! Reading what stands before a chunk's frames: header, seal record, slots, metadata.

use std::io;
use std::sync::Arc;

use crate::checksum::Seed;
use crate::fs::{File, read_full_at};
use crate::header::{
    FIRST_READ_LEN, Header, HeaderError, Recorded, SealRecord, SlotRecord, slot_offset,
};
use crate::id::ChunkId;
use crate::layout::{SEAL_LEN, SEAL_OFFSET, SLOT_LEN, to_usize};
use crate::meta::ChunkMeta;

pub(crate) mod copy;

/// Everything a chunk file says before its first frame.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) meta: Arc<ChunkMeta>,
    /// By destination; `None` is damaged, which counts as owed.
    pub(crate) slots: Vec<Option<SlotRecord>>,
    pub(crate) seal: Recorded<SealRecord>,
    pub(crate) file_len: u64,
}

/// A chunk's head, and what is wrong with the one its file begins with.
#[derive(Clone, Debug)]
pub(crate) struct FoundHead {
    pub(crate) head: Head,
    /// Why header and metadata had to be taken from a copy, if they had to.
    pub(crate) damage: Option<&'static str>,
    /// The file's first bytes, as they were read.
    pub(crate) first: Vec<u8>,
}

/// Why a file has no readable head.
#[derive(Debug)]
pub(crate) enum HeadError {
    Io(io::Error),
    /// Written by this newer format version.
    Newer(u16),
    Unreadable(&'static str),
    /// The file holds nothing but zeros, or nothing at all.
    Blank,
}

impl Head {
    /// Reads the head.
    pub(crate) fn read(file: &dyn File) -> Result<Head, HeadError> {
        Ok(Head::read_first(file)?.0)
    }

    /// Reads the head, and gives what was read with it: 4 KiB unless the metadata is long, or the file
    /// is shorter.
    fn read_first(file: &dyn File) -> Result<(Head, Vec<u8>), HeadError> {
        let mut first = vec![0; FIRST_READ_LEN];
        let read = read_full_at(file, &mut first, 0).map_err(HeadError::Io)?;
        first.truncate(read);
        let header = match Header::decode(&first) {
            Ok(header) => header,
            Err(HeaderError::Newer(version)) => return Err(HeadError::Newer(version)),
            Err(HeaderError::Unreadable(why)) => return Err(blank_or(why, file)),
        };
        let bytes = whole_head(file, first, &header)?;
        let seed = Seed::new(header.id);
        let meta = &bytes[to_usize(header.meta_offset())..][..to_usize(header.meta_len.into())];
        if seed.of(meta) != header.meta_crc {
            return Err(HeadError::Unreadable("metadata checksum does not match"));
        }
        let meta = ChunkMeta::decode(meta)
            .filter(|meta| meta.destinations.len() == usize::from(header.slot_count))
            .ok_or(HeadError::Unreadable("metadata contradicts itself"))?;
        let head = Head::of_records(file, &bytes, header, meta).map_err(HeadError::Io)?;
        Ok((head, bytes))
    }

    /// The head of the chunk `id`, from a copy behind its frames if what the file begins with is
    /// damaged or another chunk's.
    pub(crate) fn find(file: &dyn File, id: ChunkId) -> Result<FoundHead, HeadError> {
        let (error, why) = match Head::read_first(file) {
            Ok((head, first)) if head.header.id == id => {
                return Ok(FoundHead {
                    head,
                    damage: None,
                    first,
                });
            }
            Ok(_) => {
                let why = "its header is another chunk's";
                (HeadError::Unreadable(why), why)
            }
            Err(HeadError::Unreadable(why)) => (HeadError::Unreadable(why), why),
            Err(error) => return Err(error),
        };
        let Some((header, meta)) = copy::find(file, id)? else {
            return Err(error);
        };
        let mut bytes = vec![0; FIRST_READ_LEN];
        read_full_at(file, &mut bytes, 0).map_err(HeadError::Io)?;
        let head = Head::of_records(file, &bytes, header, meta).map_err(HeadError::Io)?;
        Ok(FoundHead {
            head,
            damage: Some(why),
            first: bytes,
        })
    }

    /// The head with the records that `bytes`, the file's first ones, hold.
    fn of_records(
        file: &dyn File,
        bytes: &[u8],
        header: Header,
        meta: ChunkMeta,
    ) -> io::Result<Head> {
        let seed = Seed::new(header.id);
        Ok(Head {
            slots: (0..meta.destinations.len())
                .map(|n| slot(bytes, &seed, n))
                .collect(),
            seal: SealRecord::decode(&array::<SEAL_LEN>(bytes, SEAL_OFFSET), &seed),
            header,
            meta: Arc::new(meta),
            file_len: file.len()?,
        })
    }

    pub(crate) fn data_start(&self) -> u64 {
        u64::from(self.header.data_start)
    }

    /// The seal record, if there is an intact one whose lengths are possible.
    pub(crate) fn seal(&self) -> Option<SealRecord> {
        match self.seal {
            Recorded::Present(seal) => self
                .data_start()
                .checked_add(seal.data_len)
                .is_some()
                .then_some(seal),
            Recorded::Absent | Recorded::Damaged => None,
        }
    }
}

/// The bytes up to the first frame: `first`, and a second read if that is too short.
fn whole_head(file: &dyn File, mut first: Vec<u8>, header: &Header) -> Result<Vec<u8>, HeadError> {
    let len = to_usize(header.data_start.into());
    if first.len() < len {
        first.resize(len, 0);
        let read = read_full_at(file, &mut first, 0).map_err(HeadError::Io)?;
        if read < len {
            return Err(HeadError::Unreadable("file too short for its header"));
        }
    }
    Ok(first)
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

fn slot(bytes: &[u8], seed: &Seed, index: usize) -> Option<SlotRecord> {
    let bytes = array::<SLOT_LEN>(bytes, to_usize(slot_offset(index)));
    SlotRecord::decode(&bytes, seed, index)
}

/// `Blank` if the whole file is, since then there is nothing to set aside.
fn blank_or(why: &'static str, file: &dyn File) -> HeadError {
    match is_blank(file) {
        Ok(true) => HeadError::Blank,
        Ok(false) => HeadError::Unreadable(why),
        Err(error) => HeadError::Io(error),
    }
}

fn is_blank(file: &dyn File) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let mut offset = 0;
    loop {
        let read = read_full_at(file, &mut buffer, offset)?;
        if buffer[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read < buffer.len() {
            return Ok(true);
        }
        offset += read as u64;
    }
}
