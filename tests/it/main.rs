//! Integration tests: the built program, driven over sockets and files only.
#![allow(clippy::unwrap_used)]

mod admin;
mod buffer_command;
mod chain;
mod clients;
mod command_line;
mod crash;
mod damage;
mod dead_command;
mod dead_letters;
mod delivery;
mod deploy;
mod destinations;
mod direct;
mod doctor;
mod filters;
mod harness;
mod hostile;
mod http_input;
mod inputs;
mod last_resorts;
mod nats;
mod operators_day;
mod overflow;
mod page;
mod plugins;
mod prometheus;
mod readme;
mod recount;
mod reload;
mod retry;
mod schemathesis;
mod send_command;
mod stopping;
mod tap_command;
mod top_command;
