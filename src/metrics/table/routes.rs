//! What routes store, refuse, drop and give up.

use super::{Read, Section, Spread, count, counted, counter, flag, gauge, histogram, load};

pub(super) const SECTION: Section = Section {
    title: "Routes",
    about: "What is stored, and what is not, by route. Every event that is not delivered is counted \
            here by its reason.",
    families: &[
        gauge(
            "forebay_route_durability_info",
            "1",
            Read::Durability,
            "Always 1; what an acknowledgement means is the label: disk (synced) or memory (page cache).",
            "Which routes would lose acknowledged events in a power cut.",
        ),
        counter(
            "forebay_route_stored_batches_total",
            "batches",
            Read::Route(|r, _| counted(&r.stats.batches_stored)),
            "Batches, or parts of batches, stored.",
            "The load of a route.",
        ),
        counter(
            "forebay_route_stored_events_total",
            "events",
            Read::Route(|r, _| counted(&r.stats.events_stored)),
            "Events stored.",
            "Against what its outputs deliver: whether a route keeps up.",
        ),
        counter(
            "forebay_route_stored_bytes_total",
            "bytes",
            Read::Route(|r, _| counted(&r.stats.bytes_stored)),
            "Bytes of payload stored.",
            "How fast a route would fill up without deliveries.",
        ),
        histogram(
            "forebay_route_append_duration_seconds",
            "seconds",
            Read::RouteSpread(|r| Spread::of_ns(&r.stats.append_latency.distribution())),
            "How long it took until what was offered together was durable, the wait for room included.",
            "What senders wait for an acknowledgement.",
        ),
        counter(
            "forebay_route_set_aside_events_total",
            "events",
            Read::RouteBy(
                "reason",
                &[
                    ("malformed-record", |r| load(&r.stats.set_aside_malformed)),
                    ("too-large", |r| load(&r.stats.set_aside_too_large)),
                ],
            ),
            "Events that can never be stored in a chunk and were kept as dead letters, by reason.",
            "Senders whose events are none; alert ForebayDeadLettersGrow.",
        ),
        counter(
            "forebay_route_dropped_chunks_total",
            "chunks",
            Read::RouteBy(
                "reason",
                &[
                    ("drop_oldest_chunk", |r| load(&r.stats.chunks_dropped)),
                    ("exhausted", |r| load(&r.stats.dropped_exhausted.chunks)),
                    ("expired", |r| load(&r.stats.dropped_expired.chunks)),
                    ("operator", |r| load(&r.stats.dropped_by_operator.chunks)),
                ],
            ),
            "Chunks deleted undelivered because the configuration or the operator says so, by reason.",
            "Loss by configuration, in chunks.",
        ),
        counter(
            "forebay_route_dropped_events_total",
            "events",
            Read::RouteBy(
                "reason",
                &[
                    ("drop_oldest_chunk", |r| load(&r.stats.events_dropped)),
                    ("exhausted", |r| load(&r.stats.dropped_exhausted.events)),
                    ("expired", |r| load(&r.stats.dropped_expired.events)),
                    ("operator", |r| load(&r.stats.dropped_by_operator.events)),
                ],
            ),
            "Events in chunks deleted undelivered, by reason.",
            "Loss by configuration; alert ForebayEventsDropped.",
        ),
        counter(
            "forebay_route_dropped_bytes_total",
            "bytes",
            Read::RouteBy(
                "reason",
                &[
                    ("drop_oldest_chunk", |r| load(&r.stats.bytes_dropped)),
                    ("exhausted", |r| load(&r.stats.dropped_exhausted.bytes)),
                    ("expired", |r| load(&r.stats.dropped_expired.bytes)),
                    ("operator", |r| load(&r.stats.dropped_by_operator.bytes)),
                ],
            ),
            "Bytes of payload in chunks deleted undelivered, by reason.",
            "Loss by configuration, in bytes.",
        ),
        counter(
            "forebay_route_given_up_events_total",
            "events",
            Read::RouteBy(
                "reason",
                &[
                    ("rejected", |r| load(&r.stats.events_rejected)),
                    ("exhausted", |r| load(&r.stats.events_exhausted)),
                    ("expired", |r| load(&r.stats.events_expired)),
                    ("operator", |r| load(&r.stats.events_buried_by_operator)),
                ],
            ),
            "Events that became dead letters, or were dropped, instead of being delivered, by reason.",
            "Why dead letters come; alert ForebayDeadLettersGrow.",
        ),
        counter(
            "forebay_route_dropped_dead_letters_total",
            "dead letters",
            Read::RouteBy(
                "reason",
                &[
                    ("drop_oldest", |r| {
                        load(&r.stats.dead_dropped_for_room.chunks)
                    }),
                    ("max_age", |r| load(&r.stats.dead_dropped_for_age.chunks)),
                    ("operator", |r| {
                        load(&r.stats.dead_dropped_by_operator.chunks)
                    }),
                ],
            ),
            "Dead letters deleted because the configuration bounds them or the operator says so, by reason.",
            "Loss by configuration, in dead letters.",
        ),
        counter(
            "forebay_route_dropped_dead_letter_events_total",
            "events",
            Read::RouteBy(
                "reason",
                &[
                    ("drop_oldest", |r| {
                        load(&r.stats.dead_dropped_for_room.events)
                    }),
                    ("max_age", |r| load(&r.stats.dead_dropped_for_age.events)),
                    ("operator", |r| {
                        load(&r.stats.dead_dropped_by_operator.events)
                    }),
                ],
            ),
            "Events in those dead letters, by reason.",
            "Loss by configuration; alert ForebayDeadLettersDropped.",
        ),
        counter(
            "forebay_route_replayed_events_total",
            "events",
            Read::Route(|r, _| counted(&r.stats.events_replayed)),
            "Events of dead letters that were stored again to be delivered after all.",
            "How far a replay is.",
        ),
        counter(
            "forebay_route_secondary_deliveries_total",
            "deliveries",
            Read::Route(|r, _| counted(&r.stats.secondary_deliveries)),
            "Deliveries that the route's secondary output has confirmed.",
            "The way out is in use: a destination does not take what it should.",
        ),
        counter(
            "forebay_route_secondary_events_total",
            "events",
            Read::Route(|r, _| counted(&r.stats.secondary_events)),
            "Events in them.",
            "How many events went there instead.",
        ),
        counter(
            "forebay_route_repeated_batches_total",
            "batches",
            Read::Route(|r, _| counted(&r.stats.batches_repeated)),
            "Batches that a sender repeated and that were not stored again.",
            "Acknowledgements that got lost, or came too late for the sender's patience.",
        ),
        counter(
            "forebay_route_repeated_events_total",
            "events",
            Read::Route(|r, _| counted(&r.stats.events_repeated)),
            "Events that a sender repeated and that were not stored again.",
            "Part of the balance of events: taken in, and stored already.",
        ),
        gauge(
            "forebay_route_remembered_batches",
            "batches",
            Read::Route(|r, _| counted(&r.stats.batches_remembered)),
            "Batches that would be recognised if a sender repeated them.",
            "At the limit, the oldest are forgotten before their window is over.",
        ),
        gauge(
            "forebay_route_remembered_batches_limit",
            "batches",
            Read::Route(|r, _| count(r.remembered_batches_max)),
            "Batches that may be remembered, by `deduplicate`; 0 if none are.",
            "The bound of `forebay_route_remembered_batches`.",
        ),
        counter(
            "forebay_route_refused_appends_total",
            "appends",
            Read::RouteBy(
                "reason",
                &[
                    ("full", |r| load(&r.stats.refused_full)),
                    ("not_written", |r| load(&r.stats.refused_unwritten)),
                    ("not_synced", |r| load(&r.stats.refused_unsynced)),
                ],
            ),
            "Appends refused to the sender, by reason: the route or the disk was full, or the bytes could not be written or synced.",
            "Back-pressure, or a disk that fails; nothing of it was acknowledged.",
        ),
        gauge(
            "forebay_route_waiting_senders",
            "senders",
            Read::Route(|r, _| count(r.stats.senders_waiting())),
            "Senders held back because the route is full.",
            "Who is held back now; alert ForebaySendersHeldBack.",
        ),
        gauge(
            "forebay_route_paused",
            "0 or 1",
            Read::Route(|r, _| flag(r.is_paused)),
            "1 while the operator has paused the route: events are stored, and not delivered.",
            "A pause that was forgotten; alert ForebayPaused.",
        ),
        gauge(
            "forebay_route_held_chunks",
            "chunks",
            Read::Route(|r, _| count(r.held_chunks)),
            "Chunks that the operator holds.",
            "They wait, and count toward the limit, until they are released; alert ForebayPaused.",
        ),
        gauge(
            "forebay_route_time_to_full_seconds",
            "seconds",
            Read::Route(|r, _| r.time_to_full_s.unwrap_or(f64::INFINITY)),
            "Time until the route is full if it goes on growing as over the last minute; +Inf if it does not grow.",
            "How long there is until senders are held back, as `time_to_full_s` of the status.",
        ),
    ],
};
