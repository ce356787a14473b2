//! What becomes of deliveries.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    Read, Section, Spread, age_s, count, counted, counter, flag, gauge, histogram, load, seconds,
};

pub(super) const SECTION: Section = Section {
    title: "Outputs",
    about: "What each output of each route has delivered, still owes, and why it fails.",
    families: &[
        counter(
            "forebay_output_delivered_chunks_total",
            "chunks",
            Read::Output(|o, _| Some(counted(&o.stats.chunks_delivered))),
            "Chunks confirmed by the destination.",
            "Progress, in chunks.",
        ),
        counter(
            "forebay_output_delivered_events_total",
            "events",
            Read::Output(|o, _| Some(counted(&o.stats.events_delivered))),
            "Events in confirmed chunks.",
            "The right side of the balance of events.",
        ),
        counter(
            "forebay_output_delivered_bytes_total",
            "bytes",
            Read::Output(|o, _| Some(counted(&o.stats.bytes_delivered))),
            "Bytes of payload in confirmed chunks.",
            "How fast a destination takes; what waits divided by it is the time to empty.",
        ),
        counter(
            "forebay_output_attempts_total",
            "deliveries",
            Read::Output(|o, _| Some(counted(&o.stats.attempts))),
            "Deliveries started.",
            "Each ends confirmed, failed, rejected or timed out.",
        ),
        counter(
            "forebay_output_retries_total",
            "deliveries",
            Read::Output(|o, _| Some(counted(&o.stats.retries))),
            "Deliveries started that were not a chunk's first.",
            "Against the attempts: how much is sent more than once.",
        ),
        counter(
            "forebay_output_part_attempts_total",
            "deliveries",
            Read::Output(|o, _| Some(counted(&o.stats.part_attempts))),
            "Deliveries started of a part of a chunk only.",
            "What the search for bad records costs.",
        ),
        counter(
            "forebay_output_bisections_total",
            "chunks",
            Read::Output(|o, _| Some(count(o.bisections))),
            "Chunks cut up to find the records that the destination does not take.",
            "Records that a destination refuses come again and again.",
        ),
        counter(
            "forebay_output_failures_total",
            "deliveries",
            Read::OutputBy(
                "scope",
                &[
                    ("unreachable", |o| load(&o.stats.failures.unreachable)),
                    ("destination", |o| load(&o.stats.failures.destination)),
                    ("chunk", |o| load(&o.stats.failures.chunk)),
                ],
            ),
            "Deliveries that failed, by whom the failure speaks about.",
            "Whether the network, the destination or single chunks are to blame.",
        ),
        counter(
            "forebay_output_timeouts_total",
            "deliveries",
            Read::Output(|o, _| Some(counted(&o.stats.timed_out))),
            "Deliveries taken back because they were not confirmed in time.",
            "A destination that hangs.",
        ),
        counter(
            "forebay_output_late_commits_total",
            "deliveries",
            Read::Output(|o, _| Some(counted(&o.stats.late_commits))),
            "Confirmations that came after the delivery was taken back.",
            "The time-out is too short: what is confirmed late is sent twice.",
        ),
        counter(
            "forebay_output_rejected_chunks_total",
            "chunks",
            Read::Output(|o, _| Some(counted(&o.stats.chunks_rejected))),
            "Chunks given up: rejected, or out of retries.",
            "Which destination does not take what it is sent.",
        ),
        counter(
            "forebay_output_rejected_events_total",
            "events",
            Read::Output(|o, _| Some(counted(&o.stats.events_rejected))),
            "Events in chunks given up.",
            "How many of them.",
        ),
        gauge(
            "forebay_output_in_flight_chunks",
            "deliveries",
            Read::Output(|o, _| Some(count(o.stats.in_flight()))),
            "Deliveries under way.",
            "At the limit, the destination is what is slow.",
        ),
        gauge(
            "forebay_output_in_flight_limit_chunks",
            "deliveries",
            Read::Output(|o, _| Some(count(o.in_flight_max))),
            "Deliveries that may be under way: `max_concurrent`.",
            "The bound of `forebay_output_in_flight_chunks`.",
        ),
        gauge(
            "forebay_output_owed_chunks",
            "chunks",
            Read::Output(|o, _| Some(count(o.owed_chunks))),
            "Sealed chunks that the destination has not confirmed.",
            "Who is behind.",
        ),
        gauge(
            "forebay_output_oldest_owed_age_seconds",
            "seconds",
            Read::Output(|o, s| Some(age_s(o.oldest_owed_unix_ns, s))),
            "Time since the oldest chunk was sealed that the destination has not confirmed; 0 if there is none.",
            "How late a destination is, apart from time windows; alert ForebayDataIsLate.",
        ),
        gauge(
            "forebay_output_breaker_open",
            "0 or 1",
            Read::Output(|o, _| Some(flag(o.stats.breaker_is_open.load(Relaxed)))),
            "1 while the destination counts as down and is only probed.",
            "The destination is down; alert ForebayDestinationDown.",
        ),
        gauge(
            "forebay_output_paused",
            "0 or 1",
            Read::Output(|o, _| Some(flag(o.is_paused))),
            "1 while the operator has paused this output of the route.",
            "A pause that was forgotten; alert ForebayPaused.",
        ),
        gauge(
            "forebay_output_last_success_timestamp_seconds",
            "seconds",
            Read::Output(|o, _| o.stats.last_success_unix_ns().map(seconds)),
            "When the destination last confirmed a chunk; absent before the first.",
            "Time since the last success: `time()` minus it. An idle route has none to make.",
        ),
        gauge(
            "forebay_output_last_failure_timestamp_seconds",
            "seconds",
            Read::Output(|o, _| o.stats.last_failure_unix_ns().map(seconds)),
            "When a delivery last failed; absent before the first.",
            "Whether trouble is over.",
        ),
        histogram(
            "forebay_output_delivery_duration_seconds",
            "seconds",
            Read::OutputSpread(|o| Spread::of_ns(&o.stats.latency.distribution())),
            "How long confirmed deliveries took.",
            "A destination that becomes slow before it fails.",
        ),
    ],
};
