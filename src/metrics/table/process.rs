//! The process, in the words that every exporter uses.

use super::{Read, Section, count, counter, gauge};

pub(super) const SECTION: Section = Section {
    title: "The process",
    about: "What the system says of the process, under the names that every exporter uses.",
    families: &[
        counter(
            "process_cpu_seconds_total",
            "seconds",
            Read::Daemon(|s| s.process.cpu_s),
            "Processor time used, by user and system.",
            "Cost of the load: divide its rate by that of the events.",
        ),
        gauge(
            "process_open_fds",
            "descriptors",
            Read::Daemon(|s| s.process.open_fds.map(count)),
            "Descriptors open.",
            "Connections, chunk files and everything else, against `process_max_fds`.",
        ),
        gauge(
            "process_max_fds",
            "descriptors",
            Read::Daemon(|s| s.process.max_fds.map(count)),
            "Descriptors that may be open.",
            "The daemon divides them between senders, chunks and deliveries at its start.",
        ),
        gauge(
            "process_resident_memory_bytes",
            "bytes",
            Read::Daemon(|s| s.process.resident_bytes.map(count)),
            "Memory in use, pages of mapped chunk files included.",
            "Against the limit of the container; mapped pages are given back under pressure.",
        ),
        gauge(
            "process_virtual_memory_bytes",
            "bytes",
            Read::Daemon(|s| s.process.virtual_bytes.map(count)),
            "Address space in use.",
            "Of little use by itself: chunks are mapped, not read.",
        ),
        gauge(
            "process_threads",
            "threads",
            Read::Daemon(|s| s.process.threads.map(count)),
            "Threads.",
            "A disk that hangs holds threads.",
        ),
        gauge(
            "process_memory_mappings",
            "mappings",
            Read::Daemon(|s| s.process.mappings.map(count)),
            "Memory mappings, those of chunk files among them.",
            "Against the system's `vm.max_map_count`.",
        ),
        gauge(
            "process_start_time_seconds",
            "seconds",
            Read::Daemon(|s| s.process.started_s),
            "When the process was started, in seconds since the Unix epoch.",
            "As `forebay_start_time_seconds`, for dashboards that know this name.",
        ),
    ],
};
