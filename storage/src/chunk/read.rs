//! Reading an open route's chunk, and setting aside the damage that is met.

use std::sync::Arc;

use super::Chunk;
use crate::error::ReadError;
use crate::observer::{DamageReport, Phase};
use crate::reader::{DamageSink, Extent, Reader};
use crate::route::Durability;
use crate::sync::lock;
use crate::walk::Damage;

impl Chunk {
    /// A reader of what is in the chunk now: of a staged one what is durable, with
    /// `Durability::Memory` what was appended.
    pub(crate) fn reader(self: &Arc<Chunk>) -> Result<Reader, ReadError> {
        let data_end = {
            let state = lock(&self.state);
            match (state.phase, self.options.durability) {
                (Phase::Purged, _) => return Err(ReadError::Unknown),
                (Phase::Staged | Phase::Sealed, Durability::Disk) => state.durable().end,
                _ => state.contents.end,
            }
        };
        let extent = Extent {
            data_start: self.data_start(),
            data_end,
            is_exact: true,
        };
        let lease = self.lease()?;
        let sink: Arc<dyn DamageSink> = Arc::clone(self) as Arc<dyn DamageSink>;
        let file = Arc::clone(lease.file());
        if lock(&self.state).phase != Phase::Staged {
            self.close_when_idle();
        }
        Reader::new(
            file,
            &self.path(),
            self.id(),
            Arc::clone(&self.meta),
            extent,
            Some(sink),
        )
    }
}

impl DamageSink for Chunk {
    /// Copies the bytes to the quarantine and reports them, unless that has been done before.
    fn damaged(&self, damage: &Damage, bytes: Option<&[u8]>) {
        let quarantine = &self.route.quarantine;
        let fs = &*self.route.shared.fs;
        let copied = bytes.map(|bytes| quarantine.copy(fs, self.id(), damage.offset, bytes));
        let copy = match copied {
            Some(Ok(Some(copy))) => Some(copy),
            // It was copied, and reported, when it was first met.
            Some(Ok(None)) => return,
            Some(Err(_)) | None => {
                lock(&self.state).is_evidence = true;
                None
            }
        };
        self.route.observer.damaged(&DamageReport {
            route: self.meta.route.to_string(),
            chunk: self.id(),
            path: self.path(),
            offset: damage.offset,
            len: damage.len,
            kind: damage.kind,
            event_count: damage.event_count,
            quarantine: copy,
        });
    }
}
