//! The configuration is read again while the daemon runs.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::{Behaviour, Destination};
use crate::harness::event::{self, EventId};
use crate::harness::ledger::Ledger;
use crate::harness::load::Load;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, wait};

const SUCCESS: &str = "result=\"success\"";
const FAILURE: &str = "result=\"failure\"";

fn reloads(daemon: &Daemon, result: &str) -> f64 {
    daemon.metric("forebay_config_reloads_total", &[result])
}

/// Has the daemon read `config` and waits until it has come to that `result`.
fn reload(site: &Site, daemon: &Daemon, config: &str, result: &str) {
    let before = reloads(daemon, result);
    write(site, config);
    daemon.signal(Signal::HUP);
    wait::until_true("the reload", || reloads(daemon, result) > before);
}

fn write(site: &Site, config: &str) {
    let (new, path) = (site.path("forebay.yaml.new"), site.path("forebay.yaml"));
    fs::write(&new, config).unwrap();
    fs::rename(new, path).unwrap();
}

/// One route to `destination`; `buffer` and `output` are settings, `more` are lines before.
fn config_with(
    site: &Site,
    destination: &Destination,
    buffer: &str,
    output: &str,
    more: &str,
) -> String {
    site.config(&format!(
        "{more}
routes:
  all: {{ match: \"**\", buffer: {{ retry_wait: 50ms, retry_max_interval: 200ms, {buffer} }}, to: central }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], {output} }}
",
        destination.address()
    ))
}

fn lose_nothing(destination: &Destination, ledger: &Ledger) {
    destination.arrivals().wait_for(&ledger.acknowledged());
    assert!(ledger.acknowledged().len() > 1_000, "the load was none");
}

#[test]
fn connections_go_on_through_reloads_under_load_and_nothing_is_lost_or_repeated() {
    const CONNECTIONS: u32 = 4;
    let mut random = Random::seeded("reload");
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let destination = Destination::listen(site.address());
    // Each differs from the one before in a route, a filter or the output, and the last in all of them.
    let variants = [
        ("flush_interval: 20ms", "ack_timeout: 60s", ""),
        (
            "flush_interval: 30ms, keys: [tag, key]",
            "ack_timeout: 60s",
            "",
        ),
        (
            "flush_interval: 30ms, keys: [tag, key]",
            "ack_timeout: 50s",
            "",
        ),
        (
            "flush_interval: 30ms, keys: [tag, key]",
            "ack_timeout: 50s",
            "filters: { mark: { type: record_transformer, match: job, add: { seen_by: forebay } } }",
        ),
        (
            "flush_mode: immediate, chunk_limit_size: 32KiB",
            "ack_timeout: 40s, compress: gzip",
            "filters: { none: { type: grep, match: app, drop: { key: key, pattern: never } } }",
        ),
    ];
    let config = |number: usize| {
        let (buffer, output, more) = variants[number % variants.len()];
        config_with(&site, &destination, buffer, output, more)
    };
    let daemon = Daemon::start(&site, &config(0));
    let randoms = (0..CONNECTIONS).map(|_| random.fork()).collect();
    let load = Load::start(site.forward(), &ledger, &["app", "job"], 0, randoms);
    for number in 1..=20 {
        let before = load.acknowledged_batch_count();
        reload(&site, &daemon, &config(number), SUCCESS);
        wait::until_true("senders to be acknowledged", || {
            load.acknowledged_batch_count() > before + 20
        });
    }
    load.finish();
    lose_nothing(&destination, &ledger);
    wait::until_true("the buffer to be empty", || is_empty(&daemon, "all"));
    assert_eq!(destination.arrivals().repeat_count(), 0);
    assert_eq!(destination.arrivals().count(), ledger.acknowledged().len());
    let connections = daemon.metric(
        "forebay_input_accepted_connections_total",
        &["input=\"app\""],
    );
    assert_eq!(connections, f64::from(CONNECTIONS), "none was broken");
    assert_eq!(reloads(&daemon, FAILURE), 0.0);
    assert!(daemon.stop().success());
}

fn is_empty(daemon: &Daemon, route: &str) -> bool {
    let route = daemon.route(route);
    ["staged", "queued", "in_flight"]
        .iter()
        .all(|state| route[state]["events"] == 0)
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_told() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let daemon = Daemon::start(&site, &config);
    let mut sender = Sender::connect(site.forward()).unwrap();
    let mut first = 0;
    let mut goes_on = || {
        let ids = EventId::run(1, first, 10);
        first += 10;
        sender.deliver("app", &ids);
        destination.arrivals().wait_for(&ids);
    };
    let somebody = TcpListener::bind(site.address()).unwrap();
    let taken = somebody.local_addr().unwrap();
    let unusable = [
        (config.replace("to: central", "to: nowhere"), "nowhere"),
        (config.replace("routes:", "routes: ["), "forebay.yaml:"),
        (
            config.replace(
                "inputs:",
                &format!("inputs:\n  more: {{ type: forward, listen: \"{taken}\" }}"),
            ),
            "cannot open input more",
        ),
        (
            config.replace(
                "outputs:\n",
                "outputs:\n  secret: { type: http, url: \"https://localhost\", tls: { ca_path: none.pem } }\n",
            )
            .replace("to: central", "to: [central, secret]"),
            "cannot open output secret",
        ),
        (
            config.replace("data_dir: ", "stop_timeout: 1s\ndata_dir: elsewhere/"),
            "only a restart can change data_dir",
        ),
    ];
    for (number, (broken, cause)) in (1..).zip(&unusable) {
        reload(&site, &daemon, broken, FAILURE);
        assert!(daemon.log_text().contains(cause), "{cause}");
        assert_eq!(
            daemon.metric("forebay_config_last_reload_successful", &[]),
            0.0
        );
        assert_eq!(http::get(site.admin(), "/readyz").status, 200);
        goes_on();
        assert_eq!(reloads(&daemon, FAILURE), f64::from(number));
    }
    assert_eq!(reloads(&daemon, SUCCESS), 0.0);
    let asked = http::post(site.admin(), "/api/v1/reload", "application/json", b"");
    assert_eq!(asked.status, 409);
    assert!(
        asked.text().contains("only a restart can change data_dir"),
        "{}",
        asked.text()
    );
    let health = http::get(site.admin(), "/api/v1/status").json()["health"].to_string();
    assert!(
        health.contains("only a restart can change data_dir"),
        "{health}"
    );
    write(
        &site,
        &config.replace("flush_interval: 20ms", "flush_interval: 30ms"),
    );
    let asked = http::post(site.admin(), "/api/v1/reload", "application/json", b"");
    assert_eq!(asked.status, 200);
    assert_eq!(asked.json()["routes"]["changed"][0], "all");
    assert_eq!(
        daemon.metric("forebay_config_last_reload_successful", &[]),
        1.0
    );
    goes_on();
    assert_eq!(destination.arrivals().repeat_count(), 0);
}

#[test]
fn a_destination_that_hangs_delays_no_reload_and_its_backlog_goes_where_the_output_leads_now() {
    // The destination hangs for 15 s: what comes earlier has not waited for it.
    const SOON: Duration = Duration::from_secs(10);
    let site = Site::new();
    let hanging = Destination::listen(site.address());
    hanging.behave(Behaviour::Hang);
    let buffer = "flush_mode: immediate, max_concurrent: 1";
    let daemon = Daemon::start(
        &site,
        &config_with(&site, &hanging, buffer, "ack_timeout: 15s", ""),
    );
    let mut sender = Sender::connect(site.forward()).unwrap();
    let in_flight = EventId::run(1, 0, 10);
    sender.deliver("app", &in_flight);
    wait::until_true("a delivery under way", || {
        daemon.output("all", "central")["in_flight"] != 0
    });
    let waiting = EventId::run(1, 10, 20);
    for id in &waiting {
        sender.deliver("app", &[*id]);
    }

    // The route alone: what is in flight stays where it is, and is not delivered a second time.
    let began = wait::now();
    let other = "flush_mode: immediate, max_concurrent: 2";
    reload(
        &site,
        &daemon,
        &config_with(&site, &hanging, other, "ack_timeout: 15s", ""),
        SUCCESS,
    );
    // The output: all that waits goes to the other one while the first still hangs.
    let taking = Destination::listen(site.address());
    reload(
        &site,
        &daemon,
        &config_with(&site, &taking, other, "ack_timeout: 15s", ""),
        SUCCESS,
    );
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    taking.arrivals().wait_for(&waiting[2..]);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    taking.arrivals().wait_for(&waiting);
    taking.arrivals().wait_for(&in_flight);
    wait::until_true("the buffer to be empty", || is_empty(&daemon, "all"));
    assert_eq!(taking.arrivals().repeat_count(), 0);
    assert!(daemon.stop().success());
}

#[test]
fn a_route_that_is_gone_keeps_its_events_and_delivers_them_when_it_is_back() {
    let site = Site::new();
    let mut away = Destination::away(site.address());
    let there = Destination::listen(site.address());
    let both = |routes: &str| {
        site.config(&format!(
            "routes:
{routes}  rest: {{ match: \"**\", buffer: {{ flush_interval: 20ms }}, to: there }}
outputs:
  there: {{ type: forward, servers: [\"{}\"] }}
{}",
            there.address(),
            match routes {
                "" => String::new(),
                _ => format!(
                    "  away: {{ type: forward, servers: [\"{}\"] }}\n",
                    away.address()
                ),
            }
        ))
    };
    let route = "  web: { match: \"web.**\", buffer: { flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 100ms }, to: away }\n";
    let (with, without) = (both(route), both(""));
    let daemon = Daemon::start(&site, &with);
    let mut sender = Sender::connect(site.forward()).unwrap();
    let kept = EventId::run(1, 0, 50);
    sender.deliver("web.a", &kept);
    reload(&site, &daemon, &without, SUCCESS);
    let status = http::get(site.admin(), "/api/v1/status").json();
    assert_eq!(status["routes"].as_array().unwrap().len(), 1);
    let log = daemon.log_text();
    assert!(log.contains("does not name the route any more"), "{log}");

    // The next route that matches takes the events, and the old ones stay on disk.
    let other = EventId::run(2, 0, 50);
    sender.deliver("web.a", &other);
    there.arrivals().wait_for(&other);
    let (_, listed, _) =
        daemon::run(&["buffer", "ls", "--json", site.data_dir().to_str().unwrap()]);
    assert!(listed.contains("\"web\""), "{listed}");

    away.come_back();
    reload(&site, &daemon, &with, SUCCESS);
    away.arrivals().wait_for(&kept);
    wait::until_true("the buffer to be empty", || is_empty(&daemon, "web"));
    let late = EventId::run(3, 0, 50);
    sender.deliver("web.a", &late);
    away.arrivals().wait_for(&late);
    assert_eq!(away.arrivals().repeat_count(), 0);

    // Gone, and a restart later: back as well.
    away.go_away();
    let left = EventId::run(4, 0, 50);
    sender.deliver("web.a", &left);
    reload(&site, &daemon, &without, SUCCESS);
    assert!(daemon.stop().success());
    let daemon = Daemon::start(&site, &without);
    away.come_back();
    reload(&site, &daemon, &with, SUCCESS);
    away.arrivals().wait_for(&left);
    assert!(daemon.stop().success());
}

#[test]
fn a_sender_that_waits_for_a_full_route_finds_the_one_that_takes_its_place() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let routes = |full: &str| {
        site.config(&format!(
            "routes:
{full}  rest: {{ match: \"**\", buffer: {{ flush_interval: 20ms }}, to: there }}
outputs:
  there: {{ type: forward, servers: [\"{}\"] }}
",
            destination.address()
        ))
    };
    let full = "  full: { match: \"app\", buffer: { flush_mode: lazy, chunk_limit_size: 16KiB, total_limit_size: 16KiB }, to: there }\n";
    let daemon = Daemon::start(&site, &routes(full));
    let mut sender = Sender::connect(site.forward()).unwrap();
    let ids = EventId::run(1, 0, 4_000);
    sender
        .send("app", "large", &event::entries(&ids, 1))
        .unwrap();
    wait::until_true("the sender to be held back", || {
        daemon.route("full")["senders_waiting"] != 0
    });
    reload(&site, &daemon, &routes(""), SUCCESS);
    assert_eq!(sender.read_ack().unwrap(), "large");
    destination.arrivals().wait_for(&ids[3_000..]);
    assert!(daemon.stop().success());
}

#[test]
fn sigkill_during_reloads_under_load_loses_nothing() {
    let mut random = Random::seeded("reload-kill");
    let site = Site::new();
    let ledger = Arc::new(Ledger::default());
    let destination = Destination::listen(site.address());
    let config = |number: u64| {
        let buffer = match number % 3 {
            0 => "flush_interval: 20ms, keys: [tag]".to_owned(),
            1 => "flush_interval: 20ms, keys: [tag, key], max_concurrent: 2".to_owned(),
            _ => format!("flush_interval: {}ms, chunk_limit_size: 64KiB", 10 + number),
        };
        let output = format!("ack_timeout: {}ms", 500 + number % 7);
        config_with(&site, &destination, &buffer, &output, "")
    };
    for life in 0..12_u32 {
        let daemon = Daemon::start(&site, &config(random.within(0..30)));
        let randoms = (0..3).map(|_| random.fork()).collect();
        let load = Load::start(site.forward(), &ledger, &["app", "job"], life * 3, randoms);
        wait::until_true("some load", || load.acknowledged_batch_count() > 10);
        for _ in 0..random.within(1..5) {
            write(&site, &config(random.within(0..30)));
            daemon.signal(Signal::HUP);
            wait::pause(Duration::from_micros(random.within(0..20_000)));
        }
        daemon.kill();
        load.finish();
    }
    let daemon = Daemon::start(&site, &config(0));
    lose_nothing(&destination, &ledger);
    wait::until_true("the buffer to be empty", || is_empty(&daemon, "all"));
    assert!(daemon.stop().success());
}

#[test]
fn an_input_listens_where_it_is_told_to_and_one_with_other_limits_on_the_same_socket() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 10);
    let mut first = Sender::connect(site.forward()).unwrap();
    first.deliver("app", &ids);

    // The same address: the socket is handed over, so that nobody is refused at any moment.
    let limited = config.replace(
        "type: forward, listen",
        "type: forward, connections_max: 7, listen",
    );
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let knocking = std::thread::spawn({
        let (stop, address) = (Arc::clone(&stop), site.forward());
        move || {
            let mut count = 0;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                TcpStream::connect(address).expect("somebody listens");
                count += 1;
            }
            count
        }
    });
    reload(&site, &daemon, &limited, SUCCESS);
    reload(&site, &daemon, &config, SUCCESS);
    reload(&site, &daemon, &limited, SUCCESS);
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(knocking.join().unwrap() > 0);
    assert_eq!(
        daemon.metric("forebay_input_connections_limit", &["input=\"app\""]),
        7.0
    );
    let closed = first.send("app", "late", &event::entries(&ids, 1));
    assert!(
        closed.is_err() || first.read_ack().is_err(),
        "it was told to end"
    );
    let more = EventId::run(2, 0, 10);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &more);
    destination.arrivals().wait_for(&more);

    // Another address: nobody listens on the old one any more.
    let moved = site.address();
    let elsewhere = config.replace(&site.forward().to_string(), &moved.to_string());
    reload(&site, &daemon, &elsewhere, SUCCESS);
    let late = EventId::run(3, 0, 10);
    Sender::connect(moved).unwrap().deliver("app", &late);
    destination.arrivals().wait_for(&late);
    wait::until_true("the old socket to be closed", || {
        TcpStream::connect(site.forward()).is_err()
    });
    // Nobody was in between who lost anything that was acknowledged.
    destination.arrivals().wait_for(&ids);
    assert_eq!(destination.arrivals().repeat_count(), 0);
    assert!(daemon.stop().success());
}

#[test]
fn what_a_filter_has_gathered_is_told_when_it_goes_and_kept_while_it_stays() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = |filters: &str, interval: &str| {
        site.config(&format!(
            "{filters}
routes:
  told: {{ match: \"told.**\", buffer: {{ flush_mode: immediate }}, to: printed }}
  all: {{ match: \"**\", buffer: {{ flush_interval: {interval} }}, to: central }}
outputs:
  printed: {{ type: stdout }}
  central: {{ type: forward, servers: [\"{}\"] }}
",
            destination.address()
        ))
    };
    let counting =
        "filters: { kinds: { type: counter, match: app, interval: 1h, tag: told.kinds } }";
    let daemon = Daemon::start(&site, &config(counting, "20ms"));
    let mut sender = Sender::connect(site.forward()).unwrap();
    sender.deliver("app", &EventId::run(1, 0, 100));
    // The routes change, the filter does not: it counts on.
    reload(&site, &daemon, &config(counting, "30ms"), SUCCESS);
    sender.deliver("app", &EventId::run(1, 100, 11));
    assert_eq!(daemon.output_text(), "", "its hour is not over");
    reload(&site, &daemon, &config("", "30ms"), SUCCESS);
    wait::until_true("the count to be told", || {
        daemon.output_text().contains("\"count\":111")
    });
    let more = EventId::run(2, 0, 5);
    sender.deliver("app", &more);
    destination.arrivals().wait_for(&more);
    assert!(daemon.stop().success());
}

#[test]
fn the_service_manager_hears_when_we_are_ready_reload_live_and_stop() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let path = site.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let mut command = Command::new(daemon::binary());
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000");
    let next = |skipped: &str| loop {
        let mut bytes = [0; 256];
        let len = manager.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        if text != skipped {
            return text;
        }
    };
    let daemon = Daemon::start_by(&site, &config, command);
    assert_eq!(next(""), "READY=1");
    assert_eq!(next(""), "WATCHDOG=1");
    assert_eq!(next(""), "WATCHDOG=1", "again and again");
    daemon.signal(Signal::HUP);
    assert!(next("WATCHDOG=1").starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next("WATCHDOG=1"), "READY=1");
    assert!(daemon.stop().success());
    assert_eq!(next("WATCHDOG=1"), "STOPPING=1");
}
