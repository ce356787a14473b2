//! A whole connection to the forward input: handshake, messages in both dialects, compression,
//! acknowledgements.
//!
//! Input: a byte (how the sender proves who it is), a byte (how many bytes go at a time), then what
//! the sender sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay::config::plan::{ForwardInputPlan, ServerSecurity};
use forebay::input::forward::fuzzing::serve;
use forebay::msgpack::value_len;
use forebay::wire::handshake::AwaitHelo;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::recorder::{Batch, Recorder};

const SHARED_KEY: &str = "a key that no input holds";

/// Bytes that are under way at most where all may go at once.
const WHOLE: usize = 1 << 20;

/// What came of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    batches: Vec<Batch>,
    /// What the sender was sent after the handshake.
    answers: Vec<u8>,
    is_failed: bool,
}

/// What the sender knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// The input asks for nothing.
    Welcome,
    /// The input asks, the sender does not know the key.
    Stranger,
    /// The input asks, the sender knows the key.
    Known,
}

pub(crate) fn run(bytes: &[u8]) {
    let [who, pace, bytes @ ..] = bytes else {
        return;
    };
    if who % 4 == 3 {
        let stranger = connect(Sender::Stranger, bytes, WHOLE);
        assert!(stranger.batches.is_empty());
        assert!(stranger.is_failed);
        return;
    }
    let whole = connect(Sender::Welcome, bytes, WHOLE);
    what_is_acknowledged_was_taken(&whole);
    let pieces = connect(Sender::Welcome, bytes, 1 + usize::from(*pace));
    assert_eq!(pieces, whole);
    if who % 4 == 2 {
        assert_eq!(connect(Sender::Known, bytes, WHOLE), whole);
    }
}

fn what_is_acknowledged_was_taken(seen: &Seen) {
    let is_json = seen.answers.first() == Some(&b'{');
    assert!(seen.batches.iter().all(|batch| !batch.tag.is_empty()));
    if is_json {
        return;
    }
    let (mut at, mut count) = (0, 0);
    while at < seen.answers.len() {
        at += value_len(&seen.answers[at..]).expect("answers are MessagePack");
        count += 1;
    }
    assert!(count <= seen.batches.len());
}

/// A connection over which at most `pace` bytes are under way.
fn connect(sender: Sender, bytes: &[u8], pace: usize) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let recorder = Arc::new(Recorder::default());
    let (near, far) = tokio::io::duplex(pace);
    let plan = plan(sender);
    let (served, answers) = runtime.block_on(async {
        let serving = serve(&plan, recorder.context(), far);
        tokio::join!(serving, send(near, sender, bytes))
    });
    Seen {
        batches: recorder.take(),
        answers,
        is_failed: served.is_err(),
    }
}

/// Sends everything, and gives what came back once the input has closed.
async fn send(mut stream: DuplexStream, sender: Sender, bytes: &[u8]) -> Vec<u8> {
    if sender == Sender::Known {
        shake_hands(&mut stream).await;
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        // The input may close first.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    let mut answers = Vec::new();
    let (_, read) = tokio::join!(sending, reader.read_to_end(&mut answers));
    read.expect("memory does not fail");
    answers
}

async fn shake_hands(stream: &mut DuplexStream) {
    let key = SecretString::from(SHARED_KEY);
    let client = AwaitHelo::new("client", &key, None, [3; 16]);
    let helo = read_value(stream).await;
    let (ping, client) = client.read_helo(&helo).expect("a HELO");
    stream.write_all(&ping).await.expect("the input reads it");
    let pong = read_value(stream).await;
    client.read_pong(&pong).expect("we are let in");
}

async fn read_value(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value_len(&bytes).is_err() {
        bytes.push(stream.read_u8().await.expect("the input is there"));
    }
    bytes
}

fn plan(sender: Sender) -> ForwardInputPlan {
    let security = ServerSecurity {
        self_hostname: "server".to_owned(),
        shared_key: SHARED_KEY.into(),
        users: BTreeMap::new(),
    };
    ForwardInputPlan {
        listen: ([127, 0, 0, 1], 0).into(),
        message_size_max: 64 << 10,
        unpacked_size_max: 256 << 10,
        connections_max: 1,
        read_memory_max: 1 << 20,
        idle_timeout: None,
        security: (sender != Sender::Welcome).then_some(security),
        tls: None,
    }
}
