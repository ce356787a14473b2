//! The page of the guide that is made from the table: `src/guide/metrics.md`.

use super::table::{FLUENT_BIT, Family, Kind, SECTIONS, Section};

const HEAD: &str = "\
All metrics, made from the table in the code.

They are served at `/metrics` of the admin API in Prometheus' text format, and are read at each scrape from
the store and the counters: counters start from zero with the process, gauges are counted anew each time, so
that they cannot drift. Labels are names from the configuration, or words of this page; never anything that a
sender chooses, such as a tag. `deploy/prometheus` has a scrape configuration and alert rules, the
[runbook](super::runbook) says what to do about each, `deploy/grafana` has a dashboard.

Nothing is lost silently. From a start with an empty buffer on, without filters and with one output a route:

```text
taken in = stored + repeated       (set aside and unmatched are counted beside)
stored   = delivered + in the buffer + given up + dropped
```
";

/// The page as Markdown.
#[must_use]
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS.iter().chain([FLUENT_BIT]) {
        text.push_str(&of_section(section));
    }
    text
}

fn of_section(section: &Section) -> String {
    let Section { title, about, .. } = section;
    let head =
        "| name | type, unit | labels | what it is | what it is for |\n|---|---|---|---|---|\n";
    let rows: String = section.families.iter().map(row).collect();
    format!("\n# {title}\n\n{about}\n\n{head}{rows}")
}

fn row(family: &Family) -> String {
    let Family {
        name,
        unit,
        help,
        purpose,
        ..
    } = family;
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels = family.read.values().into_iter().map(|(label, values)| {
        let values = values.iter().map(|value| format!("`{value}`"));
        match values.collect::<Vec<_>>().join(", ") {
            values if values.is_empty() => format!("`{label}`"),
            values => format!("`{label}`: {values}"),
        }
    });
    let labels = labels.collect::<Vec<_>>().join("<br>");
    format!("| `{name}` | {kind}, {unit} | {labels} | {help} | {purpose} |\n")
}
