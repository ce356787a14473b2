//! The state behind a simulated file system: both images and what differs between them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::DirEntry;
use super::{Faults, Op};
use crate::layout::{BLOCK_LEN, SECTOR_LEN, align_up, to_usize};

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

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What programs see.
    seen: Vec<u8>,
    /// What is on the medium for certain.
    durable: Vec<u8>,
    /// Sectors that may differ.
    dirty: BTreeSet<usize>,
    /// The next `sync_data` fails.
    is_failing: bool,
}

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
}

/// Calls since the faults were set.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    syncs: u64,
    dir_syncs: u64,
    sync_alls: u64,
    writes: u64,
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

    fn check_power(&self) -> io::Result<()> {
        match self.faults.power_off_after {
            Some(after) if self.op_count >= after => Err(failure()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, entries: Vec<(PathBuf, Option<Node>)>) {
        apply(&mut self.seen, &entries);
        self.changes.push(Change(entries));
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<InodeId> {
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
        let entry = Some(Node::File(inode));
        self.change(vec![(from.to_owned(), None), (to.to_owned(), entry)]);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.begin(Op::Remove(path.to_owned()))?;
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
        if self.faults.failing_dir_syncs.contains(&call) {
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
        if self.faults.failing_sync_alls.contains(&call) {
            if let Some(inode) = self.inodes.iter_mut().find(|inode| !inode.dirty.is_empty()) {
                inode.is_failing = true;
                inode.dirty.clear();
            }
            return Err(failure());
        }
        self.inodes.iter_mut().for_each(Inode::sync);
        Ok(())
    }

    pub(super) fn free_space(&self) -> u64 {
        let capacity = self.faults.capacity_bytes.unwrap_or(u64::MAX);
        capacity.saturating_sub(self.used_bytes())
    }

    fn used_bytes(&self) -> u64 {
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
        &self,
        inode: InodeId,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.check_power()?;
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
    pub(super) fn map(&self, inode: InodeId) -> (Vec<u8>, Option<Range<usize>>) {
        let places = |part: &Range<u64>| to_usize(part.start)..to_usize(part.end);
        let unreadable = self.faults.unreadable.as_ref().map(places);
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
        if self.faults.failing_writes.contains(&call) {
            self.inodes[inode].write(&bytes[..bytes.len() / 2], to_usize(offset));
            return Err(failure());
        }
        self.inodes[inode].write(bytes, to_usize(offset));
        Ok(())
    }

    fn check_space(&self, inode: InodeId, len: u64) -> io::Result<()> {
        let has = align_up(self.inodes[inode].seen.len() as u64, BLOCK_LEN);
        let more = align_up(len, BLOCK_LEN).saturating_sub(has);
        if more > 0 && self.free_space() < more {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn allocate(&mut self, inode: InodeId, path: &Path, len: u64) -> io::Result<()> {
        self.check_space(inode, len)?;
        self.begin(Op::SetLen(path.to_owned(), len))?;
        let seen = &mut self.inodes[inode].seen;
        seen.resize(seen.len().max(to_usize(len)), 0);
        Ok(())
    }

    pub(super) fn truncate(&mut self, inode: InodeId, path: &Path, len: u64) -> io::Result<()> {
        self.begin(Op::SetLen(path.to_owned(), len))?;
        self.inodes[inode].seen.resize(to_usize(len), 0);
        Ok(())
    }

    pub(super) fn sync_data(&mut self, inode: InodeId, path: &Path) -> io::Result<()> {
        self.begin(Op::SyncData(path.to_owned()))?;
        let call = next(&mut self.counts.syncs);
        let inode = &mut self.inodes[inode];
        if std::mem::take(&mut inode.is_failing) || self.faults.failing_syncs.contains(&call) {
            // The pages are clean from now on, as Linux has it: what they held is lost.
            inode.dirty.clear();
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
        self.inodes.push(Inode {
            seen: bytes.clone(),
            durable: bytes,
            ..Inode::default()
        });
        let node = Node::File(self.inodes.len() - 1);
        self.seen.insert(path.to_owned(), node);
        self.durable.insert(path.to_owned(), node);
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
            ..Disk::default()
        }
    }

    pub(super) fn after_power_cut(&self, seed: u64) -> Disk {
        let mut coin = Coin(seed);
        let mut tree = self.durable.clone();
        for change in self.changes.iter().filter(|_| coin.flip()) {
            apply(&mut tree, &change.0);
        }
        let kept = tree.clone();
        tree.retain(|path, _| path.ancestors().skip(1).all(|dir| kept.contains_key(dir)));
        let inodes = self
            .inodes
            .iter()
            .map(|inode| inode.after_power_cut(&mut coin))
            .collect();
        Disk {
            inodes,
            seen: tree.clone(),
            durable: tree,
            ..Disk::default()
        }
    }
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        self.seen.resize(self.seen.len().max(end), 0);
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty
            .extend(offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN));
    }

    fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.seen, &mut self.durable, sector);
        }
    }

    fn after_power_cut(&self, coin: &mut Coin) -> Inode {
        let mut bytes = self.durable.clone();
        if coin.flip() {
            bytes.resize(self.seen.len(), 0);
        }
        for sector in &self.dirty {
            if coin.flip() {
                copy_sector(&self.seen, &mut bytes, *sector);
            }
        }
        Inode {
            seen: bytes.clone(),
            durable: bytes,
            ..Inode::default()
        }
    }
}

/// Copies what both have of the sector.
fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR_LEN;
    let end = (start + SECTOR_LEN).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
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

fn failure() -> io::Error {
    io::Error::other("simulated failure")
}

/// Splitmix64: the same seed, the same outcome.
struct Coin(u64);

impl Coin {
    fn flip(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}
