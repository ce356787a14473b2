//! Over a loopback socket, with an engine that gives canned answers.

mod access;
mod actions;
mod canned;
mod openapi;
mod reads;
mod rig;
mod streams;
