//! The workloads in turn with the bare receiver, several rounds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::arguments::Arguments;
use super::table::{Figures, Row};
use super::work::Work;
use super::workload::{self, Workload};
use super::{measure, memory};

/// Runs what `arguments` want; a row for each phase.
pub(crate) fn run(arguments: &Arguments) -> Vec<Row> {
    let loads: Vec<Workload> = workload::all(arguments.events)
        .into_iter()
        .filter(|load| arguments.want(load.phases.iter().map(|phase| phase.name)))
        .collect();
    let mut rows: Vec<Vec<Row>> = loads.iter().map(rows_of).collect();
    if loads.is_empty() {
        return Vec::new();
    }
    for round in 1..=arguments.rounds {
        memory::warm(Work::large(arguments.events).payload_bytes() * 4);
        for (load, rows) in loads.iter().zip(&mut rows) {
            if round == 1 || !load.is_long {
                eprintln!("round {round}: {}", load.phases[0].title);
                run_one(load, round, rows);
            }
        }
    }
    rows.into_iter().flatten().collect()
}

fn rows_of(load: &Workload) -> Vec<Row> {
    let rows = load.phases.iter().map(|phase| Row {
        title: phase.title,
        aims: phase.aims.clone(),
        ours: Vec::new(),
        bare: Vec::new(),
    });
    rows.collect()
}

/// One round of a workload. If it fails, the others still count.
fn run_one(load: &Workload, round: u64, rows: &mut [Row]) {
    let both = catch_unwind(AssertUnwindSafe(|| {
        // Whoever comes second finds the disk tired by the first.
        if round % 2 == 1 {
            let bare = measure::bare(load.work);
            (measure::ours(load), bare)
        } else {
            let ours = measure::ours(load);
            (ours, measure::bare(load.work))
        }
    }));
    let Ok((ours, bare)) = both else {
        return;
    };
    for (row, figures) in rows.iter_mut().zip(ours) {
        row.ours.push(figures);
        row.bare.push(bare);
        row.log(figures);
    }
}

impl Row {
    /// Says on standard error what a round gave.
    fn log(&self, figures: Figures) {
        let bare = self.bare[self.bare.len() - 1];
        eprintln!(
            "  {}: {:.3} M/s, {:.3} us, {:.1} MiB; bare {:.3} M/s, {:.3} us",
            self.title,
            figures.rate / 1e6,
            figures.cpu_us,
            figures.memory_mib,
            bare.rate / 1e6,
            bare.cpu_us
        );
    }
}
