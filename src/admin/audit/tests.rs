use std::fs;

use axum::http::StatusCode;

use super::*;

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        time: "2026-11-25T12:00:00.000000000Z".to_owned(),
        who: Some("ops".to_owned()),
        peer: "127.0.0.1:5000".to_owned(),
        action: action.to_owned(),
        target: "/api/v1/routes/web/flush".to_owned(),
        parameters: None,
        status: 200,
        result: "done".to_owned(),
        left_out: 0,
    }
}

fn actions(audit: &Audit) -> Vec<String> {
    let latest = audit.latest(10).into_iter();
    latest.map(|entry| entry.action).collect()
}

#[tokio::test]
async fn an_action_is_in_the_file_once_it_is_done_and_is_still_known_later() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    audit.done(entry("flush")).await;
    let text = fs::read_to_string(dir.path().join("audit.log")).unwrap();
    assert_eq!(
        serde_json::from_str::<AuditEntry>(&text).unwrap(),
        entry("flush")
    );
    audit.done(entry("pause")).await;
    assert_eq!(actions(&audit), ["pause", "flush"]);
    drop(audit);
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    assert_eq!(actions(&audit), ["pause", "flush"]);
}

#[tokio::test]
async fn half_a_line_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("audit.log"), b"{\"time\":\"20").unwrap();
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    audit.done(entry("flush")).await;
    drop(audit);
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    assert_eq!(actions(&audit), ["flush"]);
}

#[tokio::test]
async fn files_and_memory_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    let mut long = entry("flush");
    long.parameters = Some("x".repeat(100_000));
    let (mut file, _) = AuditFile::open(dir.path(), 1).unwrap();
    let line = long.clone().shortened().line();
    assert!(line.len() < 2_000);
    let block = line.repeat(500);
    for _ in 0..40 {
        assert!(file.append(&block, false));
    }
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for found in files {
        assert!(found.unwrap().metadata().unwrap().len() <= 4 << 20);
    }
    for _ in 0..RECENT_MAX + 5 {
        audit.remember(entry("flush"));
    }
    assert_eq!(audit.latest(usize::MAX).len(), RECENT_MAX);
}

#[tokio::test(start_paused = true)]
async fn refused_attempts_do_not_fill_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    let refuse = || {
        audit.refused(&Refused {
            who: None,
            address: "192.0.2.1:5000".parse().unwrap(),
            method: "GET",
            path: "/metrics",
            problem: &Problem::new(StatusCode::UNAUTHORIZED, "no"),
        });
    };
    (0..100).for_each(|_| refuse());
    assert_eq!(audit.latest(10).len(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    refuse();
    let latest = audit.latest(10);
    assert_eq!(
        (latest.len(), latest[0].left_out, latest[0].status),
        (2, 99, 401)
    );
}

#[tokio::test]
async fn a_disk_that_takes_nothing_stops_no_action() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Clock::start()).unwrap();
    let (mut file, _) = AuditFile::open(dir.path(), 1).unwrap();
    assert!(file.append(&vec![b'x'; 4 << 20], false));
    fs::remove_dir_all(dir.path()).unwrap();
    assert!(!file.append(b"a\n", true), "the next file cannot be made");
    audit.done(entry("flush")).await;
    assert_eq!(actions(&audit), ["flush"]);
}
