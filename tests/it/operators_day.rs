//! An operator's day: data is late. Find why, read what is stuck, hold it, see the rest go, release it,
//! and prove that nothing is missing; by the admin API alone, and by the command line alone.

use serde_json::Value;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::ledger::Ledger;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

/// A daemon with three chunks, one a tag, for a destination that is down.
struct Day {
    daemon: Daemon,
    destination: Destination,
    sender: Sender,
    /// What senders were told is safe.
    ledger: Ledger,
    /// The events of the chunk that is held; one of them is what somebody asks about.
    stuck: Vec<EventId>,
    /// Last, for it takes the daemon's files with it.
    site: Site,
}

impl Day {
    fn begin() -> Self {
        let site = Site::new();
        let destination = Destination::away(site.address());
        let config = site.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ keys: [tag], flush_mode: immediate, retry_wait: 50ms, retry_max_interval: 200ms }}, to: central }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
",
            destination.address()
        ));
        let daemon = Daemon::start(&site, &config);
        let sender = Sender::connect(site.forward()).unwrap();
        let mut day = Self {
            daemon,
            destination,
            sender,
            ledger: Ledger::default(),
            stuck: EventId::run(2, 0, 50),
            site,
        };
        day.take_in("app.web", &EventId::run(1, 0, 30));
        day.take_in("app.db", &day.stuck.clone());
        day.take_in("app.mail", &EventId::run(3, 0, 40));
        wait::until_true("the destination to count as down", || {
            let output = day.daemon.output("all", "central");
            output["breaker_is_open"] == true && output["owed_chunks"] == 3
        });
        day
    }

    fn take_in(&mut self, tag: &str, ids: &[EventId]) {
        self.sender.deliver(tag, ids);
        self.ledger.acknowledge(ids);
    }

    /// What was acknowledged and is not held.
    fn others(&self) -> Vec<EventId> {
        let all = self.ledger.acknowledged().into_iter();
        all.filter(|id| !self.stuck.contains(id)).collect()
    }

    /// The destination is back: everything drains that is not held, also what comes only now.
    fn repair(&mut self) {
        self.destination.come_back();
        self.destination.arrivals().wait_for(&self.others());
        let late = EventId::run(4, 0, 10);
        self.take_in("app.db", &late);
        self.destination.arrivals().wait_for(&late);
        assert_eq!(self.destination.arrivals().count(), self.others().len());
    }

    /// The destination has all of what was acknowledged, and nothing else.
    fn everything_has_arrived(&self) {
        let acknowledged = self.ledger.acknowledged();
        self.destination.arrivals().wait_for(&acknowledged);
        assert_eq!(self.destination.arrivals().count(), acknowledged.len());
    }
}

#[test]
fn late_data_is_found_held_and_released_by_the_api_alone() {
    let mut day = Day::begin();
    let admin = day.site.admin();
    let get = |path: &str| http::get(admin, &format!("/api/v1/{path}")).json();
    let route = || get("status")["routes"][0].clone();

    // Why is it late?
    let output = route()["outputs"][0].clone();
    assert_eq!(
        (&output["name"], &output["owed_chunks"]),
        (&"central".into(), &3.into())
    );
    assert!(
        text(&output["last_error"]).contains("refused"),
        "names the reason: {output}"
    );
    assert!(output["oldest_owed"].is_string(), "says since when");

    // What is stuck? The event somebody asks about is found by its field.
    let wanted = day.stuck[7].0;
    let chunks = get("routes/all/chunks?state=queued&output=central");
    let found = chunks["chunks"].as_array().unwrap().iter().find(|chunk| {
        let path = format!("chunks/{}/events?field=id:{wanted}", text(&chunk["id"]));
        get(&path)["events"].as_array().unwrap().len() == 1
    });
    let id = text(&found.expect("the event is in one of the chunks")["id"]).to_owned();
    let events = get(&format!("chunks/{id}/events?limit=100"))["events"].clone();
    assert_eq!(ids(events.as_array().unwrap()), day.stuck);

    let act = |action: &str| {
        let path = format!("/api/v1/chunks/{id}/{action}");
        http::post(admin, &path, "application/json", b"").json()
    };
    assert_eq!(act("hold")["changed"], true);
    day.repair();
    let chunk = get(&format!("chunks/{id}"));
    assert_eq!(
        (&chunk["held"], &chunk["outputs"][0]["state"]),
        (&true.into(), &"owed".into())
    );
    assert_eq!(act("release")["changed"], true);
    day.everything_has_arrived();

    // Is anything missing?
    let counts = wait::until("nothing to wait any more", || {
        let route = route();
        let is_empty = ["staged", "queued", "in_flight"]
            .iter()
            .all(|state| route[state]["events"] == 0);
        is_empty.then_some(route)
    });
    assert_eq!(counts["dead"]["events"], 0);
    let delivered = counts["outputs"][0]["events_delivered"].as_u64();
    let stored = get("inputs")[0]["events"].as_u64();
    assert_eq!(delivered, stored);
    assert_eq!(delivered, Some(day.ledger.acknowledged().len() as u64));
    let verified = http::post(admin, "/api/v1/verify", "application/json", b"");
    assert_eq!(verified.json()["faults"], 0);
    assert_eq!(
        http::get(admin, &format!("/api/v1/chunks/{id}")).status,
        404
    );
}

#[test]
fn late_data_is_found_held_and_released_by_the_command_line_alone() {
    let mut day = Day::begin();
    let config = day.site.path("forebay.yaml").display().to_string();
    let folder = day.site.data_dir().display().to_string();
    let done = |arguments: &[&str]| {
        let (code, said, errors) = daemon::run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {errors}");
        said
    };

    // Why is it late?
    let said = done(&["top", "--once", "-c", &config]);
    let row = said.lines().find(|line| line.starts_with("all -> central"));
    let row = row.unwrap_or_else(|| panic!("no row of the destination: {said}"));
    assert!(row.contains("down: ") && row.contains("refused"), "{row}");

    // What is stuck? The event somebody asks about is found by its field.
    let wanted = format!("\"id\":{}", day.stuck[7].0);
    let listed = lines(&done(&["buffer", "ls", "--json", &folder]));
    assert_eq!(listed.len(), 3, "{listed:?}");
    let cat = |chunk: &str| done(&["buffer", "cat", "--chunk", chunk, &folder]);
    let is_wanted = |chunk: &&Value| cat(text(&chunk["id"])).contains(&wanted);
    let found = listed.iter().find(is_wanted);
    let id = text(&found.expect("the event is in one of the chunks")["id"]);
    assert_eq!(ids(&lines(&cat(id))), day.stuck);

    assert!(done(&["ctl", "hold", id, "-c", &config]).contains("50"));
    day.repair();
    let left = lines(&done(&["buffer", "ls", "--json", &folder]));
    let is_left = |chunk: &Value| chunk["id"] == id && chunk["outputs"][0]["state"] == "owed";
    assert!(left.iter().any(is_left), "{left:?}");
    done(&["ctl", "release", id, "-c", &config]);
    day.everything_has_arrived();

    // Is anything missing?
    wait::until_true("nothing to wait any more", || {
        let stat: Value =
            serde_json::from_str(&done(&["buffer", "stat", "--json", &folder])).unwrap();
        let route = &stat["routes"][0];
        assert_eq!(route["dead"]["events"], 0);
        ["staged", "queued"]
            .iter()
            .all(|state| route[state]["events"] == 0)
    });
    done(&["buffer", "verify", &folder]);
    assert_eq!(done(&["buffer", "cat", &folder]), "");
}

#[test]
fn what_cannot_be_done_from_the_command_line_says_why_by_its_exit_code() {
    let day = Day::begin();
    let config = day.site.path("forebay.yaml").display().to_string();
    let page = http::get(day.site.admin(), "/api/v1/routes/all/chunks").json();
    let id = text(&page["chunks"][0]["id"]).to_owned();
    let ctl = |words: &[&str]| daemon::run(&[&["ctl"], words, &["-c", &config]].concat());
    let unknown = "0".repeat(32);
    for (words, expected, part) in [
        (&["hold", &unknown][..], 66, &*unknown),
        (&["hold", "no-id"], 64, "no-id"),
        (&["pause", "none"], 66, "none"),
        (&["pause", "all", "none"], 66, "none"),
        (&["drop", &id], 64, "--yes"),
    ] {
        let (code, _, errors) = ctl(words);
        assert_eq!(code, Some(expected), "{words:?}: {errors}");
        assert!(errors.contains(part), "{words:?}: {errors}");
    }
    let json = |words: &[&str]| {
        let (code, said, errors) = ctl(&[words, &["--json"]].concat());
        assert_eq!(code, Some(0), "{words:?}: {errors}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    assert_eq!(json(&["pause", "all"])["changed"], true);
    assert_eq!(day.daemon.route("all")["paused"], true);
    assert_eq!(json(&["resume", "all"])["changed"], true);
    assert_eq!(json(&["pause", "all", "central"])["changed"], true);
    assert_eq!(day.daemon.output("all", "central")["paused"], true);
    assert_eq!(json(&["resume", "all", "central"])["changed"], true);
    assert_eq!(json(&["flush", "all"])["chunks"], 0);
    assert_eq!(json(&["retry", &id])["chunks"], 1);
    assert_eq!(json(&["reload"])["routes"]["kept"][0], "all");
    assert_eq!(json(&["hold", &id])["changed"], true);
    let (code, _, errors) = ctl(&["retry", &id]);
    assert_eq!(code, Some(1), "a held chunk is offered to nobody: {errors}");
    wait::until_true("the delivery under way to end", || {
        let page = http::get(day.site.admin(), &format!("/api/v1/chunks/{id}")).json();
        page["state"] == "queued"
    });
    let buried = json(&["bury", &id, "--reason", "nobody wants it"]);
    assert_eq!(buried["chunks"], 1, "{buried}");
    let page = http::get(day.site.admin(), "/api/v1/routes/all/chunks?state=dead").json();
    let id = text(&page["chunks"][0]["id"]).to_owned();
    let (code, _, errors) = ctl(&["hold", &id]);
    assert_eq!(code, Some(1), "nor is a dead letter: {errors}");
    assert_eq!(json(&["drop", &id, "--yes"])["changed"], true);
    assert_eq!(day.daemon.route("all")["dead"]["chunks"], 0);
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, good.replace("to: central", "to: nowhere")).unwrap();
    let url = format!("http://{}", day.site.admin());
    let (code, _, errors) = daemon::run(&["ctl", "reload", "--api", &url]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("nowhere"), "{errors}");
    assert_eq!(day.daemon.route("all")["name"], "all", "it runs on");
    let nobody = format!("http://{}", day.site.address());
    let (code, ..) = daemon::run(&["ctl", "flush", "--api", &nobody]);
    assert_eq!(code, Some(69));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn ids(events: &[Value]) -> Vec<EventId> {
    let ids = events.iter().map(|event| event["record"]["id"].as_u64());
    ids.map(|id| EventId(id.unwrap())).collect()
}
