//! How to run Forebay and what to do about an alert; how to write plugins, what they are called elsewhere, and
//! what holds the contract.
//!
//! | page | for whom |
//! |---|---|
//! | [`security`] | decides who may do what: network, files, the service's walls |
//! | [`write_an_output`] | sends events somewhere: three ways, settings, tests |
//! | [`write_a_filter`] | edits, drops, routes or makes events |
//! | [`write_an_input`] | takes events in from somewhere |
//! | [`coming_from`] | knows Fluentd, Fluent Bit's Go plugins, Heka, iLogtail or Stanza |
//! | [`contract`] | wants to know what is promised, and which test holds it |
//! | [`metrics`] | watches a daemon |
//! | [`runbook`] | is on call, and an alert has come |

#[doc = include_str!("guide/write-an-output.md")]
pub mod write_an_output {}

#[doc = include_str!("guide/write-a-filter.md")]
pub mod write_a_filter {}

#[doc = include_str!("guide/write-an-input.md")]
pub mod write_an_input {}

#[doc = include_str!("guide/coming-from.md")]
pub mod coming_from {}

#[doc = include_str!("guide/contract.md")]
pub mod contract {}

#[doc = include_str!("guide/metrics.md")]
pub mod metrics {}

#[doc = include_str!("guide/runbook.md")]
pub mod runbook {}

#[doc = include_str!("guide/security.md")]
pub mod security {}
