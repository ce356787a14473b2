//! From lines to batches.

use std::io::{self, BufRead as _, Read as _};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::chunk_key::Zone;
use crate::clock::Clock;
use crate::decoder::{Decoded, Decoder, DecoderPlan, TimeFormat, TimeKey};
use crate::event::{Record, Timestamp, Value, write_entry_head};
use crate::msgpack::from_json;

/// Most bytes of a line.
const LINE_SIZE_MAX: usize = 16 << 20;

/// A batch with so many bytes of entries takes no more.
const BATCH_SIZE_MAX: usize = 1 << 20;

/// Lines that wait to be batched.
const LINES_MAX: usize = 1024;

/// A batch is sent when no line has come for so long.
const LINGER: Duration = Duration::from_millis(5);

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The field `message`.
    #[default]
    Text,
    /// An object with the event's fields.
    Json,
    /// Pairs of names and values.
    Logfmt,
    /// {"tag":...,"time":...,"record":...}, as `buffer cat`, `buffer export` and `tap` print it.
    Event,
}

/// Events of one tag.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) tag: String,
    /// Back to back, as MessagePack.
    pub(super) entries: Vec<u8>,
    pub(super) event_count: u64,
}

/// Why there are no further events.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Read(io::Error),
    /// A line is not what it should be.
    #[error("line {number}: {why}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong with it, without anything of it.
        why: String,
    },
}

/// How a line becomes an event.
pub(super) struct Decoding {
    /// `None`: the line says everything itself.
    decoder: Option<Arc<dyn Decoder>>,
    tag: String,
    clock: Clock,
}

/// Where events come from.
pub(super) struct Source {
    lines: mpsc::Receiver<io::Result<Vec<u8>>>,
    line_number: u64,
    decoding: Decoding,
    events_max: usize,
    /// An event of another tag than the batch before it.
    held: Option<Made>,
    /// What ended the batch before.
    error: Option<SourceError>,
}

/// One event.
struct Made {
    tag: String,
    time: Timestamp,
    record: Record,
}

impl Decoding {
    /// How lines of `format` are read.
    ///
    /// # Errors
    /// What is wrong with the options, in words.
    pub(super) fn new(
        format: Format,
        tag: String,
        time_key: Option<String>,
        time_format: &str,
        clock: Clock,
    ) -> Result<Self, String> {
        let plan = match format {
            Format::Text => Some(DecoderPlan::Text),
            Format::Json => Some(DecoderPlan::Json),
            Format::Logfmt => Some(DecoderPlan::Logfmt),
            Format::Event => None,
        };
        let time_format = TimeFormat::parse(time_format).map_err(|error| error.to_string())?;
        let time_key = time_key.map(|field| TimeKey {
            field,
            format: time_format,
            zone: Zone::local(),
            is_kept: false,
        });
        Ok(Self {
            decoder: plan.map(|plan| plan.open(time_key)),
            tag,
            clock,
        })
    }

    fn event(&self, line: &[u8]) -> Result<Made, String> {
        let Some(decoder) = &self.decoder else {
            return whole_event(line).map_err(str::to_owned);
        };
        let Decoded { time, record } = decoder.decode(line).map_err(|error| error.to_string())?;
        let now = || Timestamp::from_ns(self.clock.now().unix_ns);
        Ok(Made {
            tag: self.tag.clone(),
            time: time.unwrap_or_else(now),
            record,
        })
    }
}

/// The event that a line says all of.
fn whole_event(line: &[u8]) -> Result<Made, &'static str> {
    let mut packed = Vec::with_capacity(line.len());
    from_json::value(&mut packed, line).map_err(|_| "not JSON")?;
    let Ok(Value::Map(mut fields)) = Value::unpack(&packed) else {
        return Err("not an object");
    };
    let tag = fields.get("tag").and_then(Value::as_str);
    let tag = tag
        .filter(|tag| !tag.is_empty())
        .ok_or("no tag")?
        .to_owned();
    let time = fields.get("time").ok_or("no time")?;
    let time = TimeFormat::Rfc3339.read(time, &Zone::utc());
    let time = time.ok_or("the time is not RFC 3339")?;
    match fields.remove("record") {
        Some(Value::Map(record)) => Ok(Made { tag, time, record }),
        _ => Err("no record"),
    }
}

impl Source {
    /// The lines of standard input, which a thread reads.
    pub(super) fn stdin(decoding: Decoding, events_max: usize) -> Self {
        Self::read_by(decoding, events_max, |sender| {
            let mut input = io::stdin().lock();
            while let Some(line) = next_line(&mut input).transpose() {
                let is_over = line.is_err();
                if sender.blocking_send(line).is_err() || is_over {
                    return;
                }
            }
        })
    }

    /// Each of `texts`.
    pub(super) fn texts(texts: Vec<String>, decoding: Decoding, events_max: usize) -> Self {
        Self::read_by(decoding, events_max, |sender| {
            for text in texts {
                if sender.blocking_send(Ok(text.into_bytes())).is_err() {
                    return;
                }
            }
        })
    }

    /// `count` events that are made up; each says which it is.
    pub(super) fn made_up(count: u64, decoding: Decoding, events_max: usize) -> Self {
        let json = DecoderPlan::Json.open(None);
        let decoding = Decoding {
            decoder: Some(json),
            ..decoding
        };
        Self::read_by(decoding, events_max, move |sender| {
            for number in 1..=count {
                let line = format!(r#"{{"message":"forebay send","number":{number}}}"#);
                if sender.blocking_send(Ok(line.into_bytes())).is_err() {
                    return;
                }
            }
        })
    }

    fn read_by(
        decoding: Decoding,
        events_max: usize,
        read: impl FnOnce(mpsc::Sender<io::Result<Vec<u8>>>) + Send + 'static,
    ) -> Self {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        // It ends with the lines, or with the process.
        std::thread::spawn(move || read(sender));
        Self {
            lines,
            line_number: 0,
            decoding,
            events_max,
            held: None,
            error: None,
        }
    }

    /// The next batch: what is there, up to the limits, of one tag. `None`: that was all.
    ///
    /// # Errors
    /// [`SourceError`]; everything before it has been given.
    pub(super) async fn next(&mut self) -> Option<Result<Batch, SourceError>> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let first = match self.held.take() {
            Some(first) => first,
            None => match self.event().await? {
                Ok(first) => first,
                Err(error) => return Some(Err(error)),
            },
        };
        let mut batch = Batch {
            tag: first.tag.clone(),
            ..Batch::default()
        };
        batch.add(&first);
        let events_max = u64::try_from(self.events_max).unwrap_or(u64::MAX);
        while batch.event_count < events_max && batch.entries.len() < BATCH_SIZE_MAX {
            match timeout(LINGER, self.event()).await {
                Err(_) | Ok(None) => break,
                Ok(Some(Err(error))) => {
                    self.error = Some(error);
                    break;
                }
                Ok(Some(Ok(made))) if made.tag == batch.tag => batch.add(&made),
                Ok(Some(Ok(made))) => {
                    self.held = Some(made);
                    break;
                }
            }
        }
        Some(Ok(batch))
    }

    async fn event(&mut self) -> Option<Result<Made, SourceError>> {
        loop {
            let line = match self.lines.recv().await? {
                Ok(line) => line,
                Err(error) => return Some(Err(SourceError::Read(error))),
            };
            self.line_number += 1;
            if !line.is_empty() {
                let number = self.line_number;
                let made = self.decoding.event(&line);
                return Some(made.map_err(|why| SourceError::Line { number, why }));
            }
        }
    }
}

impl Batch {
    fn add(&mut self, made: &Made) {
        write_entry_head(&mut self.entries, made.time);
        made.record.pack(&mut self.entries);
        self.event_count += 1;
    }
}

/// The next line without its end; `None` at the end of the input.
fn next_line(input: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(LINE_SIZE_MAX + 1).unwrap_or(u64::MAX);
    if input.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() > LINE_SIZE_MAX {
        return Err(io::Error::other(format!(
            "a line is longer than {LINE_SIZE_MAX} bytes"
        )));
    }
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::entries;

    fn of(format: Format, lines: &[&str], events_max: usize) -> Source {
        let clock = Clock::at(7_000_000_000);
        let decoding = Decoding::new(format, "t".to_owned(), None, "rfc3339", clock).unwrap();
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Source::texts(lines, decoding, events_max)
    }

    #[tokio::test]
    async fn a_batch_ends_at_its_limit_and_with_the_lines() {
        let mut source = of(Format::Text, &["a", "", "b", "c"], 2);
        let first = source.next().await.unwrap().unwrap();
        assert_eq!((first.event_count, first.tag.as_str()), (2, "t"));
        let second = source.next().await.unwrap().unwrap();
        assert_eq!(second.event_count, 1);
        let entry = entries(&second.entries).next().unwrap().unwrap();
        assert!(entry.time.ns() >= 7_000_000_000);
        assert_eq!(entry.record, b"\x81\xa7message\xa1c");
        assert!(source.next().await.is_none());
    }

    #[tokio::test]
    async fn whole_events_keep_their_tags_and_times() {
        let event = |tag, n| {
            format!(
                r#"{{"tag":"{tag}","time":"2026-11-21T08:00:00.000000001Z","record":{{"n":{n}}}}}"#
            )
        };
        let lines = [event("a", 1), event("a", 2), event("b", 3)];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let mut source = of(Format::Event, &lines, 10);
        let mut seen = Vec::new();
        while let Some(batch) = source.next().await {
            let batch = batch.unwrap();
            for entry in entries(&batch.entries) {
                let entry = entry.unwrap();
                seen.push((batch.tag.clone(), entry.time.ns(), entry.record.to_vec()));
            }
        }
        let at = 1_795_248_000_000_000_001;
        let expected = [
            ("a", b"\x81\xa1n\x01"),
            ("a", b"\x81\xa1n\x02"),
            ("b", b"\x81\xa1n\x03"),
        ];
        let expected = expected.map(|(tag, record)| (tag.to_owned(), at, record.to_vec()));
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn what_stands_before_a_bad_line_is_sent_and_the_line_is_named() {
        let mut source = of(Format::Json, &[r#"{"a":1}"#, "no", r#"{"a":2}"#], 10);
        assert_eq!(source.next().await.unwrap().unwrap().event_count, 1);
        let error = source.next().await.unwrap().unwrap_err().to_string();
        assert_eq!(error, "line 2: not JSON");
    }

    #[test]
    fn lines_lose_their_ends_and_have_a_limit() {
        let mut input: &[u8] = b"a\r\n\nb";
        let mut next = || next_line(&mut input).unwrap();
        assert_eq!(next().unwrap(), b"a");
        assert_eq!(next().unwrap(), b"");
        assert_eq!(next().unwrap(), b"b");
        assert_eq!(next(), None);
        let long = vec![b'x'; LINE_SIZE_MAX + 1];
        assert!(next_line(&mut long.as_slice()).is_err());
    }
}
