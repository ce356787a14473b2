//! What is read: health, metrics, status, chunks, and events.

use super::super::*;
use super::canned::healthy;
use super::rig::served;
use crate::engine::status::*;

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
