//! The forebay daemon and its tools.

use std::error::Error as _;
use std::process::ExitCode;

use forebay::cli;

fn main() -> ExitCode {
    cli::run().unwrap_or_else(|error| report(&error))
}

/// Prints `error` with its causes; the answer is the exit code.
fn report(error: &cli::Error) -> ExitCode {
    if let cli::Error::Usage(usage) = error {
        // Help and version go to standard output, mistakes to standard error.
        let _ = usage.print();
    } else if !error.is_benign() {
        eprintln!("error: {error}");
        let mut cause = error.source();
        while let Some(source) = cause {
            eprintln!("  because: {source}");
            cause = source.source();
        }
    }
    if error.is_benign() {
        ExitCode::SUCCESS
    } else {
        error.exit_code()
    }
}
