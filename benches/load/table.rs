//! Figures of several rounds, and the table made of them.

/// What one run of one workload gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Events a second, from the first byte to the last confirmation.
    pub(crate) rate: f64,
    /// Processor time for each event, in microseconds.
    pub(crate) cpu_us: f64,
    /// Most resident memory, in MiB.
    pub(crate) memory_mib: f64,
    /// Bytes that went to the disk for each byte of events.
    pub(crate) written_ratio: f64,
    /// 99th percentile of an acknowledgement's wait, in milliseconds; 0 where nobody waits.
    pub(crate) late_ms: f64,
}

/// One line of the table: a workload, with the figures of each round.
pub(crate) struct Row {
    /// What was done.
    pub(crate) name: &'static str,
    /// Ours, a value a round.
    pub(crate) ours: Vec<Figures>,
    /// The bare receiver's in the same rounds; empty where it has no counterpart.
    pub(crate) bare: Vec<Figures>,
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | events/s | us/event | peak MiB | written/byte | ack p99 ms | bare events/s | bare us/event | of bare |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

fn line(row: &Row) -> String {
    let of = |figures: &[Figures], value: fn(&Figures) -> f64| median(figures.iter().map(value));
    let ours = format!(
        "| {} | {:.2} M | {:.3} | {:.1} | {:.2} | {:.1} |",
        row.name,
        of(&row.ours, |f| f.rate) / 1e6,
        of(&row.ours, |f| f.cpu_us),
        of(&row.ours, |f| f.memory_mib),
        of(&row.ours, |f| f.written_ratio),
        of(&row.ours, |f| f.late_ms),
    );
    if row.bare.is_empty() {
        return format!("{ours} | | |\n");
    }
    let ratios = row
        .ours
        .iter()
        .zip(&row.bare)
        .map(|(ours, bare)| ours.rate / bare.rate);
    let (rate, cpu) = (of(&row.bare, |f| f.rate) / 1e6, of(&row.bare, |f| f.cpu_us));
    format!("{ours} {rate:.2} M | {cpu:.3} | {:.2} |\n", median(ratios))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
