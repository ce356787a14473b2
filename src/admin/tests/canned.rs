//! An engine whose answers are canned: what it says of chunks, routes and events.

use std::sync::Mutex;

use super::super::*;
use crate::buffer::{TapError, TapFilter, Taps};
use crate::engine::hub::{Hub, Listener};
use crate::engine::status::*;
use crate::engine::watch::{Tap, Watch};
use crate::event::Timestamp;

mod control;

/// Gives canned answers and notes what it was asked for.
#[derive(Default)]
pub(super) struct Canned {
    pub(super) health: Health,
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) hub: Arc<Hub>,
    taps: Arc<Taps>,
}

impl Canned {
    pub(super) fn note(&self, asked: String) {
        self.asked.lock().unwrap().push(asked);
    }
}

impl Inspect for Canned {
    fn health(&self) -> Health {
        self.health.clone()
    }

    fn status(&self) -> Status {
        Status {
            version: "1.2.3",
            phase: EnginePhase::Running,
            started: Moment(0),
            uptime_s: 1.5,
            health: self.health.clone(),
            filters: Vec::new(),
            inputs: vec![],
            routes: vec![],
        }
    }

    fn routes(&self) -> Vec<RouteReport> {
        vec![]
    }

    fn chunks(&self, route: &str, query: &ChunkQuery) -> Option<ChunkPage> {
        self.note(format!("{route} {query:?}"));
        (route == "web").then(|| ChunkPage {
            chunks: vec![],
            next: Some("abc".to_owned()),
        })
    }

    fn chunk(&self, id: &str) -> Option<ChunkReport> {
        (id == "good").then(|| ChunkReport {
            id: id.to_owned(),
            route: "web".to_owned(),
            state: ChunkState::InFlight,
            held: false,
            key: KeyReport::default(),
            created: Moment(0),
            sealed: None,
            reason: None,
            events: 1,
            bytes: 2,
            outputs: vec![],
        })
    }

    fn events(&self, id: &str, query: &EventQuery) -> Result<Option<EventPage>, Unreadable> {
        self.note(format!("{id} {query:?}"));
        match id {
            "good" => Ok(Some(EventPage {
                events: EventReport::new("app", Timestamp::from_ns(1), b"\x81\xa1a\x01")
                    .into_iter()
                    .collect(),
                next: Some(EventCursor {
                    frame_offset: 512,
                    entry_index: 3,
                }),
                damaged_bytes: 0,
            })),
            "damaged" => Err(unreadable(id)),
            "panic" => panic!("a look into the engine panicked"),
            _ => Ok(None),
        }
    }

    fn export(
        &self,
        id: &str,
        from: EventCursor,
        format: ExportFormat,
    ) -> Result<Option<ExportPart>, Unreadable> {
        let next = EventCursor {
            frame_offset: from.frame_offset + 1,
            entry_index: 0,
        };
        match (id, from.frame_offset) {
            ("good", at) => Ok(Some(ExportPart {
                bytes: format!("{format:?} {at}\n").into_bytes(),
                next: (at < 2).then_some(next),
            })),
            ("halfway", 0) => Ok(Some(ExportPart {
                bytes: b"first".to_vec(),
                next: Some(next),
            })),
            ("halfway", _) | ("damaged", _) => Err(unreadable(id)),
            _ => Ok(None),
        }
    }

    fn raw(&self, id: &str, offset: u64) -> Result<Option<Vec<u8>>, Unreadable> {
        let parts: [&[u8]; 3] = [b"abc", b"de", b""];
        let part = parts[match offset {
            0 => 0,
            3 => 1,
            _ => 2,
        }];
        Ok((id == "good").then(|| part.to_vec()))
    }

    fn quarantine(&self, after: Option<&str>, limit: usize) -> Result<QuarantinePage, Unreadable> {
        self.note(format!("{after:?} {limit}"));
        Ok(QuarantinePage::default())
    }

    fn metrics_text(&self) -> String {
        "forebay_ready 1\n".to_owned()
    }
}

impl Watch for Canned {
    fn listen(&self) -> Listener {
        self.hub.listen()
    }

    fn tap(&self, filter: TapFilter) -> Result<Tap, TapError> {
        self.note(format!("{filter:?}"));
        Arc::clone(&self.taps).tap(filter).map(Tap::from)
    }
}

fn unreadable(id: &str) -> Unreadable {
    Unreadable {
        what: format!("chunk {id}"),
        reason: "input/output error".to_owned(),
    }
}

pub(super) fn healthy() -> Canned {
    Canned {
        health: Health {
            live: true,
            ready: true,
            reasons: vec![],
        },
        ..Canned::default()
    }
}
