//! Checking what is on disk while the engine runs: every checksum, and what the next start would do.
//!
//! It only reads, through files of its own, and takes no lock of the store's: a chunk may be gone
//! by the time it is looked at, which is no fault, and a staged one may have an append at its end
//! that is being written, which is not looked at. Damage that is met here is told and left as it is;
//! the store sets it aside when it delivers the chunk, or at the next start.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_storage::recovery::{self, Action};
use forebay_storage::{
    ChunkInfo, DEAD_DIR, Damage, ROUTES_DIR, ReadError, Reader, RealFs, Route, inspect_dir,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::route::RunningRoute;

/// Faults that are told one by one; more are counted.
const FAULTS_MAX: usize = 1_000;

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// Whether nothing is wrong.
    pub is_clean: bool,
    /// Chunks that were read to their end, dead letters among them.
    pub chunks: u64,
    /// Intact frames in them.
    pub frames: u64,
    /// Events in these.
    pub events: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Faults in all.
    pub faults: u64,
    /// The first of them.
    pub found: Vec<Fault>,
    /// What the next start does with files that are not as they should be.
    pub plan: Vec<String>,
    /// How long it took.
    pub took_s: f64,
}

/// Something that is wrong with a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The route.
    pub route: String,
    /// The chunk.
    pub chunk: String,
    /// Whether it is a dead letter.
    pub is_dead_letter: bool,
    /// Where the damage begins in the file, if that can be said.
    pub offset: Option<u64>,
    /// How many bytes are damaged.
    pub bytes: Option<u64>,
    /// Events in them, if that is known.
    pub events: Option<u32>,
    /// What is wrong.
    pub what: String,
}

/// What was met in one chunk.
#[derive(Default)]
struct Walk {
    frames: u64,
    events: u64,
    damage: Vec<Damage>,
    last_frame_offset: u64,
}

impl VerifyReport {
    /// Reads all chunks of `routes`.
    pub(super) fn of<'r>(data_dir: &Path, routes: impl Iterator<Item = &'r RunningRoute>) -> Self {
        let mut report = Self::default();
        for route in routes {
            report.verify(&route.chunks, &data_dir.join(ROUTES_DIR));
            report.verify(&route.dead_letters, &data_dir.join(DEAD_DIR));
        }
        report.is_clean = report.faults == 0 && report.plan.is_empty();
        report
    }

    /// The same, with the time that it took.
    pub(super) fn in_time(self, took: Duration) -> Self {
        Self {
            took_s: took.as_secs_f64(),
            ..self
        }
    }

    fn verify(&mut self, holder: &Route, parent: &Path) {
        let chunks = holder.chunks();
        for chunk in &chunks {
            match walk(&holder.path(chunk.id)) {
                Ok(Some(walk)) => self.count(holder, chunk, walk),
                Ok(None) => {}
                Err(error) => self.fault(holder, chunk, None, error.to_string()),
            }
        }
        self.plan_for(holder, &parent.join(holder.name()), &chunks);
    }

    fn count(&mut self, holder: &Route, chunk: &ChunkInfo, walk: Walk) {
        self.chunks += 1;
        self.frames += walk.frames;
        self.events += walk.events;
        self.bytes += chunk.file_bytes;
        // Behind the last frame of a staged chunk an append may be under way.
        let is_over =
            |damage: &Damage| !chunk.is_staged() || damage.offset < walk.last_frame_offset;
        for damage in walk.damage.iter().filter(|damage| is_over(damage)) {
            self.fault(
                holder,
                chunk,
                Some(damage),
                format!("{:?}", damage.kind).to_lowercase(),
            );
        }
        if !chunk.is_staged() && walk.damage.is_empty() && walk.events != chunk.event_count {
            let what = format!("{} events, and not {}", walk.events, chunk.event_count);
            self.fault(holder, chunk, None, what);
        }
    }

    fn fault(&mut self, holder: &Route, chunk: &ChunkInfo, damage: Option<&Damage>, what: String) {
        self.faults += 1;
        if self.found.len() >= FAULTS_MAX {
            return;
        }
        self.found.push(Fault {
            route: holder.name().to_owned(),
            chunk: chunk.id.to_string(),
            is_dead_letter: chunk.note().is_some(),
            offset: damage.map(|damage| damage.offset),
            bytes: damage.map(|damage| damage.len),
            events: damage.and_then(|damage| damage.event_count),
            what,
        });
    }

    /// What a start does with the files of a directory that it does not just keep.
    fn plan_for(&mut self, holder: &Route, dir: &Path, chunks: &[ChunkInfo]) {
        let files = match inspect_dir(&RealFs, dir) {
            Ok(files) => files,
            Err(error) => {
                self.faults += 1;
                self.plan.push(error.to_string());
                return;
            }
        };
        let changing: Vec<PathBuf> = chunks
            .iter()
            .filter(|chunk| chunk.is_staged())
            .map(|chunk| holder.path(chunk.id))
            .collect();
        let steps = recovery::plan(&files, &holder.options().destinations);
        let steps = steps.into_iter().filter(|step| {
            // A chunk that was made, or sealed, since then looks like one that was cut short.
            let is_ours = |id| holder.chunk(id).is_some_and(|chunk| chunk.is_staged());
            let id = step.path.file_stem().and_then(|stem| stem.to_str());
            let is_new = id.and_then(|id| id.parse().ok()).is_some_and(is_ours);
            is_notable(step.action) && !is_new && !changing.contains(&step.path)
        });
        self.plan.extend(steps.map(|step| step.to_string()));
    }
}

fn is_notable(action: Action) -> bool {
    match action {
        Action::Keep | Action::Resume | Action::Remove => false,
        Action::Seal | Action::Restore | Action::Quarantine | Action::Leave => true,
    }
}

/// Reads a chunk from end to end; `None` if it is gone.
fn walk(path: &Path) -> Result<Option<Walk>, ReadError> {
    let mut reader = match Reader::open(&RealFs, path) {
        Err(ReadError::Io(error)) if error.source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        reader => reader?,
    };
    let mut walk = Walk::default();
    while let Some(window) = reader.next_window()? {
        for frame in window.frames() {
            walk.frames += 1;
            walk.events += u64::from(frame.event_count);
            walk.last_frame_offset = frame.offset;
        }
        walk.damage.extend(window.damage());
    }
    Ok(Some(walk))
}
