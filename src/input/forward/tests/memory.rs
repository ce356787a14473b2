//! The memory that connections share.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::rig::*;
use crate::config::plan::ForwardInputPlan;
use crate::input::forward::error::ConnectionError;
use crate::input::forward::read_buffer::ReadBuffer;
use crate::input::forward::stream::Reader;
use crate::input::forward::{Shared, session};
use crate::input::memory::Share;
use crate::wire::compression::Codec;

const MIB: usize = 1 << 20;

fn small_memory() -> ForwardInputPlan {
    ForwardInputPlan {
        read_memory_max: MIB,
        ..plan()
    }
}

fn large(chunk: &[u8]) -> Vec<u8> {
    let payload = [ENTRIES; 2 * MIB / 14].concat();
    packed_with("app", &payload, &[b"\x81\xa5chunk", chunk].concat())
}

#[tokio::test]
async fn many_large_messages_share_the_memory_and_all_get_through() {
    let rig = Rig::start(&small_memory());
    let message = large(b"\x01");
    let half = message.len() / 2;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = rig.connect().await;
        // As much as the kernel takes: a connection without memory is not read.
        let _ = client.0.try_write(&message[..half]);
        clients.push(client);
    }
    rig.let_time_pass().await;
    // What one message may take beyond the budget: its buffer, grown by half.
    let most = MIB + message.len() + message.len() / 2;
    let taken = || usize::try_from(rig.stats.read_memory.load(Relaxed)).unwrap();
    assert!(taken() <= most);
    drop(clients);
    let sending = (0..20).map(|_| async {
        let mut client = rig.connect().await;
        client.send(&message).await;
        client.expect(&ack(b"\x01")).await;
        assert!(taken() <= most, "{} of {most} bytes", taken());
    });
    futures_util::future::join_all(sending).await;
    assert_eq!(rig.recorder.batch_count(), 20);
}

#[tokio::test]
async fn packed_payloads_count_unpacked() {
    let rig = Rig::start(&small_memory());
    rig.recorder.set(Mode::HoldBack);
    let payload = [ENTRIES; 200 * 1024 / 14].concat();
    for codec in [Codec::Gzip, Codec::Zstd] {
        let before = rig.recorder.batch_count();
        let packed = codec.pack(&payload).unwrap();
        let name = codec.name().as_bytes();
        let options = [b"\x82\xaacompressed\xa4", name, b"\xa5chunk\x01"].concat();
        let mut client = rig.connect().await;
        client.send(&packed_with("app", &packed, &options)).await;
        rig.recorder.batches(before + 1).await;
        let taken = usize::try_from(rig.stats.read_memory.load(Relaxed)).unwrap();
        assert!(taken > 150 * 1024, "{taken}");
        rig.recorder.set(Mode::Durable);
        client.expect(&ack(b"\x01")).await;
        rig.recorder.set(Mode::HoldBack);
        drop(client);
        within(async {
            while rig.stats.connections_open.load(Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(rig.stats.read_memory.load(Relaxed), 0);
    }
}

/// One end of a pipe as a connection's reading half.
struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Reader for Pipe {
    fn has_hung_up(&self) -> bool {
        false
    }
}

/// A session over a pipe, in an input whose memory is spent and waited for.
struct Squeezed {
    sender: DuplexStream,
    session: JoinHandle<Result<(), ConnectionError>>,
    recorder: Arc<Recorder>,
    others: [Share; 2],
}

impl Squeezed {
    fn new() -> Self {
        let (context, recorder) = context();
        let shared = Arc::new(Shared::new(small_memory(), None, context));
        let others = [shared.memory.share(), shared.memory.share()];
        let (sender, reader) = tokio::io::duplex(64 * MIB);
        let session = tokio::spawn(async move {
            let share = shared.memory.share();
            session::run(
                &shared,
                ReadBuffer::new(),
                share,
                Pipe(reader),
                tokio::io::sink(),
            )
            .await
        });
        Self {
            sender,
            session,
            recorder,
            others,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_stalls_inside_a_message_makes_way_for_others() {
    let mut squeezed = Squeezed::new();
    let message = large(b"\x01");
    let half = message.len() / 2;
    squeezed.sender.write_all(&message[..half]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!squeezed.session.is_finished(), "nobody needs its memory");
    let [other, _] = &mut squeezed.others;
    let waited = Instant::now();
    other.grow(2 * MIB).await;
    assert!(waited.elapsed() < Duration::from_secs(5));
    let ended = squeezed.session.await.unwrap();
    assert!(matches!(ended, Err(ConnectionError::Slow)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_dribbles_makes_way_for_others() {
    let Squeezed {
        mut sender,
        session,
        others: [mut other, _],
        ..
    } = Squeezed::new();
    let message = large(b"\x01");
    let most = message.len() / 4 * 3;
    sender.write_all(&message[..most]).await.unwrap();
    let dribbling = tokio::spawn(async move {
        for _ in 0..10_000 {
            let _ = sender.write_all(&[0]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waited = Instant::now();
    other.grow(2 * MIB).await;
    assert!((58..62).contains(&waited.elapsed().as_secs()));
    assert!(matches!(session.await.unwrap(), Err(ConnectionError::Slow)));
    dribbling.abort();
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_held_back_makes_way_for_others() {
    let mut squeezed = Squeezed::new();
    squeezed.recorder.set(Mode::HoldBack);
    squeezed.sender.write_all(&large(b"\x01")).await.unwrap();
    squeezed.recorder.batches(1).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!squeezed.session.is_finished(), "nobody needs its memory");
    let [other, _] = &mut squeezed.others;
    let waited = Instant::now();
    other.grow(2 * MIB).await;
    assert!(waited.elapsed() < Duration::from_secs(2));
    let ended = squeezed.session.await.unwrap();
    assert!(matches!(ended, Err(ConnectionError::HeldBack)));
}
