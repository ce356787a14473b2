//! The input over real loopback sockets, with an intake whose receipts resolve on command.

mod exchange;
mod limits;
mod memory;
mod rig;
mod security;
