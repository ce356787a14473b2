//! Which of the ways that an output offers it is driven by: Fluentd's rule.
//!
//! 1. A route with a `buffer` section buffers, and an output that cannot be buffered is an error
//!    there. Without one, an output that can be both is asked what it prefers
//!    ([`Preference::buffered`]); else it is what it can be.
//! 2. When buffered, an output that can do both, [`Way::Buffered`] and [`Way::Deferred`], is asked
//!    what it prefers ([`Preference::deferred`]); else it is what it can do.
//!
//! The choice is made at start, when the output has read its settings: what it offers and prefers
//! may depend on them.

/// How an output is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// [`Direct`](super::Direct): at once, without a buffer; the sender waits for the end.
    Direct,
    /// [`Buffered`](super::Buffered): returning is the commit.
    Buffered,
    /// [`Deferred`](super::Deferred): the output commits later.
    Deferred,
}

/// The ways that an output offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// It implements [`Direct`](super::Direct).
    pub direct: bool,
    /// It implements [`Buffered`](super::Buffered).
    pub buffered: bool,
    /// It implements [`Deferred`](super::Deferred).
    pub deferred: bool,
}

/// What an output prefers where it can do several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference {
    /// To be buffered rather than direct (Fluentd's `prefer_buffered_processing`).
    pub buffered: bool,
    /// When buffered, to commit later rather than by returning (`prefer_delayed_commit`).
    pub deferred: bool,
}

impl Default for Preference {
    fn default() -> Self {
        Self {
            buffered: true,
            deferred: true,
        }
    }
}

/// Why an output cannot be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// It implements nothing.
    #[error("it offers no way to be driven")]
    NoneOffered,
    /// The route buffers, and it can only be direct.
    #[error("it cannot be buffered, and the route has a `buffer` section")]
    NotBuffered,
}

/// The way for an output in a route; see the module.
///
/// # Errors
/// [`NoWay`].
pub const fn choose(
    offers: Offers,
    has_buffer_section: bool,
    preference: Preference,
) -> Result<Way, NoWay> {
    let can_be_buffered = offers.buffered || offers.deferred;
    let is_buffered = match (offers.direct, can_be_buffered) {
        (false, false) => return Err(NoWay::NoneOffered),
        (true, false) if has_buffer_section => return Err(NoWay::NotBuffered),
        (true, true) => has_buffer_section || preference.buffered,
        (_, can_be_buffered) => can_be_buffered,
    };
    let is_deferred = match (offers.buffered, offers.deferred) {
        (true, true) => preference.deferred,
        (_, deferred) => deferred,
    };
    Ok(match (is_buffered, is_deferred) {
        (false, _) => Way::Direct,
        (true, false) => Way::Buffered,
        (true, true) => Way::Deferred,
    })
}

#[cfg(test)]
mod tests;
