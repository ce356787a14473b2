//! The admin API against its own description, by schemathesis: what the description says is right
//! is accepted, what it says is wrong is refused, and every answer is as described.

use std::fs;
use std::process::Command;

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

const TOKEN: &str = "admin-0123456789abcdef";

/// What ends the daemon, and streams, which do not end by themselves.
const EXCLUDED: &[&str] = &[
    "/api/v1/drain",
    "/api/v1/stop",
    "/api/v1/events",
    "/api/v1/tap",
];

/// Requests made up for each operation, beside those for each parameter and answer.
const EXAMPLES: &str = "25";

#[test]
fn the_api_is_as_its_description_says() {
    let site = Site::new();
    let destination = Destination::away(site.address());
    let config = site.config_to(&destination);
    let listen = format!("admin: {{ listen: \"{}\" }}", site.admin());
    let guarded = format!(
        "admin:
  listen: \"{}\"
  requests_per_second_max: 100000
  tokens: {{ ops: {{ role: admin, secret: {TOKEN} }} }}",
        site.admin()
    );
    let daemon = Daemon::start(&site, &config.replace(&listen, &guarded));
    for tag in ["app.web", "app.db"] {
        Sender::connect(site.forward())
            .unwrap()
            .deliver(tag, &EventId::run(1, 0, 25));
    }
    let ids = wait::until("both chunks to be queued", || queued_chunks(&site));
    let settings = site.path("schemathesis.toml");
    fs::write(&settings, settings_for(&ids)).unwrap();
    let mut command = Command::new(tools::find_client("schemathesis"));
    command
        .current_dir(site.folder())
        .arg("--config-file")
        .arg(settings);
    command
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", site.admin()));
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    command.args(["--checks", "all", "--max-examples", EXAMPLES, "--no-color"]);
    for path in EXCLUDED {
        command.args(["--exclude-path", path]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let missing = said.split_once("Missing test data").unwrap_or_default().1;
    let missing = missing.split("\n\n").nth(1).unwrap_or_default();
    let is_seen_whole = !missing.contains("/chunks/{id}");
    assert!(is_seen_whole, "there was nothing to be seen:\n{said}");
    assert!(!daemon.log_text().contains(TOKEN));
}

/// Real names for the variable parts of paths, so that more than 404 is seen; a chunk of its own for
/// what moves it away.
fn settings_for([id, other]: &[String; 2]) -> String {
    format!(
        "[parameters]
\"path.route\" = \"all\"
\"path.output\" = \"central\"
\"path.id\" = \"{id}\"

# What a body says may be as described and still not be so: a log filter, a confirmation.
[checks.positive_data_acceptance]
expected-statuses = [\"2xx\", 401, 403, 404, 409, 422]

[[operations]]
include-path = \"/api/v1/chunks/{{id}}/bury\"
[operations.parameters]
\"path.id\" = \"{other}\"

[[operations]]
include-path = \"/api/v1/replays/{{id}}/cancel\"
[operations.parameters]
\"path.id\" = 1
"
    )
}

fn queued_chunks(site: &Site) -> Option<[String; 2]> {
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str())];
    let path = "/api/v1/routes/all/chunks?state=queued";
    let page = http::request(site.admin(), "GET", path, &headers, b"").unwrap();
    let id = |index: usize| {
        page.json()["chunks"][index]["id"]
            .as_str()
            .map(str::to_owned)
    };
    Some([id(0)?, id(1)?])
}
