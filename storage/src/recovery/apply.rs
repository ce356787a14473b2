//! Doing what the plan says, and building the route's chunks.

use std::sync::Arc;

use super::scan::{ChunkReport, FileReport};
use super::{Action, Recovered, Step};
use crate::chunk::{Chunk, Found};
use crate::error::StoreIoError;
use crate::fs::{Access, read_full_at};
use crate::header::{SealReason, SlotState};
use crate::layout::to_usize;
use crate::observer::{Phase, SlotInfo};
use crate::reader::DamageSink;
use crate::route::RouteInner;
use crate::walk::{Damage, DamageKind};

/// Most bytes copied to the quarantine as one piece.
const PIECE_LEN: u64 = 1 << 20;

/// Applies the steps, one for each report; whatever fails leaves its file as it was.
pub(super) fn apply(
    route: &Arc<RouteInner>,
    reports: &[FileReport],
    steps: Vec<Step>,
) -> Recovered {
    let mut recovered = Recovered::default();
    for (report, step) in reports.iter().zip(&steps) {
        match apply_step(route, report, step) {
            Ok(Some(chunk)) => recovered.chunks.push(chunk.info()),
            Ok(None) => {}
            Err(error) => recovered.failures.push(error),
        }
    }
    recovered.steps = steps;
    recovered
}

fn apply_step(
    route: &Arc<RouteInner>,
    report: &FileReport,
    step: &Step,
) -> Result<Option<Arc<Chunk>>, StoreIoError> {
    let fs = &*route.shared.fs;
    match (step.action, report) {
        (Action::Keep | Action::Resume | Action::Seal, FileReport::Chunk(chunk)) => {
            let chunk = adopt(route, chunk, step.action);
            return Ok(Some(chunk));
        }
        (Action::Remove, _) => {
            fs.remove_file(&step.path)
                .map_err(StoreIoError::on("remove", &step.path))?;
        }
        (Action::Quarantine, _) => {
            let name = step.path.file_name().unwrap_or_default().to_string_lossy();
            route.quarantine.take(fs, &step.path, &name)?;
        }
        _ => {}
    }
    Ok(None)
}

/// Makes the route own a chunk that was found.
fn adopt(route: &Arc<RouteInner>, report: &ChunkReport, action: Action) -> Arc<Chunk> {
    let chunk = Arc::new(Chunk::new(
        route,
        report.head.header,
        report.head.meta.clone(),
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
fn set_damage_aside(route: &Arc<RouteInner>, chunk: &Arc<Chunk>, report: &ChunkReport) {
    let damage = report.tail.iter().flat_map(|tail| &tail.damage);
    for piece in damage.flat_map(pieces) {
        let bytes = read_piece(route, report, &piece);
        chunk.damaged(&piece, bytes.as_deref().ok());
    }
}

fn pieces(damage: &Damage) -> impl Iterator<Item = Damage> + use<> {
    let (end, kind): (u64, DamageKind) = (damage.end(), damage.kind);
    let starts = (damage.offset..end).step_by(to_usize(PIECE_LEN));
    starts.map(move |offset| Damage {
        offset,
        len: PIECE_LEN.min(end - offset),
        kind,
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
