//! A chain made of configuration text, without a store, on a clock that the test sets.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::chain::Strained;
use super::{Chain, Filter, FilterStats, Link, OnError, open};
use crate::clock::Now;
use crate::config;
use crate::event::{Event, Record, Timestamp, entries, entries_from_json};
use crate::msgpack::json;
use crate::route::TagMatcher;

/// The routes, in their order: `alert.**`, `app.**`, and one that no tag leads to.
pub(super) const ROUTES: [&str; 3] = ["alerts", "apps", "spare"];

/// A chain and its clock.
pub(super) struct Rig {
    pub(super) chain: Chain,
    pub(super) now: Now,
}

/// What came out: route, tag and record of each event, and the reasons of dead letters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) events: Vec<(&'static str, String, String)>,
    pub(super) dead: Vec<String>,
    pub(super) unmatched_count: u64,
}

impl Rig {
    /// The filters that `text` describes, indented by nothing.
    pub(super) fn new(text: &str) -> Self {
        let filters: String = text.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!(
            "data_dir: d\ninputs: {{i: {{type: http}}}}\noutputs: {{o: {{type: stdout}}}}\nroutes:\n  \
             alerts: {{match: 'alert.**', to: o}}\n  apps: {{match: 'app.**', to: o}}\n  \
             spare: {{match: spare, to: o}}\nfilters:\n{filters}"
        );
        let plan = config::load_str("f.yaml", &text, &config::System);
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        let now = at_s(1_000);
        let links = plan.filters.into_iter().map(|plan| Link {
            name: plan.name.as_str().into(),
            matcher: plan.matcher,
            on_error: plan.on_error,
            filter: open(plan.kind, now).unwrap().into(),
            stats: Arc::default(),
        });
        Self::of(links.collect())
    }

    /// A filter of the test's own.
    pub(super) fn with(filter: impl Filter, on_error: OnError) -> Self {
        Self::of(vec![link("own", filter, on_error)])
    }

    pub(super) fn of(links: Vec<Link>) -> Self {
        let names = ROUTES.map(str::to_owned).to_vec();
        Self {
            chain: Chain::new(links, names),
            now: at_s(1_000),
        }
    }

    /// Sends the objects of a JSON array through, as a batch.
    pub(super) fn send(&self, tag: &str, events: &str) -> Out {
        let mut payload = Vec::new();
        let time = Timestamp::from_ns(self.now.unix_ns);
        entries_from_json(&mut payload, time, events.as_bytes()).unwrap();
        self.send_packed(tag, &payload)
    }

    pub(super) fn send_packed(&self, tag: &str, payload: &[u8]) -> Out {
        out(&self.chain.batch(tag, payload, self.now, &by_tag))
    }

    /// Lets time pass, and calls the first filter as often as it wants to be called meanwhile.
    pub(super) fn pass(&mut self, seconds: u64) -> Out {
        let end = self.now.monotonic + Duration::from_secs(seconds);
        let mut all = out(&Strained::default());
        let next = |chain: &Chain| chain.links()[0].filter.next_tick();
        while let Some(due) = next(&self.chain).filter(|due| *due <= end) {
            self.set(due.max(self.now.monotonic));
            let told = out(&self.chain.tick(0, false, self.now, &by_tag));
            all.events.extend(told.events);
        }
        self.set(end);
        all
    }

    /// The first filter's last call.
    pub(super) fn close(&self) -> Out {
        out(&self.chain.tick(0, true, self.now, &by_tag))
    }

    /// The only filter, for another rig.
    pub(super) fn chain_link(self) -> Link {
        let mut links = self.chain.into_links();
        assert_eq!(links.len(), 1);
        links.remove(0)
    }

    pub(super) fn stats(&self) -> &FilterStats {
        &self.chain.links()[0].stats
    }

    fn set(&mut self, monotonic: Duration) {
        self.now = Now {
            monotonic,
            unix_ns: i64::try_from(monotonic.as_nanos()).unwrap(),
        };
    }
}

impl Out {
    /// The records, where all events have this tag.
    #[track_caller]
    pub(super) fn records(&self, tag: &str) -> Vec<&str> {
        let record = |(_, found, record): &(&'static str, String, String)| {
            assert_eq!(found, tag, "{record}");
        };
        self.events.iter().for_each(record);
        self.events
            .iter()
            .map(|(_, _, record)| record.as_str())
            .collect()
    }
}

pub(super) fn link(name: &str, filter: impl Filter, on_error: OnError) -> Link {
    Link {
        name: name.into(),
        matcher: None,
        on_error,
        filter: Arc::new(filter),
        stats: Arc::default(),
    }
}

pub(super) fn at_s(seconds: u64) -> Now {
    Now {
        monotonic: Duration::from_secs(seconds),
        unix_ns: i64::try_from(seconds).unwrap() * 1_000_000_000,
    }
}

/// An event of the test's own.
pub(super) fn event(tag: &str, fields: &[(&str, i64)]) -> Event {
    let record: Record = fields.iter().copied().collect();
    Event::new(tag, Timestamp::from_ns(1), record).unwrap()
}

pub(super) fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Relaxed)
}

fn by_tag(tag: &str) -> Option<usize> {
    let routes = ["alert.**", "app.**"];
    let takes = |pattern: &str| TagMatcher::parse(pattern).unwrap().matches(tag);
    routes.iter().position(|pattern| takes(pattern))
}

fn out(strained: &Strained) -> Out {
    let mut events = Vec::new();
    for portion in &strained.portions {
        let mut event_count = 0;
        for entry in entries(&portion.payload) {
            let mut text = Vec::new();
            let bytes = entry.map_or_else(|bad| bad.bytes, |entry| entry.record);
            json::value(&mut text, bytes).unwrap();
            let record = String::from_utf8(text).unwrap();
            events.push((ROUTES[portion.route], portion.tag.to_string(), record));
            event_count += 1;
        }
        assert_eq!(event_count, portion.event_count);
    }
    let dead = strained.dead.iter();
    Out {
        events,
        dead: dead
            .map(|dead| format!("{} {}: {}", dead.event_count, dead.tag, dead.why))
            .collect(),
        unmatched_count: strained.unmatched_count,
    }
}
