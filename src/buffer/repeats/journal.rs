//! The ids of pieces whose chunks are gone: two files that take turns.
//!
//! A record is written just before its chunk's file is removed, so that a killed process leaves one or
//! the other. Records have one size (little-endian): stamp with its own checksum (36 bytes), events (4),
//! Unix nanoseconds (8), CRC-32 of `forebay piece 2` and the bytes before it (4). One that is torn or
//! damaged is passed over. When a file is full, or all of the window is in it, the other one is emptied
//! and takes its place: both together never hold less than the window or the number asks for.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use forebay_storage::Fs;
use forebay_storage::fs::{Access, File};

use super::stamp::{STAMP_LEN, Stamp, checksum};

const RECORD_LEN: usize = STAMP_LEN + 4 + 8 + 4;

/// Records read at a time.
const BLOCK_RECORD_COUNT: usize = 1_024;

/// A piece whose chunk is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) stamp: Stamp,
    pub(super) event_count: u32,
    pub(super) at_ns: i64,
}

#[derive(Debug)]
pub(super) struct Journal {
    fs: Arc<dyn Fs>,
    paths: [PathBuf; 2],
    /// Most records of one file.
    record_count_max: u64,
    window_ns: i64,
    /// Which of `paths` takes records.
    turn: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: Arc<dyn File>,
    /// Where the next record goes.
    end: u64,
    first_at_ns: i64,
}

impl Journal {
    /// Opens the files in `dir`, which is made if it is absent, and gives every record to `found`.
    ///
    /// # Errors
    /// The folder or a file in it cannot be used; what could be read has been given.
    pub(super) fn open(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        record_count_max: u64,
        window_ns: i64,
        mut found: impl FnMut(Record),
    ) -> io::Result<Self> {
        fs.create_dir_all(&dir)?;
        let mut journal = Self {
            fs,
            paths: [dir.join("0"), dir.join("1")],
            record_count_max: record_count_max.max(1),
            window_ns,
            turn: 0,
            current: None,
        };
        for turn in 0..2 {
            journal.read(turn, &mut found)?;
        }
        Ok(journal)
    }

    /// Reads one file; the one that begins later goes on taking records.
    fn read(&mut self, turn: usize, found: &mut impl FnMut(Record)) -> io::Result<()> {
        let file = match self.fs.open(&self.paths[turn], Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let mut block = vec![0; RECORD_LEN * BLOCK_RECORD_COUNT];
        let (mut end, mut first_at_ns) = (0, None);
        loop {
            let read = file.read_at(&mut block, end)?;
            let records = block[..read].chunks_exact(RECORD_LEN);
            let whole = RECORD_LEN * records.len();
            for record in records.filter_map(Record::from_bytes) {
                first_at_ns.get_or_insert(record.at_ns);
                found(record);
            }
            if whole == 0 {
                break;
            }
            end += whole as u64;
        }
        let first_at_ns = first_at_ns.unwrap_or(i64::MIN);
        let is_newer = self
            .current
            .as_ref()
            .is_none_or(|other| other.first_at_ns <= first_at_ns);
        if is_newer {
            self.turn = turn;
            self.current = Some(Current {
                file,
                end,
                first_at_ns,
            });
        }
        Ok(())
    }

    /// Adds records: they survive a killed process from here on, and a power cut some time later.
    ///
    /// # Errors
    /// They could not be written, and are forgotten with the process.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|record| record.to_bytes())
            .collect();
        let window_ns = self.window_ns;
        let end_max = self.record_count_max.saturating_mul(RECORD_LEN as u64);
        let has_room = |current: &Current| {
            current.end < end_max && first.at_ns.saturating_sub(current.first_at_ns) <= window_ns
        };
        if !self.current.as_ref().is_some_and(has_room) {
            self.take_turns(first.at_ns)?;
        }
        if let Some(current) = &mut self.current {
            current
                .file
                .write_all_at(&mut [IoSlice::new(&bytes)], current.end)?;
            current.end += bytes.len() as u64;
        }
        Ok(())
    }

    /// Empties the other file and goes on there.
    fn take_turns(&mut self, now_ns: i64) -> io::Result<()> {
        let turn = match self.current {
            Some(_) => 1 - self.turn,
            None => self.turn,
        };
        let path = &self.paths[turn];
        match self.fs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.fs.create_new(path)?;
        self.turn = turn;
        self.current = Some(Current {
            file,
            end: 0,
            first_at_ns: now_ns,
        });
        Ok(())
    }
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        bytes[..STAMP_LEN].copy_from_slice(&self.stamp.to_bytes());
        bytes[STAMP_LEN..STAMP_LEN + 4].copy_from_slice(&self.event_count.to_le_bytes());
        bytes[STAMP_LEN + 4..STAMP_LEN + 12].copy_from_slice(&self.at_ns.to_le_bytes());
        let crc = checksum(&bytes[..STAMP_LEN + 12]);
        bytes[STAMP_LEN + 12..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk()?;
        if checksum(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (stamp, rest) = body.split_first_chunk()?;
        let (event_count, at_ns) = rest.split_first_chunk()?;
        Some(Self {
            stamp: Stamp::from_bytes(stamp)?,
            event_count: u32::from_le_bytes(*event_count),
            at_ns: i64::from_le_bytes(*at_ns.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use forebay_storage::fs::sim::SimFs;

    use super::super::stamp::Fingerprint;
    use super::*;

    fn record(number: u8, at_ns: i64) -> Record {
        let stamp = Stamp {
            batch: Fingerprint([number; 16]),
            split: 0,
            index: 0,
            total: 1,
        };
        Record {
            stamp,
            event_count: 7,
            at_ns,
        }
    }

    /// A journal of files of four records and a window of 100 ns, and what was in it.
    fn open(fs: &SimFs) -> (Journal, Vec<Record>) {
        let mut found = Vec::new();
        let fs = Arc::new(fs.clone());
        let dir = PathBuf::from("/data/repeats/r");
        let journal = Journal::open(fs, dir, 4, 100, |record| found.push(record)).unwrap();
        (journal, found)
    }

    fn numbers(fs: &SimFs) -> Vec<u8> {
        let (_, found) = open(fs);
        let mut numbers: Vec<_> = found.iter().map(|record| record.stamp.batch.0[0]).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn records_survive_a_killed_process_and_go_on_behind_the_last() {
        let fs = SimFs::new();
        let (mut journal, _) = open(&fs);
        journal.append(&[record(1, 1), record(2, 2)]).unwrap();
        let fs = fs.after_kill();
        let (mut journal, found) = open(&fs);
        assert_eq!(found, [record(1, 1), record(2, 2)]);
        journal.append(&[record(3, 3)]).unwrap();
        assert_eq!(numbers(&fs), [1, 2, 3]);
    }

    #[test]
    fn a_full_file_and_one_that_spans_the_window_give_their_turn_to_the_other() {
        let fs = SimFs::new();
        let (mut journal, _) = open(&fs);
        for number in 1..=9 {
            journal.append(&[record(number, number.into())]).unwrap();
        }
        assert_eq!(numbers(&fs), [5, 6, 7, 8, 9], "by number");
        let (mut journal, _) = open(&fs);
        journal.append(&[record(10, 110)]).unwrap();
        assert_eq!(numbers(&fs), [9, 10], "by time");
    }

    #[test]
    fn a_torn_and_a_damaged_record_cost_themselves_only() {
        let fs = SimFs::new();
        let (mut journal, _) = open(&fs);
        journal
            .append(&[record(1, 1), record(2, 2), record(3, 3)])
            .unwrap();
        let path = Path::new("/data/repeats/r/0");
        let mut bytes = fs.bytes(path).unwrap();
        bytes[5] ^= 1;
        bytes.truncate(3 * RECORD_LEN - 1);
        fs.set_bytes(path, bytes);
        assert_eq!(numbers(&fs), [2]);
        let (mut journal, _) = open(&fs);
        journal.append(&[record(4, 4)]).unwrap();
        assert_eq!(numbers(&fs), [2, 4]);
    }
}
