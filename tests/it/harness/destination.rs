//! A server that speaks the forward protocol and behaves as the test commands.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rmpv::Value;

use super::event::EventId;
use super::ledger::Arrivals;
use super::sender::options;
use super::wait;

/// What the destination does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Takes it and acknowledges it.
    Acknowledge,
    /// Accepts the connection and closes it at once.
    Refuse,
    /// Reads and never answers.
    Hang,
    /// Acknowledges something else.
    Lie,
    /// Takes it and closes the connection without a word, so that it will be sent again.
    Forget,
}

/// One PackedForward message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The events' tag.
    pub(crate) tag: String,
    /// The entries back to back, unpacked.
    pub(crate) payload: Vec<u8>,
    /// What the sender calls it; empty if it asks for no acknowledgement.
    pub(crate) chunk: String,
    /// When; the acknowledgement follows.
    pub(crate) at: Instant,
}

impl Taken {
    /// The ids of its events.
    pub(crate) fn ids(&self) -> Vec<EventId> {
        ids(&self.payload)
    }
}

/// A forward server on an address that stays the same while it is away.
pub(crate) struct Destination {
    address: SocketAddrV4,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    arrivals: Arrivals,
    taken: Mutex<Vec<Taken>>,
}

struct State {
    behaviour: Behaviour,
    is_away: bool,
    connections: Vec<TcpStream>,
}

impl Destination {
    /// A destination that listens and acknowledges.
    pub(crate) fn listen(address: SocketAddrV4) -> Self {
        let mut destination = Self::away(address);
        destination.come_back();
        destination
    }

    /// A destination that is not there yet: connections are refused by the kernel.
    pub(crate) fn away(address: SocketAddrV4) -> Self {
        let state = State {
            behaviour: Behaviour::Acknowledge,
            is_away: true,
            connections: Vec::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            arrivals: Arrivals::default(),
            taken: Mutex::default(),
        };
        Self {
            address,
            shared: Arc::new(shared),
            accepting: None,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// What has arrived and was answered for; what it hung on or lied about is not counted.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.shared.arrivals
    }

    /// Everything taken so far, in its order.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// What the senders call each thing taken so far, and when it was, in its order.
    pub(crate) fn visits(&self) -> Vec<(String, Instant)> {
        let taken = self.shared.taken.lock().unwrap();
        let visits = taken.iter().map(|taken| (taken.chunk.clone(), taken.at));
        visits.collect()
    }

    /// Behaves like this from now on; what is open is closed, so that nothing waits for the past.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        let mut state = self.shared.state.lock().unwrap();
        state.behaviour = behaviour;
        state.close_all();
    }

    /// Stops listening and closes every connection.
    pub(crate) fn go_away(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        {
            let mut state = self.shared.state.lock().unwrap();
            state.is_away = true;
            state.close_all();
        }
        // Wakes the thread that waits in `accept`; it sees `is_away` and closes the listener.
        drop(TcpStream::connect(self.address));
        accepting.join().unwrap();
    }

    /// Listens again on the same address.
    pub(crate) fn come_back(&mut self) {
        if self.accepting.is_some() {
            return;
        }
        self.shared.state.lock().unwrap().is_away = false;
        let listener = TcpListener::bind(self.address).unwrap();
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(thread::spawn(move || accept_all(&listener, &shared)));
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl State {
    fn close_all(&mut self) {
        for connection in self.connections.drain(..) {
            let _already_closed = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().unwrap();
        let mut state = shared.state.lock().unwrap();
        if state.is_away {
            return;
        }
        if state.behaviour != Behaviour::Refuse {
            state.connections.push(stream.try_clone().unwrap());
            let shared = Arc::clone(shared);
            thread::spawn(move || serve(stream, &shared));
        }
    }
}

/// Serves one connection until it breaks, which is its usual end.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Ok(message) = rmpv::decode::read_value(&mut reader) {
        if answer(&mut stream, &message, shared).is_err() {
            break;
        }
    }
    let _closed_before = stream.shutdown(Shutdown::Both);
}

fn answer(stream: &mut TcpStream, message: &Value, shared: &Shared) -> io::Result<()> {
    let behaviour = shared.state.lock().unwrap().behaviour;
    match behaviour {
        Behaviour::Hang => Ok(()),
        Behaviour::Refuse => Err(io::ErrorKind::ConnectionReset.into()),
        Behaviour::Lie => send_ack(stream, "somebody else's batch".into()),
        Behaviour::Forget => {
            take(message, shared);
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Behaviour::Acknowledge => {
            take(message, shared);
            match &message[2]["chunk"] {
                Value::Nil => Ok(()),
                chunk => send_ack(stream, chunk.clone()),
            }
        }
    }
}

fn send_ack(stream: &mut TcpStream, chunk: Value) -> io::Result<()> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &options(&[("ack", chunk)])).unwrap();
    stream.write_all(&bytes)
}

fn take(message: &Value, shared: &Shared) {
    let payload = unpack(
        message[1].as_slice().unwrap(),
        message[2]["compressed"].as_str(),
    );
    let arrived = ids(&payload);
    let tag = message[0].as_str().unwrap().to_owned();
    let chunk = message[2]["chunk"].as_str().unwrap_or_default().to_owned();
    shared.taken.lock().unwrap().push(Taken {
        tag,
        payload,
        chunk,
        at: wait::now(),
    });
    shared.arrivals.note(&arrived);
}

/// The ids of all events of a payload.
fn ids(payload: &[u8]) -> Vec<EventId> {
    let mut rest = payload;
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let entry = rmpv::decode::read_value(&mut rest).unwrap();
        ids.push(EventId::of_record(&entry[1]));
    }
    ids
}

fn unpack(payload: &[u8], compressed: Option<&str>) -> Vec<u8> {
    let mut unpacked = Vec::new();
    match compressed {
        Some("gzip") => {
            flate2::read::MultiGzDecoder::new(payload)
                .read_to_end(&mut unpacked)
                .unwrap();
        }
        Some("zstd") => unpacked = zstd::stream::decode_all(payload).unwrap(),
        _ => unpacked.extend_from_slice(payload),
    }
    unpacked
}
