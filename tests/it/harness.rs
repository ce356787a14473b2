//! What the tests stand on: the daemon as a process, senders and destinations as sockets, and a
//! ledger of what was acknowledged and what arrived.

pub(crate) mod certificate;
pub(crate) mod daemon;
pub(crate) mod destination;
pub(crate) mod event;
pub(crate) mod guide;
pub(crate) mod http;
pub(crate) mod http_destination;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod random;
pub(crate) mod sender;
pub(crate) mod site;
pub(crate) mod tools;
pub(crate) mod wait;
