//! What a test found, as a row of the table in `storage/CRASH-TESTS.md`: the test, the file system, cycles,
//! faults, images, events acknowledged, lost and repeated.

use std::process::Command;

use crate::harness::destination::Destination;
use crate::harness::ledger::Ledger;

/// Cycles of a randomised test: `FOREBAY_CRASH_CYCLES`, or `usual`.
pub(super) fn cycle_count(usual: u32) -> u32 {
    let given = std::env::var("FOREBAY_CRASH_CYCLES").ok();
    given.map_or(usual, |text| text.parse().expect("a number"))
}

/// Waits until everything that was acknowledged has arrived, and prints the row.
///
/// # Panics
/// If something was lost.
pub(super) fn settle(
    test: &str,
    file_system: &str,
    cycles: u32,
    faults: u64,
    ledger: &Ledger,
    destination: &Destination,
) {
    let acknowledged = ledger.acknowledged();
    destination.arrivals().wait_for(&acknowledged);
    let arrived = |id: &&_| destination.arrivals().has(**id);
    let lost = acknowledged.len() - acknowledged.iter().filter(arrived).count();
    println!(
        "| {test} | {file_system} | {cycles} | {faults} | - | {} | {lost} | {} |",
        acknowledged.len(),
        destination.arrivals().repeat_count(),
    );
}

/// The file system under the tests' own folder.
pub(super) fn own_file_system() -> String {
    let output = Command::new("stat")
        .args(["-f", "-c", "%T", env!("CARGO_TARGET_TMPDIR")])
        .output();
    let name = String::from_utf8(output.unwrap().stdout).unwrap();
    // The kernel has one number for the three.
    name.trim().replace("ext2/ext3", "ext4")
}
