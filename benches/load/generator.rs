//! Sends batches as fast as they are acknowledged, a thread for each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::batch::Batch;
use super::clock;
use super::process::Process;
use super::usage::Usage;
use super::work::Work;

/// Bytes written in one call, or one batch more.
const WRITE_SIZE: usize = 64 * 1024;

/// What became of a piece of work.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// From the first byte to the last acknowledgement.
    pub(crate) seconds: f64,
    /// The median of how long a batch waited for its acknowledgement, in microseconds.
    pub(crate) wait_us: f64,
    /// The 99th percentile of that.
    pub(crate) late_us: f64,
    /// The generator's own processor time, in microseconds.
    pub(crate) cpu_us: f64,
}

/// Has a process send `work`.
pub(crate) fn generate(address: &str, work: Work) -> Sent {
    let text = serde_json::to_string(&work).unwrap();
    let line = Process::role(&["generate", address, &text]).hear();
    serde_json::from_str(&line).unwrap()
}

/// That process: `ADDRESS WORK`; prints a [`Sent`].
pub(crate) fn run(arguments: &[String]) {
    let address = arguments[0].parse().unwrap();
    let work: Work = serde_json::from_str(&arguments[1]).unwrap();
    let batch = || Batch::new(work);
    let senders: Vec<_> = (0..work.connections)
        .map(|number| Sender::new(connect(address), work, number, batch()))
        .collect();
    let cpu_before_us = Usage::of("self").cpu_us;
    let started = clock::now();
    let threads: Vec<_> = senders
        .into_iter()
        .map(|sender| thread::spawn(move || sender.send_all()))
        .collect();
    let mut waits: Vec<Duration> = Vec::new();
    for thread in threads {
        waits.extend(thread.join().unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    waits.sort_unstable();
    let microseconds = |at: usize| waits[at].as_secs_f64() * 1e6;
    let sent = Sent {
        seconds,
        wait_us: microseconds(waits.len() / 2),
        late_us: microseconds(waits.len() * 99 / 100),
        cpu_us: Usage::of("self").cpu_us - cpu_before_us,
    };
    println!("{}", serde_json::to_string(&sent).unwrap());
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// One connection.
struct Sender {
    stream: TcpStream,
    work: Work,
    /// The number of the connection's first batch among those of all.
    first: u64,
    batch: Batch,
    sent_at: Vec<Instant>,
    waits: Vec<Duration>,
}

impl Sender {
    fn new(stream: TcpStream, work: Work, number: u64, batch: Batch) -> Self {
        Self {
            stream,
            work,
            first: number * work.batches,
            batch,
            sent_at: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// Returns how long each batch waited for its acknowledgement.
    fn send_all(mut self) -> Vec<Duration> {
        let mut answers = Answers::of(self.work.protocol);
        let mut buffer = vec![0; 16 * 1024];
        let mut pending = Vec::new();
        while (self.waits.len() as u64) < self.work.batches {
            pending.clear();
            while self.has_room() && pending.len() <= WRITE_SIZE {
                let number = self.first + self.sent_at.len() as u64;
                let tag = number % self.work.tags;
                // Another generator's batches are no repeats of these.
                let id = u64::from(std::process::id()) << 32 | number;
                pending.extend_from_slice(self.batch.numbered(tag, id));
                self.sent_at.push(clock::now());
            }
            self.stream.write_all(&pending).unwrap();
            if self.has_room() {
                continue;
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the receiver closed the connection");
            let answered = answers.take(&buffer[..count]);
            let now = clock::now();
            for sent in &self.sent_at[self.waits.len()..][..answered] {
                self.waits.push(now - *sent);
            }
        }
        self.waits
    }

    fn has_room(&self) -> bool {
        let sent = self.sent_at.len() as u64;
        sent < self.work.batches && sent - (self.waits.len() as u64) < self.work.in_flight_max
    }
}
