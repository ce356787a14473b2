//! Over a loopback socket, with an engine that gives canned answers.

use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::engine::status::*;
use crate::event::Timestamp;

/// Gives canned answers and notes what it was asked for.
#[derive(Default)]
struct Canned {
    health: Health,
    asked: Mutex<Vec<String>>,
}

impl Canned {
    fn note(&self, asked: String) {
        self.asked.lock().unwrap().push(asked);
    }
}

impl Inspect for Canned {
    fn health(&self) -> Health {
        self.health.clone()
    }

    fn status(&self) -> Status {
        Status {
            version: "1.2.3",
            phase: EnginePhase::Running,
            started: Moment(0),
            uptime_s: 1.5,
            health: self.health.clone(),
            filters: Vec::new(),
            inputs: vec![],
            routes: vec![],
        }
    }

    fn routes(&self) -> Vec<RouteReport> {
        vec![]
    }

    fn chunks(&self, route: &str, query: &ChunkQuery) -> Option<ChunkPage> {
        self.note(format!("{route} {query:?}"));
        (route == "web").then(|| ChunkPage {
            chunks: vec![],
            next: Some("abc".to_owned()),
        })
    }

    fn chunk(&self, id: &str) -> Option<ChunkReport> {
        (id == "good").then(|| ChunkReport {
            id: id.to_owned(),
            route: "web".to_owned(),
            state: ChunkState::InFlight,
            key: KeyReport::default(),
            created: Moment(0),
            sealed: None,
            reason: None,
            events: 1,
            bytes: 2,
            outputs: vec![],
        })
    }

    fn events(
        &self,
        id: &str,
        from: EventCursor,
        limit: usize,
    ) -> Result<Option<EventPage>, Unreadable> {
        self.note(format!("{id} {from} {limit}"));
        match id {
            "good" => Ok(Some(EventPage {
                events: EventReport::new("app", Timestamp::from_ns(1), b"\x81\xa1a\x01")
                    .into_iter()
                    .collect(),
                next: Some(EventCursor {
                    frame_offset: 512,
                    entry_index: 3,
                }),
                damaged_bytes: 0,
            })),
            "damaged" => Err(Unreadable {
                id: id.to_owned(),
                reason: "input/output error".to_owned(),
            }),
            "panic" => panic!("a look into the engine panicked"),
            _ => Ok(None),
        }
    }

    fn metrics_text(&self) -> String {
        "forebay_ready 1\n".to_owned()
    }
}

struct Served {
    address: SocketAddr,
    inspect: Arc<Canned>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

async fn served(inspect: Canned) -> Served {
    let server = AdminServer::bind("127.0.0.1:0".parse().unwrap()).await;
    let server = server.unwrap();
    let address = server.local_addr();
    let (inspect, stop) = (Arc::new(inspect), CancellationToken::new());
    let running = tokio::spawn(server.run(Arc::<Canned>::clone(&inspect), stop.clone()));
    Served {
        address,
        inspect,
        stop,
        running,
    }
}

/// An answer: status, headers in lower case, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Served {
    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let head = "Host: localhost\r\nConnection: close\r\n\r\n";
        self.send(&format!("GET {path} HTTP/1.1\r\n{head}")).await
    }

    fn asked(&self) -> String {
        self.inspect.asked.lock().unwrap().join("|")
    }
}

fn healthy() -> Canned {
    Canned {
        health: Health {
            live: true,
            ready: true,
            reasons: vec![],
        },
        ..Canned::default()
    }
}

#[tokio::test]
async fn health_and_readiness_follow_the_engine() {
    let served = served(healthy()).await;
    assert_eq!(served.get("/healthz").await.status, 200);
    assert_eq!(served.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn what_is_not_ready_says_why() {
    let mut canned = healthy();
    canned.health.ready = false;
    canned.health.reasons = vec!["route web: sync failed".to_owned()];
    let served = served(canned).await;
    assert_eq!(served.get("/healthz").await.status, 200);
    let ready = served.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready
            .head
            .contains("content-type: application/problem+json")
    );
    assert_eq!(ready.json()["reasons"][0], "route web: sync failed");
}

#[tokio::test]
async fn metrics_have_their_content_type() {
    let metrics = served(healthy()).await.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .head
            .contains("content-type: text/plain; version=0.0.4")
    );
    assert_eq!(metrics.body, "forebay_ready 1\n");
}

#[tokio::test]
async fn status_routes_and_a_chunk_are_json() {
    let served = served(healthy()).await;
    let status = served.get("/api/v1/status").await;
    assert!(status.head.contains("content-type: application/json"));
    assert!(status.head.contains("cache-control: no-store"));
    assert_eq!(status.json()["version"], "1.2.3");
    assert_eq!(
        served.get("/api/v1/routes").await.json(),
        serde_json::json!([])
    );
    assert_eq!(
        served.get("/api/v1/chunks/good").await.json()["state"],
        "in_flight"
    );
}

#[tokio::test]
async fn a_page_of_chunks_is_asked_for_as_the_request_says() {
    let served = served(healthy()).await;
    let path = "/api/v1/routes/web/chunks?state=dead&limit=1000&cursor=0a";
    let page = served.get(path).await;
    assert_eq!(page.json()["next"], "abc");
    assert_eq!(
        served.asked(),
        r#"web ChunkQuery { state: Some(Dead), after: Some("0a"), limit: 1000 }"#
    );
}

#[tokio::test]
async fn a_page_of_events_is_asked_for_as_the_request_says() {
    let served = served(healthy()).await;
    let page = served.get("/api/v1/chunks/good/events").await;
    assert_eq!(
        page.json()["events"][0]["record"],
        serde_json::json!({"a": 1})
    );
    let next = page.json()["next"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/chunks/good/events?limit=7&cursor={next}");
    assert_eq!(served.get(&path).await.status, 200);
    assert_eq!(served.asked(), "good 0-0 100|good 512-3 7");
}

#[tokio::test]
async fn what_is_unknown_is_404() {
    let served = served(healthy()).await;
    for path in [
        "/",
        "/api/v1/nothing",
        "/api/v1/routes/other/chunks",
        "/api/v1/chunks/other",
        "/api/v1/chunks/other/events",
    ] {
        let answer = served.get(path).await;
        assert_eq!((path, answer.status), (path, 404));
        assert_eq!(answer.json()["status"], 404);
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_400_and_the_engine_is_not_asked() {
    let served = served(healthy()).await;
    for path in [
        "/api/v1/routes/web/chunks?limit=0",
        "/api/v1/routes/web/chunks?limit=1001",
        "/api/v1/routes/web/chunks?limit=many",
        "/api/v1/routes/web/chunks?state=asleep",
        "/api/v1/routes/web/chunks?page=2",
        "/api/v1/routes/%ff/chunks",
        "/api/v1/chunks/good/events?cursor=5",
        "/api/v1/chunks/good/events?state=dead",
    ] {
        let answer = served.get(path).await;
        assert_eq!((path, answer.status), (path, 400), "{}", answer.body);
        assert!(answer.json()["detail"].is_string());
    }
    assert_eq!(served.asked(), "");
}

#[tokio::test]
async fn a_chunk_that_cannot_be_read_is_500_with_the_reason() {
    let answer = served(healthy())
        .await
        .get("/api/v1/chunks/damaged/events")
        .await;
    assert_eq!(answer.status, 500);
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("input/output error"), "{detail}");
}

#[tokio::test]
async fn a_panic_in_the_engine_is_500_and_costs_no_turn() {
    let served = served(healthy()).await;
    for _ in 0..10 {
        assert_eq!(served.get("/api/v1/chunks/panic/events").await.status, 500);
    }
    assert_eq!(served.get("/api/v1/status").await.status, 200);
}

#[tokio::test]
async fn another_method_than_get_is_405() {
    let served = served(healthy()).await;
    let request = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = served.send(request).await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_421() {
    let served = served(healthy()).await;
    for (host, expected) in [("attacker.example", 421), ("127.0.0.1:1", 200)] {
        let head = format!("Host: {host}\r\nConnection: close\r\n\r\n");
        let answer = served
            .send(&format!("GET /metrics HTTP/1.1\r\n{head}"))
            .await;
        assert_eq!((host, answer.status), (host, expected));
    }
    let without = served.send("GET /metrics HTTP/1.0\r\n\r\n").await;
    assert_eq!(without.status, 200);
}

#[tokio::test]
async fn a_stop_closes_idle_connections() {
    let served = served(healthy()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    idle.write_all(request).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    served.stop.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    served.running.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
