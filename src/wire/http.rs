//! What everything that serves HTTP shares: the serving of connections, and how a problem is
//! answered.

mod impatient;
mod problem;
mod serve;

pub use problem::Problem;
pub use serve::{Limits, Peer, Server, Watch};
