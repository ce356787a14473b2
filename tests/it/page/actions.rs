//! What is done on the page is done, and nothing else.

use std::fs;

use serde_json::Value;

use super::{Browser, CLIENT, REFUSAL};
use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

#[test]
fn every_action_asks_first_and_does_what_it_says() {
    let mut stage = Stage::new();
    let mut browser = Browser::run("actions.mjs", stage.site.admin(), "actions");
    while let Some(wish) = browser.wish() {
        let answer = stage.grant(&wish);
        browser.answer(&answer);
    }
    browser.succeed();
}

/// Something for every action.
struct Stage {
    daemon: Daemon,
    central: Destination,
    billing: HttpDestination,
    /// To the route that is removed.
    old: Vec<EventId>,
    web: Vec<EventId>,
    /// The last to be dropped: the daemon's log is in it.
    site: Site,
}

impl Stage {
    /// A destination that is away, events for it in a route `old`, and a file without a sound byte.
    fn new() -> Self {
        let site = Site::new();
        let central = Destination::away(site.address());
        let billing = HttpDestination::listen(site.address());
        let config = config(&site, &central, &billing);
        Daemon::start(&site, &config).kill();
        let damaged = format!("routes/all/{}.chunk", "1".repeat(32));
        fs::write(site.data_dir().join(damaged), b"garbage").unwrap();
        let daemon = Daemon::start(&site, &config);
        let old = EventId::run(CLIENT, 0, 10);
        Sender::connect(site.forward())
            .unwrap()
            .deliver("old.app", &old);
        Self {
            daemon,
            central,
            billing,
            old,
            web: EventId::run(CLIENT + 1, 0, 10),
            site,
        }
    }

    fn grant(&mut self, wish: &str) -> String {
        match wish.split(' ').collect::<Vec<_>>()[..] {
            ["check", "route", state] => self.is(&self.daemon.route("all"), state),
            ["check", "output", state] => self.is(&self.daemon.output("all", "central"), state),
            ["send", "web"] => Sender::connect(self.site.forward())
                .unwrap()
                .deliver("app.web", &self.web),
            ["check", "buried"] => self.is_buried(),
            ["check", "deleted", id] => self.is_deleted(id),
            ["have", "events", "refused"] => self.have_events_refused(),
            ["check", "replayed"] => self.one_letter_is_replayed(),
            ["break", "the", "configuration"] => self.configure("to: billing", "to: nowhere"),
            ["check", "not", "reloaded"] => assert!(self.daemon.route("old").is_object()),
            ["remove", "a", "route"] => self.configure("  old:", "  # old:"),
            ["tell", "quarantined"] => return self.quarantined(),
            ["check", "adopted"] => self.old_is_adopted(),
            _ => panic!("no such wish: {wish}"),
        }
        "done".to_owned()
    }

    fn is(&self, report: &Value, state: &str) {
        assert_eq!(report["paused"], state == "paused", "{report}");
    }

    fn is_buried(&self) {
        let path = "/api/v1/routes/all/chunks?state=dead";
        let letters = http::get(self.site.admin(), path).json()["chunks"].clone();
        assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
        let reason = letters[0]["reason"].as_str().unwrap();
        assert!(reason.contains("nobody wants it"), "{letters}");
        assert_eq!(letters[0]["events"], self.web.len());
    }

    fn is_deleted(&self, id: &str) {
        let answer = http::get(self.site.admin(), &format!("/api/v1/chunks/{id}"));
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert_eq!(self.daemon.route("all")["dead"]["events"], 0);
    }

    /// Two dead letters, each for a reason of its own; then nothing is refused any more.
    fn have_events_refused(&self) {
        for (events, answer) in [(1, REFUSAL), (2, "400 Bad Request")] {
            self.billing.answer(answer);
            let id = refused(events).0;
            let body = format!("{{\"id\":{id}}}");
            let to = self.site.http();
            let taken = http::post(to, "/audit.log", "application/json", body.as_bytes());
            assert_eq!(taken.status, 200, "{}", taken.text());
            wait::until_true("a dead letter", || {
                self.daemon.route("audit")["dead"]["events"] == events
            });
        }
        self.billing.answer("204 No Content");
        self.billing.take_requests();
    }

    fn one_letter_is_replayed(&self) {
        self.billing.arrivals().wait_for(&[refused(1)]);
        assert_eq!(self.billing.arrivals().count(), 1);
        assert_eq!(self.daemon.route("audit")["dead"]["events"], 1);
    }

    /// Writes the configuration with `to` for `from`.
    fn configure(&self, from: &str, to: &str) {
        let config = config(&self.site, &self.central, &self.billing);
        assert!(config.contains(from), "{config}");
        fs::write(self.site.path("forebay.yaml"), config.replace(from, to)).unwrap();
    }

    /// The name of what stands in the quarantine.
    fn quarantined(&self) -> String {
        let mut files = fs::read_dir(self.site.data_dir().join("quarantine")).unwrap();
        let name = files.next().unwrap().unwrap().file_name();
        name.into_string().unwrap()
    }

    fn old_is_adopted(&mut self) {
        let orphans = http::get(self.site.admin(), "/api/v1/orphans").json();
        assert_eq!(orphans, Value::Array(Vec::new()));
        self.central.come_back();
        self.central.arrivals().wait_for(&self.old);
        let arrived = self.central.arrivals();
        assert!(
            !self.web.iter().any(|id| arrived.has(*id)),
            "what was deleted does not arrive"
        );
    }
}

/// The events of the dead letters, counted from 1.
fn refused(number: u32) -> EventId {
    EventId::new(CLIENT + 2, number)
}

fn config(site: &Site, central: &Destination, billing: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"app.**\", buffer: {{ keys: [tag], flush_interval: 50ms, retry_wait: 1s, retry_max_interval: 2s }}, to: central }}
  old: {{ match: \"old.**\", buffer: {{ flush_interval: 50ms, retry_wait: 1s, retry_max_interval: 2s }}, to: central }}
  audit: {{ match: \"audit.**\", buffer: {{ flush_interval: 50ms, bisect: false }}, to: billing }}
outputs:
  central: {{ type: forward, servers: [\"{central}\"], ack_timeout: 5s }}
  billing: {{ type: http, url: \"http://{billing}/in\", format: ndjson }}
",
        central = central.address(),
        billing = billing.address(),
    ))
}
