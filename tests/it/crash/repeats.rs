//! A Forebay behind a Forebay, either killed at random moments: nothing lost, nothing repeated.
//!
//! Senders repeat, under the same `chunk`, what was not acknowledged. The last destination is no
//! Forebay: a chunk that was on its way there when its sender was killed comes again, whole and under the
//! same id. So what must not repeat is counted by id: no event stands under two.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::results;
use crate::harness::daemon::Daemon;
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::ledger::Ledger;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{site::Site, wait};

const KILL_COUNT: u32 = 16;
const CLIENT_COUNT: u32 = 3;
const BATCH_EVENTS: u32 = 20;

#[test]
fn between_two_forebays_nothing_is_lost_or_repeated_whichever_is_killed() {
    let mut random = Random::seeded("repeats");
    let (edge_site, central_site) = (Site::new(), Site::new());
    let destination = Destination::listen(central_site.address());
    let edge_config = config(&edge_site, &central_site.forward().to_string());
    let central_config = config(&central_site, &destination.address().to_string());
    let mut edge = Daemon::start(&edge_site, &edge_config);
    let mut central = Daemon::start(&central_site, &central_config);
    let ledger = Arc::new(Ledger::default());
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENT_COUNT)
        .map(|client| start_client(client, &edge_site, &ledger, &stop))
        .collect();

    let kills = results::cycle_count(KILL_COUNT);
    for _ in 0..kills {
        wait::pause(Duration::from_millis(random.within(20..250)));
        if random.within(0..2) == 0 {
            edge.kill();
            edge = Daemon::start(&edge_site, &edge_config);
        } else {
            central.kill();
            central = Daemon::start(&central_site, &central_config);
        }
    }
    stop.store(true, Ordering::SeqCst);
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());

    let acknowledged = ledger.acknowledged();
    assert!(acknowledged.len() > 100, "the load was none");
    destination.arrivals().wait_for(&acknowledged);
    for daemon in [&edge, &central] {
        wait::until_true("the buffers to be empty", || is_empty(daemon));
    }
    let recognised =
        [&edge, &central].map(|daemon| daemon.metric("forebay_route_repeated_batches_total", &[]));
    println!("repeats: recognised since the last kill: {recognised:?}");
    println!(
        "| Forebay behind Forebay | - | {kills} | {kills} | - | {} | 0 | {} |",
        acknowledged.len(),
        repeat_count(&destination),
    );
    assert_eq!(repeat_count(&destination), 0);
    let different: HashSet<_> = acknowledged.iter().collect();
    assert_eq!(destination.arrivals().count(), different.len());
}

/// A client that sends one batch after the other, each until it is acknowledged.
fn start_client(
    client: u32,
    site: &Site,
    ledger: &Arc<Ledger>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (address, ledger, stop) = (site.forward(), Arc::clone(ledger), Arc::clone(stop));
    thread::spawn(move || {
        let mut connection = None;
        for batch in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let ids = EventId::run(client, batch * BATCH_EVENTS, BATCH_EVENTS);
            let chunk = format!("{client}/{batch}");
            wait::until_true("a batch to be acknowledged", || {
                let sender = connection.take().or_else(|| Sender::connect(address).ok());
                let Some(mut sender) = sender else {
                    return false;
                };
                let sent = sender.send("app", &chunk, &event::entries(&ids, 3));
                let is_taken = sent.is_ok() && sender.read_ack().is_ok_and(|ack| ack == chunk);
                if is_taken {
                    connection = Some(sender);
                }
                is_taken
            });
            ledger.acknowledge(&ids);
        }
    })
}

/// Two keys and small limits, so that each batch is split.
fn config(site: &Site, to: &str) -> String {
    site.config(&format!(
        "routes:
  all:
    match: \"**\"
    buffer:
      keys: [tag, key]
      flush_interval: 30ms
      chunk_limit_size: 64KiB
      retry_wait: 20ms
      retry_max_interval: 100ms
    to: next
outputs:
  next: {{ type: forward, servers: [\"{to}\"], ack_timeout: 1s }}
"
    ))
}

/// Events that arrived under more than one id.
fn repeat_count(destination: &Destination) -> usize {
    let mut ids: HashMap<EventId, HashSet<String>> = HashMap::new();
    for taken in destination.taken() {
        for id in taken.ids() {
            ids.entry(id).or_default().insert(taken.chunk.clone());
        }
    }
    ids.values().filter(|chunks| chunks.len() > 1).count()
}

fn is_empty(daemon: &Daemon) -> bool {
    let route = daemon.route("all");
    ["staged", "queued", "in_flight"]
        .iter()
        .all(|state| route[state]["events"] == 0)
}
