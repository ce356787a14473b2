//! The forebay daemon and its tools.

use std::process::ExitCode;

use forebay::cli;
use forebay::registry::Registry;

fn main() -> ExitCode {
    cli::main(Registry::builtin())
}
