//! An HTTP server that takes events and answers as the test commands.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::event::EventId;
use super::http::{Message, read_message};
use super::ledger::Arrivals;

/// An HTTP server for newline-delimited JSON.
pub(crate) struct HttpDestination {
    address: SocketAddrV4,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    status: Mutex<String>,
    /// Bodies with the first text are answered with the second.
    rules: Mutex<Vec<(String, String)>>,
    is_over: AtomicBool,
    arrivals: Arrivals,
    requests: Mutex<Vec<Message>>,
}

impl HttpDestination {
    /// A server that answers `204 No Content`.
    pub(crate) fn listen(address: SocketAddrV4) -> Self {
        let shared = Arc::new(Shared {
            status: Mutex::new("204 No Content".to_owned()),
            rules: Mutex::default(),
            is_over: AtomicBool::new(false),
            arrivals: Arrivals::default(),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind(address).unwrap();
        let accepted = Arc::clone(&shared);
        let accepting = Some(thread::spawn(move || accept_all(&listener, &accepted)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Answers like this from now on, e.g. `503 Service Unavailable\r\nretry-after: 1`.
    pub(crate) fn answer(&self, status: &str) {
        *self.shared.status.lock().unwrap() = status.to_owned();
    }

    /// Answers like this from now on if the body has `text` in it.
    pub(crate) fn answer_if(&self, text: &str, status: &str) {
        let rule = (text.to_owned(), status.to_owned());
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// What has arrived and was answered with success.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.shared.arrivals
    }

    /// Requests taken and not handed over.
    pub(crate) fn request_count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Hands over the requests taken so far.
    pub(crate) fn take_requests(&self) -> Vec<Message> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }
}

impl Drop for HttpDestination {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().unwrap();
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, &shared));
    }
}

/// Serves one connection until it breaks or the destination is over.
fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read_message(&mut reader)? {
        let status = shared.status_for(&request);
        let taken = if status.starts_with('2') {
            ids(&request)
        } else {
            Vec::new()
        };
        // Before the arrivals: who waits for those may ask for the requests next.
        shared.requests.lock().unwrap().push(request);
        shared.arrivals.note(&taken);
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

impl Shared {
    fn status_for(&self, request: &Message) -> String {
        let rules = self.rules.lock().unwrap();
        let body = String::from_utf8_lossy(&request.body);
        let mut ours = rules.iter().filter(|(text, _)| body.contains(text));
        match ours.next() {
            Some((_, status)) => status.clone(),
            None => self.status.lock().unwrap().clone(),
        }
    }
}

fn ids(request: &Message) -> Vec<EventId> {
    let mut text = String::new();
    match request.header("content-encoding") {
        Some("gzip") => {
            let mut decoder = flate2::read::MultiGzDecoder::new(request.body.as_slice());
            decoder.read_to_string(&mut text).unwrap();
        }
        _ => text.push_str(std::str::from_utf8(&request.body).unwrap()),
    }
    text.lines().map(id_of_line).collect()
}

/// The id in one line of newline-delimited JSON.
pub(crate) fn id_of_line(line: &str) -> EventId {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    EventId(
        record["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("a foreign event arrived: {line}")),
    )
}
