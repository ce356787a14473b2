//! The forebay daemon and its tools.

fn main() {}
