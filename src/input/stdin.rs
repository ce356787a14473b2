//! Standard input, line by line.
//!
//! ```yaml
//! lines:
//!   type: stdin
//!   tag: app.lines
//!   decoder: json         # or logfmt, regex, msgpack, text (the default); with the settings of `parser`
//!   line_size_max: 1MiB   # longer lines are cut, each part being an event
//! ```
//!
//! A line ends with a newline, or where the input ends; empty ones are passed over. With the decoder
//! `msgpack` events are values back to back instead. What is read is held in memory for no longer than
//! it takes to store it: when a route is full, nothing is read, and whoever writes to us waits.
//!
//! When standard input ends, and no other input is left that could bring anything, the daemon delivers
//! what it has and stops: `forebay run -c file.yaml <log` comes to an end.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::pull::{Input, Pack, Read, ReadError};
use crate::config::plan::StdinInputPlan;
use crate::decoder::DecoderPlan;
use crate::msgpack::{self, value_len};

/// How much is read at a time.
const READ_SIZE: usize = 64 * 1024;

/// What separates events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Newlines.
    Lines,
    /// Nothing: they are MessagePack values back to back.
    Msgpack,
}

/// Reads events from a descriptor.
pub struct StdinInput {
    from: OwnedFd,
    framing: Framing,
    event_size_max: usize,
    /// What was read; events up to `at` have been given out.
    buffer: Vec<u8>,
    at: usize,
    /// Bytes given out since the start.
    position: u64,
    is_at_end: bool,
}

impl StdinInput {
    /// Reads standard input as `plan` says.
    ///
    /// # Errors
    /// There is no standard input.
    pub fn open(plan: &StdinInputPlan) -> io::Result<Self> {
        let framing = match plan.decoder {
            DecoderPlan::Msgpack => Framing::Msgpack,
            _ => Framing::Lines,
        };
        let from = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self::new(from, framing, plan.line_size_max))
    }

    /// Reads from `from`.
    #[must_use]
    pub fn new(from: OwnedFd, framing: Framing, event_size_max: usize) -> Self {
        Self {
            from,
            framing,
            event_size_max,
            buffer: Vec::new(),
            at: 0,
            position: 0,
            is_at_end: false,
        }
    }

    /// Gives out the next event, if all of it is there.
    fn next(&mut self, pack: &mut Pack) -> bool {
        loop {
            let rest = &self.buffer[self.at..];
            let Some((event_len, len)) = self.frame(rest) else {
                return false;
            };
            let event = &rest[..event_len];
            self.position += len as u64;
            self.at += len;
            // An empty line is no event.
            if !event.is_empty() {
                pack.bytes_mut().extend_from_slice(event);
                pack.set_position(self.position);
                return true;
            }
        }
    }

    /// The length of the event that `rest` begins with, and with what separates it from the next.
    fn frame(&self, rest: &[u8]) -> Option<(usize, usize)> {
        let whole = match self.framing {
            Framing::Lines => line(rest),
            Framing::Msgpack => value(rest),
        };
        match whole {
            Some(whole) if whole.0 <= self.event_size_max => Some(whole),
            None if rest.is_empty() => None,
            _ if rest.len() >= self.event_size_max => {
                Some((self.event_size_max, self.event_size_max))
            }
            _ if self.is_at_end => Some((rest.len(), rest.len())),
            _ => None,
        }
    }

    /// Waits until something has come, and reads it; false if nothing has come.
    fn fill(&mut self, timeout: Duration) -> Result<bool, ReadError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let timeout = Timespec::try_from(timeout)?;
        let mut fds = [PollFd::new(&self.from, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let len = self.buffer.len();
        self.buffer.resize(len + READ_SIZE, 0);
        let read = rustix::io::read(&self.from, &mut self.buffer[len..]);
        self.buffer.truncate(len + read.unwrap_or(0));
        match read {
            Ok(0) => self.is_at_end = true,
            Ok(_) => {}
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

impl Input for StdinInput {
    fn read(&mut self, pack: &mut Pack, timeout: Duration) -> Result<Read, ReadError> {
        loop {
            if self.next(pack) {
                return Ok(Read::Filled);
            }
            if self.is_at_end {
                return Ok(Read::End);
            }
            // What comes in small pieces is not waited for longer than this: the caller asks again.
            if !self.fill(timeout)? {
                return Ok(Read::Nothing);
            }
        }
    }
}

/// The length of the line without its end, and with it.
fn line(rest: &[u8]) -> Option<(usize, usize)> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let has_return = end > 0 && rest[end - 1] == b'\r';
    Some((end - usize::from(has_return), end + 1))
}

/// What is no MessagePack is taken byte by byte, until something is.
fn value(rest: &[u8]) -> Option<(usize, usize)> {
    match value_len(rest) {
        Ok(len) => Some((len, len)),
        Err(msgpack::Error::Incomplete { .. }) => None,
        Err(_) => Some((rest.len(), rest.len())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// What an input makes of bytes that come in such pieces.
    fn events(framing: Framing, size_max: usize, pieces: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut input = StdinInput::new(theirs.into(), framing, size_max);
        let mut events = Vec::new();
        let mut read = |input: &mut StdinInput| {
            let mut pack = Pack::default();
            let read = input.read(&mut pack, Duration::ZERO).unwrap();
            if read == Read::Filled {
                events.push((pack.bytes_mut().clone(), pack.position()));
            }
            read
        };
        for piece in pieces {
            ours.write_all(piece).unwrap();
            while read(&mut input) != Read::Nothing {}
        }
        drop(ours);
        while read(&mut input) != Read::End {}
        events
    }

    fn bytes(framing: Framing, size_max: usize, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let events = events(framing, size_max, pieces).into_iter();
        events.map(|(bytes, _)| bytes).collect()
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let pieces: [&[u8]; 4] = [b"one\ntw", b"o\r\n\n", b"\xff", b"\nlast"];
        let expected: [&[u8]; 4] = [b"one", b"two", b"\xff", b"last"];
        assert_eq!(bytes(Framing::Lines, 100, &pieces), expected);
    }

    #[test]
    fn long_lines_are_cut_and_nothing_is_lost() {
        let pieces: [&[u8]; 2] = [b"0123456789", b"ab\ncd\n"];
        let expected: [&[u8]; 4] = [b"01234", b"56789", b"ab", b"cd"];
        assert_eq!(bytes(Framing::Lines, 5, &pieces), expected);
    }

    #[test]
    fn values_come_out_whole_and_what_is_none_as_it_is() {
        let pieces: [&[u8]; 3] = [b"\x81\xa1a", b"\x01\x80", b"\xc1xyz"];
        let expected: [&[u8]; 3] = [b"\x81\xa1a\x01", b"\x80", b"\xc1xyz"];
        assert_eq!(bytes(Framing::Msgpack, 100, &pieces), expected);
    }

    #[test]
    fn positions_are_those_of_the_bytes() {
        let events = events(Framing::Lines, 100, &[b"a\n\nbc\nd"]);
        let positions: Vec<_> = events.into_iter().map(|(_, position)| position).collect();
        assert_eq!(positions, [2, 6, 7]);
    }

    #[test]
    fn h06_a_read_returns_by_its_time_out_when_nothing_comes() {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let mut input = StdinInput::new(theirs.into(), Framing::Lines, 100);
        let read = input.read(&mut Pack::default(), Duration::from_millis(1));
        assert_eq!(read.unwrap(), Read::Nothing);
    }
}
