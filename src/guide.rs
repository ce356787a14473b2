//! How to run Forebay and what to do about an alert; how to write plugins, what they are called elsewhere, and
//! what holds the contract.
//!
//! | page | for whom |
//! |---|---|
//! | [`configuration`] | looks a setting up |
//! | [`guarantees`] | wants to know what survives which failure, and what each setting does to it |
//! | [`sizing`] | decides how much disk, memory and processor it gets |
//! | [`deploying`] | runs it: as a service, a package, a container, in Kubernetes |
//! | [`security`] | decides who may do what: network, files, the service's walls |
//! | [`upgrading`] | has a new version |
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

#[doc = include_str!("guide/configuration.md")]
pub mod configuration {}

#[doc = include_str!("guide/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("guide/sizing.md")]
pub mod sizing {}

#[doc = include_str!("guide/deploying.md")]
pub mod deploying {}

#[doc = include_str!("guide/upgrading.md")]
pub mod upgrading {}
