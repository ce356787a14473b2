//! Waiting for room in a full route.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a sender that waits looks again by itself: nobody tells when another program frees
/// space on the disk.
const RECHECK: Duration = Duration::from_secs(1);

/// Where senders of one route wait until there is room.
#[derive(Debug)]
pub struct Room {
    freed: Notify,
    is_closed: AtomicBool,
    stopping: CancellationToken,
}

/// Why a sender waits no longer though there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// Its patience is over.
    OutOfPatience,
    /// The daemon is stopping, or the route is gone.
    Stopping,
}

impl Room {
    /// A room whose senders give up when `stopping` is cancelled.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> Self {
        Self {
            freed: Notify::new(),
            is_closed: AtomicBool::new(false),
            stopping,
        }
    }

    /// The route takes less space than before: everybody who waits tries again.
    pub fn freed(&self) {
        self.freed.notify_waiters();
    }

    /// Nobody will make room any more: everybody who waits gives up, as if the daemon were stopping.
    pub fn close(&self) {
        self.is_closed.store(true, SeqCst);
        self.freed.notify_waiters();
    }

    /// There may be room again.
    pub fn reopen(&self) {
        self.is_closed.store(false, SeqCst);
    }

    /// Makes `attempt` again and again, whenever there may be room, until it gives something.
    pub(crate) async fn until<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, NoRoom> {
        loop {
            // Listening before the attempt, so that room that appears in between is not missed.
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(done) = attempt() {
                return Ok(done);
            }
            if self.is_closed.load(SeqCst) {
                return Err(NoRoom::Stopping);
            }
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep(RECHECK) => {}
                () = out_of_patience(deadline) => return Err(NoRoom::OutOfPatience),
                () = self.stopping.cancelled() => return Err(NoRoom::Stopping),
            }
        }
    }
}

async fn out_of_patience(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sender_goes_on_as_soon_as_there_is_room() {
        let room = Arc::new(Room::new(CancellationToken::new()));
        let has_room = Arc::new(AtomicBool::new(false));
        let waiting = tokio::spawn({
            let (room, has_room) = (Arc::clone(&room), Arc::clone(&has_room));
            async move {
                room.until(None, || has_room.load(Ordering::SeqCst).then_some("in"))
                    .await
            }
        });
        tokio::task::yield_now().await;
        has_room.store(true, Ordering::SeqCst);
        room.freed();
        assert_eq!(waiting.await.unwrap(), Ok("in"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_looks_again_by_itself() {
        let room = Room::new(CancellationToken::new());
        let mut attempts = 0;
        let third = room.until(None, || {
            attempts += 1;
            (attempts == 3).then_some(attempts)
        });
        assert_eq!(third.await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_route_that_goes_gives_up_until_it_is_back() {
        let room = Arc::new(Room::new(CancellationToken::new()));
        let waiting = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.until(None, || None::<()>).await }
        });
        tokio::task::yield_now().await;
        room.close();
        assert_eq!(waiting.await.unwrap(), Err(NoRoom::Stopping));
        assert_eq!(room.until(None, || None::<()>).await, Err(NoRoom::Stopping));
        assert_eq!(room.until(None, || Some(1)).await, Ok(1));
        room.reopen();
        let soon = Some(Instant::now() + Duration::from_millis(1));
        assert_eq!(
            room.until(soon, || None::<()>).await,
            Err(NoRoom::OutOfPatience)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_and_the_daemon_may_end_before_there_is_room() {
        let stopping = CancellationToken::new();
        let room = Room::new(stopping.clone());
        let deadline = Instant::now() + Duration::from_millis(10);
        let never = || None::<()>;
        assert_eq!(
            room.until(Some(deadline), never).await,
            Err(NoRoom::OutOfPatience)
        );
        stopping.cancel();
        assert_eq!(room.until(None, never).await, Err(NoRoom::Stopping));
    }
}
