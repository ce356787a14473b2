//! As much of HTTP/1.1 as a generator, a sink and a reader of metrics need.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

/// How a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// After so many bytes.
    Sized(usize),
    /// After an empty part.
    Chunked,
}

/// Reads a head; `None` at the connection's end.
pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<Body> {
    let mut body = Body::Sized(0);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(body);
        }
        body = body_by_header(&line).unwrap_or(body);
    }
}

/// Bytes of the response that `bytes` begin with; `None` until all of them are there.
pub(crate) fn response_len(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let Body::Sized(body_len) = read_head(&mut &bytes[..end])? else {
        panic!("a response in parts");
    };
    let len = end + body_len;
    (bytes.len() >= len).then_some(len)
}

/// The body that `GET path` is answered with.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn body_by_header(line: &str) -> Option<Body> {
    let (name, value) = line.split_once(':')?;
    if name.eq_ignore_ascii_case("content-length") {
        return Some(Body::Sized(value.trim().parse().unwrap()));
    }
    let is_chunked = name.eq_ignore_ascii_case("transfer-encoding");
    is_chunked.then_some(Body::Chunked)
}
