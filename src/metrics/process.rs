//! The process as the system sees it, from `/proc/self`; the families that every exporter has.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the system says of this process; `None` where it does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessSample {
    /// Processor time it has used, in seconds.
    pub cpu_s: Option<f64>,
    /// Descriptors open.
    pub open_fds: Option<u64>,
    /// Descriptors that it may have open; `None` without a limit.
    pub max_fds: Option<u64>,
    /// Memory that it has, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Memory mappings.
    pub mappings: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it was started, in seconds since the Unix epoch.
    pub started_s: Option<f64>,
}

/// What is used of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl ProcessSample {
    /// This process, now.
    #[must_use]
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(Stat::parse);
        let ticks = clock_ticks_per_second() as f64;
        let booted_s = fs::read_to_string("/proc/stat").ok();
        let booted_s = booted_s.as_deref().and_then(booted_s_of);
        let page_size = u64::try_from(page_size()).unwrap_or(u64::MAX);
        Self {
            cpu_s: stat.map(|stat| stat.cpu_ticks as f64 / ticks),
            // The one that lists them is open too.
            open_fds: entry_count("/proc/self/fd").map(|count| count.saturating_sub(1)),
            max_fds: getrlimit(Resource::Nofile).current,
            resident_bytes: stat.map(|stat| stat.resident_pages.saturating_mul(page_size)),
            virtual_bytes: stat.map(|stat| stat.virtual_bytes),
            mappings: line_count("/proc/self/maps"),
            threads: stat.map(|stat| stat.threads),
            started_s: stat
                .zip(booted_s)
                .map(|(stat, booted_s)| booted_s + stat.started_ticks as f64 / ticks),
        }
    }
}

impl Stat {
    /// Fields as numbered in proc_pid_stat(5), which counts from 1; the second is the program's
    /// name in parentheses and may contain anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, behind_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn booted_s_of(stat: &str) -> Option<f64> {
    let mut lines = stat.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn entry_count(dir: &str) -> Option<u64> {
    u64::try_from(fs::read_dir(dir).ok()?.count()).ok()
}

fn line_count(file: &str) -> Option<u64> {
    u64::try_from(fs::read_to_string(file).ok()?.lines().count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_may_look_like_fields() {
        let text = "42 (a) 7 (b) S 1 42 42 0 -1 4194560 300 0 0 0 120 30 0 0 20 0 9 0 5000 \
                    1048576 256 18446744073709551615 1 1 0";
        let stat = Stat::parse(text).unwrap();
        let expected = Stat {
            cpu_ticks: 150,
            threads: 9,
            started_ticks: 5_000,
            virtual_bytes: 1_048_576,
            resident_pages: 256,
        };
        assert_eq!(stat, expected);
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(booted_s_of("cpu 1 2\nbtime 1700000000\n"), Some(1.7e9));
    }

    #[test]
    fn a_descriptor_more_is_counted_once() {
        // Other tests of this process open some too: until nobody interfered.
        let is_seen = || {
            let before = ProcessSample::read().open_fds.unwrap();
            let file = fs::File::open("/proc/self/stat").unwrap();
            let with = ProcessSample::read().open_fds.unwrap();
            drop(file);
            with == before + 1
        };
        assert!((0..1_000).any(|_| is_seen()));
    }

    #[test]
    fn everything_is_known_of_this_process() {
        let sample = ProcessSample::read();
        assert!(sample.resident_bytes.unwrap() > 1 << 20);
        assert!(sample.virtual_bytes >= sample.resident_bytes);
        assert!(sample.mappings.unwrap() > 10 && sample.threads.unwrap() >= 1);
        assert!(sample.cpu_s.is_some() && sample.max_fds.unwrap() >= 3);
        let age_s = crate::clock::unix_ns() as f64 / 1e9 - sample.started_s.unwrap();
        assert!((-2.0..86_400.0).contains(&age_s), "{age_s}");
    }
}
