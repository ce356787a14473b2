//! The files of the audit log.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::AuditEntry;

/// Largest file; then the next is begun.
const SIZE_MAX: u64 = 4 << 20;

/// Files that are kept beside the one that is written.
const KEPT_MAX: u32 = 4;

/// As much is read of what an earlier run has written.
const READ_MAX: u64 = 1 << 20;

/// The file that is written.
pub(super) struct AuditFile {
    dir: PathBuf,
    file: File,
    size: u64,
}

impl AuditFile {
    /// Opens the file in `dir`, and gives the last entries in it, at most `entries_max`.
    pub(super) fn open(dir: &Path, entries_max: usize) -> io::Result<(Self, VecDeque<AuditEntry>)> {
        let mut file = open(dir)?;
        let mut size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(READ_MAX)))?;
        let mut text = Vec::new();
        (&file).take(READ_MAX).read_to_end(&mut text)?;
        // A crash may have left half a line; what follows is not to be glued to it.
        if text.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
            size += 1;
        }
        let lines = text.split(|byte| *byte == b'\n');
        let mut entries: VecDeque<_> = lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        entries.drain(..entries.len().saturating_sub(entries_max));
        let dir = dir.to_owned();
        Ok((Self { dir, file, size }, entries))
    }

    /// Writes one line, and syncs it if asked to; whether it is done. A failure is logged.
    pub(super) fn append(&mut self, line: &[u8], sync: bool) -> bool {
        let done = self.try_append(line, sync);
        if let Err(error) = &done {
            tracing::error!(%error, "cannot write the audit log");
        }
        done.is_ok()
    }

    fn try_append(&mut self, line: &[u8], sync: bool) -> io::Result<()> {
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.size > 0 && self.size.saturating_add(len) > SIZE_MAX {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.size += len;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..KEPT_MAX).rev() {
            rename(&kept(&self.dir, number), &kept(&self.dir, number + 1))?;
        }
        rename(&path(&self.dir), &kept(&self.dir, 1))?;
        self.file = open(&self.dir)?;
        self.size = self.file.metadata()?.len();
        File::open(&self.dir)?.sync_all()
    }
}

fn open(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true).open(path(dir))
}

fn path(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}

fn kept(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("audit.{number}.log"))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}
