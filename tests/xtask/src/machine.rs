//! What the tests ran on, for the line above the table.

use std::fs;

/// Cores, memory, whether it is a virtual machine, and the kernel.
pub(crate) fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = memory_gib().map_or("?".to_owned(), |gib| gib.to_string());
    let kind = if is_virtual() {
        "virtual machine"
    } else {
        "machine"
    };
    format!("{cores} cores, {memory} GiB, {kind}, Linux {}:", kernel())
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or("?".to_owned(), |text| text.trim().to_owned())
}

fn memory_gib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}

/// The processor says whether a hypervisor runs it.
fn is_virtual() -> bool {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut flags = text.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split(' ').any(|flag| flag == "hypervisor"))
}
