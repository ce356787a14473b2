//! What senders send and get back.

use std::sync::atomic::Ordering::Relaxed;

use tokio::net::UdpSocket;

use super::rig::*;
use crate::buffer::Refused;
use crate::input::forward::UNACKNOWLEDGED_MAX;
use crate::wire::compression::Codec;

fn not_stored() -> Refused {
    Refused::NotStored {
        route: "web".to_owned(),
        reason: "the disk is gone".to_owned(),
    }
}

#[tokio::test]
async fn every_carrier_brings_the_same_entries() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let gzip = b"\x82\xaacompressed\xa4gzip\xa5chunk\x03";
    let zstd = b"\x82\xaacompressed\xa4zstd\xa5chunk\x04";
    for (message, chunk) in [
        (packed("app", b"\x01"), b"\x01"),
        (
            [b"\x93\xa3app\x92", ENTRIES, b"\x81\xa5chunk\x02"].concat(),
            b"\x02",
        ),
        (
            packed_with("app", &Codec::Gzip.pack(ENTRIES).unwrap(), gzip),
            b"\x03",
        ),
        (
            packed_with("app", &Codec::Zstd.pack(ENTRIES).unwrap(), zstd),
            b"\x04",
        ),
    ] {
        client.send(&message).await;
        client.expect(&ack(chunk)).await;
        let batch = rig.recorder.batches(1).await.pop().unwrap();
        assert_eq!((&*batch.tag, &*batch.payload), ("app", ENTRIES));
    }
    client
        .send(b"\x94\xa3app\x02\x81\xa1a\x02\x81\xa5chunk\xa2id")
        .await;
    client.expect(&ack(b"\xa2id")).await;
    let single = rig.recorder.batches(5).await.pop().unwrap();
    assert_eq!(single.payload, &ENTRIES[ENTRIES.len() / 2..]);
    assert_eq!(single.batch_id, b"id");
    assert_eq!(rig.stats.batches.load(Relaxed), 5);
    assert_eq!(rig.stats.bytes.load(Relaxed), 4 * 12 + 6);
    assert_eq!(rig.stats.events.load(Relaxed), 10);
}

#[tokio::test]
async fn no_ack_leaves_before_its_receipt_nor_out_of_order() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    for number in 0..3 {
        client.send(&packed("app", &chunk(number))).await;
    }
    rig.recorder.batches(3).await;
    rig.let_time_pass().await;
    client.expect_nothing_yet();

    rig.recorder.resolve(2, Ok(()));
    rig.recorder.resolve(1, Ok(()));
    rig.let_time_pass().await;
    client.expect_nothing_yet();

    rig.recorder.resolve(0, Ok(()));
    for number in 0..3 {
        client.expect(&ack(&chunk(number))).await;
    }
}

#[tokio::test]
async fn batches_taken_together_are_acknowledged_in_order_and_after_their_receipts() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::Together(3));
    let mut client = rig.connect().await;
    let gzip = b"\x82\xaacompressed\xa4gzip\xa5chunk\xa2gz";
    let messages = [
        (0..7).flat_map(|n| packed("app", &chunk(n))).collect(),
        packed_with("app", &Codec::Gzip.pack(ENTRIES).unwrap(), gzip),
        packed("other", b"\x08"),
        packed_with("app", ENTRIES, b"\x80"),
        b"\x94\xa3app\x01\x81\xa1a\x01\x81\xa5chunk\x0a".to_vec(),
    ];
    client.send(&messages.concat()).await;
    let batches = rig.recorder.batches(11).await;
    let ids: Vec<&[u8]> = batches.iter().map(|batch| &*batch.batch_id).collect();
    assert_eq!(ids[..2], [b"000000", b"000001"]);
    assert_eq!(ids[6..], [&b"000006"[..], b"gz", b"\x08", b"", b"\x0a"]);
    assert_eq!(batches[10].payload, &ENTRIES[..ENTRIES.len() / 2]);
    rig.let_time_pass().await;
    client.expect_nothing_yet();
    rig.recorder.resolve_all();
    for number in 0..7 {
        client.expect(&ack(&chunk(number))).await;
    }
    for last in [&b"\xa2gz"[..], b"\x08", b"\x0a"] {
        client.expect(&ack(last)).await;
    }
}

#[tokio::test]
async fn batches_together_before_a_malformed_message_are_taken_and_acknowledged() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::Together(100));
    let mut client = rig.connect().await;
    let good = [packed("app", b"\x01"), packed("app", b"\x02")].concat();
    client
        .send(&[&good[..], b"\x93\xa3app\xc1\x80"].concat())
        .await;
    rig.recorder.batches(2).await;
    rig.recorder.resolve_all();
    assert_eq!(client.rest().await, [ack(b"\x01"), ack(b"\x02")].concat());
}

#[tokio::test]
async fn batches_taken_together_count_one_by_one_as_unacknowledged() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::Together(64));
    let mut client = rig.connect().await;
    let count = UNACKNOWLEDGED_MAX + 50;
    let messages: Vec<u8> = (0..count).flat_map(|n| packed("app", &chunk(n))).collect();
    client.send(&messages).await;
    rig.recorder.batches(UNACKNOWLEDGED_MAX).await;
    rig.let_time_pass().await;
    assert_eq!(rig.recorder.batch_count(), UNACKNOWLEDGED_MAX);
    rig.recorder.resolve_all();
    rig.recorder.batches(count).await;
    rig.recorder.resolve_all();
    for number in 0..count {
        client.expect(&ack(&chunk(number))).await;
    }
}

#[tokio::test]
async fn an_ack_does_not_wait_for_later_batches() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    client
        .send(&[packed("app", b"\x01"), packed("app", b"\x02")].concat())
        .await;
    rig.recorder.batches(2).await;
    rig.recorder.resolve(0, Ok(()));
    client.expect(&ack(b"\x01")).await;
    rig.recorder.resolve(1, Ok(()));
    client.expect(&ack(b"\x02")).await;
}

#[tokio::test]
async fn a_batch_that_is_held_back_holds_no_ack_and_no_other_connection_back() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    rig.recorder.batches(1).await;
    rig.recorder.set(Mode::HoldBack);
    client.send(&packed("app", b"\x02")).await;
    rig.recorder.batches(2).await;
    rig.recorder.resolve(0, Ok(()));
    client.expect(&ack(b"\x01")).await;
    rig.let_time_pass().await;
    client.expect_nothing_yet();
    rig.recorder.set(Mode::Durable);
    client.expect(&ack(b"\x02")).await;
}

#[tokio::test]
async fn without_a_chunk_a_batch_is_stored_and_not_acknowledged() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    client.send(&packed_with("app", ENTRIES, b"\x80")).await;
    client.send(&packed_with("app", ENTRIES, b"\xc0")).await;
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;
    assert_eq!(rig.recorder.batches(3).await[0].batch_id, b"");
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_small_messages_are_acknowledged_in_order() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let count = 20_000;
    let messages: Vec<u8> = (0..count).flat_map(|n| packed("app", &chunk(n))).collect();
    let acks: Vec<u8> = (0..count).flat_map(|n| ack(&chunk(n))).collect();
    let (mut reader, mut writer) = client.0.split();
    let writing = tokio::io::AsyncWriteExt::write_all(&mut writer, &messages);
    let mut bytes = vec![0; acks.len()];
    let reading = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut bytes);
    let (written, read) = within(async { tokio::join!(writing, reading) }).await;
    written.unwrap();
    read.unwrap();
    assert!(bytes == acks);
    assert_eq!(rig.stats.events.load(Relaxed), 2 * count as u64);
}

#[tokio::test]
async fn a_connection_is_not_read_while_too_many_receipts_are_open() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    let count = UNACKNOWLEDGED_MAX + 50;
    for number in 0..count {
        client.send(&packed("app", &chunk(number))).await;
    }
    rig.recorder.batches(UNACKNOWLEDGED_MAX).await;
    rig.let_time_pass().await;
    assert_eq!(rig.recorder.batch_count(), UNACKNOWLEDGED_MAX);
    for number in 0..count {
        rig.recorder.batches(number + 1).await;
        rig.recorder.resolve(number, Ok(()));
        client.expect(&ack(&chunk(number))).await;
    }
}

#[tokio::test]
async fn nil_is_ignored_and_what_is_no_array_is_passed_over() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    client.send(b"\xc0").await;
    client.send(b"\x07\xa3abc\x81\x01\x02\xc0").await;
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;
    assert_eq!(rig.recorder.batch_count(), 1);
}

#[tokio::test]
async fn a_message_may_come_byte_by_byte() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    client.0.set_nodelay(true).unwrap();
    let forward = [b"\x93\xa3app\x92", ENTRIES, b"\x81\xa5chunk\xa2id"].concat();
    for message in [forward, packed("app", b"\xa2id")] {
        for byte in message {
            client.send(&[byte]).await;
        }
        client.expect(&ack(b"\xa2id")).await;
    }
    assert!(
        rig.recorder
            .batches(2)
            .await
            .iter()
            .all(|batch| batch.payload == ENTRIES)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_may_come_in_small_pieces() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let payload = ENTRIES.repeat((10 << 20) / ENTRIES.len());
    for (number, message) in [
        packed_with("app", &payload, b"\x81\xa5chunk\x07"),
        [
            b"\x93\xa3app\xdd\x00\x1a\xaa\xaa",
            &*payload,
            b"\x81\xa5chunk\x07",
        ]
        .concat(),
    ]
    .into_iter()
    .enumerate()
    {
        for piece in message.chunks(1499) {
            client.send(piece).await;
        }
        client.expect(&ack(b"\x07")).await;
        assert!(rig.recorder.batches(number + 1).await[number].payload == payload);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_packed_payload_is_unpacked() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let payload = ENTRIES.repeat(100_000);
    for (name, codec) in [("gzip", Codec::Gzip), ("zstd", Codec::Zstd)] {
        let options = [b"\x82\xaacompressed\xa4", name.as_bytes(), b"\xa5chunk\x07"].concat();
        let message = packed_with("app", &codec.pack(&payload).unwrap(), &options);
        client.send(&message).await;
        client.expect(&ack(b"\x07")).await;
    }
    assert!(
        rig.recorder
            .batches(2)
            .await
            .iter()
            .all(|batch| batch.payload == payload)
    );
}

#[tokio::test]
async fn a_json_connection_gets_json_acks() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    client.send(br#"["app", [[1, {"a": 1}], [2, {"a"#).await;
    client
        .send(b"\": 2}]], {\"chunk\": \"a\\u00e9]\"}]\n{}\n")
        .await;
    client.expect(br#"{"ack":"a\u00e9]"}"#).await;
    client
        .send(br#"["app", 2, {"a": 2}, {"chunk": 7}]["app", 2, {}]"#)
        .await;
    client.expect(br#"{"ack":7}"#).await;
    let batches = rig.recorder.batches(3).await;
    assert_eq!(batches[0].payload, ENTRIES);
    assert_eq!(batches[0].batch_id, "aé]".as_bytes());
    assert_eq!(batches[1].payload, &ENTRIES[ENTRIES.len() / 2..]);
    assert_eq!(batches[2].payload, b"\x92\x02\x80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_json_message_is_taken() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    let entries = r#"[1, {"a": 1}], [2, {"a": 2}]"#;
    let text = format!(
        r#"["app", [{entries}{}], {{"chunk": "id"}}]"#,
        format!(", {entries}").repeat(9999)
    );
    client.send(text.as_bytes()).await;
    client.expect(br#"{"ack":"id"}"#).await;
    assert!(rig.recorder.batches(1).await[0].payload == ENTRIES.repeat(10_000));
}

#[tokio::test]
async fn a_refused_batch_closes_the_connection_without_its_ack() {
    let rig = Rig::start(&plan());
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    client.expect(&ack(b"\x01")).await;
    rig.recorder.set(Mode::Refuse(not_stored()));
    client.send(&packed("app", b"\x02")).await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(rig.stats.batches_refused.load(Relaxed), 1);
    assert_eq!(rig.stats.connections_failed.load(Relaxed), 0);
}

#[tokio::test]
async fn a_failed_sync_closes_the_connection_after_the_acks_before_it() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut client = rig.connect().await;
    for number in 0..3 {
        client.send(&packed("app", &chunk(number))).await;
    }
    rig.recorder.batches(3).await;
    rig.recorder.resolve(1, Err(not_stored()));
    rig.recorder.resolve(2, Ok(()));
    rig.recorder.resolve(0, Ok(()));
    assert_eq!(client.rest().await, ack(&chunk(0)));
    assert_eq!(rig.stats.batches_refused.load(Relaxed), 1);
    assert_eq!(rig.stats.events.load(Relaxed), 2);
}

#[tokio::test]
async fn stopping_acknowledges_what_was_taken_and_ends() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::OnCommand);
    let mut idle = rig.connect().await;
    idle.send(b"\x93\xa3app\xdb").await;
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    rig.recorder.batches(1).await;
    rig.stop.cancel();
    assert_eq!(idle.rest().await, b"");
    client.expect_nothing_yet();
    rig.recorder.resolve(0, Ok(()));
    assert_eq!(client.rest().await, ack(b"\x01"));
    let (address, stats) = (rig.address, rig.stats.clone());
    rig.stopped().await;
    assert_eq!(stats.connections_open.load(Relaxed), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_batch_that_is_held_back() {
    let rig = Rig::start(&plan());
    rig.recorder.set(Mode::HoldBack);
    let mut client = rig.connect().await;
    client.send(&packed("app", b"\x01")).await;
    rig.recorder.batches(1).await;
    rig.stop.cancel();
    assert_eq!(client.rest().await, b"");
    rig.stopped().await;
}

#[tokio::test]
async fn a_udp_heartbeat_is_answered_with_one_byte() {
    let rig = Rig::start(&plan());
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for heartbeat in [&b"\0"[..], b"\0 and more than we read"] {
        socket.send_to(heartbeat, rig.address).await.unwrap();
        let mut answer = [9; 10];
        let (len, from) = within(socket.recv_from(&mut answer)).await.unwrap();
        assert_eq!((&answer[..len], from), (&b"\0"[..], rig.address));
    }
}
