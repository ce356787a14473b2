//! From what a daemon says of itself to lines of text.

use std::time::Duration;

use serde_json::Value;

use super::table::{Column, table};
use crate::cli::buffer::ls::age;

/// What a daemon said, and when that was.
pub(super) struct Look {
    /// `/api/v1/status`.
    pub(super) status: Value,
    /// On our clock.
    pub(super) at: Duration,
}

/// A line and how it is shown where that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Heading,
    Bad,
}

/// A route that is full in less than this is in trouble; the rest has time.
const FULL_SOON_S: i64 = 24 * 3600;

const INPUT_COLUMNS: [Column; 7] = [
    Column::left("INPUT", 0),
    Column::left("TYPE", 4),
    Column::right("CONNECTIONS", 3),
    Column::right("EVENTS/S", 0),
    Column::right("BYTES/S", 1),
    Column::right("EVENTS", 2),
    Column::right("REFUSED", 1),
];

const ROUTE_COLUMNS: [Column; 10] = [
    Column::left("ROUTE", 0),
    Column::right("WAITING", 0),
    Column::right("BYTES", 1),
    Column::right("CHUNKS", 4),
    Column::right("IN FLIGHT", 5),
    Column::right("OLDEST", 0),
    Column::right("USED", 2),
    Column::right("DEAD", 1),
    Column::right("SENDERS HELD", 3),
    Column::left("STATE", 0),
];

const OUTPUT_COLUMNS: [Column; 8] = [
    Column::left("ROUTE -> OUTPUT", 0),
    Column::right("EVENTS/S", 0),
    Column::right("OWED CHUNKS", 1),
    Column::right("IN FLIGHT", 4),
    Column::right("RETRIES", 3),
    Column::right("GIVEN UP", 2),
    Column::right("LAST SUCCESS", 2),
    Column::left("STATE", 0),
];

/// The picture for a screen of `width` characters; with an earlier look there are rates.
pub(super) fn lines(now: &Look, before: Option<&Look>, width: usize) -> Vec<Line> {
    let seconds = before.map_or(0.0, |before| now.at.saturating_sub(before.at).as_secs_f64());
    let earlier = |list: &str, name: &Value| before.and_then(|look| named(look.list(list), name));
    let mut lines = head(&now.status);
    let inputs = now.list("inputs").iter().map(|input| {
        let rates = Rates(earlier("inputs", &input["name"]), seconds);
        input_row(input, &rates)
    });
    section(&mut lines, &INPUT_COLUMNS, inputs.collect(), width);
    let at_ns = now_ns(&now.status);
    let routes = now.list("routes").iter();
    let routes = routes.map(|route| route_row(route, at_ns));
    section(&mut lines, &ROUTE_COLUMNS, routes.collect(), width);
    let mut outputs = Vec::new();
    for route in now.list("routes") {
        let earlier = earlier("routes", &route["name"]);
        for output in list(&route["outputs"]) {
            let earlier = earlier.and_then(|route| named(list(&route["outputs"]), &output["name"]));
            outputs.push(output_row(route, output, &Rates(earlier, seconds), at_ns));
        }
    }
    section(&mut lines, &OUTPUT_COLUMNS, outputs, width);
    lines
}

/// The line for a daemon that does not answer.
pub(super) fn away(url: &str, error: &str) -> Line {
    Line {
        text: format!("{url} does not answer; what is below is old: {error}"),
        style: Style::Bad,
    }
}

fn head(status: &Value) -> Vec<Line> {
    let health = &status["health"];
    let is_ready = health["ready"] == true;
    let health_word = match (health["live"] == true, is_ready) {
        (false, _) => "NOT LIVE",
        (true, false) => "NOT READY",
        (true, true) => "ready",
    };
    let uptime = whole(&status["uptime_s"]);
    let title = format!(
        "forebay {}  {}  up {}  {health_word}",
        text(&status["version"]),
        text(&status["phase"]),
        age(uptime),
    );
    let mut lines = vec![Line {
        text: title,
        style: if is_ready { Style::Title } else { Style::Bad },
    }];
    let reasons = health["reasons"].as_array().into_iter().flatten();
    lines.extend(reasons.map(|reason| Line {
        text: format!("  ! {}", text(reason)),
        style: Style::Bad,
    }));
    lines
}

fn section(
    lines: &mut Vec<Line>,
    columns: &[Column],
    rows: Vec<(Vec<String>, Style)>,
    width: usize,
) {
    let (rows, styles): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    lines.push(Line {
        text: String::new(),
        style: Style::Plain,
    });
    let styles = std::iter::once(Style::Heading).chain(styles);
    let texts = table(columns, &rows, width).into_iter();
    lines.extend(texts.zip(styles).map(|(text, style)| Line { text, style }));
}

fn input_row(input: &Value, rates: &Rates<'_>) -> Row {
    let row = vec![
        text(&input["name"]),
        text(&input["type"]),
        text(&input["connections_open"]),
        shown(rates.of(input, "events")),
        shown(rates.of(input, "bytes")),
        text(&input["events"]),
        text(&input["batches_refused"]),
    ];
    let is_stuck = input["stuck"] == true;
    (row, if is_stuck { Style::Bad } else { Style::Plain })
}

fn route_row(route: &Value, now_ns: i64) -> Row {
    let waiting = |field: &str| {
        let parts = ["staged", "queued", "in_flight"];
        parts
            .iter()
            .map(|part| whole(&route[*part][field]))
            .sum::<i64>()
    };
    let (state, is_good) = route_state(route);
    let row = vec![
        text(&route["name"]),
        waiting("events").to_string(),
        waiting("bytes").to_string(),
        waiting("chunks").to_string(),
        text(&route["in_flight"]["chunks"]),
        since(&route["oldest_chunk_created"], now_ns),
        used(route),
        text(&route["dead"]["events"]),
        text(&route["senders_waiting"]),
        state,
    ];
    (row, if is_good { Style::Plain } else { Style::Bad })
}

fn route_state(route: &Value) -> (String, bool) {
    let mut words = Vec::new();
    if route["paused"] == true {
        words.push("paused".to_owned());
    }
    if whole(&route["senders_waiting"]) > 0 {
        words.push("full, senders wait".to_owned());
    }
    let full_in = &route["time_to_full_s"];
    if full_in.is_number() && whole(full_in) < FULL_SOON_S {
        words.push(format!("full in {}", age(whole(full_in))));
    }
    match words.is_empty() {
        true => ("ok".to_owned(), true),
        false => (words.join(", "), false),
    }
}

/// How much of its room on the disk it has taken.
fn used(route: &Value) -> String {
    let (used, limit) = (&route["used_bytes"], &route["limits"]["total_limit_size"]);
    match (used.as_f64(), limit.as_f64()) {
        (Some(used), Some(limit)) if limit > 0.0 => format!("{:.0}%", 100.0 * used / limit),
        _ => "-".to_owned(),
    }
}

fn output_row(route: &Value, output: &Value, rates: &Rates<'_>, now_ns: i64) -> Row {
    let (state, is_good) = output_state(output);
    let row = vec![
        format!("{} -> {}", text(&route["name"]), text(&output["name"])),
        // Else the daemon's own, of the last minute.
        shown(
            rates
                .of(output, "events_delivered")
                .or(output["rate"].as_f64()),
        ),
        text(&output["owed_chunks"]),
        text(&output["in_flight"]),
        text(&output["retries"]),
        text(&output["chunks_rejected"]),
        since(&output["last_success"], now_ns),
        state,
    ];
    (row, if is_good { Style::Plain } else { Style::Bad })
}

/// It fails if its last attempt did and something is owed.
fn output_state(output: &Value) -> (String, bool) {
    let why = || text(&output["last_error"]);
    let at = |field: &str| output[field].as_str().unwrap_or_default();
    let has_failed = at("last_failure") > at("last_success");
    if output["paused"] == true {
        ("paused".to_owned(), false)
    } else if output["breaker_is_open"] == true {
        (format!("down: {}", why()), false)
    } else if has_failed && whole(&output["owed_chunks"]) > 0 {
        (format!("failing: {}", why()), false)
    } else {
        ("ok".to_owned(), true)
    }
}

/// What something was at an earlier look, and how many seconds ago that was.
struct Rates<'a>(Option<&'a Value>, f64);

impl Rates<'_> {
    /// By how much the counter `field` has grown a second. A daemon that was started anew counts
    /// from 0.
    fn of(&self, now: &Value, field: &str) -> Option<f64> {
        let count = |value: &Value| value[field].as_f64().unwrap_or(0.0);
        let grown = count(now) - count(self.0?);
        (self.1 > 0.0).then(|| grown.max(0.0) / self.1)
    }
}

fn shown(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"))
}

/// A row's cells, and how it is shown.
type Row = (Vec<String>, Style);

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn named<'a>(list: &'a [Value], name: &Value) -> Option<&'a Value> {
    list.iter().find(|one| one["name"] == *name)
}

/// A value as text, in one line and without anything that a terminal takes for a command.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().filter(|c| !c.is_control()).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds and counts; saturates"
)]
fn whole(value: &Value) -> i64 {
    let whole = value.as_i64();
    whole.unwrap_or_else(|| value.as_f64().unwrap_or(0.0) as i64)
}

/// The daemon's present: when it was started, and how long ago it says that was.
fn now_ns(status: &Value) -> i64 {
    let started = moment(&status["started"]).unwrap_or(0);
    started.saturating_add(whole(&status["uptime_s"]).saturating_mul(1_000_000_000))
}

fn moment(value: &Value) -> Option<i64> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// How long ago a moment was.
fn since(value: &Value, now_ns: i64) -> String {
    match moment(value) {
        Some(at) => age(now_ns.saturating_sub(at).max(0) / 1_000_000_000),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(events: u64, delivered: u64) -> Value {
        json!({
            "version": "1.2.3", "phase": "running",
            "started": "2026-11-21T08:00:00Z", "uptime_s": 90.5,
            "health": {"live": true, "ready": false, "reasons": ["route web is full"]},
            "inputs": [{
                "name": "app", "type": "forward", "connections_open": 2, "events": events,
                "bytes": events * 10, "batches_refused": 0, "stuck": false,
            }],
            "routes": [{
                "name": "web",
                "staged": {"chunks": 1, "events": 5, "bytes": 50},
                "queued": {"chunks": 2, "events": 20, "bytes": 200},
                "in_flight": {"chunks": 1, "events": 7, "bytes": 70},
                "dead": {"chunks": 1, "events": 3, "bytes": 30},
                "oldest_chunk_created": "2026-11-21T08:00:30Z", "senders_waiting": 1,
                "used_bytes": 400, "limits": {"total_limit_size": 1000}, "time_to_full_s": 90.0,
                "outputs": [{
                    "name": "central", "owed_chunks": 3, "in_flight": 1, "retries": 4,
                    "chunks_rejected": 1, "events_delivered": delivered,
                    "breaker_is_open": true, "last_error": "connection\u{1b}[31m refused",
                    "last_success": null, "last_failure": "2026-11-21T08:01:00Z",
                }],
            }],
        })
    }

    fn look(status: Value, at_s: u64) -> Look {
        Look {
            status,
            at: Duration::from_secs(at_s),
        }
    }

    fn texts(lines: &[Line]) -> String {
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        texts.join("\n")
    }

    #[test]
    fn health_backlog_age_and_destinations_are_shown_with_rates() {
        let (before, now) = (look(status(100, 10), 1), look(status(300, 40), 3));
        let lines = lines(&now, Some(&before), 200);
        let shown = texts(&lines);
        let has_row = |cells: &[&str]| {
            let is_it = |line: &str| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|c| !c.is_empty())
                    .eq(cells.iter().copied())
            };
            assert!(shown.lines().any(is_it), "{cells:?} not in:\n{shown}");
        };
        assert!(
            shown.starts_with(
                "forebay 1.2.3  running  up 1m30s  NOT READY\n  ! route web is full\n"
            ),
            "{shown}"
        );
        has_row(&["app", "forward", "2", "100", "1000", "300", "0"]);
        has_row(&[
            "web",
            "32",
            "320",
            "4",
            "1",
            "1m0s",
            "40%",
            "3",
            "1",
            "full, senders wait, full in 1m30s",
        ]);
        has_row(&[
            "web -> central",
            "15",
            "3",
            "1",
            "4",
            "1",
            "-",
            "down: connection[31m refused",
        ]);
        assert!(lines.iter().filter(|line| line.style == Style::Bad).count() >= 4);
    }

    #[test]
    fn without_an_earlier_look_there_are_no_rates() {
        let shown = texts(&lines(&look(status(100, 10), 1), None, 200));
        let input = shown.lines().find(|line| line.starts_with("app")).unwrap();
        assert_eq!(input.matches(" -").count(), 2, "{input}");
    }

    #[test]
    fn a_narrow_screen_shows_what_matters() {
        let shown = texts(&lines(&look(status(100, 10), 1), None, 50));
        for word in ["EVENTS/S", "WAITING", "OLDEST", "STATE", "down: "] {
            assert!(shown.contains(word), "no {word} in:\n{shown}");
        }
        assert!(!shown.contains("CONNECTIONS"), "{shown}");
    }

    #[test]
    fn an_output_fails_if_its_last_attempt_did() {
        let state = |owed: u64, success: &str| {
            let output = json!({
                "owed_chunks": owed, "last_failure": "2026-11-21T08:01:00Z",
                "last_success": success, "last_error": "503",
            });
            output_state(&output)
        };
        assert_eq!(
            state(1, "2026-11-21T08:00:59Z"),
            ("failing: 503".to_owned(), false)
        );
        assert_eq!(state(0, "2026-11-21T08:00:59Z"), ("ok".to_owned(), true));
        assert_eq!(state(1, "2026-11-21T08:01:01Z"), ("ok".to_owned(), true));
    }
}
