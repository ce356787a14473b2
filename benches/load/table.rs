//! Figures of several rounds, and the table made of them.

use super::aim::{Bound, shown};

/// What one run of one phase gave. What it has no meaning for is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Events a second, from the first byte to the last confirmation.
    pub(crate) rate: f64,
    /// How long that took.
    pub(crate) seconds: f64,
    /// Processor time for each event, in microseconds.
    pub(crate) cpu_us: f64,
    /// The same of the generator and the sink.
    pub(crate) helpers_us: f64,
    /// Most resident memory, in MiB.
    pub(crate) memory_mib: f64,
    /// Bytes that went to the disk for each byte of events.
    pub(crate) written_ratio: f64,
    /// Groups of appends that were synced.
    pub(crate) syncs: f64,
    /// Most open descriptors.
    pub(crate) descriptors: f64,
    /// Median of an acknowledgement's wait, in syncs of the disk.
    pub(crate) wait_syncs: f64,
    /// 99th percentile of that.
    pub(crate) late_syncs: f64,
    /// Bytes on the disk for each batch, at the end.
    pub(crate) disk_per_batch: f64,
    /// The rate as a share of that of taking the same in.
    pub(crate) of_taken_in: f64,
}

/// Something that an aim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    OfBare,
    OfTakenIn,
    Rate,
    Seconds,
    CpuUs,
    MemoryMib,
    Descriptors,
    LateSyncs,
    DiskPerBatch,
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::OfBare => "of bare",
            Self::OfTakenIn => "of taken in",
            Self::Rate => "events/s",
            Self::Seconds => "s",
            Self::CpuUs => "us/event",
            Self::MemoryMib => "peak MiB",
            Self::Descriptors => "descriptors",
            Self::LateSyncs => "ack p99",
            Self::DiskPerBatch => "disk bytes a chunk",
        }
    }

    /// Whether the table has a column for it.
    fn has_column(self) -> bool {
        !matches!(self, Self::OfTakenIn | Self::Seconds | Self::DiskPerBatch)
    }
}

/// One line of the table: a phase, with the figures of each round.
pub(crate) struct Row {
    /// What was done.
    pub(crate) title: &'static str,
    /// What is to be reached.
    pub(crate) aims: Vec<(Figure, Bound)>,
    /// Ours, a value a round.
    pub(crate) ours: Vec<Figures>,
    /// The bare receiver's in the same rounds.
    pub(crate) bare: Vec<Figures>,
}

const COLUMNS: [&str; 12] = [
    "workload",
    "events/s",
    "us/event",
    "generator + sink us",
    "peak MiB",
    "written/byte",
    "syncs",
    "descriptors",
    "ack p50/p99 in syncs",
    "bare: events/s, us, p99",
    "of bare",
    "aim",
];

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "| {} |\n{}|\n",
        COLUMNS.join(" | "),
        "|---".repeat(COLUMNS.len())
    );
    for row in rows {
        text.push_str(&row.line());
    }
    text
}

impl Row {
    fn line(&self) -> String {
        if self.ours.is_empty() || self.bare.is_empty() {
            let blanks = " |".repeat(COLUMNS.len() - 2);
            return format!("| {} | **failed** {blanks}\n", self.title);
        }
        let ours = |value: fn(&Figures) -> f64| median(self.ours.iter().map(value));
        let bare = |value: fn(&Figures) -> f64| median(self.bare.iter().map(value));
        let cells = [
            self.title.to_owned(),
            millions(ours(|f| f.rate)),
            format!("{:.3}", ours(|f| f.cpu_us)),
            format!("{:.3}", ours(|f| f.helpers_us)),
            format!("{:.1}", ours(|f| f.memory_mib)),
            format!("{:.2}", ours(|f| f.written_ratio)),
            shown(ours(|f| f.syncs)),
            shown(ours(|f| f.descriptors)),
            waits(ours(|f| f.wait_syncs), ours(|f| f.late_syncs)),
            format!(
                "{}, {:.3}, {:.1}",
                millions(bare(|f| f.rate)),
                bare(|f| f.cpu_us),
                bare(|f| f.late_syncs)
            ),
            format!("{:.2}", self.value(Figure::OfBare)),
            self.judgement(),
        ];
        format!("| {} |\n", cells.join(" | "))
    }

    fn judgement(&self) -> String {
        let aims = self.aims.iter().map(|(figure, bound)| {
            let value = self.value(*figure);
            let own = if figure.has_column() {
                String::new()
            } else {
                format!("{} ", shown(value))
            };
            format!("{own}{} {}", figure.name(), bound.judge(value))
        });
        aims.collect::<Vec<_>>().join("; ")
    }

    fn value(&self, figure: Figure) -> f64 {
        let ours = |value: fn(&Figures) -> f64| median(self.ours.iter().map(value));
        match figure {
            Figure::OfBare => {
                let pairs = self.ours.iter().zip(&self.bare);
                median(pairs.map(|(ours, bare)| ours.rate / bare.rate))
            }
            Figure::OfTakenIn => ours(|f| f.of_taken_in),
            Figure::Rate => ours(|f| f.rate),
            Figure::Seconds => ours(|f| f.seconds),
            Figure::CpuUs => ours(|f| f.cpu_us),
            Figure::MemoryMib => ours(|f| f.memory_mib),
            Figure::Descriptors => ours(|f| f.descriptors),
            Figure::LateSyncs => ours(|f| f.late_syncs),
            Figure::DiskPerBatch => ours(|f| f.disk_per_batch),
        }
    }
}

fn millions(rate: f64) -> String {
    format!("{:.3} M", rate / 1e6)
}

fn waits(median: f64, late: f64) -> String {
    if median.is_nan() {
        return String::new();
    }
    format!("{median:.1} / {late:.1}")
}

/// The value in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
