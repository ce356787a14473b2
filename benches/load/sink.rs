//! Takes PackedForward messages, throws their payloads away unread and acknowledges them.

use std::io::{BufRead, Read, Write, stdin};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::net::{RecvFlags, recv};

use super::{clock, framing};

#[derive(Default)]
struct Taken {
    payload_bytes: AtomicU64,
    changed: (Mutex<()>, Condvar),
}

/// `ADDRESS`; for every line `BYTES` on standard input, waits until so many bytes of payload have
/// been acknowledged since the start and prints the nanoseconds since the first message.
pub(crate) fn run(arguments: &[String]) {
    let listener = TcpListener::bind(&arguments[0]).unwrap();
    let taken = Arc::new(Taken::default());
    let first = Arc::new(Mutex::new(None));
    println!("ready");
    let (accepted, began) = (Arc::clone(&taken), Arc::clone(&first));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (taken, began) = (Arc::clone(&accepted), Arc::clone(&began));
            thread::spawn(move || {
                serve(stream.unwrap(), &taken, || {
                    began.lock().unwrap().get_or_insert_with(clock::now);
                })
            });
        }
    });
    for line in stdin().lock().lines() {
        let wanted: u64 = line.unwrap().trim().parse().unwrap();
        let (lock, changed) = &taken.changed;
        let too_few = |_: &mut ()| taken.payload_bytes.load(Ordering::SeqCst) < wanted;
        drop(changed.wait_while(lock.lock().unwrap(), too_few).unwrap());
        let began = first.lock().unwrap().unwrap();
        println!("{}", began.elapsed().as_nanos());
    }
}

/// Until the other side closes the connection.
fn serve(mut stream: TcpStream, taken: &Taken, begin: impl Fn()) {
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::with_capacity(64 * 1024);
    let mut ack = Vec::new();
    loop {
        let Some(found) = fill(&mut stream, &mut head, framing::head) else {
            return;
        };
        begin();
        let buffered = found.payload_len.min(head.len() - found.len);
        head.drain(..found.len + buffered);
        if !discard(&stream, found.payload_len - buffered) {
            return;
        }
        let options = |bytes: &[u8]| {
            framing::options(bytes).map(|options| (options.len, options.chunk.to_vec()))
        };
        let Some((len, chunk)) = fill(&mut stream, &mut head, options) else {
            return;
        };
        head.drain(..len);
        ack.clear();
        framing::write_ack(&mut ack, &chunk);
        if stream.write_all(&ack).is_err() {
            return;
        }
        taken.note(found.payload_len);
    }
}

impl Taken {
    fn note(&self, payload_len: usize) {
        self.payload_bytes
            .fetch_add(u64::try_from(payload_len).unwrap(), Ordering::SeqCst);
        let _held = self.changed.0.lock().unwrap();
        self.changed.1.notify_all();
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

/// Lets the kernel drop the next `len` bytes without copying them; false at the end.
fn discard(stream: &TcpStream, mut len: usize) -> bool {
    // With TRUNC nothing is written here; its length is what may be dropped in one call.
    let mut nowhere = vec![0_u8; len.min(1024 * 1024)];
    while len > 0 {
        let part = len.min(nowhere.len());
        let (count, _) = match recv(stream, &mut nowhere[..part], RecvFlags::TRUNC) {
            Ok(received) => received,
            Err(_) => return false,
        };
        if count == 0 {
            return false;
        }
        len -= count;
    }
    true
}
