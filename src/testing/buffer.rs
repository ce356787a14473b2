//! Events in chunks: a store on the disk with one route and one destination.

use std::sync::Arc;

use forebay_storage::{
    Append, ChunkId, Claim, Durability, RealFs, Route, RouteOptions, SealReason, Store,
    StoreOptions,
};

use super::TestError;
use super::factory::OUTPUT_NAME;
use super::folder::Folder;
use crate::chunk_key::group;
use crate::clock::{Clock, random_u32};
use crate::config::plan::{BufferPlan, RoutePlan};
use crate::event;
use crate::output::{Chunk, Events};

/// What is fed and not delivered.
pub(super) struct Buffer {
    plan: BufferPlan,
    clock: Clock,
    /// `None` only while it is opened again.
    open: Option<(Route, Store)>,
    folder: Folder,
}

impl Buffer {
    /// An empty one with the chunk keys and limits of `route`.
    pub(super) fn new(route: RoutePlan, clock: Clock) -> Result<Self, TestError> {
        let mut buffer = Self {
            plan: route.buffer,
            clock,
            open: None,
            folder: Folder::new().map_err(TestError::store)?,
        };
        buffer.reopen()?;
        Ok(buffer)
    }

    /// Closes the store, and opens it as a program does that is started again.
    pub(super) fn reopen(&mut self) -> Result<(), TestError> {
        self.open = None;
        let store = Store::open(StoreOptions {
            dir: self.folder.path().to_owned(),
            fs: Arc::new(RealFs),
            open_files_max: 64,
            id_seed: random_u32(),
            now_ns: self.clock.now().unix_ns,
            clock: None,
        });
        let store = store.map_err(TestError::store)?;
        let route = store.route("tested", self.options(), Arc::new(()));
        let (route, _) = route.map_err(TestError::store)?;
        self.open = Some((route, store));
        Ok(())
    }

    fn options(&self) -> RouteOptions {
        RouteOptions {
            destinations: vec![OUTPUT_NAME.to_owned()],
            // Tests kill no machine.
            durability: Durability::Memory,
            chunk_limit_bytes: self.plan.chunk_limit_size,
            chunk_limit_events: self.plan.chunk_limit_records,
            chunk_full_threshold: self.plan.chunk_full_threshold,
            total_limit_bytes: self.plan.total_limit_size,
        }
    }

    fn route(&self) -> &Route {
        let (route, _) = self.open.as_ref().expect("it is open");
        route
    }

    /// Appends a batch to the chunks that its events belong to.
    pub(super) fn append(&self, events: &Events) -> Result<(), TestError> {
        let checked = event::check(events.payload()).map_err(TestError::store)?;
        let groups = group(&self.plan.keys, events.tag(), events.payload(), &checked);
        for group in groups.map_err(TestError::store)? {
            let append = Append {
                tag: events.tag(),
                batch_id: b"",
                payload: &group.payload,
                event_count: u32::try_from(group.checked.event_count).unwrap_or(u32::MAX),
                time_min_ns: group.checked.time_min.ns(),
                time_max_ns: group.checked.time_max.ns(),
            };
            let now_ns = self.clock.now().unix_ns;
            let appended = self.route().append(now_ns, &group.key, None, append);
            let receipt = appended.map_err(TestError::store)?.receipt;
            receipt.wait().map_err(TestError::store)?;
        }
        Ok(())
    }

    /// Seals what is staged, and gives every chunk that is owed, oldest first.
    pub(super) fn seal(&self) -> Vec<ChunkId> {
        let now_ns = self.clock.now().unix_ns;
        self.route().seal_staged(SealReason::Size, now_ns);
        let mut ids: Vec<_> = self.route().chunks().iter().map(|info| info.id).collect();
        ids.sort_unstable();
        ids
    }

    /// How many chunks are owed to the output.
    pub(super) fn owed_count(&self) -> usize {
        self.route().chunks().len()
    }

    /// Takes the chunk for a delivery.
    pub(super) fn claim(&self, id: ChunkId) -> Result<(Claim, Chunk), TestError> {
        let claim = self.route().claim(id, 0).map_err(TestError::store)?;
        let chunk = self.chunk(&claim);
        Ok((claim, chunk))
    }

    fn chunk(&self, claim: &Claim) -> Chunk {
        let (route, id) = (self.route().clone(), claim.id());
        let zone = self.plan.keys.time.as_ref().map(|time| time.zone.clone());
        Chunk::new(claim.info(), Box::new(move || route.read(id)))
            .in_zone(zone.unwrap_or_else(crate::chunk_key::Zone::utc))
    }
}
