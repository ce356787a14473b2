//! What stands in `deploy/`: each thing is used as a person would use it.

mod container;
mod examples;
mod kubernetes;
mod machine;
mod package;
mod systemd;
