//! What watches the daemon: a real Prometheus server, the alert rules, the dashboard, the runbook.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::EventId;
use crate::harness::guide::{METRICS_PAGE, families, text};
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const ALERT_TESTS: &str = "deploy/prometheus/alerts.test.yaml";
const DASHBOARD: &str = "deploy/grafana/forebay.json";
const RUNBOOK: &str = "src/guide/runbook.md";

/// A Prometheus server with the configuration and the rules of `deploy/`, in a hurry; killed when
/// dropped.
struct Prometheus {
    child: Child,
    address: SocketAddrV4,
    log: PathBuf,
}

impl Prometheus {
    fn start(site: &Site) -> Self {
        let folder = site.path("prometheus");
        fs::create_dir(&folder).unwrap();
        let config = text("deploy/prometheus/prometheus.yml");
        assert!(config.contains("127.0.0.1:2020") && config.contains("_interval: 15s"));
        let config = config
            .replace("127.0.0.1:2020", &site.admin().to_string())
            .replace("_interval: 15s", "_interval: 500ms");
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        fs::write(folder.join("alerts.yaml"), hurried(&text(ALERTS))).unwrap();
        let (address, log) = (site.address(), folder.join("log"));
        let child = Command::new(tools::find("prometheus"))
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address,
            log,
        };
        wait::until_true("the Prometheus server to be ready", || {
            let ready = http::try_get(server.address, "/-/ready");
            ready.is_ok_and(|answer| answer.status == 200)
        });
        server
    }

    /// What the query API gives for `expression` now: the samples of a vector.
    ///
    /// # Panics
    /// If it is no PromQL.
    fn query(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let answer = self.api(&format!("/api/v1/query?query={encoded}"));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The value of the only sample of `expression`; `None` if there is none.
    fn value(&self, expression: &str) -> Option<f64> {
        let samples = self.query(expression);
        assert!(samples.len() <= 1, "{expression}: {samples:?}");
        let value = samples.first()?["value"][1].as_str()?;
        value.parse().ok()
    }

    /// The state of an alert with these labels: `pending`, `firing`, or `None`.
    fn alert(&self, name: &str, labels: &[(&str, &str)]) -> Option<String> {
        let alerts = self.api("/api/v1/alerts");
        let alerts = alerts["data"]["alerts"].as_array().unwrap();
        let is_it = |alert: &&Value| {
            let has = |(label, value): &(&str, &str)| alert["labels"][label] == *value;
            alert["labels"]["alertname"] == name && labels.iter().all(has)
        };
        let state = alerts.iter().find(is_it)?["state"].as_str();
        state.map(str::to_owned)
    }

    /// The expressions of the rules that it has loaded.
    fn rules(&self) -> Vec<String> {
        let rules = self.api("/api/v1/rules");
        let groups = rules["data"]["groups"].as_array().unwrap();
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap());
        rules
            .map(|rule| rule["query"].as_str().unwrap().to_owned())
            .collect()
    }

    fn api(&self, path: &str) -> Value {
        http::get(self.address, path).json()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- log of the Prometheus server\n{log}");
        }
    }
}

/// The rules with a second for every time that an alert has to hold on.
fn hurried(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: 1s\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// The words of `text` that begin with one of `prefixes`.
fn words(text: &str, prefixes: &[&str]) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    ours.map(str::to_owned).collect()
}

/// The names of all alerts.
fn alerts() -> BTreeSet<String> {
    let rules = text(ALERTS);
    let named = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    named.map(str::to_owned).collect()
}

/// Metrics in `text` that no family of the page has, and series of none.
fn unknown_metrics(text: &str) -> Vec<String> {
    let families = families();
    let is_known = |word: &String| {
        let suffixes = ["", "_bucket", "_sum", "_count"];
        let mut names = suffixes
            .iter()
            .filter_map(|suffix| word.strip_suffix(suffix));
        names.any(|name| families.contains(name))
    };
    let named = words(text, &["forebay_", "process_", "fluentbit_"]);
    named.into_iter().filter(|word| !is_known(word)).collect()
}

/// All strings under the keys `expr` and `definition`, wherever they are.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" => found.push(text.to_owned()),
                    _ => expressions(value, found),
                }
            }
        }
        _ => {}
    }
}

fn promtool(arguments: &[&str]) {
    let mut command = Command::new(tools::find("promtool"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    tools::succeed(&mut command);
}

#[test]
fn a_prometheus_server_sees_a_destination_go_down_and_come_back() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let prometheus = Prometheus::start(&site);
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);

    let value = |expression: &str| prometheus.value(expression);
    wait::until_true("the daemon to be scraped", || {
        value("up{job=\"forebay\"}") == Some(1.0)
    });
    let labels = [("route", "all"), ("output", "central")];
    let state = || prometheus.alert("ForebayDestinationDown", &labels);
    wait::until_true("the alert to fire", || state().as_deref() == Some("firing"));
    assert_eq!(value("forebay_ready"), Some(1.0));
    assert_eq!(
        value("forebay_input_events_total{input=\"app\"}"),
        Some(25.0)
    );
    assert_eq!(value("forebay_route_stored_events_total"), Some(25.0));
    assert_eq!(
        value("sum(forebay_buffer_events{state!=\"dead\"})"),
        Some(25.0)
    );
    assert!(value("forebay_output_oldest_owed_age_seconds") > Some(0.0));
    assert_eq!(value("forebay_output_last_success_timestamp_seconds"), None);

    destination.come_back();
    destination.arrivals().wait_for(&ids);
    wait::until_true("the alert to be over", || state().is_none());
    wait::until_true("the delivery to be seen", || {
        value("forebay_output_delivered_events_total") == Some(25.0)
    });
    assert_eq!(value("sum(forebay_buffer_events)"), Some(0.0));
    assert_eq!(value("forebay_output_oldest_owed_age_seconds"), Some(0.0));
    assert!(value("time() - forebay_output_last_success_timestamp_seconds") < Some(60.0));

    daemon.kill();
    wait::until_true("a daemon that is gone to be seen", || {
        prometheus.alert("ForebayDown", &[]).as_deref() == Some("firing")
    });
}

#[test]
fn every_expression_of_the_dashboard_and_the_rules_shows_something_that_exists() {
    let site = Site::new();
    let mut destination = Destination::away(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let prometheus = Prometheus::start(&site);
    let ids = EventId::run(1, 0, 25);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app.web", &ids);
    wait::until_true("a delivery to fail", || {
        daemon.metric("forebay_output_failures_total", &[]) > 0.0
    });
    destination.come_back();
    destination.arrivals().wait_for(&ids);

    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let mut shown = Vec::new();
    expressions(&dashboard, &mut shown);
    assert!(shown.len() > 40, "{shown:?}");
    for expression in shown {
        let mut plain = expression.replace("$__rate_interval", "1m");
        for variable in ["$instance", "$route", "$output"] {
            plain = plain.replace(variable, ".*");
        }
        assert!(!plain.contains('$'), "an unknown variable: {expression}");
        // What compares shows nothing when all is well.
        if plain.contains("> 0") {
            prometheus.query(&plain);
        } else {
            wait::until_true(&format!("something to show for {plain}"), || {
                !prometheus.query(&plain).is_empty()
            });
        }
    }
    let rules = prometheus.rules();
    assert_eq!(rules.len(), alerts().len());
    rules.iter().for_each(|rule| drop(prometheus.query(rule)));
}

#[test]
fn every_metric_that_is_named_anywhere_is_in_the_table() {
    assert!(families().len() > 80);
    for file in [
        DASHBOARD,
        ALERTS,
        ALERT_TESTS,
        RUNBOOK,
        METRICS_PAGE,
        "README.md",
    ] {
        let unknown = unknown_metrics(&text(file));
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules_and_each_alert_fires_when_it_should() {
    promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    promtool(&["check", "rules", ALERTS]);
    promtool(&["test", "rules", ALERT_TESTS]);
    let tests = text(ALERT_TESTS);
    for alert in alerts() {
        let tried = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels:");
        assert!(tests.contains(&tried), "{alert} is not seen firing");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_no_other_has_one() {
    let (alerts, rules) = (alerts(), text(ALERTS));
    let runbook = text(RUNBOOK);
    let sections = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## Forebay"));
    let sections: BTreeSet<_> = sections.map(|name| format!("Forebay{name}")).collect();
    assert_eq!(alerts, sections);
    for alert in &alerts {
        let link = format!("runbook: \"runbook.md#{}\"", alert.to_lowercase());
        assert!(
            rules.contains(&link),
            "{alert} does not lead to the runbook"
        );
    }
    let mut named = words(&text(METRICS_PAGE), &["Forebay"]);
    named.remove("Forebay");
    let unknown: Vec<_> = named.difference(&alerts).collect();
    assert!(unknown.is_empty(), "{METRICS_PAGE} names {unknown:?}");
}
