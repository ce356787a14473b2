//! The flush scheduler.
