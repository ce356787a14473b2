//! The machine's free memory.

use std::fs;

/// Touches `size` bytes and gives them back, so that the page cache of what follows is made of pages
/// that the machine really has. On a virtual machine the first touch of a page costs several times its
/// copy: without this the figures would be the host's, and the first run would pay for the next. Half of
/// what is free at most.
pub(crate) fn warm(size: u64) {
    const PART: usize = 64 * 1024 * 1024;
    let mut parts = Vec::new();
    for _ in 0..size.min(available() / 2).div_ceil(PART as u64) {
        parts.push(vec![1_u8; PART]);
    }
    std::hint::black_box(&parts);
}

/// Bytes that can be had without swapping.
fn available() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}
