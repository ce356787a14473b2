//! Changing dead letters in routes that are open. All of it blocks.

use forebay_storage::{
    Append, ChunkId, ChunkInfo, DeadNote, Frame, Receipt, Route, SealReason, SeparateChunk,
};

use super::{ChangeError, Selection};
use crate::event::entries;

/// What was done with one dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Events stored again, or deleted.
    pub event_count: u64,
    /// Events left among the dead letters: of another tag, or no events at all.
    pub left_count: u64,
}

/// Whom replayed events are owed to.
#[derive(Clone, Copy, Debug)]
pub enum Destinations<'a> {
    /// The output that did not take them; those of the route, if there was none.
    Same {
        /// The route's.
        of_route: &'a [String],
    },
    /// This one.
    Output(&'a String),
}

/// Stores the selected events of the dead letter `id` again, in chunks of `target` that are owed to
/// `destinations`, and deletes it when those are durable.
///
/// What is not selected, and what is no event and could never be delivered, stays a dead letter
/// with the same note, under another id.
///
/// # Errors
/// [`ChangeError`]; the dead letter stays as it was, and part of it may have been stored.
pub fn replay(
    dead: &Route,
    id: ChunkId,
    selection: &Selection,
    target: &Route,
    destinations: Destinations<'_>,
    now_ns: i64,
) -> Result<Changed, ChangeError> {
    let Some(letter) = dead.chunk(id) else {
        return Ok(Changed::default());
    };
    let owed = destinations.of(letter.note())?;
    let again = Copy::new(Some(target), &letter, None, &owed, now_ns);
    change(dead, &letter, again, now_ns, |frame, tag| {
        selection.has_tag(tag) && entries(frame.payload).all(|entry| entry.is_ok())
    })
}

/// Deletes the selected events of the dead letter `id`; those of other tags stay, under another id.
///
/// # Errors
/// [`ChangeError`]; the dead letter stays as it was.
pub fn delete(
    dead: &Route,
    id: ChunkId,
    selection: &Selection,
    now_ns: i64,
) -> Result<Changed, ChangeError> {
    let Some(letter) = dead.chunk(id) else {
        return Ok(Changed::default());
    };
    let nowhere = Copy::new(None, &letter, None, &[], now_ns);
    change(dead, &letter, nowhere, now_ns, |_, tag| {
        selection.has_tag(tag)
    })
}

/// Copies a chunk, dead or alive, as a whole: into chunks of `target` that hold nothing else, are
/// owed to `destinations`, and are durable when this returns. The chunk itself is sealed and stays;
/// what becomes of it is the caller's to say.
///
/// # Errors
/// [`ChangeError`]; nothing of the copy is left.
pub(in crate::engine) fn copy(
    source: &Route,
    chunk: &ChunkInfo,
    target: &Route,
    note: Option<&DeadNote>,
    destinations: &[String],
    now_ns: i64,
) -> Result<(), ChangeError> {
    source.seal(chunk.id, SealReason::Request, now_ns);
    let mut again = Copy::new(Some(target), chunk, note, destinations, now_ns);
    let copied = each_frame(source, chunk, |frame, _| again.add(frame));
    match copied.and_then(|()| again.finish()) {
        Ok(()) => Ok(()),
        Err(error) => {
            again.discard();
            Err(error)
        }
    }
}

/// Copies what `is_meant` to `meant` and the rest to another dead letter, then deletes this one.
fn change(
    dead: &Route,
    letter: &ChunkInfo,
    mut meant: Copy<'_>,
    now_ns: i64,
    is_meant: impl Fn(&Frame<'_>, &str) -> bool,
) -> Result<Changed, ChangeError> {
    // What is appended from now on goes elsewhere, and is not deleted unread.
    dead.seal(letter.id, SealReason::Request, now_ns);
    let mut changed = Changed::default();
    each_frame(dead, letter, |frame, tag| {
        let count = if is_meant(frame, tag) {
            &mut changed.event_count
        } else {
            &mut changed.left_count
        };
        *count += u64::from(frame.event_count);
        Ok(())
    })?;
    if changed.event_count == 0 {
        return Ok(changed);
    }
    let mut rest = Copy::new(Some(dead), letter, letter.note(), &[], now_ns);
    let copied = each_frame(dead, letter, |frame, tag| {
        if is_meant(frame, tag) {
            meant.add(frame)
        } else {
            rest.add(frame)
        }
    });
    let done = copied
        .and_then(|()| rest.finish())
        .and_then(|()| meant.finish());
    match done {
        Ok(()) => {
            dead.purge(letter.id);
            Ok(changed)
        }
        Err(error) => {
            rest.discard();
            meant.discard();
            Err(error)
        }
    }
}

fn each_frame(
    dead: &Route,
    letter: &ChunkInfo,
    mut each: impl FnMut(&Frame<'_>, &str) -> Result<(), ChangeError>,
) -> Result<(), ChangeError> {
    let key_tag = letter.key().tag.as_deref();
    let mut reader = dead.read(letter.id)?;
    while let Some(window) = reader.next_window()? {
        for frame in window.frames() {
            each(&frame, key_tag.unwrap_or(frame.tag))?;
        }
    }
    Ok(())
}

/// Frames of a dead letter on their way into chunks of their own.
struct Copy<'a> {
    /// `None`: they go nowhere.
    route: Option<&'a Route>,
    letter: &'a ChunkInfo,
    note: Option<&'a DeadNote>,
    destinations: &'a [String],
    now_ns: i64,
    chunks: Vec<SeparateChunk>,
    receipts: Vec<Receipt>,
}

impl<'a> Copy<'a> {
    fn new(
        route: Option<&'a Route>,
        letter: &'a ChunkInfo,
        note: Option<&'a DeadNote>,
        destinations: &'a [String],
        now_ns: i64,
    ) -> Self {
        Self {
            route,
            letter,
            note,
            destinations,
            now_ns,
            chunks: Vec::new(),
            receipts: Vec::new(),
        }
    }

    fn add(&mut self, frame: &Frame<'_>) -> Result<(), ChangeError> {
        let Some(route) = self.route else {
            return Ok(());
        };
        let (time_min_ns, time_max_ns) = self.letter.time_range_ns.unwrap_or_default();
        let append = Append {
            tag: frame.tag,
            batch_id: frame.batch_id,
            payload: frame.payload,
            event_count: frame.event_count,
            time_min_ns,
            time_max_ns,
        };
        loop {
            if let Some(chunk) = self.chunks.last()
                && let Some(receipt) = chunk.append(self.now_ns, append)?
            {
                self.receipts.push(receipt);
                return Ok(());
            }
            // There is none yet, or it is full.
            let key = self.letter.key();
            let next = route.separate_chunk(self.now_ns, key, self.note, self.destinations)?;
            self.chunks.push(next);
        }
    }

    /// Seals the copy and waits until it is durable.
    fn finish(&mut self) -> Result<(), ChangeError> {
        for chunk in &self.chunks {
            chunk.seal(SealReason::Request, self.now_ns);
        }
        for receipt in self.receipts.drain(..) {
            receipt.wait()?;
        }
        Ok(())
    }

    /// Part of a copy is of no use to anybody.
    fn discard(self) {
        if let Some(route) = self.route {
            for chunk in &self.chunks {
                route.purge(chunk.id());
            }
        }
    }
}

impl Destinations<'_> {
    fn of(self, note: Option<&DeadNote>) -> Result<Vec<String>, ChangeError> {
        let same = note.and_then(|note| note.destination.clone());
        let names = match (self, same) {
            (Self::Output(name), _) => vec![name.clone()],
            (Self::Same { .. }, Some(name)) => vec![name],
            (Self::Same { of_route }, None) => of_route.to_vec(),
        };
        if names.is_empty() {
            return Err(ChangeError::NoOutput);
        }
        Ok(names)
    }
}
