//! The forebay daemon and its tools.

use std::error::Error;
use std::io::{self, Write};
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
        // Nobody is left to tell if standard error is closed.
        let _ = write_causes(error, &mut io::stderr());
    }
    if error.is_benign() {
        ExitCode::SUCCESS
    } else {
        error.exit_code()
    }
}

fn write_causes(error: &dyn Error, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "error: {error}")?;
    let mut cause = error.source();
    while let Some(source) = cause {
        writeln!(out, "  because: {source}")?;
        cause = source.source();
    }
    Ok(())
}
