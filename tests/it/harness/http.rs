//! HTTP as plain bytes, so that what a test sends is exactly what it says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};

use super::wait;

/// A request's or a response's first line, headers and body.
#[derive(Debug)]
pub(crate) struct Message {
    /// The first line, e.g. `POST /app.web HTTP/1.1`.
    pub(crate) first_line: String,
    /// Names in lower case with their values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, without the framing.
    pub(crate) body: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    message: Message,
}

impl Message {
    /// The value of the header `name` (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// The value of the header `name` (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.message.header(name)
    }

    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.message.body
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.message.body)
            .unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// `GET path`, again while the answer is that we ask too often.
pub(crate) fn get(address: SocketAddrV4, path: &str) -> Response {
    wait::until("to be let ask", || {
        let answer = try_get(address, path).unwrap();
        (answer.status != 429).then_some(answer)
    })
}

/// `GET path`; an error if nobody listens or the connection breaks.
pub(crate) fn try_get(address: SocketAddrV4, path: &str) -> io::Result<Response> {
    request(address, "GET", path, &[], b"")
}

/// `POST path` with `body`.
pub(crate) fn post(address: SocketAddrV4, path: &str, content_type: &str, body: &[u8]) -> Response {
    request(
        address,
        "POST",
        path,
        &[("content-type", content_type)],
        body,
    )
    .unwrap()
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddrV4,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(wait::DEADLINE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes())?;
    // A server that refuses by the headers alone may close before it has read the body.
    let _refused_early = stream.write_all(body);
    let message = read_message(&mut BufReader::new(stream))?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = message
        .first_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok());
    Ok(Response {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        message,
    })
}

/// Reads one request or response; `None` if the connection ended before its first byte.
pub(crate) fn read_message(reader: &mut impl BufRead) -> io::Result<Option<Message>> {
    let first_line = read_line(reader)?;
    if first_line.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut message = Message {
        first_line,
        headers,
        body: Vec::new(),
    };
    message.body = read_body(reader, &message)?;
    Ok(Some(message))
}

fn read_body(reader: &mut impl BufRead, message: &Message) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if message.header("transfer-encoding") == Some("chunked") {
        read_chunked(reader, &mut body)?;
    } else if let Some(length) = message.header("content-length") {
        let length = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(body)
}

fn read_chunked(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        let length = u64::from_str_radix(&line, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        reader.take(length).read_to_end(body)?;
        read_line(reader)?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
