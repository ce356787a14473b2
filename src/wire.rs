//! What inputs and outputs share of protocols.
