//! What is on disk: counted from the store at each scrape, so that it cannot drift.

use super::{Read, Section, age_s, count, gauge};

pub(super) const SECTION: Section = Section {
    title: "Buffers",
    about: "What each route has on disk now, counted from the store at each scrape. Staged chunks \
            take appends, queued ones wait for a delivery, those in flight have one under way, dead \
            ones are dead letters.",
    families: &[
        gauge(
            "forebay_buffer_chunks",
            "chunks",
            Read::State(|t| t.chunks),
            "Chunks on disk, by state.",
            "How many things wait.",
        ),
        gauge(
            "forebay_buffer_events",
            "events",
            Read::State(|t| t.events),
            "Events in chunks on disk, by state.",
            "How much would be lost with the disk; `state=\"dead\"` is what waits for a person.",
        ),
        gauge(
            "forebay_buffer_bytes",
            "bytes",
            Read::State(|t| t.bytes),
            "Bytes of payload in chunks on disk, by state.",
            "How much there is to send.",
        ),
        gauge(
            "forebay_buffer_used_bytes",
            "bytes",
            Read::Route(|r, _| count(r.used_bytes)),
            "Bytes that count toward the route's total_limit_size.",
            "Against `forebay_buffer_limit_bytes`; alert ForebayBufferFillsUp.",
        ),
        gauge(
            "forebay_buffer_limit_bytes",
            "bytes",
            Read::Route(|r, _| count(r.limit_bytes)),
            "The route's total_limit_size.",
            "Where senders are held back, or whatever `overflow` says.",
        ),
        gauge(
            "forebay_buffer_chunk_limit_bytes",
            "bytes",
            Read::Route(|r, _| count(r.chunk_limit_bytes)),
            "The route's chunk_limit_size.",
            "The most that one delivery may have.",
        ),
        gauge(
            "forebay_buffer_dead_letter_used_bytes",
            "bytes",
            Read::Route(|r, _| count(r.dead_used_bytes)),
            "Bytes that count toward the route's dead_letter_limit_size.",
            "At the limit, chunks that should become dead letters stay in the buffer; alert \
             ForebayDeadLettersFillUp.",
        ),
        gauge(
            "forebay_buffer_dead_letter_limit_bytes",
            "bytes",
            Read::Route(|r, _| count(r.dead_letter_limit_bytes)),
            "The route's dead_letter_limit_size.",
            "The bound of `forebay_buffer_dead_letter_used_bytes`.",
        ),
        gauge(
            "forebay_buffer_oldest_age_seconds",
            "seconds",
            Read::Route(|r, s| age_s(r.oldest_created_unix_ns, s)),
            "Age of the oldest undelivered event, by when it was taken in; 0 if there is none.",
            "How late data is at most. Events that wait for their time window are among them.",
        ),
    ],
};
