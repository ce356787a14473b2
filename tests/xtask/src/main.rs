//! `cargo crash`: everything that shows that nothing acknowledged is lost, in one run with one table.
//! `cargo deb`: the Debian package.
//!
//! Each suite is a `cargo test` whose tests print rows for the table; what they print passes through as
//! it comes. The exit code is that of the worst: 0 if every test of every suite passed.

mod deb;
mod machine;
mod suites;
mod tally;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use suites::{Effort, SUITES};
use tally::Tally;

const USAGE: &str = "\
usage: cargo crash | cargo crash-long
       cargo deb [--binary FILE] [--out DIR] [--revision NUMBER] [--compression xz|zstd|gzip|none]";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crash"] => crash(&suites::USUAL),
        ["crash-long"] => crash(&suites::LONG),
        ["deb", ref options @ ..] => match deb::Options::parse(options) {
            Some(options) => deb(&options),
            None => misused(),
        },
        _ => misused(),
    }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn deb(options: &deb::Options) -> ExitCode {
    match deb::build(options) {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn crash(effort: &Effort) -> ExitCode {
    let began = now();
    let mut tally = Tally::default();
    for suite in &SUITES {
        eprintln!("=== {}", suite.what);
        if let Err(error) = suite.run(effort, &mut tally) {
            eprintln!("cannot run cargo: {error}");
            return ExitCode::FAILURE;
        }
    }
    print(&tally, began.elapsed());
    if tally.has_passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(tally: &Tally, took: Duration) {
    println!("\n{}\n", machine::description());
    println!("| test | on | cycles | faults | images | acknowledged | lost | repeated |");
    println!("|---|---|---|---|---|---|---|---|");
    tally.rows().for_each(|row| println!("{row}"));
    println!();
    tally.seeds().for_each(|seed| println!("{seed}"));
    println!("{} in {} s", tally.totals(), took.as_secs());
    println!("{}", tally.skipped());
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "how long it took is by the wall")]
    Instant::now()
}
