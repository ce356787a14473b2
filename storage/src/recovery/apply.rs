//! Doing what the plan says, and building the route's chunks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::Planner;
use super::scan::{ChunkReport, FileReport, Scan};
use super::{Action, Entry, Recovered, Step};
use crate::chunk::{Chunk, Found};
use crate::error::StoreIoError;
use crate::fs::{Access, read_full_at};
use crate::header::{SealReason, SlotState};
use crate::id::ChunkId;
use crate::layout::to_usize;
use crate::observer::{ChunkInfo, DamageReport, Phase, SlotInfo};
use crate::reader::{DamageSink, Reader};
use crate::route::RouteInner;
use crate::walk::{Damage, DamageKind};

/// Most bytes copied to the quarantine as one piece.
const PIECE_LEN: u64 = 1 << 20;

/// Examines the files, plans for each and does it; whatever fails leaves its file as it was.
///
/// There may be very many, so that only the reports of those are kept that are not just as they
/// should be. These have their turn in the order of their names at the end: in that order, chunks
/// that are sealed now are delivered.
pub(super) fn recover(route: &Arc<RouteInner>, scan: &Scan<'_>, entries: &[Entry]) -> Recovered {
    let mut recovered = Recovered::default();
    let options = route.options();
    let mut planner = Planner::new(&options.destinations, entries.len());
    let mut others = Vec::new();
    scan.newest_first(entries, |report| {
        let verdict = planner.judge(&report);
        match (verdict.action, report) {
            (action @ (Action::Keep | Action::Resume), FileReport::Chunk(report)) => {
                let chunk = adopt(route, &report, action);
                recovered.chunks.push(chunk.info());
                show(route, *report, &recovered.chunks);
            }
            (_, report) => {
                let step = verdict.step(report.path());
                others.push((report, step));
            }
        }
    });
    for (report, step) in others.into_iter().rev() {
        recovered.note(apply_step(route, &report, &step));
        recovered.steps.push(step);
    }
    recovered.chunks.sort_unstable_by_key(|chunk| chunk.id);
    recovered
}

/// Shows the observer the last chunk, if it was read whole.
fn show(route: &RouteInner, report: ChunkReport, chunks: &[ChunkInfo]) {
    let ChunkReport {
        path, head, whole, ..
    } = report;
    if let (Some(bytes), Some(chunk)) = (whole, chunks.last()) {
        let reader = Reader::of_bytes(bytes, path, head);
        route.observer.recovering(chunk, reader);
    }
}

impl Recovered {
    fn note(&mut self, applied: Applied) {
        self.failures.extend(applied.failure);
        self.chunks.extend(applied.chunk.map(|chunk| chunk.info()));
    }
}

/// What came of a step; a chunk may be usable though something failed.
#[derive(Default)]
struct Applied {
    chunk: Option<Arc<Chunk>>,
    failure: Option<StoreIoError>,
}

fn apply_step(route: &Arc<RouteInner>, report: &FileReport, step: &Step) -> Applied {
    let done = match (step.action, report) {
        (Action::Seal, FileReport::Chunk(chunk)) => {
            return Applied {
                chunk: Some(adopt(route, chunk, Action::Seal)),
                failure: None,
            };
        }
        (Action::Restore, FileReport::Chunk(chunk)) => return restore(route, chunk),
        (Action::Remove, report) => remove(route, report, &step.path),
        (Action::Quarantine, _) => set_file_aside(route, &step.path),
        (Action::Leave, FileReport::Failed { path, .. }) => {
            tell_of_file(route, path, DamageKind::Unreadable, 0, None);
            Ok(())
        }
        _ => Ok(()),
    };
    Applied {
        chunk: None,
        failure: done.err(),
    }
}

/// Removes a file in which nothing is owed.
fn remove(route: &RouteInner, report: &FileReport, path: &Path) -> Result<(), StoreIoError> {
    if let FileReport::Chunk(chunk) = report {
        route.observer.removing(chunk.id, path);
    }
    let removed = route.shared.fs.remove_file(path);
    removed.map_err(StoreIoError::on("remove", path))
}

/// Moves a file that is no chunk to the quarantine.
fn set_file_aside(route: &RouteInner, path: &Path) -> Result<(), StoreIoError> {
    let fs = &*route.shared.fs;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (to, len) = route.quarantine.take(fs, path, &name)?;
    tell_of_file(route, path, DamageKind::Garbage, len, Some(to));
    Ok(())
}

/// Tells of damage to a whole file, if it has a chunk's name.
fn tell_of_file(
    route: &RouteInner,
    path: &Path,
    kind: DamageKind,
    len: u64,
    quarantine: Option<PathBuf>,
) {
    let Some(chunk) = ChunkId::of_file(path) else {
        return;
    };
    route.observer.damaged(&DamageReport {
        route: route.name.to_string(),
        chunk,
        path: path.to_owned(),
        offset: 0,
        len,
        kind,
        event_count: None,
        quarantine,
    });
}

/// Sets the damaged head aside, writes what its copy says in its place, and adopts the chunk.
///
/// Whatever fails: the chunk is delivered all the same, since its head is known. If the damaged
/// bytes cannot be set aside they stay where they are.
fn restore(route: &Arc<RouteInner>, report: &ChunkReport) -> Applied {
    let action = if report.is_sealed {
        Action::Keep
    } else {
        Action::Seal
    };
    let damage = Damage {
        offset: 0,
        len: report.head.data_start(),
        kind: DamageKind::Head,
        event_count: Some(0),
    };
    let bytes = read_piece(route, report, &damage);
    let chunk = adopt(route, report, action);
    chunk.damaged(&damage, bytes.as_deref().ok());
    let restored = if chunk.is_evidence() {
        Ok(())
    } else {
        chunk.restore_head()
    };
    Applied {
        chunk: Some(chunk),
        failure: restored.err(),
    }
}

/// Makes the route own a chunk that was found.
fn adopt(route: &Arc<RouteInner>, report: &ChunkReport, action: Action) -> Arc<Chunk> {
    let chunk = Arc::new(Chunk::new(
        route,
        report.head.header,
        Arc::clone(&report.meta),
        found(report, action),
    ));
    route.space.occupy(report.file_bytes);
    match action {
        Action::Keep => route.add(&chunk),
        Action::Resume => {
            if !route.resume(&chunk) {
                chunk.seal(SealReason::Recovery, route.shared.now_ns);
            }
        }
        _ => {
            route.add(&chunk);
            chunk.keep_remains();
            set_damage_aside(route, &chunk, report);
            chunk.seal(SealReason::Recovery, route.shared.now_ns);
        }
    }
    // Of a seal that could not be written it is known already that no sync will follow.
    route.give_notices(&chunk);
    chunk
}

fn found(report: &ChunkReport, action: Action) -> Found {
    let sealed = report.head.seal().map(|seal| (seal.sealed_ns, seal.reason));
    let owed = |at_ns| SlotInfo {
        state: SlotState::Owed,
        at_ns,
        is_claimed: false,
    };
    let slots = report.head.slots.iter().map(|slot| match slot {
        Some(slot) => SlotInfo {
            state: slot.state,
            at_ns: slot.at_ns,
            is_claimed: false,
        },
        None => owed(report.created_ns),
    });
    Found {
        phase: if action == Action::Keep {
            Phase::Queued
        } else {
            Phase::Staged
        },
        contents: report.contents,
        sealed,
        slots: slots.collect(),
        file_len: report.file_bytes,
    }
}

/// Copies the damage that the walk met; it stays in the file, too.
///
/// What cannot be copied now becomes part of the chunk's data, so that it is met again when the
/// chunk is delivered: a restart in between would forget it.
fn set_damage_aside(route: &Arc<RouteInner>, chunk: &Arc<Chunk>, report: &ChunkReport) {
    let damage = report.tail.iter().flat_map(|tail| &tail.damage);
    for piece in damage.flat_map(pieces) {
        let bytes = read_piece(route, report, &piece);
        chunk.damaged(&piece, bytes.as_deref().ok());
        chunk.reach_over_evidence(piece.end());
    }
}

fn pieces(damage: &Damage) -> impl Iterator<Item = Damage> + use<> {
    let whole = *damage;
    let starts = (whole.offset..whole.end()).step_by(to_usize(PIECE_LEN));
    starts.map(move |offset| Damage {
        offset,
        len: PIECE_LEN.min(whole.end() - offset),
        kind: whole.kind,
        // All its events are counted with the first piece.
        event_count: whole
            .event_count
            .map(|count| if offset == whole.offset { count } else { 0 }),
    })
}

fn read_piece(
    route: &RouteInner,
    report: &ChunkReport,
    piece: &Damage,
) -> std::io::Result<Vec<u8>> {
    let file = route.shared.fs.open(&report.path, Access::Read)?;
    let mut bytes = vec![0; to_usize(piece.len)];
    let read = read_full_at(&*file, &mut bytes, piece.offset)?;
    bytes.truncate(read);
    Ok(bytes)
}
