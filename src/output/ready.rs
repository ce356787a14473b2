//! Room for a chunk, reserved before it comes.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::BoxFuture;

/// What an output says when it is asked whether a chunk may come; see
/// [`Lifecycle::ready`](super::Lifecycle::ready).
pub enum Ready {
    /// It may come; the room is kept for it as long as the permit lives.
    Now(Permit),
    /// Not before then: it is asked again at that time.
    NotUntil(Instant),
    /// Not before the future resolves: it is asked again then.
    Notify(BoxFuture<'static, ()>),
}

impl Ready {
    /// There is room, and nothing to give back.
    #[must_use]
    pub const fn now() -> Self {
        Self::Now(Permit(None))
    }

    /// There is room, which is given back when `guard` is dropped.
    #[must_use]
    pub fn holding(guard: impl Send + 'static) -> Self {
        Self::Now(Permit(Some(Box::new(guard))))
    }

    /// Room for one of the chunks that `room` counts.
    #[must_use]
    pub fn within(room: &Arc<Semaphore>) -> Self {
        match Arc::clone(room).try_acquire_owned() {
            Ok(permit) => Self::holding(permit),
            Err(_) => {
                let room = Arc::clone(room);
                // The permit is not kept: whoever is asked again takes one of its own.
                Self::Notify(Box::pin(async move { drop(room.acquire().await) }))
            }
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(_) => f.write_str("Now"),
            Self::NotUntil(at) => f.debug_tuple("NotUntil").field(at).finish(),
            Self::Notify(_) => f.write_str("Notify"),
        }
    }
}

/// Room that is kept for one chunk. It travels with the chunk's delivery and is given back when
/// that has ended.
#[derive(Default)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Send>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn i03_room_is_reserved_until_the_permit_goes() {
        let room = Arc::new(Semaphore::new(1));
        let Ready::Now(permit) = Ready::within(&room) else {
            panic!("there is room");
        };
        let Ready::Notify(free) = Ready::within(&room) else {
            panic!("there is none any more");
        };
        drop(permit);
        free.await;
        assert!(matches!(Ready::within(&room), Ready::Now(_)));
    }
}
