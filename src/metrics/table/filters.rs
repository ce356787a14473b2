//! What filters do.

use super::{Read, Section, counter, load};

pub(super) const SECTION: Section = Section {
    title: "Filters",
    about: "What becomes of events before they reach a route, by filter.",
    families: &[
        counter(
            "forebay_filter_events_total",
            "events",
            Read::Filter(|f| load(&f.events)),
            "Events that came to the filter.",
            "The load of a filter.",
        ),
        counter(
            "forebay_filter_blocked_events_total",
            "events",
            Read::Filter(|f| load(&f.blocked)),
            "Events that the filter let go no further.",
            "Dropped because the configuration says so: part of the balance of events.",
        ),
        counter(
            "forebay_filter_failed_events_total",
            "events",
            Read::FilterBy(
                "went",
                &[
                    ("on_unchanged", |f| load(&f.failed_kept)),
                    ("on_tagged", |f| load(&f.failed_tagged)),
                    ("to_dead_letters", |f| load(&f.failed_dead)),
                ],
            ),
            "Events that the filter failed on, and where they went.",
            "Events that are not as the filter expects.",
        ),
        counter(
            "forebay_filter_failed_ticks_total",
            "calls",
            Read::Filter(|f| load(&f.failed_ticks)),
            "Calls by time in which the filter failed.",
            "A filter that tells at intervals did not.",
        ),
        counter(
            "forebay_filter_injected_events_total",
            "events",
            Read::Filter(|f| load(&f.injected)),
            "Events that the filter has made.",
            "The other side of the balance of events.",
        ),
        counter(
            "forebay_filter_refused_injections_total",
            "events",
            Read::Filter(|f| load(&f.injections_refused)),
            "Events that the filter was not allowed to make: too many, or made of made events over and over.",
            "Filters that inject for each other.",
        ),
        counter(
            "forebay_filter_lost_injections_total",
            "events",
            Read::Filter(|f| load(&f.injected_lost)),
            "Events that the filter has made and that no route had room for, at a stop or for too long.",
            "The only events that are lost without a sender that still has them: they were made here.",
        ),
        counter(
            "forebay_filter_unknown_routes_total",
            "times",
            Read::Filter(|f| load(&f.unknown_routes)),
            "Routes that the filter named and that are not there.",
            "A mistake in a filter of one's own.",
        ),
    ],
};
