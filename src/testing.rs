//! What tests of plugins need: a driver for outputs, a fake destination, and a suite of promises
//! that every output must keep.
//!
//! Nothing here imitates the engine. A [`Driver`] reads settings as the configuration is read, opens
//! the output by its type, groups events by chunk keys, keeps them in a store on the disk, and
//! delivers through the [`Instance`](crate::output::Instance) that the engine uses.
//!
//! The suite, in three lines:
//!
//! ```
//! # use forebay::testing::{FakeDestination, conformance};
//! # #[tokio::main]
//! # async fn main() {
//! // #[tokio::test(flavor = "multi_thread")]
//! // async fn it_keeps_the_contract() {
//! conformance(FakeDestination::default(), "way: deferred").await.unwrap();
//! // }
//! # }
//! ```
//!
//! What it promises stands at [`Conformance`]. What an output does with events is tested by hand:
//!
//! ```
//! use forebay::output::{Outcome, Way};
//! use forebay::testing::{Driver, FakeDestination, retry};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let destination = FakeDestination::default();
//! destination.answer([retry("busy"), Outcome::Delivered]);
//!
//! let mut driver = Driver::new(destination.clone(), "way: buffered")?;
//! driver.start().await?;
//! assert_eq!(driver.way()?, Way::Buffered);
//!
//! driver.feed("app.web", r#"{"n": 1}"#);
//! assert_eq!(driver.flush().await?, [retry("busy")]);
//! assert_eq!(driver.owed_count(), 1);
//!
//! assert_eq!(driver.flush().await?, [Outcome::Delivered]);
//! assert_eq!(driver.owed_count(), 0);
//! assert_eq!(destination.records(), [r#"{"n":1}"#]);
//! driver.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Time is the runtime's: in a test with `start_paused` it is moved by `tokio::time::advance`, or
//! moves by itself when nothing else can happen. The wall clock ([`Driver::clock`]) goes along.

mod books;
mod buffer;
mod conformance;
mod driver;
mod factory;
mod fake;
mod folder;
mod spy;
#[cfg(test)]
mod tests;

pub use conformance::{Broken, Conformance, Passed, conformance};
pub use driver::{Driver, TestError};
pub use factory::Factory;
pub use fake::{FakeDestination, FakeSettings, FakeWay, reject, retry};
pub use spy::Call;
