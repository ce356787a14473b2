use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::config::plan::{ClientTls, Compression, HttpFormat, HttpOutputPlan};
use crate::output::testing::{chunk, chunk_with_key, numbered, unreadable_chunk};

mod https;
mod server;

use server::{Request, Script, Server};

fn plan(url: &str) -> HttpOutputPlan {
    HttpOutputPlan {
        url: template(url),
        method: HttpMethod::Post,
        format: HttpFormat::Ndjson,
        compress: Compression::None,
        headers: vec![("X-Key".to_owned(), "secret".into())],
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(5),
        tls: ClientTls {
            ca_path: None,
            server_name: None,
            identity: None,
        },
        buffered: true,
    }
}

fn template(text: &str) -> Template {
    Template::compile(text).unwrap()
}

async fn deliver(plan: &HttpOutputPlan, chunk: &Chunk) -> Outcome {
    HttpOutput::open(plan).unwrap().write(chunk).await
}

fn small() -> Chunk {
    chunk(&[("a", numbered(2, 1)), ("b", numbered(1, 1))])
}

/// More than one window, so more than is made before it is sent.
fn large() -> Chunk {
    let frame = || ("a", numbered(300, 2_000));
    chunk(&[frame(), frame(), frame(), frame()])
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry(failure) => failure,
        other => panic!("{other:?} is no retry"),
    }
}

#[tokio::test]
async fn a_small_chunk_is_posted_with_its_length_and_id() {
    let mut server = Server::answering("204 No Content", "", "").await;
    let chunk = small();
    let outcome = deliver(&plan(&server.url("/in?x=1")), &chunk).await;
    assert_eq!(outcome, Outcome::Delivered);
    let request = server.request().await;
    assert_eq!(request.line, "POST /in?x=1 HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        request.header("idempotency-key"),
        Some(chunk.id().to_string().as_str())
    );
    assert_eq!(request.header("x-key"), Some("secret"));
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("forebay/")
    );
    let len = request.body.len().to_string();
    assert_eq!(request.header("content-length"), Some(len.as_str()));
    let text = String::from_utf8(request.body).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["time"], "1970-01-01T00:00:02.000000000Z");
    assert_eq!(lines[1]["tag"], "a");
    assert_eq!(lines[2]["tag"], "b");
    assert_eq!(lines[1]["n"], 1);
}

#[tokio::test]
async fn the_id_is_the_same_at_every_attempt() {
    let mut server = Server::answering("503 Busy", "", "").await;
    let plan = plan(&server.url("/"));
    let chunk = small();
    failure(deliver(&plan, &chunk).await);
    failure(deliver(&plan, &chunk).await);
    let first = server.request().await;
    let second = server.request().await;
    assert_eq!(
        first.header("idempotency-key"),
        second.header("idempotency-key")
    );
}

#[tokio::test]
async fn every_format_and_packing_arrives_whole_from_small_and_large_chunks() {
    for (chunk, count) in [(small(), 3), (large(), 1_200)] {
        for compress in [Compression::None, Compression::Gzip, Compression::Zstd] {
            for format in [
                HttpFormat::Ndjson,
                HttpFormat::JsonArray,
                HttpFormat::Msgpack,
            ] {
                let mut server = Server::answering("200 OK", "", "thanks").await;
                let plan = HttpOutputPlan {
                    format,
                    compress,
                    ..plan(&server.url("/"))
                };
                assert_eq!(deliver(&plan, &chunk).await, Outcome::Delivered);
                let request = server.request().await;
                assert_eq!(
                    event_count(&request, format),
                    count,
                    "{format:?} {compress:?}"
                );
            }
        }
    }
}

fn event_count(request: &Request, format: HttpFormat) -> usize {
    let body = request.unpacked();
    match format {
        HttpFormat::Ndjson => {
            let values = serde_json::Deserializer::from_slice(&body).into_iter();
            let values: Vec<serde_json::Value> = values.map(Result::unwrap).collect();
            values.len()
        }
        HttpFormat::JsonArray => {
            let values: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
            values.len()
        }
        HttpFormat::Msgpack => {
            let mut rest = body.as_slice();
            let mut count = 0;
            while !rest.is_empty() {
                rmpv::decode::read_value(&mut rest).unwrap();
                count += 1;
            }
            count
        }
    }
}

#[tokio::test]
async fn the_answer_decides_and_its_body_is_the_reason() {
    let server = Server::answering("422 Unprocessable", "", "no\r\nsuch field").await;
    let outcome = deliver(&plan(&server.url("/")), &small()).await;
    let Outcome::Reject { reason } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        reason,
        "the server answered 422 Unprocessable Entity: no such field"
    );

    let long = "y".repeat(100_000);
    let server = Server::answering("500 Oops", "", &long).await;
    let failure = failure(deliver(&plan(&server.url("/")), &small()).await);
    assert_eq!(failure.scope, FailureScope::Chunk);
    assert!(failure.reason.ends_with(&format!(": {}", "y".repeat(200))));
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let mut server = Server::answering("302 Found", "Location: /elsewhere\r\n", "").await;
    let failure = failure(deliver(&plan(&server.url("/")), &small()).await);
    assert_eq!(failure.scope, FailureScope::Destination, "{failure:?}");
    server.request().await;
    assert!(server.has_no_more_requests());
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    for (status, header, expected) in [
        (
            "429 Too Many Requests",
            "Retry-After: 7\r\n",
            Some(Duration::from_secs(7)),
        ),
        (
            "503 Busy",
            "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            Some(Duration::ZERO),
        ),
        ("503 Busy", "Retry-After: later\r\n", None),
        ("503 Busy", "", None),
    ] {
        let server = Server::answering(status, header, "").await;
        let failure = failure(deliver(&plan(&server.url("/")), &small()).await);
        assert_eq!(failure.scope, FailureScope::Destination);
        assert_eq!(failure.not_before, expected, "{status} {header}");
    }
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_name_are_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    // Longer than a name may be: refused without asking a server.
    let unknown = format!("http://{}.invalid/", "x".repeat(64));
    for url in [closed.as_str(), unknown.as_str()] {
        let failure = failure(deliver(&plan(url), &small()).await);
        assert_eq!(
            failure.scope,
            FailureScope::Unreachable,
            "{}",
            failure.reason
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_or_hangs_is_a_failing_destination() {
    for chunk in [small(), large()] {
        for script in [Script::HangUp, Script::Hang] {
            let server = Server::start(script).await;
            let mut plan = plan(&server.url("/with?password=p"));
            plan.request_timeout = Duration::from_millis(300);
            let failure = failure(deliver(&plan, &chunk).await);
            assert_eq!(
                failure.scope,
                FailureScope::Destination,
                "{}",
                failure.reason
            );
            assert!(!failure.reason.contains("password"), "{}", failure.reason);
        }
    }
}

#[tokio::test]
async fn success_before_the_whole_body_is_no_delivery() {
    let server = Server::start(Script::Hasty).await;
    // More than the sockets hold between us and a server that does not read.
    let chunk = chunk(&vec![("a", numbered(300, 2_000)); 30]);
    let failure = failure(deliver(&plan(&server.url("/")), &chunk).await);
    assert_eq!(failure.scope, FailureScope::Chunk, "{}", failure.reason);
}

#[tokio::test]
async fn a_chunk_that_cannot_be_encoded_is_no_delivery() {
    let mut frames = vec![("a", numbered(10_000, 200)); 3];
    frames.push(("a", b"\xc1".to_vec()));
    let mut server = Server::answering("200 OK", "", "").await;
    let outcome = deliver(&plan(&server.url("/")), &chunk(&frames)).await;
    assert!(matches!(outcome, Outcome::Reject { .. }), "{outcome:?}");
    assert!(
        server.has_no_more_requests(),
        "the body must not look whole"
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::answering("200 OK", "", "thanks").await;
    let output = Arc::new(HttpOutput::open(&plan(&server.url("/"))).unwrap());
    for _ in 0..5 {
        assert_eq!(output.write(&small()).await, Outcome::Delivered);
    }
    assert_eq!(server.connection_count(), 1);
}

#[tokio::test]
async fn values_in_the_address_are_encoded_and_cannot_lead_elsewhere() {
    let keyed = |tag: &str| {
        let key = forebay_storage::ChunkKey {
            tag: Some(tag.to_owned()),
            ..Default::default()
        };
        chunk_with_key(&key, &[("", numbered(1, 1))])
    };
    let mut server = Server::answering("200 OK", "", "").await;
    let plan = plan(&server.url("/in/${tag}?q=1"));
    assert_eq!(deliver(&plan, &keyed("a b?x#y")).await, Outcome::Delivered);
    let request = server.request().await;
    assert_eq!(request.line, "POST /in/a%20b%3Fx%23y?q=1 HTTP/1.1");
    let outcome = deliver(&plan, &keyed("../admin")).await;
    assert!(matches!(outcome, Outcome::Reject { .. }), "{outcome:?}");
    assert!(server.has_no_more_requests());
}

#[tokio::test]
async fn a_chunk_that_cannot_be_read_is_tried_again() {
    let mut server = Server::answering("200 OK", "", "").await;
    let failure = failure(deliver(&plan(&server.url("/")), &unreadable_chunk()).await);
    assert_eq!(failure.scope, FailureScope::Chunk);
    assert!(server.has_no_more_requests());
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    assert!(HttpOutput::open(&plan("localhost:80")).is_err());
    let mut tls = plan("https://localhost/");
    tls.tls.ca_path = Some("/no/such/file".into());
    let error = HttpOutput::open(&tls).err().unwrap();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}
