//! What is done: who may, what the engine is asked for, and what is written down.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::canned::healthy;
use super::openapi::operations;
use super::rig::{ADMIN, READ, guarded, served, served_as};

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
