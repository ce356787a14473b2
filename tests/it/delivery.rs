//! From every way in to every way out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use flate2::{Compression, write::GzEncoder};
use rmpv::Value;

use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::http_destination::{HttpDestination, id_of_line};
use crate::harness::sender::{Sender, options, packed_forward};
use crate::harness::{http, site::Site, wait};

#[test]
fn every_way_in_reaches_every_way_out() {
    let site = Site::new();
    let [plain, gzip, zstd] = [(); 3].map(|()| Destination::listen(site.address()));
    let web = HttpDestination::listen(site.address());
    let daemon = Daemon::start(
        &site,
        &site.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms }}, to: [plain, gzip, zstd, web, webgzip, file, screen, nowhere] }}
outputs:
  plain: {{ type: forward, servers: [\"{}\"] }}
  gzip: {{ type: forward, servers: [\"{}\"], compress: gzip }}
  zstd: {{ type: forward, servers: [\"{}\"], compress: zstd }}
  web: {{ type: http, url: \"http://{web}/in\", format: ndjson }}
  webgzip: {{ type: http, url: \"http://{web}/in\", format: ndjson, compress: gzip }}
  file: {{ type: file, path: \"{}\", format: ndjson, append: true }}
  screen: {{ type: stdout, format: ndjson }}
  nowhere: {{ type: \"null\" }}
",
            plain.address(),
            gzip.address(),
            zstd.address(),
            site.path("out.ndjson").display(),
            web = web.address(),
        )),
    );

    let mut ids = send_every_forward_mode(&site);
    ids.extend(send_json_connection(&site));
    ids.extend(send_every_http_form(&site));

    for destination in [&plain, &gzip, &zstd] {
        destination.arrivals().wait_for(&ids);
    }
    web.arrivals().wait_for(&ids);
    wait::until_true("the http server to be sent everything twice", || {
        web.arrivals().repeat_count() == u64::try_from(ids.len()).unwrap()
    });
    wait::until_true("the null output to confirm", || {
        daemon.output("all", "nowhere")["events_delivered"] == ids.len()
    });
    let written = || fs::read_to_string(site.path("out.ndjson")).unwrap_or_default();
    wait::until_true("the file to be complete", || {
        written().lines().count() == ids.len()
    });
    assert_same(&ids, &written());
    wait::until_true("the screen to be complete", || {
        daemon.output_text().lines().count() == ids.len()
    });
    assert_same(&ids, &daemon.output_text());
}

#[test]
fn the_bytes_of_a_batch_arrive_unchanged() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let _daemon = Daemon::start(&site, &site.config_to(&destination));
    let ids = EventId::run(1, 0, 500);
    let payload = event::entries(&ids, 5);
    Sender::connect(site.forward())
        .unwrap()
        .deliver_entries("app.web", &payload);
    destination.arrivals().wait_for(&ids);
    let taken = destination.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!((&*taken[0].tag, &taken[0].payload), ("app.web", &payload));
}

#[test]
fn a_batch_that_spans_keys_is_split_and_arrives_whole() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let config = config.replace("buffer: {", "buffer: { keys: [tag, key],");
    let _daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 100);
    Sender::connect(site.forward())
        .unwrap()
        .deliver_entries("app", &event::entries(&ids, 7));
    destination.arrivals().wait_for(&ids);
    assert_eq!(
        destination.taken().len(),
        7,
        "one message for each value of the key"
    );
    assert_eq!(destination.arrivals().repeat_count(), 0);
}

#[test]
fn the_first_route_that_matches_takes_the_event() {
    let site = Site::new();
    let [web, rest] = [(); 2].map(|()| Destination::listen(site.address()));
    let _daemon = Daemon::start(
        &site,
        &site.config(&format!(
            "routes:
  web: {{ match: \"app.{{web,api}} *.first\", buffer: {{ flush_interval: 20ms }}, to: web }}
  rest: {{ match: \"app.**\", buffer: {{ flush_interval: 20ms }}, to: rest }}
outputs:
  web: {{ type: forward, servers: [\"{}\"] }}
  rest: {{ type: forward, servers: [\"{}\"] }}
",
            web.address(),
            rest.address()
        )),
    );
    let mut sender = Sender::connect(site.forward()).unwrap();
    let ids = EventId::run(1, 0, 6);
    for (tag, id) in ["app.web", "app.api", "x.first", "app.web.x", "app", "none"]
        .iter()
        .zip(&ids)
    {
        sender.deliver(tag, &[*id]);
    }
    web.arrivals().wait_for(&ids[..3]);
    rest.arrivals().wait_for(&ids[3..5]);
    assert_eq!((web.arrivals().count(), rest.arrivals().count()), (3, 2));
}

/// Message, Forward, PackedForward as bin and as str, gzip and zstd; each acknowledged.
fn send_every_forward_mode(site: &Site) -> Vec<EventId> {
    let ids = EventId::run(1, 0, 12);
    let parts: Vec<_> = ids.chunks(2).map(|ids| event::entries(ids, 1)).collect();
    let mut sender = Sender::connect(site.forward()).unwrap();
    let mut deliver = |chunk: &str, bytes: &[u8]| {
        sender.send_raw(bytes).unwrap();
        assert_eq!(sender.read_ack().unwrap(), chunk);
    };
    for (number, id) in ids[..2].iter().enumerate() {
        let chunk = format!("message {number}");
        deliver(&chunk, &message(&event::entries(&[*id], 1), &chunk));
    }
    deliver("forward", &forward(&parts[1], "forward"));
    deliver("bin", &packed_forward("app", "bin", &parts[2]));
    deliver("str", &packed_as_str(&parts[3], "str"));
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&parts[4]).unwrap();
    deliver(
        "gzip",
        &compressed(packer.finish().unwrap(), "gzip", "gzip"),
    );
    let packed = zstd::stream::encode_all(parts[5].as_slice(), 1).unwrap();
    deliver("zstd", &compressed(packed, "zstd", "zstd"));
    ids
}

/// A connection whose first byte is `[` speaks JSON and is answered in JSON.
fn send_json_connection(site: &Site) -> Vec<EventId> {
    let ids = EventId::run(2, 0, 1);
    let mut stream = TcpStream::connect(site.forward()).unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let message = format!(
        "[\"app\",1700000000,{{\"id\":{}}},{{\"chunk\":\"json\"}}]\n",
        ids[0].0
    );
    stream.write_all(message.as_bytes()).unwrap();
    let mut ack = Vec::new();
    BufReader::new(stream).read_until(b'}', &mut ack).unwrap();
    let ack: serde_json::Value = serde_json::from_slice(&ack).unwrap();
    assert_eq!(ack["ack"], "json");
    ids
}

fn send_every_http_form(site: &Site) -> Vec<EventId> {
    let ids = EventId::run(3, 0, 10);
    let object = |id: &EventId| format!("{{\"id\":{},\"key\":\"k\"}}", id.0);
    let objects: Vec<_> = ids.iter().map(object).collect();
    let post = |content_type: &str, body: &[u8]| {
        let answer = http::post(site.http(), "/app.web", content_type, body);
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
    };
    post("application/json", objects[0].as_bytes());
    post(
        "application/json",
        format!("[{},{}]", objects[1], objects[2]).as_bytes(),
    );
    post(
        "application/x-ndjson",
        format!("{}\n{}\n", objects[3], objects[4]).as_bytes(),
    );
    post("application/msgpack", &record(&[ids[5]]));
    post("application/msgpack", &record(&ids[6..8]));
    post(
        "application/x-www-form-urlencoded",
        format!("json={}", escaped(&objects[8])).as_bytes(),
    );
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(objects[9].as_bytes()).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let body = packer.finish().unwrap();
    let answer = http::request(site.http(), "POST", "/app.web", &headers, &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    ids
}

/// `[tag, time, record, option]`.
fn message(entry: &[u8], chunk: &str) -> Vec<u8> {
    let entry = rmpv::decode::read_value(&mut &*entry).unwrap();
    let fields = vec![
        "app".into(),
        entry[0].clone(),
        entry[1].clone(),
        chunk_option(chunk),
    ];
    encoded(&Value::Array(fields))
}

/// `[tag, [[time, record], ...], option]`.
fn forward(entries: &[u8], chunk: &str) -> Vec<u8> {
    let mut rest = entries;
    let mut list = Vec::new();
    while !rest.is_empty() {
        list.push(rmpv::decode::read_value(&mut rest).unwrap());
    }
    encoded(&Value::Array(vec![
        "app".into(),
        Value::Array(list),
        chunk_option(chunk),
    ]))
}

/// As `out_forward` writes it: the payload is a str that is not UTF-8.
fn packed_as_str(entries: &[u8], chunk: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmp::encode::write_array_len(&mut bytes, 3).unwrap();
    rmp::encode::write_str(&mut bytes, "app").unwrap();
    bytes.push(0xDB);
    bytes.extend_from_slice(&u32::try_from(entries.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(entries);
    bytes.extend_from_slice(&encoded(&chunk_option(chunk)));
    bytes
}

fn compressed(packed: Vec<u8>, method: &str, chunk: &str) -> Vec<u8> {
    let option = options(&[("chunk", chunk.into()), ("compressed", method.into())]);
    encoded(&Value::Array(vec![
        "app".into(),
        Value::Binary(packed),
        option,
    ]))
}

/// A map, or an array of maps, as the HTTP input takes them.
fn record(ids: &[EventId]) -> Vec<u8> {
    let records: Vec<_> = ids
        .iter()
        .map(|id| options(&[("id", id.0.into())]))
        .collect();
    match records.as_slice() {
        [one] => encoded(one),
        _ => encoded(&Value::Array(records)),
    }
}

fn chunk_option(chunk: &str) -> Value {
    options(&[("chunk", chunk.into())])
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

/// Every byte as `%XX`, which a form may do.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn assert_same(ids: &[EventId], ndjson: &str) {
    let mut written: Vec<_> = ndjson.lines().map(id_of_line).collect();
    let mut expected = ids.to_vec();
    written.sort_unstable();
    expected.sort_unstable();
    assert_eq!(written, expected);
}

#[test]
fn f30_each_delivery_is_logged_with_the_id_of_its_chunk() {
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = format!("log: {{ filter: debug }}\n{}", site.config_to(&destination));
    let daemon = Daemon::start(&site, &config);
    let ids = EventId::run(1, 0, 3);
    Sender::connect(site.forward())
        .unwrap()
        .deliver("app", &ids);
    destination.arrivals().wait_for(&ids);
    let line = |message: &str| {
        let log = daemon.log_text();
        let line = log.lines().find(|line| line.contains(message));
        line.map(str::to_owned)
    };
    let began = wait::until("the start to be logged", || line("delivery starts"));
    let ended = wait::until("the end to be logged", || line("delivered"));
    let id = |line: &str| {
        let (_, rest) = line.split_once("chunk=").expect("a chunk");
        rest.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(id(&began), id(&ended));
    assert_eq!(id(&began).len(), 32, "{began}");
}
