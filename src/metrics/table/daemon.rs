//! The daemon as a whole.

use super::{Read, Section, count, counter, flag, gauge, seconds};

pub(super) const SECTION: Section = Section {
    title: "The daemon",
    about: "Whether it runs, which program it is, and whether it does its work.",
    families: &[
        gauge(
            "forebay_build_info",
            "1",
            Read::Build,
            "Always 1; the version is the label, and the revision if the build was told.",
            "Which version runs where: `count by (version) (forebay_build_info)`.",
        ),
        gauge(
            "forebay_start_time_seconds",
            "seconds",
            Read::Daemon(|s| Some(seconds(s.started_unix_ns))),
            "When the daemon was started, in seconds since the Unix epoch.",
            "Restarts: `changes(forebay_start_time_seconds[1h])`. All counters start from zero then.",
        ),
        gauge(
            "forebay_ready",
            "0 or 1",
            Read::Daemon(|s| Some(flag(s.is_ready))),
            "1 if every input takes events in and every route can store them.",
            "The same as `/readyz`, which says why; alert ForebayNotReady.",
        ),
        counter(
            "forebay_config_reloads_total",
            "reloads",
            Read::DaemonBy(
                "result",
                &[
                    ("success", |s| s.reloads.successes),
                    ("failure", |s| s.reloads.failures),
                ],
            ),
            "Reloads of the configuration, by result; one that fails changes nothing.",
            "Whether somebody changes the configuration, and whether that works.",
        ),
        gauge(
            "forebay_config_last_reload_successful",
            "0 or 1",
            Read::Daemon(|s| Some(flag(s.reloads.is_last_successful))),
            "0 if the last reload failed, so that what runs is not what the file says.",
            "The log and `/api/v1/status` say why; the next restart would fail as well; alert ForebayReloadFailed.",
        ),
        gauge(
            "forebay_config_last_reload_success_timestamp_seconds",
            "seconds",
            Read::Daemon(|s| {
                let at_ns = s.reloads.last_success_unix_ns;
                Some(seconds(at_ns.unwrap_or(s.started_unix_ns)))
            }),
            "When the configuration that runs was read, in seconds since the Unix epoch.",
            "To be compared with the time of the file.",
        ),
        counter(
            "forebay_unmatched_events_total",
            "events",
            Read::Daemon(|s| Some(count(s.events_unmatched))),
            "Events that no route matched; acknowledged and not kept.",
            "Loss by configuration: a sender uses a tag that nobody thought of; alert \
             ForebayUnmatchedEvents.",
        ),
        gauge(
            "forebay_catalog_enabled",
            "0 or 1",
            Read::Daemon(|s| Some(flag(s.catalog.is_enabled))),
            "1 if the history of retries is kept across restarts.",
            "0 costs no event: after a restart, retries begin anew.",
        ),
        counter(
            "forebay_catalog_updates_total",
            "updates",
            Read::Daemon(|s| Some(count(s.catalog.updates))),
            "Changes of the history of retries that were kept.",
            "How busy the catalogue is.",
        ),
        counter(
            "forebay_catalog_dropped_updates_total",
            "updates",
            Read::Daemon(|s| Some(count(s.catalog.updates_dropped))),
            "Changes of the history of retries that were lost; they cost no event.",
            "A disk that is too slow for the catalogue.",
        ),
    ],
};
