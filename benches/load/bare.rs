//! The least that a durable receiver must do: read, find each batch's end, write it into a
//! preallocated file, sync in groups, acknowledge. It looks at no event, checks and sends nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::fs::{FallocateFlags, fallocate};

use super::framing;

struct Shared {
    file: File,
    file_size: u64,
    end: Mutex<u64>,
    unsynced: Mutex<Vec<(usize, Vec<u8>)>>,
    appended: Condvar,
    connections: Mutex<Vec<TcpStream>>,
}

/// `ADDRESS FILE FILE_SIZE`; when the file is full it begins again.
pub(crate) fn run(arguments: &[String]) {
    let listener = TcpListener::bind(&arguments[0]).unwrap();
    let file = File::create_new(&arguments[1]).unwrap();
    let file_size = arguments[2].parse().unwrap();
    fallocate(&file, FallocateFlags::empty(), 0, file_size).unwrap();
    file.sync_all().unwrap();
    println!("ready");
    let shared = Arc::new(Shared {
        file,
        file_size,
        end: Mutex::default(),
        unsynced: Mutex::default(),
        appended: Condvar::new(),
        connections: Mutex::default(),
    });
    let committing = Arc::clone(&shared);
    thread::spawn(move || commit_all(&committing));
    for (number, stream) in listener.incoming().enumerate() {
        let stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        shared
            .connections
            .lock()
            .unwrap()
            .push(stream.try_clone().unwrap());
        let shared = Arc::clone(&shared);
        thread::spawn(move || receive(stream, number, &shared));
    }
}

/// A message must fit in half of this.
const BUFFER_SIZE: usize = 1024 * 1024;

/// Writes all whole messages that one read brought with one call. What follows them is moved to the
/// buffer's start only when its end is near.
fn receive(mut stream: TcpStream, number: usize, shared: &Shared) {
    let mut buffer = vec![0; BUFFER_SIZE];
    let (mut start, mut end) = (0, 0);
    loop {
        match stream.read(&mut buffer[end..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => end += count,
        }
        let mut acks = Vec::new();
        let whole = whole_messages(&buffer[start..end], &mut acks);
        if whole > 0 {
            append(&buffer[start..start + whole], shared);
            shared.unsynced.lock().unwrap().push((number, acks));
            shared.appended.notify_one();
            start += whole;
        }
        if end > BUFFER_SIZE / 2 {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
        }
        assert!(
            end < BUFFER_SIZE,
            "a message is larger than half the buffer"
        );
    }
}

/// Bytes of all whole messages at the start of `bytes`, with an acknowledgement for each.
fn whole_messages(bytes: &[u8], acks: &mut Vec<u8>) -> usize {
    let mut end = 0;
    while let Some(head) = framing::head(&bytes[end..]) {
        let options_at = end + head.len + head.payload_len;
        let Some(options) = bytes.get(options_at..).and_then(framing::options) else {
            break;
        };
        framing::write_ack(acks, options.chunk);
        end = options_at + options.len;
    }
    end
}

/// One at a time: writers that wait for each other inside the kernel spin there.
fn append(bytes: &[u8], shared: &Shared) {
    let len = u64::try_from(bytes.len()).unwrap();
    let mut end = shared.end.lock().unwrap();
    if *end + len > shared.file_size {
        *end = 0;
    }
    shared.file.write_all_at(bytes, *end).unwrap();
    *end += len;
}

/// One sync for all that was appended while the one before it ran.
fn commit_all(shared: &Shared) {
    loop {
        let waiting = shared.unsynced.lock().unwrap();
        let mut waiting = shared
            .appended
            .wait_while(waiting, |all| all.is_empty())
            .unwrap();
        let group = std::mem::take(&mut *waiting);
        drop(waiting);
        shared.file.sync_data().unwrap();
        let mut connections = shared.connections.lock().unwrap();
        for (number, acks) in group {
            // A connection that its sender has closed wants no acknowledgement.
            let _closed = connections[number].write_all(&acks);
        }
    }
}
