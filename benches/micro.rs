//! What one event costs on its way in and out, without sockets and disks.
//!
//! `cargo bench --bench micro`. Batches of 1,000 events of about 225 bytes and 10 fields; one
//! iteration is one batch, the rate is that of its bytes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use forebay::chunk_key::{KeySpec, TimeKey, Zone, group};
use forebay::event::{
    Limits, Timestamp, check, entries, entries_from_ndjson, normalize, write_entry_head,
};
use forebay::msgpack::{Framer, json, write};
use forebay::route::TagMatcher;

const EVENT_COUNT: u32 = 1000;

/// An event as agents send it.
fn write_event(out: &mut Vec<u8>, number: u32) {
    write_entry_head(
        out,
        Timestamp::from_event_time(1_800_000_000 + number, number),
    );
    write::map_head(out, 10);
    text(out, "host", "web-0017.example.net");
    text(out, "level", ["info", "warn", "error"][number as usize % 3]);
    text(out, "method", "GET");
    let path = format!(
        "/api/v1/items/{}/attachments?limit=50",
        number * 7919 % 100_000
    );
    text(out, "path", &path);
    text(out, "agent", "Mozilla/5.0 (X11; Linux x86_64)");
    text(out, "trace", "4bf92f3577b34da6a3ce929d0e0e4736");
    write::str(out, b"status");
    write::uint(out, 200);
    write::str(out, b"bytes");
    write::uint(out, u64::from(number * 31 % 40_000));
    write::str(out, b"latency");
    write::float(out, f64::from(number) / 1e4);
    write::str(out, b"cached");
    write::bool(out, number.is_multiple_of(5));
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    write::str(out, name.as_bytes());
    write::str(out, value.as_bytes());
}

fn batch() -> Vec<u8> {
    let mut payload = Vec::new();
    for number in 0..EVENT_COUNT {
        write_event(&mut payload, number);
    }
    payload
}

fn ndjson(payload: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    write_ndjson(&mut text, payload);
    text
}

fn write_ndjson(out: &mut Vec<u8>, payload: &[u8]) {
    for entry in entries(payload) {
        json::value(out, entry.unwrap().record).unwrap();
        out.push(b'\n');
    }
}

fn walks(c: &mut Criterion) {
    let payload = batch();
    let mut message = Vec::new();
    write::array_head(&mut message, EVENT_COUNT as usize);
    message.extend_from_slice(&payload);
    let mut walks = c.benchmark_group("walk");
    walks.throughput(Throughput::Bytes(payload.len() as u64));
    walks.bench_function("check", |b| b.iter(|| check(black_box(&payload)).unwrap()));
    walks.bench_function("frame", |b| {
        b.iter(|| Framer::new().advance(black_box(&message)).unwrap());
    });
    walks.bench_function("normalize", |b| {
        let limits = Limits {
            entry_size_max: usize::MAX,
        };
        b.iter(|| normalize(black_box(&payload), Timestamp::EPOCH, limits));
    });
    walks.finish();
}

fn groups(c: &mut Criterion) {
    let payload = batch();
    let checked = check(&payload).unwrap();
    let mut groups = c.benchmark_group("group");
    groups.throughput(Throughput::Bytes(payload.len() as u64));
    for keys in [
        &["tag"][..],
        &["time"],
        &["host"],
        &["level"],
        &["tag", "time", "trace"],
    ] {
        let time = keys.contains(&"time").then(|| TimeKey {
            len_s: 60,
            zone: Zone::utc(),
        });
        let spec = KeySpec::parse(keys.iter().copied(), time).unwrap();
        groups.bench_function(keys.join("+"), |b| {
            b.iter(|| group(&spec, "app.web", black_box(&payload), &checked).unwrap());
        });
    }
    groups.finish();
}

fn json_both_ways(c: &mut Criterion) {
    let payload = batch();
    let text = ndjson(&payload);
    let mut json = c.benchmark_group("json");
    json.throughput(Throughput::Bytes(text.len() as u64));
    json.bench_function("write", |b| {
        let mut out = Vec::with_capacity(text.len());
        b.iter(|| {
            out.clear();
            write_ndjson(&mut out, black_box(&payload));
        });
    });
    json.bench_function("read", |b| {
        let mut out = Vec::with_capacity(payload.len());
        b.iter(|| {
            out.clear();
            entries_from_ndjson(&mut out, Timestamp::EPOCH, black_box(&text)).unwrap()
        });
    });
    json.finish();
}

fn routes(c: &mut Criterion) {
    let matcher = TagMatcher::parse("sys.** app.{web,api}.* **.access").unwrap();
    c.bench_function("route/unknown tag", |b| {
        b.iter(|| matcher.matches(black_box("kubernetes.default.front-7f.nginx.access")));
    });
}

criterion_group!(benches, walks, groups, json_both_ways, routes);
criterion_main!(benches);
