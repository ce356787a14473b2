//! Over a loopback socket, with an engine that gives canned answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::buffer::{TapError, TapFilter, Taps};
use crate::config::plan::{AdminRole, AdminToken};
use crate::engine::control::{
    Change, Control, ControlError, DeadSelection, ReplayReport, ReplayTo,
};
use crate::engine::hub::{Hub, Listener, What};
use crate::engine::orphans::OrphanReport;
use crate::engine::reload::Changes;
use crate::engine::status::*;
use crate::engine::verify::VerifyReport;
use crate::engine::watch::{Tap, Watch};
use crate::event::Timestamp;

const READ: &str = "read-0123456789abcdef";
const ADMIN: &str = "admin-0123456789abcdef";

/// Gives canned answers and notes what it was asked for.
#[derive(Default)]
struct Canned {
    health: Health,
    asked: Mutex<Vec<String>>,
    hub: Arc<Hub>,
    taps: Arc<Taps>,
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
            held: false,
            key: KeyReport::default(),
            created: Moment(0),
            sealed: None,
            reason: None,
            events: 1,
            bytes: 2,
            outputs: vec![],
        })
    }

    fn events(&self, id: &str, query: &EventQuery) -> Result<Option<EventPage>, Unreadable> {
        self.note(format!("{id} {query:?}"));
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
            "damaged" => Err(unreadable(id)),
            "panic" => panic!("a look into the engine panicked"),
            _ => Ok(None),
        }
    }

    fn export(
        &self,
        id: &str,
        from: EventCursor,
        format: ExportFormat,
    ) -> Result<Option<ExportPart>, Unreadable> {
        let next = EventCursor {
            frame_offset: from.frame_offset + 1,
            entry_index: 0,
        };
        match (id, from.frame_offset) {
            ("good", at) => Ok(Some(ExportPart {
                bytes: format!("{format:?} {at}\n").into_bytes(),
                next: (at < 2).then_some(next),
            })),
            ("halfway", 0) => Ok(Some(ExportPart {
                bytes: b"first".to_vec(),
                next: Some(next),
            })),
            ("halfway", _) | ("damaged", _) => Err(unreadable(id)),
            _ => Ok(None),
        }
    }

    fn raw(&self, id: &str, offset: u64) -> Result<Option<Vec<u8>>, Unreadable> {
        let parts: [&[u8]; 3] = [b"abc", b"de", b""];
        let part = parts[match offset {
            0 => 0,
            3 => 1,
            _ => 2,
        }];
        Ok((id == "good").then(|| part.to_vec()))
    }

    fn quarantine(&self, after: Option<&str>, limit: usize) -> Result<QuarantinePage, Unreadable> {
        self.note(format!("{after:?} {limit}"));
        Ok(QuarantinePage::default())
    }

    fn metrics_text(&self) -> String {
        "forebay_ready 1\n".to_owned()
    }
}

impl Canned {
    fn acted(&self, act: &str, on: &[&str]) -> Result<Change, ControlError> {
        self.note(format!("{act} {}", on.join(" ")));
        match on.first() {
            Some(&"other") => Err(ControlError::UnknownRoute("other".to_owned())),
            Some(&"full") => Err(ControlError::NotDone("no space left".to_owned())),
            Some(&"direct") => Err(ControlError::NotBuffered("direct".to_owned())),
            Some(&"panic") => panic!("an action panicked"),
            _ => Ok(Change {
                changed: true,
                detail: format!("{act} is done"),
                ..Change::default()
            }),
        }
    }
}

impl Watch for Canned {
    fn listen(&self) -> Listener {
        self.hub.listen()
    }

    fn tap(&self, filter: TapFilter) -> Result<Tap, TapError> {
        self.note(format!("{filter:?}"));
        Arc::clone(&self.taps).tap(filter).map(Tap::from)
    }
}

impl Control for Canned {
    fn flush(&self, route: Option<&str>) -> Result<Change, ControlError> {
        self.acted("flush", route.as_slice())
    }

    fn pause_route(&self, route: &str) -> Result<Change, ControlError> {
        self.acted("pause_route", &[route])
    }

    fn resume_route(&self, route: &str) -> Result<Change, ControlError> {
        self.acted("resume_route", &[route])
    }

    fn pause_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("pause_output", &[route, output])
    }

    fn resume_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("resume_output", &[route, output])
    }

    fn retry_output(&self, route: &str, output: &str) -> Result<Change, ControlError> {
        self.acted("retry_output", &[route, output])
    }

    fn seal(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("seal", &[chunk])
    }

    fn retry(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("retry", &[chunk])
    }

    fn hold(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("hold", &[chunk])
    }

    fn release(&self, chunk: &str) -> Result<Change, ControlError> {
        self.acted("release", &[chunk])
    }

    fn bury(&self, chunk: &str, reason: &str) -> Result<Change, ControlError> {
        self.acted("bury", &[chunk, reason])
    }

    fn drop_chunk(&self, chunk: &str, confirm: &str) -> Result<Change, ControlError> {
        if confirm != chunk {
            return Err(ControlError::NotConfirmed(chunk.to_owned()));
        }
        self.acted("drop_chunk", &[chunk])
    }

    fn log_filter(&self) -> String {
        "info".to_owned()
    }

    fn set_log_filter(&self, filter: &str) -> Result<Change, ControlError> {
        self.acted("set_log_filter", &[filter])
    }

    fn replay(&self, chunk: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.acted("replay", &[chunk, to.route.as_deref().unwrap_or("-")])
    }

    fn replay_route(
        &self,
        route: &str,
        which: &DeadSelection,
        to: &ReplayTo,
    ) -> Result<ReplayReport, ControlError> {
        let reason = which.reason.as_deref().unwrap_or("-");
        let output = to.output.as_deref().unwrap_or("-");
        self.acted("replay_route", &[route, reason, output])?;
        Ok(ReplayReport {
            id: 1,
            route: route.to_owned(),
            to: route.to_owned(),
            started: Moment(0),
            ended: None,
            is_running: true,
            total: 2,
            done: 0,
            letters: 0,
            events: 0,
            events_left: 0,
            failed: 0,
            reasons: vec![],
        })
    }

    fn replays(&self) -> Vec<ReplayReport> {
        Vec::new()
    }

    fn cancel_replay(&self, id: u64) -> Result<Change, ControlError> {
        self.acted("cancel_replay", &[&id.to_string()])
    }

    fn drop_dead(
        &self,
        route: &str,
        which: &DeadSelection,
        confirm: &str,
    ) -> Result<Change, ControlError> {
        let tag = which.tag.as_deref().unwrap_or("-");
        self.acted("drop_dead", &[route, tag, confirm])
    }

    fn orphans(&self) -> Vec<OrphanReport> {
        Vec::new()
    }

    fn adopt_orphan(&self, name: &str, to: &ReplayTo) -> Result<Change, ControlError> {
        self.acted("adopt_orphan", &[name, to.route.as_deref().unwrap_or("-")])
    }

    fn drop_orphan(&self, name: &str, confirm: &str) -> Result<Change, ControlError> {
        self.acted("drop_orphan", &[name, confirm])
    }

    fn verify(&self, route: Option<&str>) -> Result<VerifyReport, ControlError> {
        self.acted("verify", route.as_slice())?;
        Ok(VerifyReport::default())
    }

    fn drain(&self) -> Result<Change, ControlError> {
        self.acted("drain", &[])
    }

    fn stop(&self) -> Result<Change, ControlError> {
        self.acted("stop", &[])
    }
}

fn unreadable(id: &str) -> Unreadable {
    Unreadable {
        what: format!("chunk {id}"),
        reason: "input/output error".to_owned(),
    }
}

struct Served {
    address: SocketAddr,
    inspect: Arc<Canned>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    data_dir: tempfile::TempDir,
}

async fn served(inspect: Canned) -> Served {
    served_as(inspect, plan()).await
}

fn plan() -> AdminPlan {
    AdminPlan {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec![],
        tokens: BTreeMap::new(),
        tls: None,
        requests_per_second_max: 1_000,
        metrics_aliases: vec![],
    }
}

/// A plan with a token for each role.
fn guarded() -> AdminPlan {
    let token = |role, secret: &str| AdminToken {
        role,
        secret: secret.to_owned().into(),
    };
    let tokens = [
        ("prometheus".to_owned(), token(AdminRole::Read, READ)),
        ("ops".to_owned(), token(AdminRole::Admin, ADMIN)),
    ];
    AdminPlan {
        tokens: tokens.into(),
        ..plan()
    }
}

async fn served_as(inspect: Canned, plan: AdminPlan) -> Served {
    let data_dir = tempfile::tempdir().unwrap();
    let server = AdminServer::bind(&plan, data_dir.path(), Clock::start()).await;
    let server = server.unwrap();
    let address = server.local_addr();
    let (inspect, stop) = (Arc::new(inspect), CancellationToken::new());
    let reach = reach(&inspect);
    let running = tokio::spawn(server.run(reach, stop.clone()));
    Served {
        address,
        inspect,
        stop,
        running,
        data_dir,
    }
}

fn reach(canned: &Arc<Canned>) -> Reach {
    let reloaded = Arc::clone(canned);
    Reach {
        inspect: Arc::<Canned>::clone(canned),
        watch: Arc::<Canned>::clone(canned),
        control: Arc::<Canned>::clone(canned),
        reload: Arc::new(move || {
            let reloaded = Arc::clone(&reloaded);
            Box::pin(async move {
                reloaded.note("reload ".to_owned());
                Ok(Changes::default())
            })
        }),
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
        self.request("GET", path, "").await
    }

    /// A request with more lines in its head, each with its end.
    async fn request(&self, method: &str, path: &str, lines: &str) -> Answer {
        let head = format!("Host: localhost\r\nConnection: close\r\n{lines}\r\n");
        self.send(&format!("{method} {path} HTTP/1.1\r\n{head}"))
            .await
    }

    async fn get_as(&self, path: &str, secret: &str) -> Answer {
        let line = format!("Authorization: Bearer {secret}\r\n");
        self.request("GET", path, &line).await
    }

    async fn act(&self, method: &str, path: &str, secret: &str, body: &str) -> Answer {
        let lines = format!(
            "Authorization: Bearer {secret}\r\nContent-Length: {}\r\n",
            body.len()
        );
        let head = format!("Host: localhost\r\nConnection: close\r\n{lines}\r\n");
        self.send(&format!("{method} {path} HTTP/1.1\r\n{head}{body}"))
            .await
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
    let path = "/api/v1/routes/web/chunks?state=dead&limit=1000&cursor=0a&key=app.w&output=central\
                &older_than=90m&order=newest";
    let page = served.get(path).await;
    assert_eq!(page.json()["next"], "abc", "{}", page.body);
    let query = ChunkQuery {
        state: Some(ChunkState::Dead),
        key: Some("app.w".to_owned()),
        output: Some("central".to_owned()),
        older_than: Some(Duration::from_secs(5400)),
        order: ChunkOrder::Newest,
        after: Some("0a".to_owned()),
        limit: 1000,
    };
    assert_eq!(served.asked(), format!("web {query:?}"));
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
    let path = format!("/api/v1/chunks/good/events?limit=7&cursor={next}&field=user:a%20b");
    assert_eq!(served.get(&path).await.status, 200);
    let first = EventQuery {
        limit: 100,
        ..EventQuery::default()
    };
    let second = EventQuery {
        from: next.parse().unwrap(),
        limit: 7,
        field: Some("user:a b".parse().unwrap()),
    };
    assert_eq!(served.asked(), format!("good {first:?}|good {second:?}"));
}

#[tokio::test]
async fn what_is_unknown_is_404() {
    let served = served(healthy()).await;
    for path in [
        "/nothing",
        "/page/nothing.js",
        "/api/v1/nothing",
        "/api/v1/routes/other/chunks",
        "/api/v1/chunks/other",
        "/api/v1/chunks/other/events",
        "/api/v1/chunks/other/export",
        "/api/v1/chunks/other/raw",
        "/api/v1/routes/other",
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
        "/api/v1/chunks/good/events?field=user",
        "/api/v1/chunks/good/export?format=xml",
        "/api/v1/routes/web/chunks?older_than=1w",
        "/api/v1/routes/web/chunks?older_than=1000000000s",
        "/api/v1/routes/web/chunks?order=random",
        "/api/v1/quarantine?limit=0",
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
    let answer = served.request("POST", "/metrics", "").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get,head"), "{}", answer.head);
    assert_eq!(answer.json()["status"], 405);
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

#[tokio::test]
async fn with_tokens_everything_but_health_needs_one() {
    let served = served_as(healthy(), guarded()).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(served.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/metrics",
        "/api/v1/status",
        "/api/v1/openapi.json",
        "/api/v1/audit",
    ] {
        let answer = served.get(path).await;
        assert_eq!((path, answer.status), (path, 401));
        assert!(
            answer.head.contains("www-authenticate: bearer"),
            "{}",
            answer.head
        );
        assert_eq!(answer.json()["status"], 401);
        for secret in [READ, ADMIN] {
            assert_eq!(served.get_as(path, secret).await.status, 200, "{path}");
        }
    }
    let wrong = "wrong-0123456789abcdef";
    assert_eq!(served.get_as("/metrics", wrong).await.status, 401);
}

#[tokio::test]
async fn everybody_is_told_who_they_are_and_what_they_may_do() {
    let served = served_as(healthy(), guarded()).await;
    for (secret, role) in [(READ, "read"), (ADMIN, "admin")] {
        let answer = served.get_as("/api/v1/caller", secret).await;
        assert_eq!(answer.json()["role"], role);
    }
    let open = served_as(healthy(), plan()).await;
    let caller = open.get("/api/v1/caller").await.json();
    assert_eq!(
        (&caller["who"], &caller["role"]),
        (&"local".into(), &"admin".into())
    );
}

#[tokio::test]
async fn the_page_is_given_to_everybody_and_asks_for_the_token_itself() {
    let served = served_as(healthy(), guarded()).await;
    for path in ["/", "/page/main.js", "/page/page.css"] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.head.contains("default-src 'none'"),
            "{}",
            answer.head
        );
        assert!(
            answer.head.contains("cache-control: no-cache"),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
async fn refused_attempts_are_in_the_audit_log_and_secrets_are_nowhere() {
    let served = served_as(healthy(), guarded()).await;
    let wrong = "wrong-0123456789abcdef";
    assert_eq!(served.get_as("/api/v1/status", wrong).await.status, 401);
    let audit = served.get_as("/api/v1/audit?limit=1", READ).await;
    let entry = audit.json()["entries"][0].clone();
    assert_eq!(entry["target"], "/api/v1/status", "{entry}");
    assert_eq!(
        (&entry["status"], &entry["who"]),
        (&401.into(), &Value::Null)
    );
    let file = served.data_dir.path().join("audit.log");
    let written = loop {
        let text = fs::read_to_string(&file).unwrap();
        if !text.is_empty() {
            break text;
        }
        tokio::task::yield_now().await;
    };
    for text in [&audit.body, &written, &format!("{:?}", guarded())] {
        for secret in [READ, ADMIN, wrong] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait_but_health_is_always_told() {
    let limited = AdminPlan {
        requests_per_second_max: 1,
        ..plan()
    };
    let served = served_as(healthy(), limited).await;
    let mut statuses = BTreeSet::new();
    for _ in 0..20 {
        let answer = served.get("/api/v1/status").await;
        if answer.status == 429 {
            assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
        }
        statuses.insert(answer.status);
        assert_eq!(served.get("/readyz").await.status, 200);
    }
    assert_eq!(statuses, BTreeSet::from([200, 429]));
}

#[tokio::test]
async fn what_a_page_of_another_site_asks_for_is_403() {
    let served = served(healthy()).await;
    for lines in [
        "Origin: http://attacker.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        let answer = served.request("POST", "/api/v1/status", lines).await;
        assert_eq!((lines, answer.status), (lines, 403));
    }
    let answer = served.request("POST", "/api/v1/status", "").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_configured_name_is_ours() {
    let named = AdminPlan {
        hosts: vec!["logs.example.com".to_owned()],
        ..plan()
    };
    let served = served_as(healthy(), named).await;
    let head = "Host: logs.example.com\r\nConnection: close\r\n\r\n";
    let request = format!("GET /metrics HTTP/1.1\r\n{head}");
    assert_eq!(served.send(&request).await.status, 200);
}

/// Everything that can be asked for, as `METHOD path` with who may.
fn operations() -> BTreeSet<(String, &'static str)> {
    let data_dir = tempfile::tempdir().unwrap();
    let gate = Gate {
        access: Access::new(&BTreeMap::new()),
        rates: Rates::new(1, Clock::start()),
        audit: Audit::open(data_dir.path(), Clock::start()).unwrap(),
    };
    let api = handlers::api(Arc::new(gate));
    let operations = api.document().operations.iter().map(|operation| {
        let who = match operation.role {
            None => "all",
            Some(AdminRole::Read) => "read",
            Some(AdminRole::Admin) => "admin",
        };
        (format!("{} {}", operation.method, operation.path), who)
    });
    operations.collect()
}

#[tokio::test]
async fn the_module_page_names_everything_that_can_be_asked_for() {
    let page = include_str!("../admin.rs");
    let rows = page.lines().filter_map(|line| {
        let (path, rest) = line.strip_prefix("//! | `")?.split_once("` | ")?;
        Some((path.to_owned(), rest.split(" | ").next()?))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), operations());
}

#[tokio::test]
async fn the_description_tells_of_every_path_parameter_and_answer() {
    let served = served_as(healthy(), guarded()).await;
    let text = served.get_as("/api/v1/openapi.json", READ).await;
    let described = text.json();
    assert_eq!(described["openapi"], "3.1.0");
    for (operation, _) in operations() {
        let (method, path) = operation.split_once(' ').unwrap();
        let one = &described["paths"][path][method.to_ascii_lowercase()];
        assert!(one["operationId"].is_string(), "{operation}");
        let variables = path.matches('{').count();
        let parameters = one["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let in_path = parameters.iter().filter(|one| one["in"] == "path");
        assert_eq!(in_path.count(), variables, "{operation}");
        for parameter in parameters {
            let about = parameter["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{operation}: {parameter}");
        }
        let tells_404 = one["responses"]["404"].is_object();
        assert!(variables == 0 || tells_404, "{operation}");
    }
    let chunks = &described["paths"]["/api/v1/routes/{route}/chunks"]["get"];
    let mut parameters = chunks["parameters"].as_array().unwrap().iter();
    let limit = parameters.find(|one| one["name"] == "limit").unwrap();
    assert_eq!(limit["schema"]["type"], "integer");
    assert_eq!(limit["schema"]["maximum"], 1000);
    assert_eq!(chunks["security"][0]["token"][0], "read");
    let answer = &chunks["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(answer["$ref"], "#/components/schemas/ChunkPage");
    assert!(described["components"]["schemas"]["ChunkPage"].is_object());
}

/// The data of a body in HTTP's chunks; whether it came to its end.
fn unchunked(body: &str) -> (String, bool) {
    let (mut data, mut rest) = (String::new(), body);
    while let Some((len, after)) = rest.split_once("\r\n") {
        let len = usize::from_str_radix(len, 16).unwrap();
        if len == 0 {
            return (data, true);
        }
        data.push_str(&after[..len]);
        rest = &after[len + 2..];
    }
    (data, false)
}

#[tokio::test]
async fn an_export_is_all_of_its_parts_and_a_file_too() {
    let served = served(healthy()).await;
    let ndjson = served.get("/api/v1/chunks/good/export").await;
    assert!(ndjson.head.contains("content-type: application/x-ndjson"));
    assert!(ndjson.head.contains("attachment; filename=\"good.ndjson\""));
    let whole = ("Ndjson 0\nNdjson 1\nNdjson 2\n".to_owned(), true);
    assert_eq!(unchunked(&ndjson.body), whole);
    let msgpack = served
        .get("/api/v1/chunks/good/export?format=msgpack")
        .await;
    assert!(
        msgpack
            .head
            .contains("content-type: application/vnd.msgpack")
    );
    assert!(msgpack.body.contains("Msgpack 2"));
    let raw = served.get("/api/v1/chunks/good/raw").await;
    assert_eq!(unchunked(&raw.body), ("abcde".to_owned(), true));
}

#[tokio::test]
async fn what_fails_on_the_way_does_not_pass_for_the_whole() {
    let served = served(healthy()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = b"GET /api/v1/chunks/halfway/export HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut come = Vec::new();
    // It may be broken off before anything was sent.
    let _broken_off = stream.read_to_end(&mut come).await;
    assert!(!come.ends_with(b"0\r\n\r\n"), "{come:?}");
    assert_eq!(
        served.get("/api/v1/chunks/damaged/export").await.status,
        500
    );
}

/// Every action: method, path, body, and what the engine is asked for.
const ACTIONS: [(&str, &str, &str, &str); 24] = [
    ("POST", "/api/v1/reload", "", "reload "),
    ("POST", "/api/v1/flush", "", "flush "),
    ("POST", "/api/v1/drain", "", "drain "),
    ("POST", "/api/v1/stop", "", "stop "),
    (
        "PUT",
        "/api/v1/log-level",
        r#"{"filter":"warn"}"#,
        "set_log_filter warn",
    ),
    ("POST", "/api/v1/routes/web/flush", "", "flush web"),
    ("POST", "/api/v1/routes/web/pause", "", "pause_route web"),
    ("POST", "/api/v1/routes/web/resume", "", "resume_route web"),
    (
        "POST",
        "/api/v1/routes/web/outputs/a%20b/pause",
        "",
        "pause_output web a b",
    ),
    (
        "POST",
        "/api/v1/routes/web/outputs/a/resume",
        "",
        "resume_output web a",
    ),
    (
        "POST",
        "/api/v1/routes/web/outputs/a/retry",
        "",
        "retry_output web a",
    ),
    ("POST", "/api/v1/chunks/good/seal", "", "seal good"),
    ("POST", "/api/v1/chunks/good/retry", "", "retry good"),
    ("POST", "/api/v1/chunks/good/hold", "", "hold good"),
    ("POST", "/api/v1/chunks/good/release", "", "release good"),
    (
        "POST",
        "/api/v1/chunks/good/bury",
        r#"{"reason":"bad"}"#,
        "bury good bad",
    ),
    (
        "POST",
        "/api/v1/chunks/good/drop",
        r#"{"confirm":"good"}"#,
        "drop_chunk good",
    ),
    (
        "POST",
        "/api/v1/chunks/good/replay",
        r#"{"to":"db"}"#,
        "replay good db",
    ),
    (
        "POST",
        "/api/v1/routes/web/dead/replay",
        r#"{"output":"a","which":{"reason":"bad"}}"#,
        "replay_route web bad a",
    ),
    (
        "POST",
        "/api/v1/routes/web/dead/drop",
        r#"{"confirm":"web","which":{"tag":"app.**"}}"#,
        "drop_dead web app.** web",
    ),
    ("POST", "/api/v1/replays/7/cancel", "", "cancel_replay 7"),
    (
        "POST",
        "/api/v1/orphans/old/adopt",
        r#"{"route":"web"}"#,
        "adopt_orphan old web",
    ),
    (
        "POST",
        "/api/v1/orphans/old/drop",
        r#"{"confirm":"old"}"#,
        "drop_orphan old old",
    ),
    ("POST", "/api/v1/verify", r#"{"route":"web"}"#, "verify web"),
];

#[tokio::test]
async fn an_action_needs_its_role_and_is_done_once_and_written_down() {
    let acting = operations().into_iter().filter(|(_, who)| *who == "admin");
    assert_eq!(acting.count(), ACTIONS.len(), "all of them are tried here");
    for (method, path, body, asked) in ACTIONS {
        let served = served_as(healthy(), guarded()).await;
        assert_eq!(served.request(method, path, "").await.status, 401, "{path}");
        assert_eq!(
            served.act(method, path, READ, body).await.status,
            403,
            "{path}"
        );
        assert_eq!(served.asked(), "", "{path}");
        let answer = served.act(method, path, ADMIN, body).await;
        assert_eq!((path, answer.status), (path, 200), "{}", answer.body);
        assert_eq!(served.asked(), asked);
        let file = fs::read_to_string(served.data_dir.path().join("audit.log")).unwrap();
        let last: Value = serde_json::from_str(file.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["who"], &last["status"]),
            (&"ops".into(), &200.into()),
            "{last}"
        );
        assert_eq!(last["target"], path.replace("%20", " "), "{last}");
        if let Some(detail) = answer.json().get("detail") {
            assert_eq!(last["result"], *detail, "{last}");
        }
        let parameters = last["parameters"].as_str().unwrap_or_default();
        for (name, value) in
            serde_json::from_str::<BTreeMap<String, Value>>(body).unwrap_or_default()
        {
            let said: Value = serde_json::from_str(parameters).unwrap();
            let is_said = value.is_object() || said[&name] == value;
            assert!(is_said, "{name} of {body} is not in {parameters}");
        }
        assert!(!file.contains(ADMIN) && !file.contains(READ));
    }
}

#[tokio::test]
async fn what_cannot_be_done_says_why_and_is_written_down_too() {
    let served = served(healthy()).await;
    for (path, body, status) in [
        ("/api/v1/routes/other/flush", "", 404),
        ("/api/v1/routes/full/pause", "", 503),
        ("/api/v1/routes/direct/outputs/a/pause", "", 409),
        ("/api/v1/chunks/good/drop", r#"{"confirm":"bad"}"#, 422),
        ("/api/v1/chunks/panic/seal", "", 500),
    ] {
        let answer = served.act("POST", path, "", body).await;
        assert_eq!((path, answer.status), (path, status), "{}", answer.body);
        let entry = served.get("/api/v1/audit?limit=1").await.json()["entries"][0].clone();
        assert_eq!(
            (&entry["target"], &entry["status"]),
            (&path.into(), &status.into())
        );
        assert_eq!(
            (&entry["who"], &entry["result"]),
            (&"local".into(), &answer.json()["detail"])
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_what_is_to_be_done_is_400_and_a_large_one_413() {
    let served = served(healthy()).await;
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(129));
    let large = format!(r#"{{"reason":"{}"}}"#, "x".repeat(70_000));
    for (path, body, status) in [
        ("/api/v1/chunks/good/drop", "", 400),
        ("/api/v1/chunks/good/drop", "{}", 400),
        (
            "/api/v1/chunks/good/drop",
            r#"{"confirm":"good","force":true}"#,
            400,
        ),
        ("/api/v1/chunks/good/bury", r#"{"reason":""}"#, 400),
        ("/api/v1/chunks/good/bury", &long, 400),
        ("/api/v1/chunks/good/bury", &large, 413),
        ("/api/v1/chunks/good/bury", "reason=bad", 400),
    ] {
        let answer = served.act("POST", path, "", body).await;
        assert_eq!((path, answer.status), (path, status), "{}", answer.body);
    }
    assert_eq!(served.asked(), "");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_act() {
    let served = served(healthy()).await;
    for lines in [
        "Origin: http://attacker.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        let answer = served.request("POST", "/api/v1/stop", lines).await;
        assert_eq!((lines, answer.status), (lines, 403));
    }
    assert_eq!(served.asked(), "");
}

#[tokio::test]
async fn what_happens_is_told_to_who_listens_until_the_daemon_stops() {
    let served = served(healthy()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut heard = String::new();
    let mut part = [0; 4096];
    while !heard.contains("\r\n\r\n") {
        let read = stream.read(&mut part).await.unwrap();
        heard.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    let route = "web".to_owned();
    served
        .inspect
        .hub
        .tell(Clock::start(), || What::RouteFull { route });
    while !heard.contains("}\n\n") {
        let read = stream.read(&mut part).await.unwrap();
        heard.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    assert!(heard.contains("event: happening\n"), "{heard}");
    assert!(
        heard.contains(r#""kind":"route_full","route":"web""#),
        "{heard}"
    );
    served.stop.cancel();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("0\r\n\r\n"), "it came to its end: {heard}");
    served.running.await.unwrap();
}

#[tokio::test]
async fn streams_are_counted_and_given_back() {
    let served = served(healthy()).await;
    let request = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        open.push(stream);
    }
    let answer = served.get("/api/v1/events?limit=1").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
    open.clear();
    while served.get("/api/v1/chunks/good/raw").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_tap_that_cannot_be_is_refused() {
    let served = served(healthy()).await;
    for (query, status) in [
        ("sample=0", 400),
        ("per_second=1001", 400),
        ("limit=0", 400),
        ("tag=%7Ba", 400),
        ("input=other", 404),
        ("route=other", 404),
    ] {
        let answer = served.get(&format!("/api/v1/tap?{query}")).await;
        assert_eq!((query, answer.status), (query, status), "{}", answer.body);
    }
    assert_eq!(served.asked(), "");
}
