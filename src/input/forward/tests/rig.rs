use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::buffer::{Accept, Durable, Incoming, Intake, Pending, Ready, Refused};
use crate::clock::Clock;
use crate::config::plan::ForwardInputPlan;
use crate::input::forward::ForwardInput;
use crate::input::{InputContext, InputStats};
use crate::msgpack::write;

/// No test waits longer than this for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two entries back to back.
pub(super) const ENTRIES: &[u8] = b"\x92\x01\x81\xa1a\x01\x92\x02\x81\xa1a\x02";

/// Batches with this tag are durable at once, and refused never.
pub(super) const MARKER: &str = "marker";

pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("what must happen did not")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) tag: String,
    pub(super) payload: Vec<u8>,
    pub(super) batch_id: Vec<u8>,
}

/// What the recorder does with batches.
#[derive(Clone, Default)]
pub(super) enum Mode {
    /// Takes them; they are durable at once.
    #[default]
    Durable,
    /// Takes them; their receipts wait for [`Recorder::resolve`].
    OnCommand,
    /// Takes so many at once of those that come together; their receipts wait as `OnCommand`.
    Together(usize),
    /// Takes them when the mode changes.
    HoldBack,
    /// Refuses them.
    Refuse(Refused),
}

type ReceiptSender = oneshot::Sender<Result<(), Refused>>;

/// An intake that writes down what it is given.
pub(super) struct Recorder {
    batches: watch::Sender<Vec<Recorded>>,
    receipts: Mutex<Vec<Option<ReceiptSender>>>,
    mode: watch::Sender<Mode>,
}

impl Recorder {
    fn new() -> Self {
        Self {
            batches: watch::Sender::new(Vec::new()),
            receipts: Mutex::default(),
            mode: watch::Sender::default(),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What came but markers, once there are `count`.
    pub(super) async fn batches(&self, count: usize) -> Vec<Recorded> {
        let mut batches = self.batches.subscribe();
        let enough = batches.wait_for(|batches| batches.len() >= count);
        within(enough).await.unwrap().clone()
    }

    pub(super) fn batch_count(&self) -> usize {
        self.batches.borrow().len()
    }

    /// Resolves the receipt of the batch that was taken as number `index` on command.
    pub(super) fn resolve(&self, index: usize, result: Result<(), Refused>) {
        let receipt = self.receipts.lock().unwrap()[index].take().unwrap();
        let _ = receipt.send(result);
    }

    /// Resolves all receipts that are open, the last first.
    pub(super) fn resolve_all(&self) {
        let mut receipts = self.receipts.lock().unwrap();
        for receipt in receipts.iter_mut().rev().filter_map(Option::take) {
            let _ = receipt.send(Ok(()));
        }
    }

    fn receipt(&self, tag: &str) -> Durable {
        let is_on_command = matches!(*self.mode.borrow(), Mode::OnCommand | Mode::Together(_));
        if tag == MARKER || !is_on_command {
            return Box::pin(async { Ok(()) });
        }
        let (sender, receiver) = oneshot::channel();
        self.receipts.lock().unwrap().push(Some(sender));
        Box::pin(async { receiver.await.unwrap() })
    }

    fn record(&self, batches: &[Incoming<'_>]) {
        let recorded = batches.iter().map(|batch| Recorded {
            tag: batch.tag.to_owned(),
            payload: batch.payload.to_vec(),
            batch_id: batch.batch_id.to_vec(),
        });
        self.batches.send_modify(|batches| batches.extend(recorded));
    }

    async fn take(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        let receipt = self.receipt(batch.tag);
        if batch.tag != MARKER {
            self.record(&[batch]);
            let mut mode = self.mode.subscribe();
            let mode = mode.wait_for(|mode| !matches!(mode, Mode::HoldBack));
            if let Mode::Refuse(refused) = &*mode.await.unwrap() {
                return Err(refused.clone());
            }
        }
        Ok(Pending::new(2, 0, receipt))
    }
}

impl Accept for Recorder {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        Box::pin(self.take(batch))
    }

    fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<Ready> {
        let Mode::Together(count_max) = *self.mode.borrow() else {
            return None;
        };
        let is_usual = |batch: &&Incoming<'_>| batch.tag == "app";
        let batch_count = batches.iter().take_while(is_usual).take(count_max).count();
        if batch_count == 0 {
            return None;
        }
        self.record(&batches[..batch_count]);
        let pending = Pending::new(2 * batch_count as u64, 0, self.receipt("app"));
        Some(Ready {
            batch_count,
            pending,
        })
    }
}

/// A context for an input, with its intake.
pub(super) fn context() -> (InputContext, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::new());
    let context = InputContext {
        name: "test".into(),
        intake: Intake::new(recorder.clone()),
        stats: Arc::default(),
        stop: CancellationToken::new(),
        clock: Clock::start(),
    };
    (context, recorder)
}

/// A running input.
pub(super) struct Rig {
    pub(super) address: std::net::SocketAddr,
    pub(super) recorder: Arc<Recorder>,
    pub(super) stats: Arc<InputStats>,
    pub(super) stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    pub(super) fn start(plan: &ForwardInputPlan) -> Self {
        let input = ForwardInput::bind(plan).unwrap();
        let address = input.local_addr().unwrap();
        let (context, recorder) = context();
        let (stats, stop) = (context.stats.clone(), context.stop.clone());
        let running = tokio::spawn(input.run(context));
        Self {
            address,
            recorder,
            stats,
            stop,
            running,
        }
    }

    pub(super) async fn connect(&self) -> Client<TcpStream> {
        Client(within(TcpStream::connect(self.address)).await.unwrap())
    }

    /// Gives the input the time of some whole exchanges, so that what it does wrong can show.
    pub(super) async fn let_time_pass(&self) {
        let mut other = self.connect().await;
        for _ in 0..10 {
            other.send(&packed(MARKER, b"\xa2ok")).await;
            other.expect(b"\x81\xa3ack\xa2ok").await;
        }
    }

    pub(super) async fn stopped(self) {
        within(self.running).await.unwrap();
    }
}

/// A sender.
pub(super) struct Client<S>(pub(super) S);

impl<S: AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.unwrap();
        within(self.0.flush()).await.unwrap();
    }

    /// Reads as many bytes as `expected` has: these.
    pub(super) async fn expect(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        within(self.0.read_exact(&mut bytes)).await.unwrap();
        assert_eq!(
            bytes.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    /// Reads to the end, be it orderly or a reset, and gives what came before.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = within(self.0.read_to_end(&mut bytes)).await;
        bytes
    }
}

impl Client<TcpStream> {
    pub(super) fn expect_nothing_yet(&self) {
        let mut bytes = [0; 100];
        let read = self.0.try_read(&mut bytes);
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

pub(super) fn plan() -> ForwardInputPlan {
    ForwardInputPlan {
        listen: "127.0.0.1:0".parse().unwrap(),
        message_size_max: 16 << 20,
        unpacked_size_max: 16 << 20,
        connections_max: 100,
        read_memory_max: 32 << 20,
        idle_timeout: None,
        security: None,
        tls: None,
    }
}

/// `[tag, bin of ENTRIES, {"chunk": chunk}]`.
pub(super) fn packed(tag: &str, chunk: &[u8]) -> Vec<u8> {
    packed_with(tag, ENTRIES, &[b"\x81\xa5chunk", chunk].concat())
}

pub(super) fn packed_with(tag: &str, payload: &[u8], options: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    write::array_head(&mut message, 3);
    write::str(&mut message, tag.as_bytes());
    write::bin(&mut message, payload);
    message.extend_from_slice(options);
    message
}

/// The chunk that stands for a number.
pub(super) fn chunk(number: usize) -> Vec<u8> {
    let mut chunk = Vec::new();
    write::str(&mut chunk, format!("{number:06}").as_bytes());
    chunk
}

pub(super) fn ack(chunk: &[u8]) -> Vec<u8> {
    [b"\x81\xa3ack", chunk].concat()
}
