//! Who may ask, from where, under which name, and how often.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::super::*;
use super::canned::healthy;
use super::rig::{ADMIN, READ, guarded, plan, served, served_as};

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
