//! What the kernel has counted for a process.

use std::fs;

/// Counters since the process's start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system, in microseconds.
    pub(crate) cpu_us: f64,
    /// Most resident memory, in KiB.
    pub(crate) memory_peak_kib: f64,
    /// Resident memory now, in KiB.
    pub(crate) memory_kib: f64,
    /// Bytes that went to the disk's queue.
    pub(crate) written_bytes: f64,
    /// Times that a thread gave up a processor, or lost it.
    pub(crate) switches: f64,
}

impl Usage {
    /// Of the process `id`, a number or `self`.
    pub(crate) fn of(id: &str) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap();
        let status = read("status");
        let threads = threads(id);
        Self {
            cpu_us: ticks_us(&read("stat")).max(threads.cpu_us),
            memory_peak_kib: field(&status, "VmHWM:"),
            memory_kib: field(&status, "VmRSS:"),
            written_bytes: field(&read("io"), "write_bytes:"),
            switches: threads.switches,
        }
    }
}

/// Whole ticks of 10 ms, of all threads that ever were.
fn ticks_us(stat: &str) -> f64 {
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th behind it.
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<f64> = behind_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    (fields[0] + fields[1]) * 10_000.0
}

#[derive(Default)]
struct Threads {
    cpu_us: f64,
    switches: f64,
}

/// To the nanosecond, but of the threads that still are: never more than the truth, like the ticks.
fn threads(id: &str) -> Threads {
    let mut sum = Threads::default();
    for entry in fs::read_dir(format!("/proc/{id}/task")).unwrap() {
        let folder = entry.unwrap().path();
        // A thread may end meanwhile.
        let (Ok(schedule), Ok(status)) = (
            fs::read_to_string(folder.join("schedstat")),
            fs::read_to_string(folder.join("status")),
        ) else {
            continue;
        };
        let nanoseconds: f64 = schedule.split(' ').next().unwrap().parse().unwrap();
        sum.cpu_us += nanoseconds / 1_000.0;
        sum.switches += field(&status, "voluntary_ctxt_switches:");
        sum.switches += field(&status, "nonvoluntary_ctxt_switches:");
    }
    sum
}

fn field(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
