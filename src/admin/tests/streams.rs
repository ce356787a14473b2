//! Answers that take long, come in parts or go on: exports, happenings, taps; and how a stop ends them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::*;
use super::canned::healthy;
use super::rig::served;
use crate::engine::hub::What;

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
