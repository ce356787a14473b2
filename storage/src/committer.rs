//! Group commit: one thread that syncs for everybody.
//!
//! A round takes all dirty chunks, syncs their data, then the directories that got new files,
//! and only then resolves receipts. Appends go on meanwhile and are the next round's. Files of
//! purged chunks are removed after the receipts, since nobody waits for that; what makes their
//! removal durable is shared by many (`removals.rs`).

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Waker;

use crate::chunk::{Chunk, SyncGoal};
use crate::queue::Round;
use crate::route::RouteInner;
use crate::store::Shared;
use crate::sync::atomic::Ordering;

/// From this many dirty files on, one call for the whole file system is cheaper than one for
/// each.
const SYNC_ALL_FROM: usize = 32;

/// Works until the queue is closed.
pub(crate) fn run(shared: &Shared) {
    let _ended = EndGuard(shared);
    while let Some(round) = shared.queue.next(shared.clock()) {
        commit(shared, &round.dirty);
        remove_files(shared, &round);
        sync_removals(shared, &round);
        shared.queue.finish(&round);
    }
}

/// However the committer ends, by closing or by a panic of an observer: nobody may wait for it any
/// more, and nothing is acknowledged without it.
struct EndGuard<'a>(&'a Shared);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        let mut woken = Vec::new();
        self.0
            .queue
            .end()
            .iter()
            .for_each(|chunk| chunk.refuse(&mut woken));
        woken.into_iter().for_each(Waker::wake);
    }
}

/// A chunk of the round with what its sync is to cover, and how that went.
struct Job {
    chunk: Arc<Chunk>,
    goal: SyncGoal,
    outcome: Synced,
}

/// How a sync went; shared by all whom it was for.
type Synced = Result<(), Arc<io::Error>>;

fn commit(shared: &Shared, dirty: &[Arc<Chunk>]) {
    let mut woken = Vec::new();
    let mut jobs: Vec<Job> = dirty
        .iter()
        .filter_map(|chunk| {
            let goal = chunk.begin_sync(&mut woken)?;
            Some(Job {
                chunk: Arc::clone(chunk),
                goal,
                outcome: Ok(()),
            })
        })
        .collect();
    let began_ns = shared.elapsed_ns();
    sync_data(shared, &mut jobs);
    sync_entries(shared, &mut jobs);
    check_alive(&mut jobs);
    if !jobs.is_empty() {
        shared
            .counters
            .round(shared.elapsed_ns().saturating_sub(began_ns));
    }
    let appends: u64 = jobs
        .iter()
        .map(|job| u64::from(finish(shared, job, &mut woken)))
        .sum();
    shared.counters.resolved(appends);
    woken.into_iter().for_each(Waker::wake);
    dirty
        .iter()
        .for_each(|chunk| chunk.route.give_notices(chunk));
    jobs.iter().for_each(trim);
}

fn sync_data(shared: &Shared, jobs: &mut [Job]) {
    let on_volume = jobs.iter().filter(|job| job.chunk.route.is_on_volume);
    let is_volume_synced = on_volume.count() >= SYNC_ALL_FROM && shared.volume.sync_all().is_ok();
    if is_volume_synced {
        shared.counters.synced();
    }
    // Also after a failed call for all: it may concern any file, also one that is not ours. The
    // descriptors have been open since before the writes, so each tells of its own failure.
    for job in jobs {
        if is_volume_synced && job.chunk.route.is_on_volume {
            continue;
        }
        shared.counters.synced();
        job.outcome = job.goal.lease.file().sync_data().map_err(Arc::new);
    }
}

/// Makes the directory entries of new files durable.
fn sync_entries(shared: &Shared, jobs: &mut [Job]) {
    let mut dirs: BTreeMap<PathBuf, Synced> = BTreeMap::new();
    for job in jobs
        .iter_mut()
        .filter(|job| job.goal.needs_entry && job.outcome.is_ok())
    {
        if job.goal.entry_epoch != shared.entry_failures.load(Ordering::Acquire) {
            // The sync that failed was to write this entry, too: another one might succeed
            // without it (`a_failed_directory_sync_refuses_every_file_it_was_to_cover`).
            let lost = io::Error::other("an earlier sync of its directory failed");
            job.outcome = Err(Arc::new(lost));
            continue;
        }
        let dir = &job.chunk.route.dir;
        if !dirs.contains_key(dir) {
            let synced = shared.sync_dir(dir).map_err(Arc::new);
            if synced.is_ok() {
                shared.queue.dir_synced(dir);
            }
            dirs.insert(dir.clone(), synced);
        }
        if let Some(outcome) = dirs.get(dir) {
            job.outcome.clone_from(outcome);
        }
    }
}

/// Believes the syncs only if the file system, asked after them, still answers: they may have
/// succeeded because it went down (`a_sync_that_succeeds_while_the_file_system_goes_down_is_not_believed`,
/// and the power cuts on ext4, which lost a chunk in one of some hundred before this was asked).
fn check_alive(jobs: &mut [Job]) {
    let mut answers: Vec<(Arc<RouteInner>, Synced)> = Vec::new();
    for job in jobs.iter_mut().filter(|job| job.outcome.is_ok()) {
        let is_of = |(route, _): &&(Arc<RouteInner>, _)| Arc::ptr_eq(route, &job.chunk.route);
        job.outcome = match answers.iter().find(is_of) {
            Some((_, answer)) => answer.clone(),
            None => {
                let answer = job.goal.lease.file().check_alive().map_err(Arc::new);
                answers.push((Arc::clone(&job.chunk.route), answer.clone()));
                answer
            }
        };
    }
}

/// Tells the chunk; returns the appends resolved.
fn finish(shared: &Shared, job: &Job, woken: &mut Vec<Waker>) -> u32 {
    match &job.outcome {
        Ok(()) => job.chunk.finish_sync(&job.goal, woken),
        Err(error) => {
            shared.counters.failed();
            job.chunk.latch(Arc::clone(error), woken);
            0
        }
    }
}

fn trim(job: &Job) {
    if job.outcome.is_ok() && job.chunk.trim(&job.goal) > 0 {
        job.chunk.route.observer.freed();
    }
}

/// Removes the files of purged chunks; each route hears once that there is room.
fn remove_files(shared: &Shared, round: &Round) {
    let mut freed: BTreeMap<PathBuf, &Arc<RouteInner>> = BTreeMap::new();
    for chunk in &round.purged {
        chunk.route.give_notices(chunk);
        match chunk.remove_file() {
            Ok(()) => {
                freed.insert(chunk.route.dir.clone(), &chunk.route);
            }
            // The file stays, and so does the space it takes; the next start tries again.
            Err(error) => {
                shared.counters.removal_failed();
                chunk.route.observer.sync_failed(&error.path, &error.source);
            }
        }
    }
    freed.values().for_each(|route| route.observer.freed());
    shared
        .queue
        .removed_from(freed.into_keys(), shared.monotonic_ns());
}

/// Makes removals durable, if it is time. One that a power cut undoes costs a repeated delivery, so
/// that an error here is only counted; files that are new in the directory it concerns more, and
/// they hear of it (`Shared::sync_dir`).
fn sync_removals(shared: &Shared, round: &Round) {
    let dirs = shared.queue.due_removals(round, shared.monotonic_ns());
    if dirs.is_empty() {
        return;
    }
    let began_ns = shared.elapsed_ns();
    for dir in &dirs {
        if shared.sync_dir(dir).is_err() {
            shared.counters.failed();
        }
    }
    let took_ns = shared.elapsed_ns().saturating_sub(began_ns);
    shared.queue.removals_took(took_ns);
}
