//! The disk under a folder: what one sync costs, and how much is occupied.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use super::clock;

/// The median of 100 times `pwrite` of 4 KiB into preallocated space and `fdatasync`, in
/// microseconds.
pub(crate) fn sync_latency_us(folder: &Path) -> f64 {
    let path = folder.join("sync-latency");
    let file = File::create_new(&path).unwrap();
    fallocate(&file, FallocateFlags::empty(), 0, 1024 * 1024).unwrap();
    file.sync_all().unwrap();
    let mut took: Vec<f64> = (0..100)
        .map(|block| {
            let started = clock::now();
            file.write_all_at(&[7; 4096], block * 4096).unwrap();
            file.sync_data().unwrap();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    fs::remove_file(&path).unwrap();
    took.sort_unstable_by(f64::total_cmp);
    took[took.len() / 2]
}

/// Bytes that the chunk files under `folder` occupy, and nothing else: the lock's file alone would be a
/// block more than one for each chunk.
pub(crate) fn occupied(folder: &Path) -> f64 {
    let mut bytes = 0.0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let Ok(found) = entry.metadata() else {
            continue; // Renamed or deleted meanwhile.
        };
        let path = entry.path();
        if found.is_dir() {
            bytes += occupied(&path);
        } else if path.extension().is_some_and(|name| name == "chunk") {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let blocks = found.blocks() as f64;
            bytes += blocks * 512.0;
        }
    }
    bytes
}
