//! What one event costs on its way in and out, without sockets, and what the store adds.
//!
//! `cargo bench --bench micro`. Batches of 1,000 events of about 225 bytes and 10 fields; one
//! iteration is one batch, the rate is that of its bytes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use forebay::chunk_key::{KeySpec, TimeKey, Zone, group};
use forebay::event::{Limits, Timestamp, check, entries_from_ndjson, normalize};
use forebay::msgpack::{Framer, write};
use forebay::route::TagMatcher;

mod events;
mod store;

use events::{EVENT_COUNT, batch, varied_batch, write_ndjson};

fn walks(c: &mut Criterion) {
    let payload = batch(EVENT_COUNT);
    let mut message = Vec::new();
    write::array_head(&mut message, EVENT_COUNT as usize);
    message.extend_from_slice(&payload);
    let mut walks = c.benchmark_group("walk");
    walks.throughput(Throughput::Bytes(payload.len() as u64));
    walks.bench_function("check", |b| b.iter(|| check(black_box(&payload)).unwrap()));
    let varied = varied_batch(EVENT_COUNT);
    walks.throughput(Throughput::Bytes(varied.len() as u64));
    walks.bench_function("check, lengths vary", |b| {
        b.iter(|| check(black_box(&varied)).unwrap());
    });
    walks.throughput(Throughput::Bytes(payload.len() as u64));
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
    let payload = batch(EVENT_COUNT);
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
    for (name, payload) in [
        ("json", batch(EVENT_COUNT)),
        ("json varied", varied_batch(EVENT_COUNT)),
    ] {
        let mut text = Vec::new();
        write_ndjson(&mut text, &payload);
        let mut json = c.benchmark_group(name);
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
}

fn routes(c: &mut Criterion) {
    let matcher = TagMatcher::parse("sys.** app.{web,api}.* **.access").unwrap();
    c.bench_function("route/unknown tag", |b| {
        b.iter(|| matcher.matches(black_box("kubernetes.default.front-7f.nginx.access")));
    });
}

criterion_group!(
    benches,
    walks,
    groups,
    json_both_ways,
    routes,
    store::appends,
    store::commits,
    store::recovery
);
criterion_main!(benches);
