//! The state behind a simulated file system: both images and what differs between them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::DirEntry;
use super::inode::Inode;
use super::survivors::{Fate, Survivors};
use super::{Faults, Op};
use crate::layout::{BLOCK_LEN, align_up, to_usize};

/// Index into [`Disk::inodes`].
pub(super) type InodeId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(InodeId),
    Dir,
}

type Tree = BTreeMap<PathBuf, Node>;

/// A change of directories that is durable as a whole or not at all.
#[derive(Clone, Debug)]
struct Change(Vec<(PathBuf, Option<Node>)>);

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) log: Vec<Op>,
    pub(super) op_count: u64,
    pub(super) open_count: usize,
    inodes: Vec<Inode>,
    seen: Tree,
    durable: Tree,
    changes: Vec<Change>,
    locks: BTreeMap<PathBuf, Vec<u8>>,
    faults: Faults,
    counts: Counts,
    /// A write, a sync or a move has failed: what it was to make durable may never be.
    pub(super) has_failed: bool,
    /// The file system has gone down, and answers nothing more.
    is_down: bool,
}

/// Calls since the faults were set.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    syncs: u64,
    dir_syncs: u64,
    sync_alls: u64,
    writes: u64,
    reads: u64,
    allocations: u64,
    opens: u64,
    moves: u64,
}

impl Disk {
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.counts = Counts::default();
    }

    /// Counts a changing operation and logs it, or says that the power is off.
    fn begin(&mut self, op: Op) -> io::Result<()> {
        self.check_power()?;
        self.op_count += 1;
        self.log.push(op);
        Ok(())
    }

    pub(super) fn check_power(&self) -> io::Result<()> {
        match self.faults.power_off_after {
            _ if self.is_down => Err(io::Error::other("the file system is down")),
            Some(after) if self.op_count >= after => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, entries: Vec<(PathBuf, Option<Node>)>) {
        apply(&mut self.seen, &entries);
        self.changes.push(Change(entries));
    }

    pub(super) fn open(&mut self, path: &Path) -> io::Result<InodeId> {
        let inode = self.find(path)?;
        self.check_descriptors()?;
        Ok(inode)
    }

    fn check_descriptors(&mut self) -> io::Result<()> {
        let call = next(&mut self.counts.opens);
        if self.faults.failing_opens.contains(call) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<InodeId> {
        self.check_power()?;
        match self.seen.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create_new(&mut self, path: &Path) -> io::Result<InodeId> {
        if self.seen.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_parent(path)?;
        self.check_power()?;
        self.check_descriptors()?;
        self.check_allocation()?;
        self.begin(Op::Create(path.to_owned()))?;
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.change(vec![(path.to_owned(), Some(Node::File(inode)))]);
        Ok(inode)
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent().map(|parent| self.seen.get(parent)) {
            Some(Some(Node::Dir)) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        self.check_parent(to)?;
        self.begin(Op::Rename(from.to_owned(), to.to_owned()))?;
        self.check_move()?;
        let entry = Some(Node::File(inode));
        self.change(vec![(from.to_owned(), None), (to.to_owned(), entry)]);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.begin(Op::Remove(path.to_owned()))?;
        self.check_move()?;
        self.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.check_power()?;
        if self.seen.get(path) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let children = self
            .seen
            .iter()
            .filter(|(child, _)| child.parent() == Some(path));
        let entries = children.filter_map(|(child, node)| {
            let name = child.file_name()?.to_string_lossy().into_owned();
            Some(DirEntry {
                name,
                is_dir: *node == Node::Dir,
            })
        });
        Ok(entries.collect())
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let missing = |dir: &&Path| !self.seen.contains_key(*dir);
        let dirs: Vec<_> = path
            .ancestors()
            .filter(missing)
            .map(Path::to_owned)
            .collect();
        if dirs.is_empty() {
            return self.check_power();
        }
        self.begin(Op::CreateDirs(path.to_owned()))?;
        dirs.into_iter()
            .rev()
            .for_each(|dir| self.change(vec![(dir, Some(Node::Dir))]));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.check_descriptors()?;
        self.begin(Op::SyncDir(path.to_owned()))?;
        let concerns = |change: &Change| {
            change
                .0
                .iter()
                .any(|(entry, _)| entry.parent() == Some(path) || entry == path)
        };
        let changes = std::mem::take(&mut self.changes);
        let (synced, rest): (Vec<_>, Vec<_>) = changes.into_iter().partition(concerns);
        self.changes = rest;
        let call = next(&mut self.counts.dir_syncs);
        if self.faults.failing_dir_syncs.contains(call) {
            self.has_failed = true;
            return Err(failure());
        }
        synced
            .iter()
            .for_each(|change| apply(&mut self.durable, &change.0));
        Ok(())
    }

    pub(super) fn sync_all(&mut self) -> io::Result<()> {
        self.begin(Op::SyncAll)?;
        let call = next(&mut self.counts.sync_alls);
        if self.faults.failing_sync_alls.contains(call) {
            self.has_failed = true;
            if let Some(inode) = self.inodes.iter_mut().find(|inode| inode.is_dirty()) {
                inode.lose_untold();
            }
            return Err(failure());
        }
        // What has no name any more is not worth writing, though a power cut may bring its name back.
        let is_here = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(inode) if !self.is_on_other_volume(path) => Some(*inode),
            Node::File(_) | Node::Dir => None,
        };
        let here: BTreeSet<_> = self.seen.iter().filter_map(is_here).collect();
        here.iter().for_each(|inode| self.inodes[*inode].sync());
        Ok(())
    }

    pub(super) fn is_on_other_volume(&self, path: &Path) -> bool {
        let other = self.faults.other_volume.as_ref();
        other.is_some_and(|other| path.starts_with(other))
    }

    pub(super) fn free_space(&self) -> u64 {
        let capacity = self.faults.capacity_bytes.unwrap_or(u64::MAX);
        capacity.saturating_sub(self.used_bytes())
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let blocks = |node: &Node| match node {
            Node::File(inode) => align_up(self.inodes[*inode].seen.len() as u64, BLOCK_LEN),
            Node::Dir => 0,
        };
        self.seen.values().map(blocks).sum()
    }

    pub(super) fn try_lock(&mut self, path: &Path, owner: &[u8]) -> Result<(), Vec<u8>> {
        match self.locks.get(path) {
            Some(owner) => Err(owner.clone()),
            None => {
                self.locks.insert(path.to_owned(), owner.to_vec());
                Ok(())
            }
        }
    }

    pub(super) fn unlock(&mut self, path: &Path) {
        self.locks.remove(path);
    }

    pub(super) fn read_at(
        &mut self,
        inode: InodeId,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.check_power()?;
        let call = next(&mut self.counts.reads);
        if self.faults.failing_reads.contains(call) {
            return Err(failure());
        }
        let bytes = self.inodes[inode]
            .seen
            .get(to_usize(offset)..)
            .unwrap_or_default();
        let len = bytes.len().min(buffer.len());
        let end = offset + len as u64;
        if self
            .faults
            .unreadable
            .iter()
            .any(|part| part.start < end && offset < part.end)
        {
            return Err(failure());
        }
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    pub(super) fn is_populate_unsupported(&self) -> bool {
        self.faults.is_populate_unsupported
    }

    /// All bytes, and which of them cannot be read.
    pub(super) fn map(&mut self, inode: InodeId) -> (Vec<u8>, Option<Range<usize>>) {
        let places = |part: &Range<u64>| to_usize(part.start)..to_usize(part.end);
        let call = next(&mut self.counts.reads);
        let unreadable = if self.faults.failing_reads.contains(call) {
            Some(0..usize::MAX)
        } else {
            self.faults.unreadable.as_ref().map(places)
        };
        (self.inodes[inode].seen.clone(), unreadable)
    }

    pub(super) fn write(
        &mut self,
        inode: InodeId,
        path: &Path,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        self.check_space(inode, end)?;
        self.begin(Op::Write(path.to_owned(), offset, end))?;
        let call = next(&mut self.counts.writes);
        if self.faults.failing_writes.contains(call) {
            self.has_failed = true;
            self.inodes[inode].write(&bytes[..bytes.len() / 2], to_usize(offset));
            return Err(failure());
        }
        self.inodes[inode].write(bytes, to_usize(offset));
        Ok(())
    }

    fn check_allocation(&mut self) -> io::Result<()> {
        let call = next(&mut self.counts.allocations);
        if self.faults.failing_allocations.contains(call) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn check_move(&mut self) -> io::Result<()> {
        let call = next(&mut self.counts.moves);
        if self.faults.failing_moves.contains(call) {
            self.has_failed = true;
            return Err(failure());
        }
        Ok(())
    }

    fn check_space(&mut self, inode: InodeId, len: u64) -> io::Result<()> {
        let has = align_up(self.inodes[inode].seen.len() as u64, BLOCK_LEN);
        let more = align_up(len, BLOCK_LEN).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        if self.free_space() < more {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.check_allocation()
    }

    pub(super) fn allocate(&mut self, inode: InodeId, path: &Path, len: u64) -> io::Result<()> {
        let free_len = self.free_space() / BLOCK_LEN * BLOCK_LEN;
        let fits_len = self.len(inode)?.saturating_add(free_len);
        let checked = self.check_space(inode, len);
        let len = match &checked {
            // As ext4 does: what there is becomes the file's, and the call fails.
            Err(_) if fits_len < len => fits_len,
            Err(_) => return checked,
            Ok(()) => len,
        };
        self.begin(Op::SetLen(path.to_owned(), len))?;
        let inode = &mut self.inodes[inode];
        if inode.seen.len() < to_usize(len) {
            inode.set_len(to_usize(len));
        }
        checked
    }

    pub(super) fn truncate(&mut self, inode: InodeId, path: &Path, len: u64) -> io::Result<()> {
        self.begin(Op::SetLen(path.to_owned(), len))?;
        self.inodes[inode].set_len(to_usize(len));
        Ok(())
    }

    pub(super) fn sync_data(&mut self, inode: InodeId, path: &Path) -> io::Result<()> {
        self.begin(Op::SyncData(path.to_owned()))?;
        let call = next(&mut self.counts.syncs);
        if self.faults.false_syncs.contains(call) {
            self.is_down = true;
            self.has_failed = true;
            return Ok(());
        }
        let inode = &mut self.inodes[inode];
        if inode.take_failure() || self.faults.failing_syncs.contains(call) {
            inode.lose();
            self.has_failed = true;
            return Err(failure());
        }
        inode.sync();
        Ok(())
    }

    pub(super) fn len(&self, inode: InodeId) -> io::Result<u64> {
        self.check_power()?;
        Ok(self.inodes[inode].seen.len() as u64)
    }

    pub(super) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        match self.seen.get(path)? {
            Node::File(inode) => Some(self.inodes[*inode].seen.clone()),
            Node::Dir => None,
        }
    }

    pub(super) fn set_bytes(&mut self, path: &Path, bytes: Vec<u8>) {
        for dir in path.ancestors().skip(1) {
            self.seen.insert(dir.to_owned(), Node::Dir);
            self.durable.insert(dir.to_owned(), Node::Dir);
        }
        self.inodes.push(Inode::settled(bytes));
        let node = Node::File(self.inodes.len() - 1);
        self.seen.insert(path.to_owned(), node);
        self.durable.insert(path.to_owned(), node);
    }

    pub(super) fn damage(&mut self, path: &Path, offset: u64, change: impl Fn(&mut [u8])) -> bool {
        let Some(Node::File(inode)) = self.seen.get(path) else {
            return false;
        };
        let inode = &mut self.inodes[*inode];
        let exists = inode.seen.len() > to_usize(offset);
        if exists {
            inode.damage(to_usize(offset), change);
        }
        exists
    }

    pub(super) fn misdirect(&mut self, from: (&Path, u64), to: (&Path, u64)) -> bool {
        let block = to_usize(from.1)..to_usize(from.1.saturating_add(BLOCK_LEN));
        let bytes = self.bytes(from.0);
        let Some(moved) = bytes.as_ref().and_then(|bytes| bytes.get(block)) else {
            return false;
        };
        let overwrite = |bytes: &mut [u8]| {
            let len = bytes.len().min(moved.len());
            bytes[..len].copy_from_slice(&moved[..len]);
        };
        let blank = |bytes: &mut [u8]| {
            let len = bytes.len().min(moved.len());
            bytes[..len].fill(0);
        };
        self.damage(to.0, to.1, overwrite) && self.damage(from.0, from.1, blank)
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = self.seen.iter().filter(|(_, node)| **node != Node::Dir);
        files.map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn after_kill(&self) -> Disk {
        let inodes = self.inodes.clone();
        let (seen, durable) = (self.seen.clone(), self.durable.clone());
        Disk {
            inodes,
            seen,
            durable,
            changes: self.changes.clone(),
            has_failed: self.has_failed,
            ..Disk::default()
        }
    }

    pub(super) fn after_power_cut(&self, survivors: Survivors) -> Disk {
        let mut fate = Fate::new(survivors);
        let mut tree = self.durable.clone();
        for change in self.changes.iter().filter(|_| fate.keeps_entry()) {
            apply(&mut tree, &change.0);
        }
        let kept = tree.clone();
        tree.retain(|path, _| path.ancestors().skip(1).all(|dir| kept.contains_key(dir)));
        let inodes = self
            .inodes
            .iter()
            .map(|inode| inode.after_power_cut(&mut fate))
            .collect();
        Disk {
            inodes,
            seen: tree.clone(),
            durable: tree,
            ..Disk::default()
        }
    }
}

fn apply(tree: &mut Tree, entries: &[(PathBuf, Option<Node>)]) {
    for (path, node) in entries {
        match node {
            Some(node) => tree.insert(path.clone(), *node),
            None => tree.remove(path),
        };
    }
}

fn next(count: &mut u64) -> u64 {
    *count += 1;
    *count - 1
}

/// A device that does not answer as it should.
fn failure() -> io::Error {
    rustix::io::Errno::IO.into()
}
