//! From a row of the table and a snapshot to samples.

use prometheus::core::Desc;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Summary,
};

use crate::flush::{LatencyHistogram, LatencySnapshot};

use super::snapshot::{ChunkTotals, DestinationSample, RouteSample, Snapshot};
use super::table::{Family, Kind, Read, count};

type Labels<'a> = [(&'static str, &'a str)];

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
        Kind::Summary => MetricType::SUMMARY,
    });
    collected.set_metric(samples(family, snapshot));
    collected
}

impl Read {
    /// The names of the labels.
    pub(super) fn labels(&self) -> Vec<&'static str> {
        match self {
            Self::Daemon(_) | Self::Syncs(_) => vec![],
            Self::Build => vec!["version"],
            Self::Input(_) => vec!["input"],
            Self::Filter(_) => vec!["filter"],
            Self::FilterBy(by, _) => vec!["filter", by],
            Self::Route(_) => vec!["route"],
            Self::Durability => vec!["route", "durability"],
            Self::RouteBy(by, _) => vec!["route", by],
            Self::State(_) => vec!["route", "state"],
            Self::Output(_) | Self::Latency(_) => vec!["route", "output"],
            Self::OutputBy(by, _) => vec!["route", "output", by],
        }
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
        Read::Build => push(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        Read::Syncs(read) => samples.push(summary(read(snapshot))),
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
                if let Some(value) = read(output) {
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
        Read::Latency(read) => {
            for (route, output) in outputs(snapshot) {
                samples.push(histogram(&output_labels(route, output), &read(output)));
            }
        }
    }
    samples
}

fn states(route: &RouteSample) -> [(&'static str, &ChunkTotals); 4] {
    [
        ("staged", &route.staged),
        ("queued", &route.queued),
        ("in_flight", &route.in_flight),
        ("dead", &route.dead),
    ]
}

fn outputs(snapshot: &Snapshot) -> impl Iterator<Item = (&RouteSample, &DestinationSample)> {
    let routes = snapshot.routes.iter();
    routes.flat_map(|route| route.outputs.iter().map(move |output| (route, output)))
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

fn summary((sample_count, sum): (u64, f64)) -> Metric {
    let mut summary = Summary::default();
    summary.set_sample_count(sample_count);
    summary.set_sample_sum(sum);
    let mut metric = Metric::default();
    metric.set_summary(summary);
    metric
}

fn histogram(labels: &Labels<'_>, latency: &LatencySnapshot) -> Metric {
    let bounds = LatencyHistogram::BOUNDS_MS.iter();
    let buckets = bounds.zip(&latency.count_up_to).map(|(ms, up_to)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(count(*ms) / 1e3);
        bucket.set_cumulative_count(*up_to);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(latency.count);
    histogram.set_sample_sum(latency.sum_s);
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
