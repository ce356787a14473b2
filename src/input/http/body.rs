//! Reading a body, in bounds of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::refusal::Refusal;
use crate::input::memory::Share;

/// How long the sender may pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// How long a whole body may take.
const TIME_MAX: Duration = Duration::from_secs(300);

/// Most bytes that are allocated on the word of `Content-Length`.
const ALLOCATED_MAX: usize = 1 << 20;

/// The least that a body's memory grows by.
const GROWTH_MIN: usize = 8 * 1024;

/// Most bytes of a refused body that are read to their end.
const DISCARDED_SIZE_MAX: usize = 64 << 20;

/// How long that may take.
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(2);

/// How much of a body is read.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Its size in bytes, if the head says it.
    pub(super) size: Option<usize>,
    /// Most bytes.
    pub(super) size_max: usize,
    /// How long it may wait for memory at a time.
    pub(super) patience: Duration,
}

/// Reads a body; `share` holds its memory then.
///
/// # Errors
/// It is too large, too slow, or ends early; or there is no memory for it.
pub(super) async fn read(body: Body, bounds: Bounds, share: &mut Share) -> Result<Bytes, Refusal> {
    let mut parts = body.into_data_stream();
    let reading = timeout(TIME_MAX, collect(&mut parts, bounds, share));
    let read = reading.await.unwrap_or(Err(Refusal::Slow));
    if let Err(Refusal::TooLarge { .. } | Refusal::NoMemory) = read {
        drain(parts).await;
    }
    read
}

/// Lets `share` grow, if others let it within `patience`.
///
/// # Errors
/// They did not.
pub(super) async fn grow(
    share: &mut Share,
    more: usize,
    patience: Duration,
) -> Result<(), Refusal> {
    let grown = timeout(patience, share.grow(more)).await;
    grown.map_err(|_| Refusal::NoMemory)
}

/// Reads a body that nobody wants, within limits. A sender that is still sending when the
/// connection is closed would not see the answer but a reset.
pub(super) async fn discard(body: Body) {
    drain(body.into_data_stream()).await;
}

async fn collect(
    parts: &mut BodyDataStream,
    bounds: Bounds,
    share: &mut Share,
) -> Result<Bytes, Refusal> {
    let size_max = bounds.size_max;
    let announced = bounds.size.unwrap_or(0);
    if announced > size_max {
        return Err(Refusal::TooLarge { size_max });
    }
    let mut bytes = Vec::new();
    let first = announced.min(ALLOCATED_MAX);
    grow(share, first, bounds.patience).await?;
    bytes.reserve_exact(first);
    loop {
        let part = timeout(PAUSE_MAX, parts.next()).await;
        let Some(part) = part.map_err(|_| Refusal::Slow)? else {
            return Ok(Bytes::from(bytes));
        };
        let part = part.map_err(|_| Refusal::CutOff)?;
        if part.len() > size_max - bytes.len() {
            return Err(Refusal::TooLarge { size_max });
        }
        let missing = part.len().saturating_sub(bytes.capacity() - bytes.len());
        if missing > 0 {
            let left = size_max.min(bounds.size.unwrap_or(size_max)) - bytes.capacity();
            let more = missing.max(bytes.capacity().max(GROWTH_MIN).min(left));
            grow(share, more, bounds.patience).await?;
            bytes.reserve_exact(bytes.capacity() + more - bytes.len());
        }
        bytes.extend_from_slice(&part);
    }
}

async fn drain(mut parts: BodyDataStream) {
    let draining = async {
        let mut size = 0;
        while let Some(Ok(part)) = parts.next().await {
            size += part.len();
            if size > DISCARDED_SIZE_MAX {
                break;
            }
        }
    };
    // What is left when the time is over is lost with the connection.
    let _ = timeout(DISCARDING_TIME_MAX, draining).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;
    use crate::input::InputStats;
    use crate::input::memory::{FREE_SIZE, Memory};

    /// Reads with memory for everything.
    async fn read(body: Body, size: Option<usize>, size_max: usize) -> Result<Bytes, Refusal> {
        let mut share = Memory::new(1 << 30, &Arc::default()).share();
        super::read(body, bounds(size, size_max), &mut share).await
    }

    fn bounds(size: Option<usize>, size_max: usize) -> Bounds {
        Bounds {
            size,
            size_max,
            patience: Duration::from_secs(5),
        }
    }

    /// A body of `count` parts of 10 bytes, each after `pause`.
    fn slow(count: usize, pause: Duration) -> Body {
        let parts = stream::iter(0..count).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, Infallible>(Bytes::from_static(b"0123456789"))
        });
        Body::from_stream(parts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_have_as_many_bytes_as_are_allowed() {
        let whole = read(slow(3, Duration::ZERO), None, 30).await;
        assert_eq!(whole.unwrap().len(), 30);
        let large = read(slow(3, Duration::ZERO), None, 29).await;
        assert!(matches!(large, Err(Refusal::TooLarge { size_max: 29 })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_says_it_is_too_large_is_refused_unread() {
        let refused = read(Body::empty(), Some(31), 30).await;
        assert!(matches!(refused, Err(Refusal::TooLarge { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_may_pause_but_not_for_long_and_not_for_ever() {
        let pausing = slow(5, PAUSE_MAX - Duration::from_secs(1));
        assert_eq!(read(pausing, None, 1_000).await.unwrap().len(), 50);
        let stalled = slow(5, PAUSE_MAX + Duration::from_secs(1));
        assert!(matches!(
            read(stalled, None, 1_000).await,
            Err(Refusal::Slow)
        ));
        let endless = slow(1_000, Duration::from_secs(1));
        assert!(matches!(
            read(endless, None, 1 << 20).await,
            Err(Refusal::Slow)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_memory_but_not_for_long() {
        let stats = Arc::new(InputStats::default());
        let memory = Memory::new(1 << 20, &stats);
        let mut shares = [memory.share(), memory.share(), memory.share()];
        let [all, beyond, share] = &mut shares;
        all.grow((1 << 20) + FREE_SIZE).await;
        beyond.grow(1 << 20).await;
        let large = || Body::from(vec![7; 100_000]);
        for size in [None, Some(100_000)] {
            let refused = super::read(large(), bounds(size, 1 << 20), share).await;
            assert!(matches!(refused, Err(Refusal::NoMemory)));
            share.give_back(FREE_SIZE);
        }
        let small = super::read(slow(5, Duration::ZERO), bounds(None, 100), share).await;
        assert_eq!(small.unwrap().len(), 50);
        share.give_back(FREE_SIZE);
        all.give_back(usize::MAX);
        let read = super::read(large(), bounds(Some(100_000), 1 << 20), share).await;
        assert_eq!(read.unwrap().len(), 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_its_own_size_of_memory_while_it_comes() {
        let stats = Arc::new(InputStats::default());
        let mut share = Memory::new(64 << 20, &stats).share();
        let parts = vec![Ok::<_, Infallible>(Bytes::from(vec![7; 100_000])); 30];
        let body = Body::from_stream(stream::iter(parts));
        let size = 3_000_000;
        let read = super::read(body, bounds(Some(size), 8 << 20), &mut share).await;
        assert_eq!(read.unwrap().len(), size);
        let taken = usize::try_from(stats.read_memory.load(Relaxed)).unwrap();
        assert_eq!(taken, (size - FREE_SIZE).next_multiple_of(1024));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_wants_is_not_read_for_ever() {
        let started = tokio::time::Instant::now();
        discard(slow(1_000, Duration::from_secs(1))).await;
        assert_eq!(started.elapsed(), DISCARDING_TIME_MAX);
    }
}
