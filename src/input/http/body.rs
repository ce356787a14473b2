//! Reading a body, in bounds of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::refusal::Refusal;

/// How long the sender may pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// How long a whole body may take.
const TIME_MAX: Duration = Duration::from_secs(300);

/// Most bytes that are allocated on the word of `Content-Length`.
const ALLOCATED_MAX: usize = 1 << 20;

/// Most bytes of a refused body that are read to their end.
const DISCARDED_SIZE_MAX: usize = 64 << 20;

/// How long that may take.
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(2);

/// Reads a body of at most `size_max` bytes; `size` is what the head says.
///
/// # Errors
/// It is too large, too slow, or ends early.
pub(super) async fn read(
    body: Body,
    size: Option<usize>,
    size_max: usize,
) -> Result<Bytes, Refusal> {
    let mut parts = body.into_data_stream();
    let reading = timeout(TIME_MAX, collect(&mut parts, size, size_max));
    let read = reading.await.unwrap_or(Err(Refusal::Slow));
    if let Err(Refusal::TooLarge { .. }) = read {
        drain(parts).await;
    }
    read
}

/// Reads a body that nobody wants, within limits. A sender that is still sending when the
/// connection is closed would not see the answer but a reset.
pub(super) async fn discard(body: Body) {
    drain(body.into_data_stream()).await;
}

async fn collect(
    parts: &mut BodyDataStream,
    size: Option<usize>,
    size_max: usize,
) -> Result<Bytes, Refusal> {
    if size.is_some_and(|size| size > size_max) {
        return Err(Refusal::TooLarge { size_max });
    }
    let mut bytes = Vec::with_capacity(size.unwrap_or(0).min(ALLOCATED_MAX));
    loop {
        let part = timeout(PAUSE_MAX, parts.next()).await;
        let Some(part) = part.map_err(|_| Refusal::Slow)? else {
            return Ok(Bytes::from(bytes));
        };
        let part = part.map_err(|_| Refusal::CutOff)?;
        if part.len() > size_max - bytes.len() {
            return Err(Refusal::TooLarge { size_max });
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

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

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
    async fn a_body_that_nobody_wants_is_not_read_for_ever() {
        let started = tokio::time::Instant::now();
        discard(slow(1_000, Duration::from_secs(1))).await;
        assert_eq!(started.elapsed(), DISCARDING_TIME_MAX);
    }
}
