//! Over real loopback sockets, against a destination scripted in each test.

mod chaos;
mod destination;
mod secured;

use forebay_storage::{ChunkKey, TimeWindow};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::destination::{Destination, PATIENCE, Received, ack};
use super::*;
use crate::chunk_key::Zone;
use crate::config::plan::{Compression, ForwardServer};
use crate::output::{Chunk, Outcome, testing};
use crate::placeholder::Template;
use crate::wire::compression::Codec;

/// A time-out that is meant to be reached.
const SHORT: Duration = Duration::from_millis(100);

fn server(port: u16) -> ForwardServer {
    ForwardServer {
        host: "127.0.0.1".to_owned(),
        port,
        weight: 1,
        standby: false,
    }
}

fn plan(servers: Vec<ForwardServer>) -> ForwardOutputPlan {
    ForwardOutputPlan {
        servers,
        connect_timeout: PATIENCE,
        send_timeout: PATIENCE,
        ack_timeout: PATIENCE,
        require_ack: true,
        compress: Compression::None,
        security: None,
        tls: None,
        tag: None,
    }
}

fn open(plan: &ForwardOutputPlan) -> ForwardOutput {
    ForwardOutput::open("central", plan, Clock::start()).unwrap()
}

async fn destination() -> (Destination, ForwardOutputPlan) {
    let destination = Destination::bind().await;
    let plan = plan(vec![server(destination.port())]);
    (destination, plan)
}

/// A port that nobody listens on.
async fn dead_port() -> u16 {
    Destination::bind().await.port()
}

/// A chunk of these frames: tag and payload.
fn chunk(frames: &[(&str, &[u8])]) -> Chunk {
    let owned = frames.iter().map(|(tag, payload)| (*tag, payload.to_vec()));
    testing::chunk(&owned.collect::<Vec<_>>())
}

/// A delivery in flight.
struct Sent(oneshot::Receiver<Outcome>);

impl Sent {
    async fn outcome(self) -> Outcome {
        let outcome = timeout(PATIENCE, self.0).await;
        outcome.expect("the delivery is not resolved").unwrap()
    }

    async fn committed(self) {
        assert_eq!(self.outcome().await, Outcome::Delivered);
    }

    /// The failure with which it was rolled back.
    async fn rolled_back(self) -> Failure {
        match self.outcome().await {
            Outcome::Retry(failure) => failure,
            other => panic!("not rolled back: {other:?}"),
        }
    }

    fn is_pending(&mut self) -> bool {
        self.0.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }
}

fn delivery(chunk: Chunk) -> (Delivery, Sent) {
    let (resolve, resolved) = oneshot::channel();
    // A test that has failed no longer listens.
    let resolve = Box::new(move |outcome| drop(resolve.send(outcome)));
    (Delivery::new(chunk, resolve), Sent(resolved))
}

async fn send(output: &ForwardOutput, frames: &[(&str, &[u8])]) -> Sent {
    let (delivery, sent) = delivery(chunk(frames));
    output.try_write(delivery).await;
    sent
}

/// Waits until the connection is ready for the next chunk.
async fn written(output: &ForwardOutput) {
    let written = async {
        while output.servers[0].writing_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, written)
        .await
        .expect("the chunk is not written");
}

/// Sends a chunk of one frame over the kept connection and waits until it has arrived.
async fn send_to(output: &ForwardOutput, peer: &mut destination::Peer) -> (Sent, Received) {
    written(output).await;
    let sent = send(output, &[("a", b"\x90")]).await;
    (sent, peer.message().await)
}

#[tokio::test]
async fn a_chunk_arrives_as_it_is_and_is_committed_when_acknowledged() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let mut sent = send(
        &output,
        &[("web", b"\x90\x91\x01"), ("web", b"\x92\x01\x02")],
    )
    .await;
    let mut peer = destination.accept().await;
    let message = peer.message().await;
    assert_eq!(message.tag, "web");
    assert_eq!(message.payload, b"\x90\x91\x01\x92\x01\x02");
    assert_eq!(message.size, 2);
    assert_eq!(message.compressed, "text");
    assert!(sent.is_pending());
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn a_chunk_of_several_messages_is_committed_with_the_last_acknowledgement() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let mut sent = send(&output, &[("a", b"\x01"), ("b", b"\x02"), ("c", b"\x03")]).await;
    let mut peer = destination.accept().await;
    let messages = [
        peer.message().await,
        peer.message().await,
        peer.message().await,
    ];
    let tags = messages.each_ref().map(|message| message.tag.as_str());
    assert_eq!(tags, ["a", "b", "c"]);
    peer.acknowledge(&messages[2]).await;
    peer.acknowledge(&messages[0]).await;
    peer.acknowledge(&messages[0]).await;
    // The next chunk is committed after these three acknowledgements have been read.
    let (next, message) = send_to(&output, &mut peer).await;
    peer.acknowledge(&message).await;
    next.committed().await;
    assert!(sent.is_pending());
    peer.acknowledge(&messages[1]).await;
    sent.committed().await;
}

#[tokio::test]
async fn a_chunk_longer_than_a_window_is_several_messages() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let payloads: Vec<_> = (0..20_u8).map(|byte| vec![byte; 200_000]).collect();
    let frames: Vec<_> = payloads.iter().map(|payload| ("a", &payload[..])).collect();
    let sent = send(&output, &frames).await;
    let mut peer = destination.accept().await;
    let mut arrived = Vec::new();
    let mut message_count = 0;
    while arrived.len() < 20 * 200_000 {
        let message = peer.message().await;
        assert!(message.payload.len() <= 1 << 20);
        arrived.extend_from_slice(&message.payload);
        peer.acknowledge(&message).await;
        message_count += 1;
    }
    assert!(arrived == payloads.concat());
    assert!(message_count > 3);
    sent.committed().await;
}

#[tokio::test]
async fn several_chunks_are_in_flight_on_one_connection() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let first = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let mut in_flight = vec![(first, peer.message().await)];
    for _ in 0..7 {
        in_flight.push(send_to(&output, &mut peer).await);
    }
    let acks = in_flight.iter().rev().map(|(_, message)| message.ack());
    peer.write(&acks.collect::<Vec<_>>().concat()).await;
    for (sent, _) in in_flight {
        sent.committed().await;
    }
    assert!(!destination.is_called().await);
}

#[tokio::test]
async fn an_acknowledgement_may_come_byte_by_byte() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    for byte in peer.message().await.ack() {
        peer.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    sent.committed().await;
}

#[tokio::test]
async fn answers_that_acknowledge_nothing_in_flight_are_ignored() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let mut sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let message = peer.message().await;
    let wrong = message.chunk.clone().unwrap().replace(|_| true, "A");
    for answer in [ack("lie"), ack(&wrong), b"\xc0".to_vec(), b"\x90".to_vec()] {
        peer.write(&answer).await;
    }
    tokio::time::sleep(SHORT).await;
    assert!(sent.is_pending());
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn a_missing_acknowledgement_rolls_back_all_that_is_on_the_connection() {
    let (destination, mut plan) = destination().await;
    plan.ack_timeout = SHORT;
    let output = open(&plan);
    let first = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let _ = peer.message().await;
    let (second, _) = send_to(&output, &mut peer).await;
    for sent in [first, second] {
        let failure = sent.rolled_back().await;
        assert_eq!(failure.scope, FailureScope::Destination);
        let expected = format!("127.0.0.1:{}: no acknowledgement", destination.port());
        assert!(failure.reason.starts_with(&expected), "{}", failure.reason);
    }
    peer.closed().await;
}

#[tokio::test]
async fn a_lost_connection_rolls_back_all_that_is_on_it_at_once() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let first = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let _ = peer.message().await;
    let (second, message) = send_to(&output, &mut peer).await;
    let (third, _) = send_to(&output, &mut peer).await;
    peer.acknowledge(&message).await;
    second.committed().await;
    drop(peer);
    for sent in [first, third] {
        assert_eq!(sent.rolled_back().await.scope, FailureScope::Destination);
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_within_a_message_rolls_back() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", &vec![0; 16 << 20])]).await;
    let mut peer = destination.accept().await;
    peer.read(1000).await;
    drop(peer);
    assert_eq!(sent.rolled_back().await.scope, FailureScope::Destination);
}

#[tokio::test]
async fn a_server_that_stops_reading_is_a_time_out() {
    let (destination, mut plan) = destination().await;
    plan.send_timeout = SHORT;
    let output = open(&plan);
    let sent = send(&output, &[("a", &vec![0; 16 << 20])]).await;
    let mut peer = destination.accept().await;
    peer.read(1000).await;
    let failure = sent.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Destination);
    assert!(failure.reason.contains("nothing could be written"));
}

#[tokio::test]
async fn a_server_that_speaks_no_messagepack_is_left() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    peer.write(b"\xc1").await;
    let failure = sent.rolled_back().await;
    assert!(
        failure.reason.contains("not MessagePack"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let port = dead_port().await;
    let output = open(&plan(vec![server(port)]));
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Unreachable);
    let expected = format!("127.0.0.1:{port}: cannot connect: ");
    assert!(failure.reason.starts_with(&expected), "{}", failure.reason);
}

#[tokio::test]
async fn an_unknown_name_is_unreachable() {
    let mut nowhere = server(24224);
    nowhere.host = "nowhere.invalid".to_owned();
    let output = open(&plan(vec![nowhere]));
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Unreachable);
    let expected = "nowhere.invalid:24224: cannot resolve";
    assert!(failure.reason.starts_with(expected), "{}", failure.reason);
}

#[tokio::test]
async fn the_next_server_is_tried_within_the_same_attempt() {
    let destination = Destination::bind().await;
    let servers = vec![server(dead_port().await), server(destination.port())];
    let output = open(&plan(servers));
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let message = peer.message().await;
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn all_servers_away_are_named_in_the_reason() {
    let ports = [dead_port().await, dead_port().await];
    let output = open(&plan(ports.map(server).to_vec()));
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Unreachable);
    for port in ports {
        assert!(
            failure.reason.contains(&port.to_string()),
            "{}",
            failure.reason
        );
    }
}

#[tokio::test]
async fn a_standby_server_stands_in_for_one_that_lost_its_chunks() {
    let (regular, standby) = (Destination::bind().await, Destination::bind().await);
    let mut second = server(standby.port());
    second.standby = true;
    let output = open(&plan(vec![server(regular.port()), second]));
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = regular.accept().await;
    let _ = peer.message().await;
    drop(peer);
    let _ = sent.rolled_back().await;
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = standby.accept().await;
    let message = peer.message().await;
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn the_first_chunk_after_an_idle_time_is_not_lost_to_a_dead_connection() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    for _ in 0..3 {
        let sent = send(&output, &[("a", b"\x90")]).await;
        let mut peer = destination.accept().await;
        let message = peer.message().await;
        peer.acknowledge(&message).await;
        sent.committed().await;
        drop(peer);
        let forgotten = async {
            while !output.shared.tasks.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, forgotten)
            .await
            .expect("the end is not noticed");
    }
}

#[tokio::test]
async fn without_acknowledgement_written_is_delivered() {
    let (destination, mut plan) = destination().await;
    plan.require_ack = false;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    assert_eq!(peer.message().await.chunk, None);
    sent.committed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_packed_if_the_plan_says_so() {
    let codecs = [
        (Compression::Gzip, Codec::Gzip),
        (Compression::Zstd, Codec::Zstd),
    ];
    for (compress, codec) in codecs {
        let (destination, mut plan) = destination().await;
        plan.compress = compress;
        let output = open(&plan);
        let sent = send(&output, &[("a", &[1; 3000]), ("a", &[2; 3000])]).await;
        let mut peer = destination.accept().await;
        let message = peer.message().await;
        assert_eq!(message.compressed, codec.name());
        let unpacked = codec.unpack(&message.payload, 10_000).unwrap();
        assert_eq!(unpacked, [vec![1; 3000], vec![2; 3000]].concat());
        peer.acknowledge(&message).await;
        sent.committed().await;
    }
}

#[tokio::test]
async fn the_output_may_bring_its_own_tag() {
    let (destination, mut plan) = destination().await;
    plan.tag = Some(Template::compile("edge.${tag[1]}.%H").unwrap());
    let output = open(&plan);
    let key = ChunkKey {
        tag: Some("app.web".to_owned()),
        window: Some(TimeWindow {
            start_s: 0,
            len_s: 3600,
        }),
        ..ChunkKey::default()
    };
    let tokyo = Zone::parse("+09:00").unwrap();
    let chunk = testing::chunk_with_key(&key, &[("", b"\x90".to_vec())]).in_zone(tokyo);
    let (delivery, sent) = delivery(chunk);
    output.try_write(delivery).await;
    let mut peer = destination.accept().await;
    let message = peer.message().await;
    assert_eq!(message.tag, "edge.web.09");
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn a_chunk_whose_tag_comes_out_empty_is_rejected_and_the_connection_goes_on() {
    let (destination, mut plan) = destination().await;
    plan.tag = Some(Template::compile("${tag}").unwrap());
    let output = open(&plan);
    let rejected = send(&output, &[("a", b"\x90")]).await;
    let _peer = destination.accept().await;
    let reason = "the tag is empty".to_owned();
    assert_eq!(rejected.outcome().await, Outcome::Reject { reason });
    written(&output).await;
    let again = send(&output, &[("a", b"\x90")]).await;
    assert!(matches!(again.outcome().await, Outcome::Reject { .. }));
    assert!(!destination.is_called().await);
}

#[tokio::test]
async fn a_chunk_that_cannot_be_read_is_rolled_back_and_the_connection_goes_on() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let (delivery, sent) = delivery(testing::unreadable_chunk());
    output.try_write(delivery).await;
    let failure = sent.rolled_back().await;
    assert_eq!(failure.scope, FailureScope::Chunk);
    assert!(
        failure.reason.contains("cannot be read"),
        "{}",
        failure.reason
    );
    let mut peer = destination.accept().await;
    let (sent, message) = send_to(&output, &mut peer).await;
    peer.acknowledge(&message).await;
    sent.committed().await;
}

#[tokio::test]
async fn a_retried_chunk_has_the_same_ids() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let chunk = chunk(&[("a", b"\x01"), ("b", b"\x02")]);
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let (delivery, sent) = delivery(chunk.clone());
        output.try_write(delivery).await;
        let mut peer = destination.accept().await;
        attempts.push([peer.message().await, peer.message().await]);
        drop(peer);
        let _ = sent.rolled_back().await;
    }
    assert_eq!(attempts[0], attempts[1]);
    assert_ne!(attempts[0][0].chunk, attempts[0][1].chunk);
}

#[tokio::test]
async fn a_server_has_four_connections_at_most() {
    let (destination, plan) = destination().await;
    let output = Arc::new(open(&plan));
    let chunk = chunk(&[("a", &vec![0; 16 << 20])]);
    let writing: Vec<_> = (0..6)
        .map(|_| {
            let (delivery, sent) = delivery(chunk.clone());
            let output = Arc::clone(&output);
            tokio::spawn(async move { output.try_write(delivery).await });
            sent
        })
        .collect();
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.push(destination.accept().await);
    }
    assert!(!destination.is_called().await);
    for mut peer in peers {
        tokio::spawn(async move {
            while let Some(message) = peer.try_message().await {
                peer.acknowledge(&message).await;
            }
        });
    }
    for sent in writing {
        sent.committed().await;
    }
}

#[tokio::test]
async fn closing_rolls_back_what_is_in_flight_and_refuses_more() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let _ = peer.message().await;
    output.close().await;
    let failure = sent.rolled_back().await;
    assert!(failure.reason.contains("closed"), "{}", failure.reason);
    peer.closed().await;
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert!(failure.reason.contains("closed"), "{}", failure.reason);
}

#[tokio::test]
async fn dropping_the_output_rolls_back_what_is_in_flight() {
    let (destination, plan) = destination().await;
    let output = open(&plan);
    let sent = send(&output, &[("a", b"\x90")]).await;
    let mut peer = destination.accept().await;
    let _ = peer.message().await;
    drop(output);
    let _ = sent.rolled_back().await;
    peer.closed().await;
}

#[tokio::test]
async fn a_server_without_weight_gets_nothing() {
    let (destination, mut plan) = destination().await;
    plan.servers[0].weight = 0;
    let output = open(&plan);
    let failure = send(&output, &[("a", b"\x90")]).await.rolled_back().await;
    assert_eq!(failure.reason, "no server has a weight above 0");
    assert!(!destination.is_called().await);
}
