//! All filters in their order, and events on their way through them.
//!
//! Knows no store and no clock: events go in, and what is to be stored comes out.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::injector::{Injected, Injector};
use super::routes::RouteSet;
use super::stats::{FilterStats, add};
use super::{Context, Failure, Filter, OnError, Verdict};
use crate::clock::Now;
use crate::event::{Event, Timestamp, entries};
use crate::route::{TagMatcher, TagMemo};
use crate::telemetry::RateLimited;

/// Most filters of a configuration: those that match a tag are bits of a word.
pub(crate) const FILTERS_MAX: usize = u64::BITS as usize;

/// What stands before the tag of an event that a filter has failed on, with `on_error: tag`.
pub(super) const FAILED_PREFIX: &str = "filter_failed.";

/// Reasons that a filter may give before they are all called one name: each has chunks of its own
/// among the dead letters.
const REASONS_MAX: usize = 16;

/// One filter with what the configuration says about it.
pub struct Link {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The tags that it sees; `None`: all.
    pub matcher: Option<TagMatcher>,
    /// What becomes of an event that it fails on.
    pub on_error: OnError,
    /// The filter.
    pub filter: Arc<dyn Filter>,
    /// Its counters.
    pub stats: Arc<FilterStats>,
}

/// Filters in their order.
pub struct Chain {
    links: Vec<Link>,
    reasons: Vec<Mutex<HashSet<String>>>,
    /// By tag the filters that match it.
    matching: TagMemo<u64>,
    route_names: Arc<[String]>,
    warned: RateLimited,
}

/// What came of a batch or a tick.
#[derive(Debug, Default)]
pub(super) struct Strained {
    pub(super) portions: Vec<Portion>,
    pub(super) dead: Vec<Dead>,
    /// Events that no route takes.
    pub(super) unmatched_count: u64,
}

/// Events of one tag for one route.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) route: usize,
    pub(super) tag: Arc<str>,
    /// The place of the filter that made them; `None`: they came with the batch.
    pub(super) origin: Option<usize>,
    pub(super) payload: Vec<u8>,
    pub(super) event_count: u64,
}

/// Events of one tag that a filter has failed on for one reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) filter: usize,
    pub(super) tag: Arc<str>,
    pub(super) why: String,
    pub(super) payload: Vec<u8>,
    pub(super) event_count: u64,
}

/// One batch, or one tick, on its way.
struct Passage<'c> {
    chain: &'c Chain,
    by_tag: &'c dyn Fn(&str) -> Option<usize>,
    now: Now,
    injector: Injector,
    strained: Strained,
    places: HashMap<(usize, Arc<str>, Option<usize>), usize>,
}

impl Chain {
    /// `links` in their order, before routes with these names.
    ///
    /// # Panics
    /// If there are more than 64; the configuration allows no more.
    #[must_use]
    pub fn new(links: Vec<Link>, route_names: Vec<String>) -> Self {
        assert!(links.len() <= FILTERS_MAX, "the configuration allows fewer");
        Self {
            reasons: links.iter().map(|_| Mutex::default()).collect(),
            links,
            matching: TagMemo::default(),
            route_names: route_names.into(),
            warned: RateLimited::new(Duration::from_secs(10)),
        }
    }

    /// The filters.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    #[cfg(test)]
    pub(super) fn into_links(self) -> Vec<Link> {
        self.links
    }

    /// Whether no filter looks at events with this tag.
    pub(super) fn is_idle(&self, tag: &str) -> bool {
        self.matching(tag) == 0
    }

    /// Sends the entries of a batch through. `by_tag` gives the route that a tag leads to.
    ///
    /// Entries that are no events pass by all filters: the route sets them aside.
    pub(super) fn batch(
        &self,
        tag: &str,
        payload: &[u8],
        now: Now,
        by_tag: &dyn Fn(&str) -> Option<usize>,
    ) -> Strained {
        let batch = Bytes::copy_from_slice(payload);
        let tag: Arc<str> = tag.into();
        let arrival = Timestamp::from_ns(now.unix_ns);
        let mut passage = Passage::new(self, now, by_tag);
        for entry in entries(&batch) {
            match entry {
                Ok(entry) => {
                    let event = Event::of_entry(&tag, &batch, &entry, arrival);
                    passage.send(event, None, 0);
                }
                Err(bad) => passage.pass_by(&tag, bad.bytes),
            }
        }
        passage.finish()
    }

    /// Calls a filter's tick, or its last call, and sends what it injects through.
    pub(super) fn tick(
        &self,
        filter: usize,
        is_last: bool,
        now: Now,
        by_tag: &dyn Fn(&str) -> Option<usize>,
    ) -> Strained {
        let mut passage = Passage::new(self, now, by_tag);
        passage.tick(filter, is_last);
        passage.finish()
    }

    fn matching(&self, tag: &str) -> u64 {
        self.matching.get(tag, || {
            let matches = |link: &Link| link.matcher.as_ref().is_none_or(|m| m.matches(tag));
            let links = self.links.iter().enumerate();
            links.fold(0, |all, (place, link)| {
                all | u64::from(matches(link)) << place
            })
        })
    }

    /// `why`, or a name for all reasons once there are too many.
    fn reason(&self, filter: usize, why: &Failure) -> String {
        let why = why.to_string();
        let mut known = self.reasons[filter]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REASONS_MAX && !known.contains(&why) {
            return "one of many reasons".to_owned();
        }
        known.insert(why.clone());
        why
    }

    fn warn(&self, link: &Link, failure: &Failure, now: Now) {
        if let Some(held_back_count) = self.warned.admit(now.monotonic) {
            tracing::warn!(
                filter = &*link.name, %failure, on_error = ?link.on_error, held_back_count,
                "a filter failed on an event"
            );
        }
    }
}

impl<'c> Passage<'c> {
    fn new(chain: &'c Chain, now: Now, by_tag: &'c dyn Fn(&str) -> Option<usize>) -> Self {
        Self {
            chain,
            by_tag,
            now,
            injector: Injector::default(),
            strained: Strained::default(),
            places: HashMap::new(),
        }
    }

    /// Sends an event through all filters but `origin`, which made it.
    fn send(&mut self, mut event: Event, origin: Option<usize>, generation: u32) {
        let mut routes = RouteSet::by_tag(Arc::clone(&self.chain.route_names));
        let mut matching = self.chain.matching(event.tag());
        for place in 0..self.chain.links.len() {
            if matching & 1 << place == 0 || origin == Some(place) {
                continue;
            }
            let tag = Arc::clone(event.shared_tag());
            if !self.apply(place, generation, &mut event, &mut routes) {
                return;
            }
            if !Arc::ptr_eq(&tag, event.shared_tag()) {
                matching = self.chain.matching(event.tag());
            }
        }
        self.store(&event, &routes, origin);
    }

    /// Applies one filter; whether the event goes on.
    fn apply(
        &mut self,
        place: usize,
        generation: u32,
        event: &mut Event,
        routes: &mut RouteSet,
    ) -> bool {
        let link = &self.chain.links[place];
        let (event_before, routes_before) = (event.clone(), routes.clone());
        let injected_before = self.injector.len();
        self.injector.serve(place, generation);
        let mut context = Context {
            now: self.now,
            routes,
            injector: &mut self.injector,
        };
        let apply = AssertUnwindSafe(|| link.filter.apply(event, &mut context));
        let applied = catch_unwind(apply).unwrap_or_else(|_| Err(Failure::new("it panicked")));
        add(&link.stats.events, 1);
        add(&link.stats.unknown_routes, routes.take_unknown_count());
        let refused = self.injector.take_refused_count();
        add(&link.stats.injections_refused, refused);
        match applied {
            Ok(verdict) => {
                let injected = self.injector.len() - injected_before;
                add(&link.stats.injected, injected as u64);
                add(&link.stats.blocked, u64::from(verdict == Verdict::Block));
                verdict == Verdict::Keep
            }
            Err(failure) => {
                (*event, *routes) = (event_before, routes_before);
                self.injector.take_back(injected_before);
                self.fail(place, event, &failure)
            }
        }
    }

    /// Does with an event what the filter's configuration says; whether it goes on.
    fn fail(&mut self, place: usize, event: &mut Event, failure: &Failure) -> bool {
        let link = &self.chain.links[place];
        self.chain.warn(link, failure, self.now);
        match link.on_error {
            OnError::Keep => {
                add(&link.stats.failed_kept, 1);
                true
            }
            OnError::Tag => {
                add(&link.stats.failed_tagged, 1);
                // A tag with something before it is not empty.
                let _ = event.set_tag(format!("{FAILED_PREFIX}{}", event.tag()));
                true
            }
            OnError::DeadLetter => {
                add(&link.stats.failed_dead, 1);
                self.bury(place, event, failure);
                false
            }
        }
    }

    fn bury(&mut self, filter: usize, event: &Event, failure: &Failure) {
        let why = self.chain.reason(filter, failure);
        let tag = event.shared_tag();
        let is_same = |dead: &Dead| dead.filter == filter && dead.tag == *tag && dead.why == why;
        let known = self.strained.dead.iter().position(is_same);
        let at = known.unwrap_or(self.strained.dead.len());
        if known.is_none() {
            self.strained.dead.push(Dead {
                filter,
                tag: Arc::clone(tag),
                why,
                payload: Vec::new(),
                event_count: 0,
            });
        }
        let dead = &mut self.strained.dead[at];
        event.pack(&mut dead.payload);
        dead.event_count += 1;
    }

    /// An entry that is no event.
    fn pass_by(&mut self, tag: &Arc<str>, bytes: &[u8]) {
        match (self.by_tag)(tag) {
            Some(route) => {
                let portion = self.portion(route, tag, None);
                portion.payload.extend_from_slice(bytes);
                portion.event_count += 1;
            }
            None => self.strained.unmatched_count += 1,
        }
    }

    /// Puts an event to those that go to the same routes.
    fn store(&mut self, event: &Event, routes: &RouteSet, origin: Option<usize>) {
        let by_tag = (self.by_tag)(event.tag());
        if routes.is_by_tag() {
            match by_tag {
                Some(route) => self.put(route, event, origin),
                None => self.strained.unmatched_count += 1,
            }
            return;
        }
        let routes = routes.resolve(by_tag);
        self.strained.unmatched_count += u64::from(routes.is_empty());
        for route in routes {
            self.put(route, event, origin);
        }
    }

    fn put(&mut self, route: usize, event: &Event, origin: Option<usize>) {
        let portion = self.portion(route, event.shared_tag(), origin);
        event.pack(&mut portion.payload);
        portion.event_count += 1;
    }

    /// One portion for each route, tag and origin, so that no two portions of a batch that a route
    /// gets can be taken for repeats of each other.
    fn portion(&mut self, route: usize, tag: &Arc<str>, origin: Option<usize>) -> &mut Portion {
        let portions = &mut self.strained.portions;
        let at = self
            .places
            .entry((route, Arc::clone(tag), origin))
            .or_insert_with(|| {
                portions.push(Portion {
                    route,
                    tag: Arc::clone(tag),
                    origin,
                    payload: Vec::new(),
                    event_count: 0,
                });
                portions.len() - 1
            });
        &mut portions[*at]
    }

    fn tick(&mut self, place: usize, is_last: bool) {
        let link = &self.chain.links[place];
        self.injector.serve(place, 0);
        let (now, injector) = (self.now, &mut self.injector);
        let call = AssertUnwindSafe(|| match is_last {
            true => link.filter.close(now, injector),
            false => link.filter.tick(now, injector),
        });
        let done = catch_unwind(call).unwrap_or_else(|_| Err(Failure::new("it panicked")));
        add(&link.stats.injected, self.injector.len() as u64);
        let refused = self.injector.take_refused_count();
        add(&link.stats.injections_refused, refused);
        if let Err(failure) = done {
            add(&link.stats.failed_ticks, 1);
            self.chain.warn(link, &failure, now);
        }
    }

    /// Sends what was injected through, until nothing is injected any more.
    fn finish(mut self) -> Strained {
        while let Some(injected) = self.injector.next() {
            let Injected {
                event,
                origin,
                generation,
            } = injected;
            self.send(event, Some(origin), generation);
        }
        self.strained
    }
}
