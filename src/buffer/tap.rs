//! Taps: people who look at events as they pass.
//!
//! A tap may never slow the path: as long as nobody taps, passing costs one atomic load. While
//! somebody does, it costs no more than a walk over a batch for each event that is shown, of which
//! there are at most so many a second; an event is copied into a bounded queue, and is missed,
//! which is counted, if the queue is full or somebody else is in it. What a tap holds is bounded by
//! [`QUEUE_LEN`] events of [`RECORD_LEN_MAX`] bytes, all taps by [`TAPS_MAX`] of that.
//!
//! A tap of an input sees events as they come, before filters; any other sees them where a route
//! has stored them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Incoming;
use crate::event::{Timestamp, entries};
use crate::route::TagMatcher;

/// Taps at a time.
pub const TAPS_MAX: usize = 8;

/// Events that wait for a tap's reader.
pub(super) const QUEUE_LEN: usize = 128;

/// A longer record is not shown.
pub(super) const RECORD_LEN_MAX: usize = 8 << 10;

/// Most events a second that a tap may ask for.
pub const PER_SECOND_MAX: u32 = 1_000;

/// Which events a tap is shown.
#[derive(Clone, Debug)]
pub struct TapFilter {
    /// Those that come by this input, before filters; `None`: those that a route has stored.
    pub input: Option<String>,
    /// Only those of this route; not together with an input.
    pub route: Option<String>,
    /// Only those with such a tag.
    pub tag: Option<TagMatcher>,
    /// One of so many; 0 is 1.
    pub one_in: u64,
    /// At most so many a second; at most [`PER_SECOND_MAX`].
    pub per_second: u32,
}

impl Default for TapFilter {
    fn default() -> Self {
        Self {
            input: None,
            route: None,
            tag: None,
            one_in: 1,
            per_second: 100,
        }
    }
}

/// Why nobody can tap now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapError {
    /// There are [`TAPS_MAX`].
    #[error("{TAPS_MAX} taps are open already")]
    TooMany,
    /// Input and route.
    #[error("an event is shown as it comes by an input or as it is stored by a route, not as both")]
    InputAndRoute,
}

/// An event that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The input by which it comes, if that is tapped.
    pub input: Option<String>,
    /// The route that has stored it, if no input is tapped.
    pub route: Option<String>,
    /// Its tag.
    pub tag: String,
    /// Its time.
    pub time: Timestamp,
    /// Bytes of its record.
    pub record_len: usize,
    /// Its record as MessagePack; `None` if it is too long.
    pub record: Option<Vec<u8>>,
}

/// Where an event passes.
#[derive(Clone, Copy)]
enum Place<'a> {
    Input(&'a str),
    Route(&'a str),
}

/// All taps of an engine.
#[derive(Debug, Default)]
pub struct Taps {
    /// How many there are; looked at by every batch.
    count: AtomicUsize,
    taps: RwLock<Vec<Arc<Tap>>>,
}

/// What the path knows of a tap.
#[derive(Debug)]
struct Tap {
    filter: TapFilter,
    share: Mutex<Share>,
    queue: mpsc::Sender<Passed>,
    missed: AtomicU64,
}

/// How much a tap may still be shown.
#[derive(Debug)]
struct Share {
    /// Events to pass over before the next one is shown.
    skip: u64,
    left: u32,
    second_began: Instant,
}

/// A reader's end of a tap; dropping it closes the tap.
#[derive(Debug)]
pub struct Tapped {
    taps: Arc<Taps>,
    tap: Arc<Tap>,
    events: mpsc::Receiver<Passed>,
}

impl Tapped {
    /// The next event; waits for it.
    pub async fn next(&mut self) -> Passed {
        match self.events.recv().await {
            Some(passed) => passed,
            // Never closed: the tap, which has the sender, is kept here.
            None => std::future::pending().await,
        }
    }

    /// Events that this reader was too slow for, since this was asked last.
    pub fn missed(&self) -> u64 {
        self.tap.missed.swap(0, Relaxed)
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        let mut taps = self
            .taps
            .taps
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| !Arc::ptr_eq(tap, &self.tap));
        self.taps.count.store(taps.len(), Relaxed);
    }
}

impl Taps {
    /// Shows events to a reader from now on.
    ///
    /// # Errors
    /// [`TapError`].
    pub fn tap(self: &Arc<Self>, filter: TapFilter) -> Result<Tapped, TapError> {
        if filter.input.is_some() && filter.route.is_some() {
            return Err(TapError::InputAndRoute);
        }
        let mut taps = self.taps.write().unwrap_or_else(PoisonError::into_inner);
        if taps.len() >= TAPS_MAX {
            return Err(TapError::TooMany);
        }
        let (queue, events) = mpsc::channel(QUEUE_LEN);
        let share = Mutex::new(Share {
            skip: 0,
            left: filter.per_second.min(PER_SECOND_MAX),
            second_began: Instant::now(),
        });
        let tap = Arc::new(Tap {
            filter,
            share,
            queue,
            missed: AtomicU64::new(0),
        });
        taps.push(Arc::clone(&tap));
        self.count.store(taps.len(), Relaxed);
        drop(taps);
        Ok(Tapped {
            taps: Arc::clone(self),
            tap,
            events,
        })
    }

    /// Whether anybody taps.
    pub(super) fn is_on(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Batches have come by an input.
    pub(super) fn came(&self, input: &str, batches: &[Incoming<'_>]) {
        self.pass(Place::Input(input), batches);
    }

    /// Batches have been stored by a route.
    pub(super) fn stored(&self, route: &str, batches: &[Incoming<'_>]) {
        self.pass(Place::Route(route), batches);
    }

    fn pass(&self, place: Place<'_>, batches: &[Incoming<'_>]) {
        let Ok(taps) = self.taps.try_read() else {
            return;
        };
        for tap in taps.iter() {
            tap.pass(place, batches);
        }
    }
}

impl Tap {
    fn pass(&self, place: Place<'_>, batches: &[Incoming<'_>]) {
        if !self.filter.is_at(place) {
            return;
        }
        // Whoever is in it shows enough.
        let Ok(mut share) = self.share.try_lock() else {
            return;
        };
        for batch in batches {
            let is_meant = (self.filter.tag.as_ref()).is_none_or(|tag| tag.matches(batch.tag));
            if is_meant && share.is_any_left(self.filter.per_second) {
                self.show(&mut share, place, batch);
            }
        }
    }

    fn show(&self, share: &mut Share, place: Place<'_>, batch: &Incoming<'_>) {
        for entry in entries(batch.payload) {
            if share.skip > 0 {
                share.skip -= 1;
                continue;
            }
            let Ok(entry) = entry else { continue };
            if share.left == 0 {
                return;
            }
            share.left -= 1;
            share.skip = self.filter.one_in.saturating_sub(1);
            let passed = Passed::new(place, batch.tag, entry.time, entry.record);
            if self.queue.try_send(passed).is_err() {
                self.missed.fetch_add(1, Relaxed);
            }
        }
    }
}

impl TapFilter {
    fn is_at(&self, place: Place<'_>) -> bool {
        match (place, &self.input) {
            (Place::Input(name), Some(input)) => name == input,
            (Place::Route(name), None) => self.route.as_ref().is_none_or(|route| name == route),
            (Place::Input(_), None) | (Place::Route(_), Some(_)) => false,
        }
    }
}

impl Share {
    fn is_any_left(&mut self, per_second: u32) -> bool {
        if self.left == 0 && self.second_began.elapsed() >= Duration::from_secs(1) {
            self.second_began = Instant::now();
            self.left = per_second.min(PER_SECOND_MAX);
        }
        self.left > 0
    }
}

impl Passed {
    fn new(place: Place<'_>, tag: &str, time: Timestamp, record: &[u8]) -> Self {
        let (input, route) = match place {
            Place::Input(input) => (Some(input.to_owned()), None),
            Place::Route(route) => (None, Some(route.to_owned())),
        };
        Self {
            input,
            route,
            tag: tag.to_owned(),
            time,
            record_len: record.len(),
            record: (record.len() <= RECORD_LEN_MAX).then(|| record.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"\x92\x01\x81\xa1n\x01";

    fn batch<'a>(tag: &'a str, payload: &'a [u8]) -> Incoming<'a> {
        Incoming {
            tag,
            payload,
            batch_id: &[],
            patience: None,
        }
    }

    fn waiting(tapped: &mut Tapped) -> Vec<Passed> {
        std::iter::from_fn(|| tapped.events.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn a_tap_sees_what_it_asks_for_and_nothing_after_it_is_closed() {
        let taps = Arc::new(Taps::default());
        assert!(!taps.is_on());
        let mut web = taps
            .tap(TapFilter {
                route: Some("web".to_owned()),
                tag: Some(TagMatcher::parse("app.**").unwrap()),
                ..TapFilter::default()
            })
            .unwrap();
        let mut input = taps
            .tap(TapFilter {
                input: Some("in".to_owned()),
                ..TapFilter::default()
            })
            .unwrap();
        assert!(taps.is_on());
        taps.came("in", &[batch("app.a", ONE)]);
        taps.came("other", &[batch("app.a", ONE)]);
        taps.stored("web", &[batch("app.b", ONE), batch("sys", ONE)]);
        taps.stored("other", &[batch("app.c", ONE)]);
        let seen = waiting(&mut web);
        let seen: Vec<_> = seen.iter().map(|event| &*event.tag).collect();
        assert_eq!(seen, ["app.b"]);
        let seen = waiting(&mut input);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].record.as_deref(), Some(&b"\x81\xa1n\x01"[..]));
        drop((web, input));
        assert!(!taps.is_on());
    }

    #[tokio::test(start_paused = true)]
    async fn a_tap_is_shown_one_of_so_many_and_so_many_a_second() {
        let taps = Arc::new(Taps::default());
        let filter = TapFilter {
            one_in: 3,
            per_second: 4,
            ..TapFilter::default()
        };
        let mut tapped = taps.tap(filter).unwrap();
        let ten = ONE.repeat(10);
        taps.stored("web", &[batch("a", &ten)]);
        assert_eq!(waiting(&mut tapped).len(), 4, "the 1st, 4th, 7th and 10th");
        taps.stored("web", &[batch("a", &ten)]);
        assert_eq!(waiting(&mut tapped).len(), 0, "not in this second");
        tokio::time::advance(Duration::from_secs(1)).await;
        taps.stored("web", &[batch("a", &ten)]);
        assert_eq!(waiting(&mut tapped).len(), 3);
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_holds_a_bounded_number_and_hears_what_it_missed() {
        let taps = Arc::new(Taps::default());
        let filter = TapFilter {
            per_second: PER_SECOND_MAX,
            ..TapFilter::default()
        };
        let mut tapped = taps.tap(filter).unwrap();
        let many = ONE.repeat(500);
        taps.stored("web", &[batch("a", &many)]);
        assert_eq!(tapped.missed(), 500 - QUEUE_LEN as u64);
        assert_eq!(tapped.missed(), 0, "told once");
        assert_eq!(waiting(&mut tapped).len(), QUEUE_LEN);
    }

    #[tokio::test]
    async fn a_long_record_is_told_and_not_shown() {
        let taps = Arc::new(Taps::default());
        let mut tapped = taps.tap(TapFilter::default()).unwrap();
        let text = vec![b'x'; RECORD_LEN_MAX];
        let len = u16::try_from(text.len()).unwrap().to_be_bytes();
        let long = [&b"\x92\x01\x81\xa1n\xda"[..], &len, &text].concat();
        taps.stored("web", &[batch("a", &long)]);
        let seen = waiting(&mut tapped);
        assert_eq!(
            (seen[0].record_len, &seen[0].record),
            (text.len() + 6, &None)
        );
    }

    #[test]
    fn there_are_so_many_taps_and_none_of_an_input_and_a_route() {
        let taps = Arc::new(Taps::default());
        let open: Vec<_> = (0..TAPS_MAX)
            .map(|_| taps.tap(TapFilter::default()).unwrap())
            .collect();
        let more = taps.tap(TapFilter::default());
        assert_eq!(more.unwrap_err(), TapError::TooMany);
        drop(open);
        let both = TapFilter {
            input: Some("in".to_owned()),
            route: Some("web".to_owned()),
            ..TapFilter::default()
        };
        assert_eq!(taps.tap(both).unwrap_err(), TapError::InputAndRoute);
    }
}
