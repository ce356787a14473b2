//! Load on the built program, beside a bare receiver that does the least that a durable one must.
//!
//! The program, the generator, the sink and the bare receiver are processes of their own, so that
//! what the kernel counts for one is nobody else's. Each round runs everything in turn; what is
//! printed are medians of the rounds, and medians of the rounds' ratios.
//!
//! `cargo bench-load` runs every workload and every probe, `-- NAME...` those that are named,
//! `-- --write FILE` writes the tables to a file too, `-- --list` says what there is. How much is done
//! is in [`arguments`].
#![allow(clippy::unwrap_used)]

mod aim;
mod answers;
mod arguments;
mod bare;
mod batch;
mod clock;
mod daemon;
mod disk;
mod framing;
mod generator;
mod http;
mod measure;
mod memory;
mod probes;
mod process;
mod report;
mod rounds;
mod sink;
mod table;
mod usage;
mod work;
mod workload;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("generate") => generator::run(&arguments[1..]),
        Some("sink") => sink::run(&arguments[1..]),
        Some("bare") => bare::run(&arguments[1..]),
        // Built by `cargo test --all-targets` too, which is no time to measure.
        _ if arguments.iter().any(|argument| argument == "--bench") => report::run(&arguments),
        _ => println!("run me by `cargo bench-load`"),
    }
}
