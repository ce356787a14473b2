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
use crate::meta::{ChunkMeta, CommonMeta};

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
}

/// Reads the heads of one chunk after the other.
#[derive(Debug, Default)]
pub(crate) struct HeadReader<'a> {
    /// What most of them have in common.
    common: Option<&'a CommonMeta>,
    /// The first bytes of the last file: at least its first block, unless it is shorter.
    first: Vec<u8>,
    /// Whether there seem to be no more.
    is_whole: bool,
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
        HeadReader::default().read(file)
    }

    /// The head of the chunk `id`, from a copy behind its frames if what the file begins with is
    /// damaged or another chunk's.
    pub(crate) fn find(file: &dyn File, id: ChunkId) -> Result<FoundHead, HeadError> {
        HeadReader::default().find(file, id)
    }

    pub(crate) fn data_start(&self) -> u64 {
        u64::from(self.header.data_start)
    }

    /// The seal record, if there is an intact one whose lengths are possible.
    pub(crate) fn seal(&self) -> Option<SealRecord> {
        match self.seal {
            Recorded::Present(seal) => seal.data_end(&self.header).map(|_| seal),
            Recorded::Absent | Recorded::Damaged => None,
        }
    }
}

impl<'a> HeadReader<'a> {
    pub(crate) fn sharing(common: Option<&'a CommonMeta>) -> HeadReader<'a> {
        HeadReader {
            common,
            ..HeadReader::default()
        }
    }

    /// The file's first `len` bytes, if they were read with its head.
    pub(crate) fn first(&self, len: u64) -> Option<&[u8]> {
        self.first.get(..usize::try_from(len).ok()?)
    }

    /// As [`Head::find`].
    pub(crate) fn find(&mut self, file: &dyn File, id: ChunkId) -> Result<FoundHead, HeadError> {
        let (error, why) = match self.read(file) {
            Ok(head) if head.header.id == id => {
                return Ok(FoundHead { head, damage: None });
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
        self.read_first(file).map_err(HeadError::Io)?;
        self.first.resize(FIRST_READ_LEN, 0);
        let head = self.head(file, header, meta).map_err(HeadError::Io)?;
        Ok(FoundHead {
            head,
            damage: Some(why),
        })
    }

    fn read(&mut self, file: &dyn File) -> Result<Head, HeadError> {
        self.read_first(file).map_err(HeadError::Io)?;
        let header = match Header::decode(&self.first) {
            Ok(header) => header,
            Err(HeaderError::Newer(version)) => return Err(HeadError::Newer(version)),
            Err(HeaderError::Unreadable(why)) => return Err(blank_or(why, file)),
        };
        self.read_up_to_data(file, &header)?;
        let seed = Seed::new(header.id);
        let meta = &self.first[to_usize(header.meta_offset())..];
        let meta = &meta[..to_usize(header.meta_len.into())];
        if seed.of(meta) != header.meta_crc {
            return Err(HeadError::Unreadable("metadata checksum does not match"));
        }
        let meta = match self.common {
            Some(common) => common.decode(meta),
            None => ChunkMeta::decode(meta),
        };
        let meta = meta
            .filter(|meta| meta.destinations.len() == usize::from(header.slot_count))
            .ok_or(HeadError::Unreadable("metadata contradicts itself"))?;
        self.head(file, header, meta).map_err(HeadError::Io)
    }

    /// Reads the first block. One byte more is asked for, which tells a file of one block, as very many
    /// may be, from a longer one: a call less for each.
    fn read_first(&mut self, file: &dyn File) -> io::Result<()> {
        self.first.resize(FIRST_READ_LEN + 1, 0);
        let read = match file.read_at(&mut self.first, 0) {
            Ok(read) if read >= FIRST_READ_LEN => read,
            // It is shorter, or what lies behind the block cannot be read.
            _ => {
                self.first.truncate(FIRST_READ_LEN);
                read_full_at(file, &mut self.first, 0)?
            }
        };
        self.is_whole = read == FIRST_READ_LEN && self.first.len() > read;
        self.first.truncate(read);
        Ok(())
    }

    /// Reads up to the first frame if the first block ends before.
    fn read_up_to_data(&mut self, file: &dyn File, header: &Header) -> Result<(), HeadError> {
        let len = to_usize(header.data_start.into());
        if self.first.len() < len {
            self.is_whole = false;
            self.first.resize(len, 0);
            let read = read_full_at(file, &mut self.first, 0).map_err(HeadError::Io)?;
            if read < len {
                return Err(HeadError::Unreadable("file too short for its header"));
            }
        }
        Ok(())
    }

    /// The head with the records that the first bytes hold.
    fn head(&self, file: &dyn File, header: Header, meta: ChunkMeta) -> io::Result<Head> {
        let (seed, bytes) = (Seed::new(header.id), &self.first[..]);
        let seal = SealRecord::decode(&array::<SEAL_LEN>(bytes, SEAL_OFFSET), &seed);
        Ok(Head {
            slots: (0..meta.destinations.len())
                .map(|n| slot(bytes, &seed, n))
                .collect(),
            file_len: self.file_len(file, &header, &seal)?,
            seal,
            header,
            meta: Arc::new(meta),
        })
    }

    /// The file is measured unless it says itself that its data ends within what was read of it, and
    /// no more could be read: then it hardly is longer, and nothing of what it may have is looked at.
    fn file_len(
        &self,
        file: &dyn File,
        header: &Header,
        seal: &Recorded<SealRecord>,
    ) -> io::Result<u64> {
        let read = self.first.len() as u64;
        if let Recorded::Present(seal) = seal
            && self.is_whole
            && seal.data_end(header).is_some_and(|end| end <= read)
        {
            return Ok(read);
        }
        file.len()
    }
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
