//! Sends batches as fast as they are acknowledged, a thread for each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::batch::{ACK_SIZE, Batch};
use super::clock;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Connections, each with its own thread.
    pub(crate) connections: usize,
    /// Events in a batch.
    pub(crate) batch_events: usize,
    /// Batches on each connection.
    pub(crate) batches: u64,
    /// Batches sent and not acknowledged, at most, on each connection.
    pub(crate) in_flight_max: u64,
}

/// `ADDRESS CONNECTIONS BATCH_EVENTS BATCHES IN_FLIGHT_MAX`; prints the nanoseconds from the first
/// byte to the last acknowledgement, and the median and 99th percentile of a batch's.
pub(crate) fn run(arguments: &[String]) {
    let address = arguments[0].parse().unwrap();
    let number = |at: usize| arguments[at].parse::<u64>().unwrap();
    let work = Work {
        connections: usize::try_from(number(1)).unwrap(),
        batch_events: usize::try_from(number(2)).unwrap(),
        batches: number(3),
        in_flight_max: number(4),
    };
    let streams: Vec<_> = (0..work.connections).map(|_| connect(address)).collect();
    let started = clock::now();
    let threads: Vec<_> = streams
        .into_iter()
        .map(|stream| thread::spawn(move || send_all(stream, work)))
        .collect();
    let mut waits: Vec<Duration> = Vec::new();
    for thread in threads {
        waits.extend(thread.join().unwrap());
    }
    let took = started.elapsed();
    waits.sort_unstable();
    let (median, late) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    println!(
        "{} {} {}",
        took.as_nanos(),
        median.as_nanos(),
        late.as_nanos()
    );
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Returns how long each batch waited for its acknowledgement.
fn send_all(mut stream: TcpStream, work: Work) -> Vec<Duration> {
    let mut batch = Batch::new(work.batch_events);
    let mut sent_at: Vec<Instant> = Vec::new();
    let mut waits: Vec<Duration> = Vec::new();
    let mut acks = [0; 16 * 1024];
    let mut ack_bytes = 0;
    let mut pending = Vec::new();
    while u64::try_from(waits.len()).unwrap() < work.batches {
        pending.clear();
        while has_room(sent_at.len(), waits.len(), work) {
            pending.extend_from_slice(batch.numbered(u64::try_from(sent_at.len()).unwrap()));
            sent_at.push(clock::now());
            if pending.len() > 64 * 1024 {
                break;
            }
        }
        stream.write_all(&pending).unwrap();
        if has_room(sent_at.len(), waits.len(), work) {
            continue;
        }
        let count = stream.read(&mut acks).unwrap();
        assert!(count > 0, "the receiver closed the connection");
        ack_bytes += count;
        let now = clock::now();
        for sent in &sent_at[waits.len()..ack_bytes / ACK_SIZE] {
            waits.push(now - *sent);
        }
    }
    waits
}

fn has_room(sent: usize, acknowledged: usize, work: Work) -> bool {
    let in_flight = u64::try_from(sent - acknowledged).unwrap();
    u64::try_from(sent).unwrap() < work.batches && in_flight < work.in_flight_max
}
