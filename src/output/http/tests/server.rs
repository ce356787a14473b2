//! An HTTP server that does as it is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::wire::compression::Codec;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    /// The first line.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The header's value; `name` is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|header| header.0 == name)
            .map(|header| header.1.as_str())
    }

    /// The body without its content coding.
    pub(super) fn unpacked(&self) -> Vec<u8> {
        match self.header("content-encoding") {
            None => self.body.clone(),
            Some(name) => {
                let codec = Codec::from_name(name.as_bytes()).unwrap();
                codec.unpack(&self.body, 64 << 20).unwrap()
            }
        }
    }

    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let line = read_line(stream).await?;
        let mut headers = Vec::new();
        loop {
            let header = read_line(stream).await?;
            let Some((name, value)) = header.split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut request = Self {
            line,
            headers,
            body: Vec::new(),
        };
        match request.header("content-length") {
            Some(len) => {
                request.body = vec![0; len.parse().unwrap()];
                stream.read_exact(&mut request.body).await?;
            }
            None => request.body = read_chunked(stream).await?,
        }
        Ok(request)
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

async fn read_chunked(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&read_line(stream).await?, 16).unwrap();
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..]).await?;
        read_line(stream).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// What a server does with a connection.
#[derive(Clone)]
pub(super) enum Script {
    /// Reads whole requests and gives each this answer.
    Answer(String),
    /// Closes it once something has come.
    HangUp,
    /// Reads and never answers.
    Hang,
    /// Reports success as soon as something has come, and reads no more.
    Hasty,
}

async fn serve(
    script: Script,
    mut stream: BufReader<TcpStream>,
    requests: mpsc::Sender<Request>,
) -> io::Result<()> {
    match script {
        Script::Answer(answer) => {
            while let Ok(request) = Request::read(&mut stream).await {
                let _test_is_over = requests.send(request).await;
                stream.write_all(answer.as_bytes()).await?;
            }
        }
        Script::HangUp => {
            stream.fill_buf().await?;
        }
        Script::Hang => {
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        }
        Script::Hasty => {
            stream.fill_buf().await?;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await?;
            std::future::pending().await
        }
    }
    Ok(())
}

/// A server on a port of its own, for as long as the test's runtime lives.
pub(super) struct Server {
    address: SocketAddr,
    requests: mpsc::Receiver<Request>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Reads whole requests and gives each the same answer; `headers` end with CRLF.
    pub(super) async fn answering(status: &str, headers: &str, body: &str) -> Self {
        let len = body.len();
        let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n{body}");
        Self::start(Script::Answer(answer)).await
    }

    /// Does with every connection what the script says.
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel(100);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(
                    script.clone(),
                    BufReader::new(stream),
                    sender.clone(),
                ));
            }
        });
        Self {
            address,
            requests,
            connections,
        }
    }

    /// The address of a path on this server.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that came whole.
    pub(super) async fn request(&mut self) -> Request {
        self.requests.recv().await.unwrap()
    }

    /// Whether no further request came whole.
    pub(super) fn has_no_more_requests(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    /// Connections accepted so far.
    pub(super) fn connection_count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
