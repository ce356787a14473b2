//! Batches that are taken together.

use forebay_storage::ChunkKey;

use super::*;

fn batch<'a>(tag: &'a str, payload: &'a [u8]) -> Incoming<'a> {
    Incoming {
        tag,
        payload,
        batch_id: &payload[..1],
        patience: None,
    }
}

type Frame = (ChunkKey, String, Vec<u8>, Vec<u8>);

/// Key, tag, batch id and payload of every frame.
fn frames(fixture: &Fixture) -> Vec<Frame> {
    let mut frames = Vec::new();
    for chunk in fixture.buffer.chunks.chunks() {
        let mut reader = fixture.buffer.chunks.read(chunk.id).unwrap();
        while let Some(window) = reader.next_window().unwrap() {
            frames.extend(window.frames().map(|frame| {
                (
                    chunk.key().clone(),
                    frame.tag.to_owned(),
                    frame.batch_id.to_vec(),
                    frame.payload.to_vec(),
                )
            }));
        }
    }
    frames
}

/// Accepts all, together where that is possible; gives the counts of those that were.
async fn accept_all(fixture: &Fixture, batches: &[Incoming<'_>], together: bool) -> Vec<usize> {
    let (mut counts, mut rest) = (Vec::new(), batches);
    while let Some(first) = rest.first() {
        let ready = fixture.intake.accept_ready(rest).filter(|_| together);
        let (count, pending) = match ready {
            Some(ready) => (ready.batch_count, ready.pending),
            None => (0, fixture.intake.accept(*first).await.unwrap()),
        };
        pending.durable().await.unwrap();
        counts.push(count);
        rest = &rest[count.max(1)..];
    }
    counts
}

#[tokio::test]
async fn what_is_taken_together_is_stored_as_if_it_had_come_one_by_one() {
    let time = || TimeKey {
        len_s: 10,
        zone: Zone::utc(),
    };
    let bad = [0x92, 1, 0xa1, b'x'];
    let [two, large] = [[entry(1, &[1]), entry(2, &[2])].concat(), large(5_000)];
    let small: Vec<_> = (1..=20).map(|n| entry(n, &[n])).collect();
    let mut batches: Vec<_> = small.iter().map(|entry| batch("app.a", entry)).collect();
    batches.insert(3, batch("app.a", &two));
    batches.insert(5, batch("app.a", &large));
    batches.insert(8, batch("app.b", &small[2]));
    batches.insert(9, batch("app.a", &bad));
    batches.insert(10, batch("unmatched", &small[2]));
    for (keys, expected) in [
        (KeySpec::parse(["tag"], None), vec![5, 0, 2, 1, 0, 0, 14]),
        (KeySpec::parse([], None), vec![5, 0, 2, 1, 0, 0, 14]),
        // Windows begin at 10 and 20.
        (
            KeySpec::parse(["time"], Some(time())),
            vec![5, 0, 2, 1, 0, 0, 3, 10, 1],
        ),
    ] {
        let keys = keys.unwrap();
        let setup = || Setup {
            keys: keys.clone(),
            ..Setup::default()
        };
        let (together, one_by_one) = (fixture(setup()), fixture(setup()));
        let counts = accept_all(&together, &batches, true).await;
        assert_eq!(counts, expected, "{keys:?}");
        for batch in &batches {
            let pending = one_by_one.intake.accept(*batch).await.unwrap();
            pending.durable().await.unwrap();
        }
        assert_eq!(frames(&together), frames(&one_by_one));
        let [ours, theirs] = [&together, &one_by_one].map(|fixture| {
            let stats = &fixture.buffer.stats;
            [
                &stats.batches_stored,
                &stats.events_stored,
                &stats.bytes_stored,
            ]
            .map(|counter| counter.load(Relaxed))
        });
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
async fn a_run_ends_where_the_chunk_is_full_or_the_route_is() {
    let fixture = fixture(Setup {
        chunk_limit_size: 1_000,
        total_limit_size: 16 << 10,
        overflow: Overflow::Reject,
        ..Setup::default()
    });
    let payload = large(300);
    let batches = [batch("app.a", &payload); 64];
    let mut taken = Vec::new();
    while let Some(ready) = fixture.intake.accept_ready(&batches) {
        taken.push(ready.batch_count);
        ready.pending.durable().await.unwrap();
    }
    assert!(
        taken.len() >= 2 && taken.iter().all(|count| *count == 3),
        "{taken:?}"
    );
    let refused = fixture.intake.accept(batches[0]).await.err();
    assert!(
        matches!(refused, Some(Refused::HeldBack { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn none_of_a_run_is_acknowledged_when_its_sync_fails() {
    let fixture = fixture(Setup::default());
    fixture.fs.set_faults(Faults {
        failing_syncs: (0..100).collect(),
        ..Faults::default()
    });
    let payload = entry(1, &[1]);
    let ready = fixture
        .intake
        .accept_ready(&[batch("app.a", &payload); 4])
        .unwrap();
    assert_eq!((ready.batch_count, ready.pending.event_count), (4, 4));
    let refused = ready.pending.durable().await;
    assert!(
        matches!(refused, Err(Refused::NotStored { .. })),
        "{refused:?}"
    );
}
