//! From the start of the process to its first acknowledgement, with chunks on the disk.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Extent, Fact};
use crate::aim::Bound;
use crate::batch::{ACK_SIZE, Batch};
use crate::clock;
use crate::daemon::{self, Home, Output};
use crate::generator::generate;
use crate::measure::settings;
use crate::table::median;
use crate::work::{Protocol, Work};

/// Chunks on the disk, and milliseconds that may pass.
const CASES: [(u64, Option<f64>); 4] = [
    (0, Some(50.0)),
    (100, None),
    (10_000, Some(100.0)),
    (100_000, Some(1_000.0)),
];

pub(super) fn measure(extent: Extent) -> Vec<Fact> {
    let facts = CASES.into_iter().flat_map(|(chunks, limit_ms)| {
        let home = Home::new(&settings(""), Output::Forward);
        if chunks > 0 {
            fill(&home, chunks);
        }
        let starts: Vec<(f64, f64)> = (0..extent.rounds)
            .map(|round| first_ack(&home, round))
            .collect();
        let what = format!("start to first acknowledgement, {chunks} chunks on the disk");
        let took = Fact::new(what, median(starts.iter().map(|start| start.0)), "ms");
        let what = format!("its peak memory, {chunks} chunks");
        let memory = Fact::new(what, median(starts.iter().map(|start| start.1)), "MiB");
        let took = match limit_ms {
            Some(limit) => took.aimed(Bound::AtMost(limit)),
            None => took,
        };
        [took, memory]
    });
    facts.collect()
}

/// Leaves `chunks` sealed chunks of one event each.
fn fill(home: &Home, chunks: u64) {
    let daemon = home.start();
    generate(daemon::address(Protocol::Forward), Work::one_each(chunks));
    daemon.settle();
}

/// Milliseconds to the first acknowledgement, and the peak of memory in MiB then. Ends in a kill, with
/// one more batch in the store.
fn first_ack(home: &Home, id: u64) -> (f64, f64) {
    let mut batch = Batch::new(Work::one_each(1));
    let started = clock::now();
    let daemon = home.spawn();
    let mut stream = loop {
        match TcpStream::connect(daemon::address(Protocol::Forward)) {
            Ok(stream) => break stream,
            Err(_) => clock::pause(std::time::Duration::from_micros(200)),
        }
        assert!(started.elapsed().as_secs() < 60, "it does not listen");
    };
    stream.write_all(batch.numbered(0, id)).unwrap();
    stream.read_exact(&mut [0; ACK_SIZE]).unwrap();
    let took_ms = started.elapsed().as_secs_f64() * 1e3;
    (took_ms, daemon.process.usage().memory_peak_kib / 1024.0)
}
