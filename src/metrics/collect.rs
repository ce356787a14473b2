//! From a row of the table and a snapshot to samples.

use std::collections::BTreeMap;

use prometheus::core::Desc;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::snapshot::{ChunkTotals, DestinationSample, RouteSample, Snapshot};
use super::table::{Family, Kind, Read, Spread, count};

type Labels<'a> = [(&'static str, &'a str)];

/// The revision that was built, where the build was told.
const REVISION: Option<&str> = option_env!("FOREBAY_REVISION");

/// What the registry checks a family by.
///
/// # Errors
/// Prometheus does not allow the name or a label.
pub(super) fn description(family: &Family) -> Result<Desc, prometheus::Error> {
    let labels = family.read.labels().into_iter().map(str::to_owned);
    Desc::new(
        family.name.to_owned(),
        family.help.to_owned(),
        labels.collect(),
        std::collections::HashMap::new(),
    )
}

/// The family's samples.
pub(super) fn collect(family: &Family, snapshot: &Snapshot) -> MetricFamily {
    let mut collected = MetricFamily::default();
    collected.set_name(family.name.to_owned());
    collected.set_help(family.help.to_owned());
    collected.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    collected.set_metric(samples(family, snapshot));
    collected
}

impl Read {
    /// The names of the labels.
    pub(super) fn labels(&self) -> Vec<&'static str> {
        match self {
            Self::Daemon(_) | Self::Spread(_) => vec![],
            Self::DaemonBy(by, _) => vec![by],
            Self::Build => build_labels().into_iter().map(|(name, _)| name).collect(),
            Self::Input(_) => vec!["input"],
            Self::Filter(_) => vec!["filter"],
            Self::FilterBy(by, _) => vec!["filter", by],
            Self::Route(_) | Self::RouteSpread(_) => vec!["route"],
            Self::Durability => vec!["route", "durability"],
            Self::RouteBy(by, _) => vec!["route", by],
            Self::State(_) => vec!["route", "state"],
            Self::Output(_) | Self::OutputSpread(_) => vec!["route", "output"],
            Self::OutputBy(by, _) => vec!["route", "output", by],
            Self::NamedInput(_) | Self::NamedFilter(_) | Self::NamedOutput(_) => vec!["name"],
        }
    }
}

impl Read {
    /// The labels, each with all values that it can have if they stand in the table.
    pub(super) fn values(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        fn words<T>(values: &[(&'static str, T)]) -> Vec<&'static str> {
            values.iter().map(|(word, _)| *word).collect()
        }
        let with_values = |label: &'static str| match self {
            Self::FilterBy(by, values) if *by == label => words(values),
            Self::RouteBy(by, values) if *by == label => words(values),
            Self::OutputBy(by, values) if *by == label => words(values),
            Self::State(_) if label == "state" => STATES.to_vec(),
            Self::Durability if label == "durability" => vec!["disk", "memory"],
            _ => vec![],
        };
        let labels = self.labels().into_iter();
        labels.map(|label| (label, with_values(label))).collect()
    }
}

fn samples(family: &Family, snapshot: &Snapshot) -> Vec<Metric> {
    let mut samples = Vec::new();
    let mut push = |labels: &Labels<'_>, value: f64| {
        samples.push(number(family.kind, labels, value));
    };
    match &family.read {
        Read::Daemon(read) => {
            if let Some(value) = read(snapshot) {
                push(&[], value);
            }
        }
        Read::Spread(read) => samples.push(histogram(&[], &read(snapshot))),
        Read::DaemonBy(by, values) => {
            for (value, read) in *values {
                push(&[(*by, *value)], count(read(snapshot)));
            }
        }
        Read::Build => push(&build_labels(), 1.0),
        Read::Input(read) => {
            for input in &snapshot.inputs {
                push(&[("input", &input.name)], count(read(&input.stats)));
            }
        }
        Read::Filter(read) => {
            for filter in &snapshot.filters {
                push(&[("filter", &filter.name)], count(read(&filter.stats)));
            }
        }
        Read::FilterBy(by, values) => {
            for filter in &snapshot.filters {
                for (value, read) in *values {
                    push(
                        &[("filter", &filter.name), (by, value)],
                        count(read(&filter.stats)),
                    );
                }
            }
        }
        Read::Route(read) => {
            for route in &snapshot.routes {
                push(&[("route", &route.name)], read(route, snapshot));
            }
        }
        Read::Durability => {
            for route in &snapshot.routes {
                let labels = [("route", &*route.name), ("durability", route.durability)];
                push(&labels, 1.0);
            }
        }
        Read::RouteBy(by, values) => {
            for route in &snapshot.routes {
                for (value, read) in *values {
                    push(&[("route", &route.name), (by, value)], count(read(route)));
                }
            }
        }
        Read::RouteSpread(read) => {
            for route in &snapshot.routes {
                samples.push(histogram(&[("route", &route.name)], &read(route)));
            }
        }
        Read::State(read) => {
            for route in &snapshot.routes {
                for (state, totals) in states(route) {
                    let labels = [("route", &*route.name), ("state", state)];
                    push(&labels, count(read(totals)));
                }
            }
        }
        Read::Output(read) => {
            for (route, output) in outputs(snapshot) {
                if let Some(value) = read(output, snapshot) {
                    push(&output_labels(route, output), value);
                }
            }
        }
        Read::OutputBy(by, values) => {
            for (route, output) in outputs(snapshot) {
                for (value, read) in *values {
                    let [first, second] = output_labels(route, output);
                    push(&[first, second, (by, value)], count(read(output)));
                }
            }
        }
        Read::OutputSpread(read) => {
            for (route, output) in outputs(snapshot) {
                samples.push(histogram(&output_labels(route, output), &read(output)));
            }
        }
        Read::NamedInput(read) => {
            for input in &snapshot.inputs {
                push(&[("name", &input.name)], count(read(&input.stats)));
            }
        }
        Read::NamedFilter(read) => {
            for filter in &snapshot.filters {
                push(&[("name", &filter.name)], count(read(&filter.stats)));
            }
        }
        Read::NamedOutput(read) => {
            for (name, value) in over_routes(snapshot, *read) {
                push(&[("name", name)], count(value));
            }
        }
    }
    samples
}

/// The states of chunks.
const STATES: [&str; 4] = ["staged", "queued", "in_flight", "dead"];

fn states(route: &RouteSample) -> impl Iterator<Item = (&'static str, &ChunkTotals)> {
    let totals = [&route.staged, &route.queued, &route.in_flight, &route.dead];
    STATES.into_iter().zip(totals)
}

fn outputs(snapshot: &Snapshot) -> impl Iterator<Item = (&RouteSample, &DestinationSample)> {
    let routes = snapshot.routes.iter();
    routes.flat_map(|route| route.outputs.iter().map(move |output| (route, output)))
}

/// Sums over the routes of each output, by its name.
fn over_routes(snapshot: &Snapshot, read: fn(&DestinationSample) -> u64) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for (_, output) in outputs(snapshot) {
        *sums.entry(&*output.name).or_default() += read(output);
    }
    sums
}

fn build_labels() -> Vec<(&'static str, &'static str)> {
    let version = ("version", env!("CARGO_PKG_VERSION"));
    let revision = REVISION.map(|revision| ("revision", revision));
    std::iter::once(version).chain(revision).collect()
}

fn output_labels<'a>(
    route: &'a RouteSample,
    output: &'a DestinationSample,
) -> [(&'static str, &'a str); 2] {
    [("route", &route.name), ("output", &output.name)]
}

fn number(kind: Kind, labels: &Labels<'_>, value: f64) -> Metric {
    let mut metric = labelled(labels);
    if kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn histogram(labels: &Labels<'_>, spread: &Spread) -> Metric {
    let buckets = spread.buckets.iter().map(|(bound, count_up_to)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count_up_to);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(spread.count);
    histogram.set_sample_sum(spread.sum);
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: &Labels<'_>) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}
