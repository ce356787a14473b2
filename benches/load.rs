//! Load on the built program, beside a bare receiver that does the least that a durable one must.
//!
//! The program, the generator, the sink and the bare receiver are processes of their own, so that
//! what the kernel counts for one is nobody else's. Each round runs everything in turn; what is
//! printed are medians of the rounds, and medians of the rounds' ratios.
//!
//! `FOREBAY_BENCH_ROUNDS` (3) and `FOREBAY_BENCH_EVENTS` (2000000 in batches of 1,000) say how much.
//! The largest run has `EVENTS` x 225 bytes on disk at a time.
#![allow(clippy::unwrap_used)]

#[path = "load/bare.rs"]
mod bare;
#[path = "load/batch.rs"]
mod batch;
#[path = "load/clock.rs"]
mod clock;
#[path = "load/disk.rs"]
mod disk;
#[path = "load/framing.rs"]
mod framing;
#[path = "load/generator.rs"]
mod generator;
#[path = "load/memory.rs"]
mod memory;
#[path = "load/process.rs"]
mod process;
#[path = "load/rounds.rs"]
mod rounds;
#[path = "load/sink.rs"]
mod sink;
#[path = "load/table.rs"]
mod table;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("generate") => generator::run(&arguments[1..]),
        Some("sink") => sink::run(&arguments[1..]),
        Some("bare") => bare::run(&arguments[1..]),
        // Built by `cargo test --all-targets` too, which is no time to measure.
        _ if arguments.iter().any(|argument| argument == "--bench") => rounds::run(),
        _ => println!("run me by `cargo bench --bench load`"),
    }
}
