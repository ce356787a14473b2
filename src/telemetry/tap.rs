//! A second end of the log: what the `internal` input reads.
//!
//! There is one tap for the process, closed until somebody [opens](open) it; closed, it costs a log
//! line one look at a flag. It never blocks and never logs.
//!
//! What reads it must not bring about what it reads: left out is what the reading thread itself logs,
//! and what is logged about the routes and outputs that its lines go to.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that may wait.
const WAITING_MAX: usize = 1_000;

/// Lines a second.
const RATE_MAX: u64 = 100;

/// Bytes of a message or of a field.
const TEXT_SIZE_MAX: usize = 4 * 1024;

static STATE: State = State {
    level: AtomicU64::new(CLOSED),
    own: Mutex::new(Own::new()),
    queue: Mutex::new(VecDeque::new()),
    added: Condvar::new(),
    left_out_count: AtomicU64::new(0),
    second: AtomicU64::new(0),
    second_count: AtomicU64::new(0),
};

/// In place of a level: the tap is closed.
const CLOSED: u64 = 0;

thread_local! {
    /// Whether what this thread logs is left out: it is the one that reads.
    static IS_READER: Cell<bool> = const { Cell::new(false) };
}

struct State {
    /// The least level that is wanted, from 1 for errors to 5 for traces.
    level: AtomicU64,
    own: Mutex<Own>,
    queue: Mutex<VecDeque<Line>>,
    added: Condvar,
    left_out_count: AtomicU64,
    /// The second of the wall clock in which `second_count` lines came.
    second: AtomicU64,
    second_count: AtomicU64,
}

/// Routes and outputs, by name, of which no line is to tell.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The routes that the lines go to.
    pub routes: Vec<String>,
    /// Their outputs: lines that name no route are told apart by these.
    pub outputs: Vec<String>,
}

impl Own {
    const fn new() -> Self {
        Self {
            routes: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn is_about(&self, line: &Line) -> bool {
        let is_one_of = |value: &TapValue, names: &[String]| match value {
            TapValue::Text(text) => names.contains(text),
            _ => false,
        };
        match (line.field("route"), line.field("output")) {
            (Some(route), _) => is_one_of(route, &self.routes),
            (None, Some(output)) => is_one_of(output, &self.outputs),
            (None, None) => false,
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, in Unix nanoseconds.
    pub unix_ns: i64,
    /// `error`, `warn`, ...
    pub level: &'static str,
    /// The module that logs.
    pub target: String,
    /// The phrase.
    pub message: String,
    /// The facts.
    pub fields: Vec<(&'static str, TapValue)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum TapValue {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer that is not negative.
    UInt(u64),
    /// A number.
    Float(f64),
    /// Everything else, as it is shown.
    Text(String),
}

/// The open tap; there is one at most.
#[derive(Debug)]
pub struct Tap(());

/// The tap, open for lines of `level` and more important ones that are not about `own`; `None` if it is
/// open already.
#[must_use]
pub fn open(level: Level, own: Own) -> Option<Tap> {
    let opened = STATE
        .level
        .compare_exchange(CLOSED, rank(level), Relaxed, Relaxed);
    opened.ok()?;
    *lock(&STATE.own) = own;
    Some(Tap(()))
}

impl Tap {
    /// The next line, waited for no longer than `timeout`. What the calling thread logs from now on is
    /// left out, so that the reader does not feed on itself.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Line> {
        IS_READER.with(|is_reader| is_reader.set(true));
        let queue = lock(&STATE.queue);
        let waited = STATE
            .added
            .wait_timeout_while(queue, timeout, |queue| queue.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    }

    /// Lines that were left out since the start: too many waited, or came in a second.
    #[must_use]
    pub fn left_out_count(&self) -> u64 {
        STATE.left_out_count.load(Relaxed)
    }

    /// Takes no more lines.
    pub fn close(&self) {
        STATE.level.store(CLOSED, Relaxed);
    }
}

impl Line {
    /// Says how many lines were left out.
    #[must_use]
    pub fn left_out(count: u64) -> Self {
        Self {
            unix_ns: crate::clock::unix_ns(),
            level: "warn",
            target: "forebay::telemetry".to_owned(),
            message: "lines of the log were left out".to_owned(),
            fields: vec![("count", TapValue::UInt(count))],
        }
    }
}

impl State {
    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        let level = self.level.load(Relaxed);
        level != CLOSED && rank(*metadata.level()) <= level && !IS_READER.with(Cell::get)
    }

    /// Whether a line may come in this second.
    fn admit(&self, unix_ns: i64) -> bool {
        let second = u64::try_from(unix_ns / 1_000_000_000).unwrap_or(0);
        if self.second.swap(second, Relaxed) != second {
            self.second_count.store(0, Relaxed);
        }
        self.second_count.fetch_add(1, Relaxed) < RATE_MAX
    }

    fn take(&self, line: Line) {
        let mut queue = lock(&self.queue);
        if queue.len() >= WAITING_MAX || !self.admit(line.unix_ns) {
            self.left_out_count.fetch_add(1, Relaxed);
            return;
        }
        queue.push_back(line);
        drop(queue);
        self.added.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes the log's lines to the tap.
pub(super) struct TapLayer;

impl<S: Subscriber> Layer<S> for TapLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !STATE.is_wanted(metadata) {
            return;
        }
        let mut line = Line {
            unix_ns: crate::clock::unix_ns(),
            level: word(*metadata.level()),
            target: metadata.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        if !lock(&STATE.own).is_about(&line) {
            STATE.take(line);
        }
    }
}

impl Line {
    fn field(&self, name: &str) -> Option<&TapValue> {
        let mut fields = self.fields.iter();
        fields
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    fn set(&mut self, field: &Field, value: TapValue) {
        match (field.name(), value) {
            ("message", TapValue::Text(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, TapValue::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, TapValue::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, TapValue::UInt(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, TapValue::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, TapValue::Text(cut(value.to_owned())));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, TapValue::Text(cut(value.to_string())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, TapValue::Text(cut(format!("{value:?}"))));
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_SIZE_MAX {
        let end = (0..=TEXT_SIZE_MAX)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}

fn rank(level: Level) -> u64 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// One test: the tap is one for the process.
    #[test]
    fn the_tap_takes_what_is_wanted_bounds_it_and_never_feeds_on_its_reader() {
        let subscriber = tracing_subscriber::registry().with(TapLayer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("before it is open");
            let own = Own {
                routes: vec!["own".to_owned()],
                outputs: vec!["own_output".to_owned()],
            };
            let tap = open(Level::WARN, own).unwrap();
            assert!(
                open(Level::WARN, Own::new()).is_none(),
                "there is one at most"
            );
            tracing::info!("not wanted");
            tracing::warn!(count = 3_u64, name = "a", "wanted");
            let line = tap.next(Duration::ZERO).unwrap();
            assert_eq!((line.level, line.message.as_str()), ("warn", "wanted"));
            let fields = [
                ("count", TapValue::UInt(3)),
                ("name", TapValue::Text("a".to_owned())),
            ];
            assert_eq!(line.fields, fields);

            tracing::error!("by the reader itself");
            assert_eq!(tap.next(Duration::ZERO), None);
            IS_READER.with(|is_reader| is_reader.set(false));
            tracing::warn!(route = "own", output = "other", "about its own route");
            tracing::warn!(output = %"own_output", "about its own output");
            assert_eq!(tap.next(Duration::ZERO), None);
            IS_READER.with(|is_reader| is_reader.set(false));
            tracing::warn!(route = "other", output = "own_output", "another route");
            assert_eq!(tap.next(Duration::ZERO).unwrap().message, "another route");

            IS_READER.with(|is_reader| is_reader.set(false));
            for _ in 0..5 * RATE_MAX {
                tracing::error!("again and again");
            }
            let mut taken = 0;
            while tap.next(Duration::ZERO).is_some() {
                taken += 1;
            }
            // The second of the wall clock may have changed once or twice meanwhile.
            assert!((1..=3 * RATE_MAX).contains(&taken), "{taken}");
            assert_eq!(tap.left_out_count(), 5 * RATE_MAX - taken);

            tap.close();
            IS_READER.with(|is_reader| is_reader.set(false));
            tracing::error!("after it was closed");
            assert_eq!(tap.next(Duration::ZERO), None);
        });
        assert_eq!(cut("é".repeat(TEXT_SIZE_MAX)).len(), TEXT_SIZE_MAX);
    }
}
