//! Over a loopback socket, with an intake that records what it is given and is durable on command.

use std::pin::Pin;
use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::buffer::{Accept, Incoming, Intake, Pending, Refused};
use crate::clock::Clock;
use crate::event::{check, entries};
use crate::wire::compression::Codec;

#[derive(Clone, Debug, PartialEq)]
struct Recorded {
    tag: String,
    payload: Vec<u8>,
    batch_id: Vec<u8>,
    patience: Option<Duration>,
}

struct Recorder {
    batches: Mutex<Vec<Recorded>>,
    arrived: Notify,
    refuse: Mutex<Option<Refused>>,
    /// What the sync says; `None`: it is under way.
    synced: watch::Sender<Option<Result<(), Refused>>>,
}

impl Accept for Recorder {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(refused) = self.refuse.lock().unwrap().clone() {
                return Err(refused);
            }
            self.batches.lock().unwrap().push(Recorded {
                tag: batch.tag.to_owned(),
                payload: batch.payload.to_vec(),
                batch_id: batch.batch_id.to_vec(),
                patience: batch.patience,
            });
            self.arrived.notify_one();
            let mut synced = self.synced.subscribe();
            let durable = async move {
                let said = synced.wait_for(Option::is_some).await.unwrap();
                said.clone().unwrap()
            };
            let event_count = check(batch.payload).unwrap().event_count;
            Ok(Pending::new(event_count, 0, Box::pin(durable)))
        })
    }
}

struct Served {
    address: SocketAddr,
    recorder: Arc<Recorder>,
    stats: Arc<InputStats>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

const BODY_SIZE_MAX: usize = 100_000;
const UNPACKED_SIZE_MAX: usize = 1_000_000;

fn plan() -> HttpInputPlan {
    HttpInputPlan {
        read_memory_max: 64 << 20,
        listen: "127.0.0.1:0".parse().unwrap(),
        body_size_max: BODY_SIZE_MAX,
        unpacked_size_max: UNPACKED_SIZE_MAX,
        connections_max: 10,
        patience: Duration::from_secs(5),
        tls: None,
    }
}

async fn served_by(plan: HttpInputPlan) -> Served {
    let input = HttpInput::bind(&plan).await.unwrap();
    let address = input.local_addr();
    let recorder = Arc::new(Recorder {
        batches: Mutex::default(),
        arrived: Notify::new(),
        refuse: Mutex::default(),
        synced: watch::Sender::new(Some(Ok(()))),
    });
    let context = InputContext {
        name: "web".into(),
        intake: Intake::new(Arc::<Recorder>::clone(&recorder)),
        stats: Arc::default(),
        stop: CancellationToken::new(),
        clock: Clock::start(),
    };
    let (stats, stop) = (Arc::clone(&context.stats), context.stop.clone());
    Served {
        address,
        recorder,
        stats,
        stop,
        running: tokio::spawn(input.run(context)),
    }
}

async fn served() -> Served {
    served_by(plan()).await
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Reads one answer, by its Content-Length, so that the connection can go on.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        body: String::from_utf8(body).unwrap(),
        head,
    }
}

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    path: &str,
    headers: Headers<'_>,
    body: &[u8],
) {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let _ = stream.write_all(request.as_bytes()).await;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(body).await;
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn post(&self, path: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        send(&mut stream, path, headers, body).await;
        answer(&mut stream).await
    }

    fn batches(&self) -> Vec<Recorded> {
        self.recorder.batches.lock().unwrap().clone()
    }

    fn refuse(&self, refused: Refused) {
        *self.recorder.refuse.lock().unwrap() = Some(refused);
    }
}

fn records(batch: &Recorded) -> Vec<Vec<u8>> {
    entries(&batch.payload)
        .map(|entry| entry.unwrap().record.to_vec())
        .collect()
}

#[tokio::test]
async fn the_answer_leaves_only_when_the_batch_is_durable() {
    let served = served().await;
    served.recorder.synced.send_replace(None);
    let mut stream = served.connect().await;
    send(&mut stream, "/app", &[JSON], b"{\"a\":1}").await;
    served.recorder.arrived.notified().await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        let nothing = stream.try_read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
    assert_eq!(served.stats.events.load(Relaxed), 0);
    served.recorder.synced.send_replace(Some(Ok(())));
    let answer = answer(&mut stream).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"events":1,"set_aside":0}"#)
    );
    assert_eq!(served.stats.events.load(Relaxed), 1);
    assert_eq!(served.stats.batches.load(Relaxed), 1);
}

#[tokio::test]
async fn a_batch_whose_sync_fails_is_not_acknowledged() {
    let served = served().await;
    let failed = Refused::NotStored {
        route: "web".to_owned(),
        reason: "input/output error".to_owned(),
    };
    served.recorder.synced.send_replace(Some(Err(failed)));
    let answer = served.post("/app", &[JSON], b"{}").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1\r\n"));
    assert_eq!(served.stats.events.load(Relaxed), 0);
    assert_eq!(served.stats.batches_refused.load(Relaxed), 1);
}

#[tokio::test]
async fn every_kind_of_body_is_taken() {
    let served = served().await;
    let bodies: [(&str, &[u8]); 6] = [
        ("application/json", b"[{\"a\":1},{\"a\":2}]"),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}\n"),
        ("application/msgpack", b"\x81\xa1a\x01\x81\xa1a\x02"),
        ("application/msgpack", b"\x92\x81\xa1a\x01\x81\xa1a\x02"),
        (
            "application/x-www-form-urlencoded",
            b"json=[{\"a\":1},{\"a\":2}]",
        ),
        (
            "application/x-www-form-urlencoded",
            b"msgpack=%81%A1a%01%81%A1a%02",
        ),
    ];
    for (content_type, body) in bodies {
        let headers = [("Content-Type", content_type)];
        let answer = served.post("/app/web?time=7.5", &headers, body).await;
        assert_eq!(answer.json()["events"], 2, "{content_type}");
        let batch = served.batches().pop().unwrap();
        assert_eq!(batch.tag, "app.web");
        assert_eq!(records(&batch), [b"\x81\xa1a\x01", b"\x81\xa1a\x02"]);
        let times = entries(&batch.payload).map(|entry| entry.unwrap().time.ns());
        assert!(times.into_iter().all(|ns| ns == 7_500_000_000));
    }
}

#[tokio::test]
async fn packed_bodies_are_unpacked() {
    let served = served().await;
    let small = b"{\"a\":1}".to_vec();
    // Shrinks by far more than logs usually do, and is larger than what is decoded in place.
    let large = [b"[", "{\"a\":1},".repeat(50_000).as_bytes(), b"{}]"].concat();
    for (body, events) in [(small, 1), (large, 50_001)] {
        for codec in [Codec::Gzip, Codec::Zstd] {
            let packed = codec.pack(&body).unwrap();
            let headers = [JSON, ("Content-Encoding", codec.name())];
            let answer = served.post("/app", &headers, &packed).await;
            assert_eq!(answer.json()["events"], events, "{codec}");
        }
    }
}

#[tokio::test]
async fn a_bomb_is_413_and_nothing_is_stored() {
    let served = served().await;
    for codec in [Codec::Gzip, Codec::Zstd] {
        let bomb = codec.pack(&vec![b' '; UNPACKED_SIZE_MAX + 1]).unwrap();
        let headers = [JSON, ("Content-Encoding", codec.name())];
        assert_eq!(served.post("/app", &headers, &bomb).await.status, 413);
    }
    assert_eq!(served.batches(), []);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_whether_it_says_so_or_not() {
    let served = served().await;
    let large = vec![b' '; BODY_SIZE_MAX + 1];
    let answer = served.post("/app", &[JSON], &large).await;
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.json()["detail"],
        "the body has more than 100000 bytes"
    );
    let mut stream = served.connect().await;
    let head = "POST /app HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let chunked = format!(
        "{head}{:x}\r\n{}\r\n0\r\n\r\n",
        large.len(),
        " ".repeat(large.len())
    );
    stream.write_all(chunked.as_bytes()).await.unwrap();
    assert_eq!(answer_of(&mut stream).await, 413);
}

async fn answer_of(stream: &mut TcpStream) -> u16 {
    answer(stream).await.status
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_its_status() {
    let served = served().await;
    let gzip = ("Content-Encoding", "gzip");
    let ndjson = ("Content-Type", "application/x-ndjson");
    let msgpack = ("Content-Type", "application/msgpack");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let cases: [(&str, Headers<'_>, &[u8], u16, &str); 11] = [
        ("/", &[JSON], b"{}", 400, "tag"),
        ("/a//b", &[JSON], b"{}", 400, "tag"),
        ("/app?time=soon", &[JSON], b"{}", 400, "time"),
        ("/app", &[JSON], b"{\"a\":", 400, "line 1"),
        ("/app", &[ndjson], b"{}\n{\n{}", 400, "line 2"),
        ("/app", &[msgpack], b"\x80\xc1", 400, "byte 1"),
        ("/app", &[form], b"{\"a\":1}", 400, "json"),
        ("/app", &[JSON, gzip], b"{}", 400, "gzip"),
        ("/app", &[], b"{}", 415, "Content-Type"),
        (
            "/app",
            &[("Content-Type", "text/csv")],
            b"a,b",
            415,
            "Content-Type",
        ),
        (
            "/app",
            &[JSON, ("Content-Encoding", "br")],
            b"{}",
            415,
            "Content-Encoding",
        ),
    ];
    let count = cases.len() as u64;
    for (path, headers, body, status, detail) in cases {
        let answer = served.post(path, headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(
            answer
                .head
                .contains("content-type: application/problem+json")
        );
        let text = answer.json()["detail"].to_string();
        assert!(text.contains(detail), "{text}");
    }
    assert_eq!(served.batches(), []);
    assert_eq!(served.stats.batches_refused.load(Relaxed), count);
}

#[tokio::test]
async fn another_method_than_post_is_405() {
    let served = served().await;
    let mut stream = served.connect().await;
    let request = b"GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = answer(&mut stream).await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: post\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn a_sender_that_is_held_back_is_told_when_to_come_again() {
    let served = served().await;
    served.refuse(Refused::HeldBack {
        route: "web".to_owned(),
        reason: "total_limit_size".to_owned(),
        retry_after: Duration::from_millis(2_500),
    });
    let answer = served.post("/app", &[JSON], b"{}").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.head.contains("retry-after: 3\r\n"),
        "{}",
        answer.head
    );
    served.refuse(Refused::Stopping);
    assert_eq!(served.post("/app", &[JSON], b"{}").await.status, 503);
}

#[tokio::test]
async fn the_intake_is_told_the_batch_id_and_the_patience() {
    let served = served().await;
    let headers = [JSON, ("Idempotency-Key", "8e03978e-40d5")];
    served.post("/app", &headers, b"{}").await;
    let batch = served.batches().pop().unwrap();
    assert_eq!(batch.batch_id, b"8e03978e-40d5");
    assert_eq!(batch.patience, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn a_body_without_events_is_taken_without_asking_the_intake() {
    let served = served().await;
    let answer = served.post("/app", &[JSON], b"[]").await;
    assert_eq!(
        (answer.status, answer.json()["events"].as_u64()),
        (200, Some(0))
    );
    assert_eq!(served.batches(), []);
}

#[tokio::test]
async fn a_connection_serves_many_requests_also_after_a_refusal() {
    let served = served().await;
    let mut stream = served.connect().await;
    for (body, status) in [(b"{}", 200), (b"{1", 400), (b"{}", 200)] {
        send(&mut stream, "/app", &[JSON], body).await;
        assert_eq!(answer(&mut stream).await.status, status);
    }
    assert_eq!(served.stats.connections_total.load(Relaxed), 1);
    assert_eq!(served.stats.connections_open.load(Relaxed), 1);
}

#[tokio::test]
async fn what_is_not_http_counts_as_a_failed_connection() {
    let served = served().await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"\x93\xa3app\x01\x80\r\n\r\n")
        .await
        .unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    served.stop.cancel();
    served.running.await.unwrap();
    assert_eq!(served.stats.connections_failed.load(Relaxed), 1);
    assert_eq!(served.stats.connections_open.load(Relaxed), 0);
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_a_stop_is_done() {
    let served = served().await;
    served.recorder.synced.send_replace(None);
    let mut idle = served.connect().await;
    let mut stream = served.connect().await;
    send(&mut stream, "/app", &[JSON], b"{}").await;
    served.recorder.arrived.notified().await;
    served.stop.cancel();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    served.recorder.synced.send_replace(Some(Ok(())));
    assert_eq!(answer(&mut stream).await.status, 200);
    served.running.await.unwrap();
}

#[tokio::test]
async fn connections_are_encrypted_if_the_plan_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (cert_path, key_path) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert_path, certified.cert.pem()).unwrap();
    std::fs::write(&key_path, certified.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls {
        cert_path: cert_path.clone(),
        key_path,
        client_ca_path: None,
    };
    let served = served_by(HttpInputPlan {
        tls: Some(tls),
        ..plan()
    });
    let served = served.await;
    let config = crate::wire::tls::client_config(Some(&cert_path), None).unwrap();
    let name = crate::wire::tls::server_name("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let plain = served.connect().await;
    let mut stream = connector.connect(name, plain).await.unwrap();
    send(&mut stream, "/app", &[JSON], b"{}").await;
    assert_eq!(answer(&mut stream).await.status, 200);
    let mut unencrypted = served.connect().await;
    send(&mut unencrypted, "/app", &[JSON], b"{}").await;
    let _ = unencrypted.read_to_end(&mut Vec::new()).await;
    assert_eq!(served.batches().len(), 1);
}
