//! Server-sent events, as far as the admin API uses them.

use reqwest::Response;

/// Most bytes of a message; a daemon's are far smaller.
const MESSAGE_SIZE_MAX: usize = 32 << 20;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Message {
    /// What kind it is; empty if it is not said.
    pub(in crate::cli) event: String,
    /// Its lines.
    pub(in crate::cli) data: String,
}

/// Messages as they come.
pub(in crate::cli) struct Stream {
    response: Response,
    parser: Parser,
}

/// Makes messages of bytes.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes without the end of their line.
    rest: Vec<u8>,
    /// How many of them are known to have no end of line.
    searched: usize,
    message: Message,
}

impl Stream {
    pub(super) fn new(response: Response) -> Self {
        Self {
            response,
            parser: Parser::default(),
        }
    }

    /// The next message; `None` once the daemon has ended the stream.
    ///
    /// # Errors
    /// The connection is lost.
    pub(in crate::cli) async fn next(&mut self) -> reqwest::Result<Option<Message>> {
        loop {
            if let Some(message) = self.parser.next() {
                return Ok(Some(message));
            }
            match self.response.chunk().await? {
                Some(bytes) if self.parser.rest.len() < MESSAGE_SIZE_MAX => {
                    self.parser.rest.extend_from_slice(&bytes);
                }
                _ => return Ok(None),
            }
        }
    }
}

impl Parser {
    fn next(&mut self) -> Option<Message> {
        while let Some(line) = self.line() {
            if !line.is_empty() {
                self.field(&line);
            } else if !self.message.data.is_empty() {
                return Some(std::mem::take(&mut self.message));
            } else {
                self.message = Message::default();
            }
        }
        None
    }

    fn line(&mut self) -> Option<String> {
        let end = self.rest[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.searched + end) else {
            self.searched = self.rest.len();
            return None;
        };
        self.searched = 0;
        let line: Vec<u8> = self.rest.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        Some(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// A line that begins with a colon is a comment, which keeps the connection alive.
    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let text =
            ": alive\n\nevent: event\ndata: {\"a\":1}\n\ndata: one\r\ndata: two\nid: 7\n\ndata: x";
        for size in [1, 2, 5, text.len()] {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for part in text.as_bytes().chunks(size) {
                parser.rest.extend_from_slice(part);
                seen.extend(std::iter::from_fn(|| parser.next()));
            }
            let message = |event: &str, data: &str| Message {
                event: event.to_owned(),
                data: data.to_owned(),
            };
            let expected = [message("event", "{\"a\":1}"), message("", "one\ntwo")];
            assert_eq!(seen, expected, "in parts of {size}");
        }
    }
}
