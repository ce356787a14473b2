//! Writing to a socket with a limit on how long the other side may stand still.

use std::io::{self, IoSlice};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Writes all of `slices`, in order, and flushes.
///
/// The list may be longer than one call of the system takes: each call is given all that is left
/// and says how much it took.
///
/// # Errors
/// The socket's; [`io::ErrorKind::TimedOut`] if nothing at all could be written for `stall_max`;
/// [`io::ErrorKind::WriteZero`] if the socket takes no more. Part of the bytes may be written.
pub(super) async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    mut slices: Vec<IoSlice<'_>>,
    stall_max: Duration,
) -> io::Result<()> {
    let mut left = slices.as_mut_slice();
    // Without this, empty slices alone would look like a socket that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let written = within(stall_max, writer.write_vectored(left)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    within(stall_max, writer.flush()).await
}

async fn within<T>(stall_max: Duration, io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(stall_max, io).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn everything_arrives_in_order_however_little_is_taken_at_a_time() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let bytes: Vec<u8> = (0..=255).collect();
        let expected = bytes.clone();
        let writing = tokio::spawn(async move {
            let slices = bytes.chunks(13).flat_map(|chunk| [chunk, b""]);
            write_all(&mut near, slices.map(IoSlice::new).collect(), SECOND).await
        });
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, expected);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn empty_slices_write_nothing() {
        let (mut near, far) = tokio::io::duplex(1);
        drop(far);
        let slices = vec![IoSlice::new(b""); 3];
        write_all(&mut near, slices, SECOND).await.unwrap();
        write_all(&mut near, Vec::new(), SECOND).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_is_a_time_out() {
        let (mut near, _far) = tokio::io::duplex(4);
        let slices = vec![IoSlice::new(b"more than four")];
        let error = write_all(&mut near, slices, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_a_time_out() {
        let (mut near, mut far) = tokio::io::duplex(1);
        let reading = tokio::spawn(async move {
            let mut arrived = Vec::new();
            for _ in 0..5 {
                tokio::time::sleep(SECOND.mul_f64(0.9)).await;
                arrived.push(far.read_u8().await.unwrap());
            }
            arrived
        });
        let slices = vec![IoSlice::new(b"bytes")];
        write_all(&mut near, slices, SECOND).await.unwrap();
        assert_eq!(reading.await.unwrap(), b"bytes");
    }
}
