//! Senders that mean harm, or seem to: each is bounded and told off, and the others are served.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Resource;

use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::random::Random;
use crate::harness::sender::{self, Sender};
use crate::harness::{http, site::Site, wait};

const MIB: usize = 1 << 20;

/// What the daemon may have taken at most, in the build under test.
const MEMORY_MAX: usize = 200 * MIB;

#[test]
fn hostile_bytes_close_their_connection_and_harm_nobody() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination).replace(
        "type: forward, listen",
        "type: forward, unpacked_size_max: 8MiB, message_size_max: 16MiB, listen",
    );
    let daemon = Daemon::start(&site, &config);
    let mut good = Sender::connect(site.forward()).unwrap();
    let mut delivered = Vec::new();
    for (number, (what, protocol, bytes)) in (1..).zip(attacks()) {
        assert_closed(what, site.forward(), &bytes, protocol == Protocol::Forward);
        assert_closed(what, site.http(), &bytes, protocol == Protocol::Http);
        assert_closed(what, site.admin(), &bytes, false);
        let ids = EventId::run(number, 0, 10);
        good.deliver("app", &ids);
        delivered.extend(ids);
    }
    destination.arrivals().wait_for(&delivered);
    assert_eq!(destination.arrivals().count(), delivered.len());
    let log = daemon.log_text();
    assert!(log.contains("connection closed"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let failed = daemon.metric("forebay_input_failed_connections_total", &[]);
    assert!(failed >= 5.0, "{failed}");
    let most = daemon.memory("VmHWM");
    println!("hostile bytes: at most {} MiB of memory", most / MIB);
    assert!(most < MEMORY_MAX, "{most} bytes");
}

/// Which server has to see for itself that it is attacked; others may wait for more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Forward,
    Http,
    None,
}

/// What is tried, on whom, with which bytes.
fn attacks() -> Vec<(&'static str, Protocol, Vec<u8>)> {
    use Protocol::{Forward, Http, None};
    let over_the_limit = sender::packed_forward("app", "c", &vec![0; 17 * MIB]);
    let large_body = "POST /app HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
        content-length: 9223372036854775807\r\n\r\n{";
    let endless_head = [b"POST /app HTTP/1.1\r\nhost: ", &b"x".repeat(MIB)[..]].concat();
    let mut attacks = vec![
        ("not MessagePack", Forward, b"\xc1".repeat(100)),
        (
            "a str of 4 GiB",
            Forward,
            b"\x93\xa3app\xdb\xff\xff\xff\xff".to_vec(),
        ),
        (
            "an array of 4 G",
            Forward,
            b"\x93\xa3app\xdd\xff\xff\xff\xff".to_vec(),
        ),
        ("arrays in arrays", Forward, b"\x91".repeat(100_000)),
        ("a bomb", Forward, bomb()),
        ("JSON in JSON", Forward, b"[".repeat(100_000)),
        ("a message over the limit", Forward, over_the_limit),
        ("a head without end", Http, endless_head),
        ("a body of 2^63", Http, large_body.into()),
    ];
    let mut random = Random::seeded("hostile bytes");
    for _ in 0..20 {
        let bytes = (0..1000).map(|_| random.within(0..256).to_le_bytes()[0]);
        attacks.push(("random bytes", None, bytes.collect()));
    }
    attacks
}

/// Unpacks to much more than is allowed.
fn bomb() -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packed.write_all(&vec![0; MIB]).unwrap();
    }
    let packed = packed.finish().unwrap();
    let mut message = sender::packed_forward("app", "c", &packed);
    let options = sender::options(&[("chunk", "c".into()), ("compressed", "gzip".into())]);
    let plain = sender::options(&[("chunk", "c".into())]);
    let mut encoded = Vec::new();
    rmpv::encode::write_value(&mut encoded, &plain).unwrap();
    message.truncate(message.len() - encoded.len());
    rmpv::encode::write_value(&mut message, &options).unwrap();
    message
}

/// Sends `bytes`; the server closes, after an answer or without: by itself if it `sees`, else because
/// no more comes.
fn assert_closed(what: &str, address: SocketAddrV4, bytes: &[u8], sees: bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    // The server may have had enough before the end.
    let _ = stream.write_all(bytes);
    if !sees {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{what}"),
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("HTTP/1.1 200"), "{what}: {answer}");
    assert!(!answer.contains("ack"), "{what}: {answer}");
}

#[test]
fn a_sender_of_one_byte_at_a_time_is_served_as_any_other() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let ids = EventId::run(1, 0, 10);
    let mut slow = Sender::connect(site.forward()).unwrap();
    for byte in sender::packed_forward("app", "slow", &event::entries(&ids, 1)) {
        slow.send_raw(&[byte]).unwrap();
    }
    assert_eq!(slow.read_ack().unwrap(), "slow");
    destination.arrivals().wait_for(&ids);
}

#[test]
fn a_sender_that_never_reads_its_acknowledgements_costs_little_and_the_others_are_served() {
    const BATCH_COUNT: u32 = 50_000;
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let daemon = Daemon::start(&site, &site.config_to(&destination));
    let mut deaf = TcpStream::connect(site.forward()).unwrap();
    let patience = Some(Duration::from_millis(500));
    deaf.set_write_timeout(patience).unwrap();
    // A long id makes a long acknowledgement: what nobody reads is soon more than sockets hold.
    let id = "x".repeat(4096);
    let entry = event::entries(&[EventId::new(1, 0)], 1);
    let message = sender::packed_forward("app", &id, &entry);
    let sent = (0..BATCH_COUNT).take_while(|_| deaf.write_all(&message).is_ok());
    let sent = sent.count();
    assert!(sent < BATCH_COUNT as usize, "it is read for ever");
    let mut good = Sender::connect(site.forward()).unwrap();
    let ids = EventId::run(2, 0, 100);
    good.deliver("app", &ids);
    destination.arrivals().wait_for(&ids);
    let most = daemon.memory("VmHWM");
    println!(
        "unread acknowledgements: {sent} messages taken, at most {} MiB of memory",
        most / MIB
    );
    assert!(most < MEMORY_MAX, "{most} bytes");
    drop(deaf);
}

#[test]
fn senders_of_large_messages_that_stall_leave_room_for_others() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination).replace(
        "type: forward, listen",
        "type: forward, read_memory_max: 4MiB, listen",
    );
    let daemon = Daemon::start(&site, &config);
    let message = sender::packed_forward("app", "c", &vec![0; 60 * MIB]);
    let stalled: Vec<_> = (0..5)
        .map(|_| {
            let mut stream = TcpStream::connect(site.forward()).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            // It is not read further than there is memory.
            let _ = stream.write_all(&message[..10 * MIB]);
            stream
        })
        .collect();
    let ids = EventId::run(1, 0, 100);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    let large = EventId::run(2, 0, 5_000);
    // Waits until the first of those that stall is told off.
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &large);
    destination.arrivals().wait_for(&large);
    let most = daemon.memory("VmHWM");
    println!("stalled messages: at most {} MiB of memory", most / MIB);
    assert!(most < MEMORY_MAX, "{most} bytes");
    let limit = daemon.metric("forebay_input_read_memory_limit_bytes", &["input=\"app\""]);
    assert_eq!(limit, 4.0 * 1024.0 * 1024.0);
    drop(stalled);
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_a_busy_one_is_served() {
    const COUNT: usize = 10_000;
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let config = config.replace(
        "type: forward, listen",
        &format!("type: forward, connections_max: {}, listen", COUNT + 1),
    );
    let config = config.replace(
        "type: http, listen",
        "type: http, connections_max: 8, listen",
    );
    let daemon = Daemon::start(&site, &config);
    let before = daemon.memory("VmRSS");
    let idle: Vec<_> = (0..idle_count(&daemon, COUNT))
        .map(|_| TcpStream::connect(site.forward()).unwrap())
        .collect();
    wait::until_true("all connections to be open", || {
        daemon.metric("forebay_input_connections", &["input=\"app\""]) >= idle.len() as f64
    });
    let each = daemon.memory("VmRSS").saturating_sub(before) / idle.len();
    println!("idle connections: {} of {each} bytes each", idle.len());
    assert!(each < 24 * 1024, "{each} bytes each");
    let mut busy = Sender::connect(site.forward()).unwrap();
    for number in 0..50 {
        busy.deliver("app", &EventId::run(number, 0, 100));
    }
    destination.arrivals().wait_for(&EventId::run(49, 0, 100));
    drop(idle);
}

/// As many as there are descriptors for, in the daemon and here, said where that is fewer.
fn idle_count(daemon: &Daemon, count: usize) -> usize {
    let limit = daemon.metric("forebay_input_connections_limit", &["input=\"app\""]);
    let ours = rustix::process::getrlimit(Resource::Nofile).current;
    let ours = ours.map_or(usize::MAX, |ours| usize::try_from(ours).unwrap() * 3 / 4);
    let fits = (1..=count).rev().find(|n| (*n as f64) < limit && *n < ours);
    let fits = fits.unwrap();
    if fits < count * 9 / 10 {
        println!(
            "SKIPPED for want of descriptors: {} of {count} idle connections",
            count - fits
        );
    }
    fits
}

#[test]
fn senders_cannot_take_the_descriptors_of_chunks_and_deliveries() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let mut command = Command::new("bash");
    let script = "ulimit -n 256; exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(daemon::binary());
    let daemon = Daemon::start_by(&site, &site.config_to(&destination), command);
    let mut first = Sender::connect(site.forward()).unwrap();
    first.deliver("app", &EventId::run(0, 0, 1));
    let senders: Vec<_> = [site.forward(), site.http()]
        .iter()
        .flat_map(|address| (0..150).map(move |_| TcpStream::connect(address).unwrap()))
        .collect();
    for number in 1..50 {
        // A chunk each, as the one before is sealed and on its way.
        first.deliver(&format!("app.{number}"), &EventId::run(number, 0, 10));
    }
    destination.arrivals().wait_for(&EventId::run(49, 0, 10));
    assert_eq!(http::get(site.admin(), "/readyz").status, 200);
    let limit = daemon.metric("forebay_input_connections_limit", &[]);
    assert!(limit <= 128.0, "{limit}");
    let log = daemon.log_text();
    assert!(!log.contains("Too many open files"), "{log}");
    assert!(log.contains("fewer connections than configured"), "{log}");
    drop(senders);
}
