//! The filters as an intake before the router, and the tasks that their timers need.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chain::{Chain, Dead, Link, Portion, Strained};
use super::stats::{FilterStats, add};
use crate::buffer::{
    Accept, Failed, Incoming, Pending, Ready, Refused, Router, malformed, unhurried,
};
use crate::clock::Clock;
use crate::event;

/// Filters look at a byte for longer than the intake does.
const EFFORT: usize = 8;

/// How many portions of injected events may wait for a route that did not take them.
const LEFTOVERS_MAX: usize = 1024;

/// When what could not be stored is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A filter is not called more often than this, whatever it asks for.
const TICK_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// How long the last injected events may wait for a full route when the daemon stops.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// What a dead letter says that a filter has failed on.
const DEAD_REASON: &str = "a filter failed";

/// Takes batches, sends them through the filters, and hands on what comes out.
pub struct Strain {
    chain: Chain,
    router: Arc<Router>,
    clock: Clock,
    /// One for each filter.
    timers: Vec<Timer>,
    leftovers: Arc<Leftovers>,
}

/// When a filter's task will look at it again.
#[derive(Debug, Default)]
struct Timer {
    /// By the monotonic clock, in nanoseconds.
    sleeps_until_ns: AtomicU64,
    wake: Notify,
}

/// Injected events that no route has taken yet: what caused them is not acknowledged, or was time,
/// and they must not go with it.
#[derive(Debug, Default)]
struct Leftovers {
    waiting: Mutex<VecDeque<Portion>>,
    /// Nobody looks at them any more.
    is_closed: AtomicBool,
    added: Notify,
    /// By filter.
    stats: Vec<Arc<FilterStats>>,
}

/// Injected events on their way; what is left when this is dropped is a leftover.
struct OnTheWay<'s> {
    portions: VecDeque<Portion>,
    leftovers: &'s Leftovers,
}

impl Strain {
    /// Filters before a router.
    #[must_use]
    pub fn new(chain: Chain, router: Arc<Router>, clock: Clock) -> Self {
        let links = chain.links();
        let leftovers = Leftovers {
            stats: links.iter().map(|link| Arc::clone(&link.stats)).collect(),
            ..Leftovers::default()
        };
        Self {
            timers: links.iter().map(|_| Timer::default()).collect(),
            chain,
            router,
            clock,
            leftovers: Arc::new(leftovers),
        }
    }

    /// Calls the filters when their time has come, until `stop` is cancelled.
    pub async fn drive(self: Arc<Self>, stop: CancellationToken) {
        let filters = 0..self.chain.links().len();
        let ticking = join_all(filters.map(|filter| self.drive_filter(filter, &stop)));
        tokio::join!(ticking, self.drive_leftovers(&stop));
    }

    /// The filters, in their order.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        self.chain.links()
    }

    /// The filters' last calls, in their order; those that go on as filters of the `heir` are left
    /// alone. What they inject, and what was left, is stored as far as there is room; the rest goes to
    /// the heir, or is counted as lost.
    pub async fn close(&self, heir: Option<&Self>) {
        for (filter, link) in self.chain.links().iter().enumerate() {
            if heir.is_none_or(|heir| heir.place_of(link).is_none()) {
                let strained = self.tick(filter, true);
                self.try_all(strained, heir).await;
            }
        }
        for portion in self.leftovers.close() {
            self.try_one(portion, heir).await;
        }
    }

    /// The place of another chain's filter in this one.
    fn place_of(&self, other: &Link) -> Option<usize> {
        let is_it = |link: &Link| Arc::ptr_eq(&link.filter, &other.filter);
        self.links().iter().position(is_it)
    }

    /// Takes what another chain could not store: it goes to the route of the same name.
    fn inherit(&self, portion: Portion, from: &Self) {
        let name = from.router.names().into_iter().nth(portion.route);
        let names = self.router.names();
        let route = names.iter().position(|route| Some(route) == name.as_ref());
        let Some(route) = route else {
            return from.leftovers.lose(&portion);
        };
        let origin = portion.origin.and_then(|origin| from.links().get(origin));
        self.leftovers.add(Portion {
            route,
            origin: origin.and_then(|link| self.place_of(link)),
            ..portion
        });
    }

    /// The batch's way through the filters to its routes.
    async fn strain(&self, batch: Incoming<'_>) -> Result<Pending, Refused> {
        let effort = batch.payload.len().saturating_mul(EFFORT);
        let strained = unhurried(effort, || {
            event::check(batch.payload).map_err(|error| malformed(&error, batch.payload))?;
            let by_tag = |tag: &str| self.router.by_tag(tag);
            let now = self.clock.now();
            Ok(self.chain.batch(batch.tag, batch.payload, now, &by_tag))
        })?;
        self.wake_timers();
        self.hand_on(strained, batch).await
    }

    /// Hands all of it to the routes. What was injected goes first: if anything is refused then, the
    /// sender comes again with the rest, but nobody would with this.
    async fn hand_on(&self, strained: Strained, batch: Incoming<'_>) -> Result<Pending, Refused> {
        let deadline = batch.patience.map(|patience| Instant::now() + patience);
        let patience = || deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let (injected, own): (Vec<_>, Vec<_>) = strained
            .portions
            .into_iter()
            .partition(|portion| portion.origin.is_some());
        let mut on_the_way = OnTheWay {
            portions: injected.into(),
            leftovers: &self.leftovers,
        };
        let mut injected = Vec::new();
        while let Some(portion) = on_the_way.portions.front() {
            let pending = self.store(portion, &[], patience()).await?;
            injected.extend(
                on_the_way
                    .portions
                    .pop_front()
                    .map(|portion| (pending, portion)),
            );
        }
        let mut pendings = Vec::new();
        for dead in &strained.dead {
            pendings.push(self.bury(dead, patience()).await?);
        }
        for portion in &own {
            pendings.push(self.store(portion, batch.batch_id, patience()).await?);
        }
        self.router.count_unmatched(strained.unmatched_count);
        Ok(self.together(pendings, injected))
    }

    /// One promise of several.
    fn together(&self, pendings: Vec<Pending>, injected: Vec<(Pending, Portion)>) -> Pending {
        let event_count = pendings.iter().map(|pending| pending.event_count).sum();
        let set_aside_count = pendings.iter().map(|pending| pending.set_aside_count).sum();
        let leftovers = Arc::clone(&self.leftovers);
        let durable = async move {
            let mut outcome = Ok(());
            for (pending, portion) in injected {
                let durable = pending.durable().await;
                if durable.is_err() {
                    leftovers.add(portion);
                }
                outcome = outcome.and(durable);
            }
            for pending in pendings {
                outcome = outcome.and(pending.durable().await);
            }
            outcome
        };
        Pending::new(event_count, set_aside_count, Box::pin(durable))
    }

    async fn store(
        &self,
        portion: &Portion,
        batch_id: &[u8],
        patience: Option<Duration>,
    ) -> Result<Pending, Refused> {
        let batch = Incoming {
            tag: &portion.tag,
            payload: &portion.payload,
            batch_id,
            patience,
        };
        self.router.store(portion.route, batch).await
    }

    /// To the dead letters of the route that the events' tag leads to, or else of the first.
    async fn bury(&self, dead: &Dead, patience: Option<Duration>) -> Result<Pending, Refused> {
        let route = self.router.by_tag(&dead.tag).unwrap_or(0);
        let name = &self.chain.links()[dead.filter].name;
        let failed = Failed {
            tag: &dead.tag,
            payload: &dead.payload,
            event_count: dead.event_count,
            reason: DEAD_REASON,
            detail: &format!("{name}: {}", dead.why),
            patience,
        };
        self.router.bury(route, failed).await
    }

    async fn drive_filter(&self, filter: usize, stop: &CancellationToken) {
        let timer = &self.timers[filter];
        let mut earliest = Duration::ZERO;
        loop {
            // First this, so that a batch between the two lines below wakes us.
            timer.sleeps_until_ns.store(u64::MAX, SeqCst);
            let due = self.chain.links()[filter].filter.next_tick();
            let due = due.map(|due| due.max(earliest));
            timer.sleeps_until_ns.store(nanoseconds(due), SeqCst);
            tokio::select! {
                () = stop.cancelled() => return,
                () = timer.wake.notified() => {}
                () = self.sleep_until(due) => {
                    let strained = self.tick(filter, false);
                    self.insist(strained, stop).await;
                    earliest = self.clock.now().monotonic + TICK_INTERVAL_MIN;
                }
            }
        }
    }

    /// Tells the tasks of filters that want to be called earlier than they will be.
    fn wake_timers(&self) {
        for (timer, link) in self.timers.iter().zip(self.chain.links()) {
            let due = nanoseconds(link.filter.next_tick());
            if due < timer.sleeps_until_ns.load(SeqCst) {
                timer.wake.notify_one();
            }
        }
    }

    async fn sleep_until(&self, due: Option<Duration>) {
        match due {
            Some(due) => tokio::time::sleep_until(self.clock.instant(due)).await,
            None => std::future::pending().await,
        }
    }

    fn tick(&self, filter: usize, is_last: bool) -> Strained {
        let by_tag = |tag: &str| self.router.by_tag(tag);
        let now = self.clock.now();
        let strained = self.chain.tick(filter, is_last, now, &by_tag);
        // One filter's events may be what another waits for.
        self.wake_timers();
        strained
    }

    /// Stores what came of a tick, however long that takes, or until `stop`.
    async fn insist(&self, strained: Strained, stop: &CancellationToken) {
        self.router.count_unmatched(strained.unmatched_count);
        for dead in &strained.dead {
            self.bury_or_warn(dead, None).await;
        }
        let mut on_the_way = OnTheWay {
            portions: strained.portions.into(),
            leftovers: &self.leftovers,
        };
        while let Some(portion) = on_the_way.portions.front() {
            let stored = self.store(portion, &[], None).await;
            match until_durable(stored).await {
                Ok(()) => drop(on_the_way.portions.pop_front()),
                Err(Refused::Stopping) => return,
                Err(_) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                },
            }
        }
    }

    async fn try_all(&self, strained: Strained, heir: Option<&Self>) {
        self.router.count_unmatched(strained.unmatched_count);
        for dead in &strained.dead {
            self.bury_or_warn(dead, Some(CLOSE_PATIENCE)).await;
        }
        for portion in strained.portions {
            self.try_one(portion, heir).await;
        }
    }

    async fn try_one(&self, portion: Portion, heir: Option<&Self>) {
        match (self.insist_once(&portion).await, heir) {
            (Ok(()), _) => {}
            (Err(_), Some(heir)) => heir.inherit(portion, self),
            (Err(_), None) => self.leftovers.lose(&portion),
        }
    }

    async fn insist_once(&self, portion: &Portion) -> Result<(), Refused> {
        let stored = self.store(portion, &[], Some(CLOSE_PATIENCE)).await;
        until_durable(stored).await
    }

    /// An injected event that a later filter failed on: nobody else has it.
    async fn bury_or_warn(&self, dead: &Dead, patience: Option<Duration>) {
        let buried = self.bury(dead, patience).await;
        if let Err(refused) = until_durable(buried).await {
            let stats = &self.chain.links()[dead.filter].stats;
            add(&stats.injected_lost, dead.event_count);
            tracing::error!(%refused, "events that a filter injected are lost");
        }
    }

    async fn drive_leftovers(&self, stop: &CancellationToken) {
        loop {
            let next = self.leftovers.waiting().pop_front();
            match next {
                Some(portion) => {
                    let strained = Strained {
                        portions: vec![portion],
                        ..Strained::default()
                    };
                    self.insist(strained, stop).await;
                    if stop.is_cancelled() {
                        return;
                    }
                }
                None => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.leftovers.added.notified() => {}
                },
            }
        }
    }
}

impl Accept for Strain {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        if self.chain.is_idle(batch.tag) {
            return self.router.accept(batch);
        }
        Box::pin(self.strain(batch))
    }

    /// The short way is open to what no filter looks at.
    fn accept_ready(&self, batches: &[Incoming<'_>]) -> Option<Ready> {
        let tag = batches.first()?.tag;
        if !self.chain.is_idle(tag) {
            return None;
        }
        let count = batches.iter().take_while(|batch| batch.tag == tag).count();
        self.router.accept_ready(&batches[..count])
    }
}

impl Leftovers {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Portion>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that are left; no more are taken.
    fn close(&self) -> Vec<Portion> {
        let mut waiting = self.waiting();
        self.is_closed.store(true, SeqCst);
        waiting.drain(..).collect()
    }

    fn add(&self, portion: Portion) {
        {
            let mut waiting = self.waiting();
            if waiting.len() >= LEFTOVERS_MAX || self.is_closed.load(SeqCst) {
                drop(waiting);
                return self.lose(&portion);
            }
            waiting.push_back(portion);
        }
        self.added.notify_one();
    }

    fn lose(&self, portion: &Portion) {
        if let Some(stats) = portion.origin.and_then(|origin| self.stats.get(origin)) {
            add(&stats.injected_lost, portion.event_count);
        }
        tracing::error!(
            tag = &*portion.tag,
            events = portion.event_count,
            "events that a filter injected are lost: their route is full or cannot store them"
        );
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        for portion in self.portions.drain(..) {
            self.leftovers.add(portion);
        }
    }
}

async fn until_durable(stored: Result<Pending, Refused>) -> Result<(), Refused> {
    stored?.durable().await
}

fn nanoseconds(due: Option<Duration>) -> u64 {
    due.map_or(u64::MAX, |due| {
        u64::try_from(due.as_nanos()).unwrap_or(u64::MAX)
    })
}
