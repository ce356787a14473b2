//! What ends a connection.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::rig::*;
use crate::config::plan::ForwardInputPlan;
use crate::input::forward::{BindError, ForwardInput};
use crate::wire::compression::Codec;

/// Sends a good batch and then `bad`: the first is acknowledged, then the connection is closed.
async fn closes(plan: &ForwardInputPlan, bad: &[u8]) {
    let rig = Rig::start(plan);
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;
    client.send(bad).await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.recorder.batch_count(), 1);
    assert_eq!(rig.stats.batches_refused.load(Relaxed), 1);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 1);
}

#[tokio::test]
async fn malformed_and_invalid_messages_close_the_connection() {
    for bad in [
        &b"\xc1"[..],
        b"\x93\xa3app\xc1",
        b"\x92\xa2\xff\xfe\x90",
        b"\x90",
        b"\x92\xa3app\x01",
        b"\x93\xa3app\xa1x\x81\xaacompressed\xa3bz2",
        b"\x93\xa3app\xa1x\x81\xaacompressed\xa4gzip",
        &[0x91; 200],
    ] {
        closes(&plan(), bad).await;
    }
}

#[tokio::test]
async fn a_message_that_claims_too_much_closes_the_connection_before_it_comes() {
    let plan = ForwardInputPlan {
        message_size_max: 1000,
        ..plan()
    };
    closes(&plan, b"\x93\xa3app\xdb\x00\x01\x00\x00").await;
    closes(&plan, b"\x92\xa3app\xdd\x00\x01\x00\x00").await;
    closes(&plan, &packed_with("app", &[0; 1000], b"\x80")).await;
}

#[tokio::test]
async fn a_message_of_the_largest_size_is_taken() {
    let message = packed("app", b"\x01");
    let plan = ForwardInputPlan {
        message_size_max: message.len(),
        ..plan()
    };
    let rig = Rig::start(&plan);
    let mut client = rig.connect().await;
    client.send(&message.repeat(2)).await;
    client.expect(&ack(b"\x01").repeat(2)).await;
    client.send(&packed("app1", b"\x01")).await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_json_message_over_the_limit_or_malformed_closes_the_connection() {
    let plan = ForwardInputPlan {
        message_size_max: 1000,
        ..plan()
    };
    for bad in [
        format!("[\"app\", 1, {{\"a\": \"{}\"", "x".repeat(1000)),
        "[\"app\", 1, nonsense]".to_owned(),
        "[1, 2, 3]".to_owned(),
        "]".to_owned(),
    ] {
        let rig = Rig::start(&plan);
        let mut client = rig.connect().await;
        client.send(b"[\"app\", [], {\"chunk\": 1}]").await;
        client.expect(b"{\"ack\":1}").await;
        client.send(bad.as_bytes()).await;
        assert_eq!(client.rest().await, b"");
        assert_eq!(rig.stats.connections_failed.load(Relaxed), 1);
    }
}

#[tokio::test]
async fn a_bomb_closes_the_connection() {
    let plan = ForwardInputPlan {
        unpacked_size_max: 1 << 20,
        ..plan()
    };
    for (name, codec) in [("gzip", Codec::Gzip), ("zstd", Codec::Zstd)] {
        let options = [b"\x81\xaacompressed\xa4", name.as_bytes()].concat();
        let bomb = codec.pack(&vec![0; (1 << 20) + 1]).unwrap();
        closes(&plan, &packed_with("app", &bomb, &options)).await;
    }
}

#[tokio::test]
async fn what_was_taken_before_a_bad_message_is_acknowledged() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    client
        .send(&[&packed("app", b"\x01")[..], b"\xc1"].concat())
        .await;
    rig.recorder.batches(1).await;
    rig.let_time_pass().await;
    client.expect_nothing_yet();
    rig.recorder.resolve(0, Ok(()));
    assert_eq!(client.rest().await, ack(b"\x01"));
}

#[tokio::test]
async fn a_sender_that_dies_inside_a_message_is_no_failure() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let message = packed("app", b"\x01");
    client.send(&message[..message.len() - 1]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0)
        .await
        .unwrap();
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.recorder.batch_count(), 0);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 0);
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_another_to_end() {
    let plan = ForwardInputPlan {
        connections_max: 1,
        ..plan()
    };
    let rig = Rig::start(&plan);
    let mut first = rig.connect().await;
    first.send(&packed("app", b"\x01")).await;
    first.expect(&ack(b"\x01")).await;
    let mut second = rig.connect().await;
    second.send(&packed("app", b"\x02")).await;
    for _ in 0..10 {
        first.send(&packed(MARKER, b"\x01")).await;
        first.expect(&ack(b"\x01")).await;
    }
    second.expect_nothing_yet();
    assert_eq!(rig.stats.connections_open.load(Relaxed), 1);
    drop(first);
    second.expect(&ack(b"\x02")).await;
    assert_eq!(rig.stats.connections_total.load(Relaxed), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_not_one_that_waits_for_us() {
    let plan = ForwardInputPlan {
        idle_timeout: Some(Duration::from_millis(20)),
        ..plan()
    };
    let rig = Rig::start(&plan);
    rig.recorder.set(Mode::OnCommand);
    let mut waiting = rig.connect().await;
    waiting.send(&packed("app", b"\x01")).await;
    rig.recorder.batches(1).await;
    for _ in 0..3 {
        assert_eq!(rig.connect().await.rest().await, b"");
    }
    waiting.expect_nothing_yet();
    waiting.send(&packed("app", b"\x02")).await;
    rig.recorder.batches(2).await;
    rig.recorder.resolve(0, Ok(()));
    rig.recorder.resolve(1, Ok(()));
    assert_eq!(waiting.rest().await, ack(b"\x01\x81\xa3ack\x02"));
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 0);
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let rig = Rig::start(&plan());
    let taken = ForwardInputPlan {
        listen: rig.address,
        ..plan()
    };
    let error = ForwardInput::bind(&taken).err().unwrap();
    assert!(matches!(error, BindError::Tcp { .. }));
    assert!(error.to_string().contains(&rig.address.to_string()));
}

#[tokio::test]
async fn a_sender_that_leaves_while_it_is_held_back_takes_its_batch_along() {
    let plan = ForwardInputPlan {
        connections_max: 1,
        ..plan()
    };
    let rig = Rig::start(&plan);
    rig.recorder.set(Mode::HoldBack);
    let mut first = rig.connect().await;
    // What follows the batch is not read, and must not hide that the sender has left.
    first.send(&packed("app", b"\x01").repeat(2)).await;
    rig.recorder.batches(1).await;
    drop(first);
    let mut second = rig.connect().await;
    second.send(&packed(MARKER, b"\x02")).await;
    second.expect(&ack(b"\x02")).await;
    rig.recorder.set(Mode::Durable);
    assert_eq!(rig.stats.batches.load(Relaxed), 1);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 0);
}

#[tokio::test]
async fn a_batch_that_wants_no_ack_stays_when_its_sender_leaves() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::HoldBack);
    let mut with_ack = rig.connect().await;
    let mut without = rig.connect().await;
    without.send(&packed_with("app", ENTRIES, b"\x80")).await;
    rig.recorder.batches(1).await;
    with_ack.send(&packed("app", b"\x01")).await;
    rig.recorder.batches(2).await;
    drop(without);
    shut_and_end(&mut with_ack).await;
    rig.recorder.set(Mode::Durable);
    let mut other = rig.connect().await;
    within(async {
        while rig.stats.batches.load(Relaxed) == 0 {
            other.send(b"\xc0").await;
        }
    })
    .await;
    rig.stop.cancel();
    let stats = rig.stats.clone();
    rig.stopped().await;
    assert_eq!(stats.events.load(Relaxed), 2);
}

/// Closes a sender's side, and waits until the other side is closed too.
async fn shut_and_end(client: &mut Client<tokio::net::TcpStream>) {
    let shut = tokio::io::AsyncWriteExt::shutdown(&mut client.0);
    within(shut).await.unwrap();
    assert_eq!(client.rest().await, b"");
}
