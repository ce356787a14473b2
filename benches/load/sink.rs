//! Takes events, throws them away unread and acknowledges them.

use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use super::batch::EVENT_SIZE;
use super::daemon::{Output, SINK};
use super::http::{self, Body};
use super::process::Process;
use super::{clock, framing};

/// How long is waited for events.
const PATIENCE: Duration = Duration::from_secs(100);

/// A sink's process.
pub(crate) struct Sink(pub(crate) Process);

impl Sink {
    /// Starts one for `output`, which is none to files.
    pub(crate) fn start(output: Output) -> Self {
        let kind = if output == Output::Http {
            "http"
        } else {
            "forward"
        };
        let mut process = Process::role(&["sink", kind, SINK]);
        assert_eq!(process.hear(), "ready");
        Self(process)
    }

    /// Seconds from its first message until it has acknowledged `events` since its start.
    pub(crate) fn wait_for(&mut self, events: u64) -> f64 {
        self.0.say(&events.to_string());
        self.0.hear().parse::<f64>().unwrap() / 1e9
    }
}

#[derive(Default)]
struct Taken {
    events: AtomicU64,
    first: Mutex<Option<Instant>>,
    changed: (Mutex<()>, Condvar),
}

impl Taken {
    fn begin(&self) {
        self.first.lock().unwrap().get_or_insert_with(clock::now);
    }

    fn note(&self, events: u64) {
        self.events.fetch_add(events, Ordering::SeqCst);
        let _held = self.changed.0.lock().unwrap();
        self.changed.1.notify_all();
    }

    fn wait_for(&self, wanted: u64) {
        let (lock, changed) = &self.changed;
        let too_few = |_: &mut ()| self.events.load(Ordering::SeqCst) < wanted;
        let held = lock.lock().unwrap();
        let (_held, timeout) = changed.wait_timeout_while(held, PATIENCE, too_few).unwrap();
        let events = self.events.load(Ordering::SeqCst);
        assert!(!timeout.timed_out(), "{events} of {wanted} events came");
    }
}

/// `KIND ADDRESS`; for every line `EVENTS` on standard input, waits until so many have been
/// acknowledged since the start and prints the nanoseconds since the first message.
pub(crate) fn run(arguments: &[String]) {
    let serve = match arguments[0].as_str() {
        "http" => serve_http,
        _ => serve_forward,
    };
    let listener = TcpListener::bind(&arguments[1]).unwrap();
    let taken = Arc::new(Taken::default());
    println!("ready");
    let accepted = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let taken = Arc::clone(&accepted);
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream, &taken));
        }
    });
    for line in stdin().lock().lines() {
        taken.wait_for(line.unwrap().trim().parse().unwrap());
        let first = taken.first.lock().unwrap().unwrap();
        println!("{}", first.elapsed().as_nanos());
    }
}

/// Until the other side closes the connection.
fn serve_forward(mut stream: TcpStream, taken: &Taken) -> Option<()> {
    let mut head = Vec::with_capacity(64 * 1024);
    let mut ack = Vec::new();
    loop {
        let found = fill(&mut stream, &mut head, framing::head)?;
        taken.begin();
        let buffered = found.payload_len.min(head.len() - found.len);
        head.drain(..found.len + buffered);
        discard(&stream, found.payload_len - buffered)?;
        let options = |bytes: &[u8]| {
            framing::options(bytes).map(|options| (options.len, options.chunk.to_vec()))
        };
        let (len, chunk) = fill(&mut stream, &mut head, options)?;
        head.drain(..len);
        ack.clear();
        framing::write_ack(&mut ack, &chunk);
        stream.write_all(&ack).ok()?;
        taken.note((found.payload_len / EVENT_SIZE) as u64);
    }
}

/// Reads a little at a time until `parse` finds what it looks for; `None` at the end.
fn fill<T>(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let mut part = [0; 512];
    loop {
        if let Some(found) = parse(buffer) {
            return Some(found);
        }
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&part[..count]);
    }
}

/// Lets the kernel drop the next `len` bytes without copying them; `None` at the end.
fn discard(stream: &TcpStream, mut len: usize) -> Option<()> {
    // With TRUNC nothing is written here; its length is what may be dropped in one call.
    let mut nowhere = vec![0_u8; len.min(1024 * 1024)];
    while len > 0 {
        let part = len.min(nowhere.len());
        let (count, _) = recv(stream, &mut nowhere[..part], RecvFlags::TRUNC).ok()?;
        if count == 0 {
            return None;
        }
        len -= count;
    }
    Some(())
}

/// Until the other side closes the connection.
fn serve_http(mut stream: TcpStream, taken: &Taken) -> Option<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone().unwrap());
    loop {
        let body = http::read_head(&mut reader)?;
        taken.begin();
        let lines = match body {
            Body::Sized(len) => count_lines(&mut reader, len)?,
            Body::Chunked => count_lines_of_parts(&mut reader)?,
        };
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
        taken.note(lines);
    }
}

fn count_lines_of_parts(reader: &mut impl BufRead) -> Option<u64> {
    let mut lines = 0;
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let len = usize::from_str_radix(line.trim(), 16).ok()?;
        lines += count_lines(reader, len)?;
        // What ends a part, or the message.
        reader.read_line(&mut line).ok()?;
        if len == 0 {
            return Some(lines);
        }
    }
}

/// Lines in the next `len` bytes.
fn count_lines(reader: &mut impl BufRead, mut len: usize) -> Option<u64> {
    let mut lines = 0;
    while len > 0 {
        let bytes = reader.fill_buf().ok().filter(|bytes| !bytes.is_empty())?;
        let part = &bytes[..bytes.len().min(len)];
        lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        let taken = part.len();
        reader.consume(taken);
        len -= taken;
    }
    Some(lines)
}
