//! What the HTTP input answers.

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::{http, site::Site};

#[test]
fn each_answer_says_what_was_wrong() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site
        .config_to(&destination)
        .replace("type: http,", "type: http, body_size_max: 64KiB,");
    let daemon = Daemon::start(&site, &config);
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    let cases: [(&str, &str, &[u8], u16); 7] = [
        ("/app", "application/json", b"{\"id\":1}", 200),
        ("/app", "application/json", b"{\"id\":", 400),
        ("/app", "application/json", b"17", 200),
        ("/app", "application/msgpack", b"\xc1", 400),
        ("/app", "image/png", b"{\"id\":1}", 415),
        ("/app", "application/json", large.as_bytes(), 413),
        ("/", "application/json", b"{\"id\":1}", 400),
    ];
    for (path, content_type, body, status) in cases {
        let answer = http::post(site.http(), path, content_type, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        assert_eq!(
            answer.status,
            status,
            "{path} {content_type} {shown}: {}",
            answer.text()
        );
        assert!(
            status == 200 || !answer.text().is_empty(),
            "a refusal has a reason: {shown}"
        );
    }
    let answer = http::request(site.http(), "GET", "/app", &[], b"").unwrap();
    assert!([404, 405].contains(&answer.status), "{}", answer.status);
    destination.arrivals().wait_for(&[EventId(1)]);
    assert_eq!(
        destination.arrivals().count(),
        1,
        "what was refused is not stored"
    );
    let dead = &daemon.route("all")["dead"]["events"];
    assert_eq!(*dead, 1, "what is no record is set aside");
}

#[test]
fn the_answer_comes_after_the_events_are_durable() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    for number in 0..5 {
        let daemon = Daemon::start(&site, &config);
        let body = format!("{{\"id\":{number}}}");
        let answer = http::post(site.http(), "/app", "application/json", body.as_bytes());
        assert_eq!(answer.status, 200);
        daemon.kill();
    }
    let _daemon = Daemon::start(&site, &config);
    destination.arrivals().wait_for(&EventId::run(0, 0, 5));
}
