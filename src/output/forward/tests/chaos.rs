//! Whatever a destination does: every delivery is resolved, and only what was acknowledged is
//! committed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::destination::Peer;
use super::*;

/// What the destination does with a message.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    Acknowledge,
    /// In single bytes.
    AcknowledgeSlowly,
    /// When the next message has come, after that one's acknowledgement.
    AcknowledgeLate,
    AcknowledgeTwice,
    Lie,
    KeepSilent,
    Garbage,
    Close,
}

fn reaction() -> impl Strategy<Value = Reaction> {
    prop_oneof![
        8 => Just(Reaction::Acknowledge),
        2 => Just(Reaction::AcknowledgeSlowly),
        2 => Just(Reaction::AcknowledgeLate),
        1 => Just(Reaction::AcknowledgeTwice),
        1 => Just(Reaction::Lie),
        1 => Just(Reaction::KeepSilent),
        1 => Just(Reaction::Garbage),
        1 => Just(Reaction::Close),
    ]
}

/// A destination that takes its reactions in turn, over all its connections.
#[derive(Default)]
struct Script {
    reactions: Vec<Reaction>,
    next: AtomicUsize,
    /// Payloads whose acknowledgement was sent, or may have been.
    acknowledged: Mutex<HashSet<Vec<u8>>>,
}

impl Script {
    fn next(&self) -> Reaction {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.reactions[next % self.reactions.len()]
    }

    async fn serve(self: Arc<Self>, destination: Destination) {
        loop {
            let peer = destination.listener().accept().await.unwrap().0;
            tokio::spawn(Arc::clone(&self).serve_one(Peer::new(peer)));
        }
    }

    async fn serve_one(self: Arc<Self>, mut peer: Peer) {
        let mut late = Vec::new();
        while let Some(message) = peer.try_message().await {
            let mut answer = match self.next() {
                Reaction::Acknowledge | Reaction::AcknowledgeSlowly => message.ack(),
                Reaction::AcknowledgeTwice => message.ack().repeat(2),
                Reaction::Lie => ack("a lie"),
                Reaction::Garbage => vec![0xc1],
                Reaction::KeepSilent => Vec::new(),
                Reaction::AcknowledgeLate => {
                    late.push(message);
                    continue;
                }
                Reaction::Close => return,
            };
            let is_acknowledged = answer.starts_with(&message.ack());
            for message in late.drain(..).chain(is_acknowledged.then_some(message)) {
                answer.extend(message.ack());
                lock(&self.acknowledged).insert(message.payload);
            }
            for byte in answer {
                if !peer.try_write(&[byte]).await {
                    return;
                }
            }
        }
    }
}

/// Sends `count` chunks of two messages each, once, and checks what became of them.
async fn check(count: u32, reactions: Vec<Reaction>) {
    let script = Arc::new(Script {
        reactions,
        ..Script::default()
    });
    let (destination, mut plan) = destination().await;
    plan.ack_timeout = SHORT;
    let serving = tokio::spawn(Arc::clone(&script).serve(destination));
    let output = open(&plan);
    let mut in_flight = Vec::new();
    for number in 0..count {
        let payloads = [b'a', b'b'].map(|part| [&number.to_be_bytes()[..], &[part]].concat());
        let sent = send(&output, &[("a", &payloads[0]), ("b", &payloads[1])]).await;
        in_flight.push((sent, payloads));
    }
    for (sent, payloads) in in_flight {
        if sent.outcome().await == Outcome::Delivered {
            let acknowledged = lock(&script.acknowledged);
            assert!(
                payloads
                    .iter()
                    .all(|payload| acknowledged.contains(payload))
            );
        }
    }
    output.close().await;
    serving.abort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_delivery_is_resolved_and_only_what_was_acknowledged_is_committed(
        count in 1..20_u32,
        reactions in prop::collection::vec(reaction(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(check(count, reactions));
    }
}
