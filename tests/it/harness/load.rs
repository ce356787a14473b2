//! Senders that send until they are told to stop or the daemon is gone.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use super::event::{self, EventId};
use super::ledger::Ledger;
use super::random::Random;
use super::sender::Sender;

/// Batches on the wire for which no acknowledgement has come, on each connection.
const IN_FLIGHT_MAX: usize = 8;

/// Running senders.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// One sender a generator in `randoms`; they are the clients `first_client` and on, and spread
    /// their batches over `tags`.
    pub(crate) fn start(
        address: SocketAddrV4,
        ledger: &Arc<Ledger>,
        tags: &'static [&'static str],
        first_client: u32,
        randoms: Vec<Random>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients = (first_client..).zip(randoms);
        let threads = clients.map(|(client, random)| {
            let sending = Sending {
                client,
                random,
                tags,
                next_sequence: 0,
                in_flight: Vec::new(),
                ledger: Arc::clone(ledger),
                acknowledged: Arc::clone(&acknowledged),
            };
            let stop = Arc::clone(&stop);
            // That the daemon is killed under it is a sender's usual end here.
            thread::spawn(move || drop(sending.run(address, &stop)))
        });
        let threads = threads.collect();
        Self {
            stop,
            acknowledged,
            threads,
        }
    }

    /// Batches acknowledged so far.
    pub(crate) fn acknowledged_batch_count(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Tells the senders to stop and waits for them; what is in flight is still waited for, unless
    /// the daemon is gone.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

struct Sending {
    client: u32,
    random: Random,
    tags: &'static [&'static str],
    next_sequence: u32,
    in_flight: Vec<(String, Vec<EventId>)>,
    ledger: Arc<Ledger>,
    acknowledged: Arc<AtomicU64>,
}

impl Sending {
    fn run(mut self, address: SocketAddrV4, stop: &AtomicBool) -> io::Result<()> {
        let mut sender = Sender::connect(address)?;
        while !stop.load(Ordering::SeqCst) {
            self.send_batch(&mut sender)?;
            if self.in_flight.len() >= IN_FLIGHT_MAX {
                self.await_ack(&mut sender)?;
            }
        }
        while !self.in_flight.is_empty() {
            self.await_ack(&mut sender)?;
        }
        Ok(())
    }

    fn send_batch(&mut self, sender: &mut Sender) -> io::Result<()> {
        let count = u32::try_from(self.random.within(1..100)).unwrap();
        let ids = EventId::run(self.client, self.next_sequence, count);
        let chunk = format!("{}-{}", self.client, self.next_sequence);
        self.next_sequence += count;
        let tag = self.random.choose(self.tags);
        sender.send(tag, &chunk, &event::entries(&ids, 3))?;
        self.in_flight.push((chunk, ids));
        Ok(())
    }

    fn await_ack(&mut self, sender: &mut Sender) -> io::Result<()> {
        let ack = sender.read_ack()?;
        let waiting = self.in_flight.iter().position(|(chunk, _)| *chunk == ack);
        let waiting = waiting.unwrap_or_else(|| panic!("{ack} was not waited for"));
        let (_, ids) = self.in_flight.swap_remove(waiting);
        self.ledger.acknowledge(&ids);
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
