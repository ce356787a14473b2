//! The flush scheduler.

mod stats;

pub use stats::{DestinationStats, FailureCounts, LatencyHistogram, LatencySnapshot};
