//! The page, in a real browser.

mod actions;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::http_destination::HttpDestination;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

/// Ids of events above what JavaScript's numbers can tell apart, 2 to the power of 53, are odd.
const CLIENT: u32 = (1 << 21) + 1;

/// Tokens that may look, and act.
const READ: &str = "read-0123456789abcdef";
const ADMIN: &str = "admin-0123456789abcdef";

/// Why the destination `billing` refuses events.
const REFUSAL: &str = "422 Unprocessable Entity";

#[test]
fn an_operator_finds_why_data_is_late_and_sees_that_nothing_is_missing() {
    let mut day = Day::new();
    let mut browser = Browser::run("day.mjs", day.site.admin(), "day");
    while let Some(wish) = browser.wish() {
        let answer = day.grant(&wish);
        browser.answer(&answer);
    }
    browser.succeed();
    day.has_lost_nothing();
}

#[test]
fn a_token_is_asked_for_and_who_may_only_read_can_do_nothing() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let tokens = format!(
        "tokens: {{ viewer: {{ secret: {READ} }}, ops: {{ role: admin, secret: {ADMIN} }} }}"
    );
    let config = site.config_to(&destination);
    let admin = format!("admin: {{ listen: \"{}\"", site.admin());
    let guarded = config.replace(&admin, &format!("{admin}, {tokens}"));
    let _daemon = Daemon::start(&site, &guarded);
    let mut browser = Browser::run("roles.mjs", site.admin(), "roles");
    while let Some(wish) = browser.wish() {
        browser.answer(match wish.as_str() {
            "tell read" => READ,
            "tell admin" => ADMIN,
            _ => panic!("no such wish: {wish}"),
        });
    }
    browser.succeed();
}

/// What a script asks for, and a test around it.
struct Day {
    daemon: Daemon,
    central: Destination,
    billing: HttpDestination,
    sent: Vec<EventId>,
    refused: Vec<EventId>,
    /// The last to be dropped: the daemon's log is in it.
    site: Site,
}

impl Day {
    /// A daemon with a destination that is down, and a second route whose destination refuses what it gets.
    fn new() -> Self {
        let site = Site::new();
        let central = Destination::away(site.address());
        let billing = HttpDestination::listen(site.address());
        billing.answer(REFUSAL);
        let daemon = Daemon::start(&site, &config(&site, &central, &billing));
        Self {
            daemon,
            central,
            billing,
            sent: Vec::new(),
            refused: Vec::new(),
            site,
        }
    }

    fn grant(&mut self, wish: &str) -> String {
        match wish.split(' ').collect::<Vec<_>>()[..] {
            ["send", "markup"] => self.send_markup(),
            ["send", "refused"] => self.send_refused(),
            ["send", count] => self.send(count.parse().unwrap()),
            ["tell", "first"] => return self.sent[0].0.to_string(),
            ["bring", "back", "central"] => self.central.come_back(),
            ["make", "billing", "well"] => self.billing.answer("204 No Content"),
            ["check", "held"] => self.one_chunk_is_held(),
            ["check", "arrived"] => self.central.arrivals().wait_for(&self.sent),
            ["check", "replayed"] => self.billing.arrivals().wait_for(&self.refused),
            _ => panic!("no such wish: {wish}"),
        }
        "done".to_owned()
    }

    fn send(&mut self, count: u32) {
        let first = u32::try_from(self.sent.len()).unwrap();
        let ids = EventId::run(CLIENT, first * 2 + 1, count * 2);
        let odd: Vec<_> = ids.into_iter().step_by(2).collect();
        Sender::connect(self.site.forward())
            .unwrap()
            .deliver("app.web", &odd);
        self.sent.extend(odd);
    }

    fn send_markup(&mut self) {
        let id = EventId::new(CLIENT + 1, 1);
        let said = "<script>window.hacked=1</script><img src=x onerror=\\\"window.hacked=1\\\">";
        let body = format!("{{\"id\":{},\"said\":\"{said}\"}}", id.0);
        self.post("app.markup", &body);
        self.sent.push(id);
    }

    fn send_refused(&mut self) {
        let ids = EventId::run(CLIENT + 2, 0, 3);
        let bodies: Vec<_> = ids
            .iter()
            .map(|id| format!("{{\"id\":{}}}", id.0))
            .collect();
        self.post("audit.payments", &format!("[{}]", bodies.join(",")));
        self.refused.extend(ids);
    }

    fn post(&self, tag: &str, json: &str) {
        let answer = http::post(
            self.site.http(),
            &format!("/{tag}"),
            "application/json",
            json.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn one_chunk_is_held(&self) {
        let page = http::get(self.site.admin(), "/api/v1/routes/all/chunks").json();
        let chunks = page["chunks"].as_array().unwrap().iter();
        let held = chunks.filter(|chunk| chunk["held"] == true).count();
        assert_eq!(held, 1, "{page}");
    }

    fn has_lost_nothing(&self) {
        self.central.arrivals().wait_for(&self.sent);
        assert_eq!(self.central.arrivals().count(), self.sent.len());
        let dead = self.daemon.route("audit")["dead"]["events"]
            .as_u64()
            .unwrap();
        let arrived = self.billing.arrivals().count();
        assert_eq!(arrived + usize::try_from(dead).unwrap(), self.refused.len());
    }
}

fn config(site: &Site, central: &Destination, billing: &HttpDestination) -> String {
    site.config(&format!(
        "routes:
  all: {{ match: \"app.**\", buffer: {{ keys: [tag], flush_interval: 200ms, retry_wait: 1s, retry_max_interval: 2s }}, to: [central, archive] }}
  audit: {{ match: \"audit.**\", buffer: {{ flush_interval: 50ms, bisect: false }}, to: billing }}
outputs:
  central: {{ type: forward, servers: [\"{central}\"], ack_timeout: 5s }}
  archive: {{ type: file, path: \"{archive}\", append: true }}
  billing: {{ type: http, url: \"http://{billing}/in\", format: ndjson }}
",
        central = central.address(),
        archive = site.path("archive.ndjson").display(),
        billing = billing.address(),
    ))
}

/// A script of `tests/page/` that drives Chromium, and asks for what it cannot do itself.
struct Browser {
    child: Child,
    wishes: BufReader<std::process::ChildStdout>,
    answers: ChildStdin,
}

impl Browser {
    /// Runs `script` on the page of `admin`; pictures go to `target/page/<folder>/`.
    fn run(script: &str, admin: SocketAddrV4, folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let pictures: PathBuf = root.join("target/page").join(folder);
        fs::create_dir_all(&pictures).unwrap();
        let mut child = Command::new(tools::find("node"))
            .arg(root.join("tests/page").join(script))
            .arg(tools::find("chromium"))
            .arg(format!("http://{admin}/"))
            .arg(pictures)
            .current_dir(tools::clients())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            wishes: BufReader::new(child.stdout.take().unwrap()),
            answers: child.stdin.take().unwrap(),
            child,
        }
    }

    /// What it asks for next; `None` once it has ended. Everything else that it says is printed.
    fn wish(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.wishes.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().strip_prefix("please ") {
                Some(wish) => return Some(wish.to_owned()),
                None => print!("{line}"),
            }
        }
    }

    fn answer(&mut self, answer: &str) {
        writeln!(self.answers, "{answer}").unwrap();
    }

    fn succeed(mut self) {
        let status = wait::until("the browser to end", || self.child.try_wait().unwrap());
        assert!(status.success(), "the script failed: {status}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
