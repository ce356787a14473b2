//! Splitting a batch by chunk key.

use std::borrow::Cow;
use std::collections::HashMap;

use forebay_storage::{ChunkKey, KeyField};

use crate::event::{Checked, Entries, Entry, EntryFault, Tally, entries};

use super::{KeySpec, Windows, key_value};

/// The events of a batch that go to one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Their chunk key.
    pub key: ChunkKey,
    /// Their entries back to back, in the batch's order: the batch itself if it is one group.
    pub payload: Cow<'a, [u8]>,
    /// What [`check`](crate::event::check) says of them.
    pub checked: Checked,
}

/// Splits a batch of plain entries by chunk key; of an empty batch there are no groups.
///
/// `checked` is what [`check`](crate::event::check) said of `payload`. If it alone decides (the
/// key asks for nothing inside the events, or all times fall into one window), no event is
/// looked at. Groups come in the order of their first events.
///
/// # Errors
/// The first fault, if an entry is not plain after all.
pub fn group<'a>(
    spec: &KeySpec,
    tag: &str,
    payload: &'a [u8],
    checked: &Checked,
) -> Result<Vec<Group<'a>>, EntryFault> {
    if checked.event_count == 0 {
        return Ok(Vec::new());
    }
    if let Some(key) = common_key(spec, tag, checked) {
        return Ok(vec![Group {
            key,
            payload: Cow::Borrowed(payload),
            checked: *checked,
        }]);
    }
    Grouper::new(spec, tag, payload).all()
}

/// The key of all events of a batch, if it can be told without looking at them.
#[must_use]
pub fn common_key(spec: &KeySpec, tag: &str, checked: &Checked) -> Option<ChunkKey> {
    if !spec.fields.is_empty() {
        return None;
    }
    let window = match &spec.time {
        None => None,
        Some(time) => {
            let mut windows = Windows::new(time);
            Some(windows.common_window(checked.time_min, checked.time_max)?)
        }
    };
    Some(ChunkKey {
        tag: spec.tag.then(|| tag.to_owned()),
        window,
        fields: Box::default(),
    })
}

struct Grouper<'s, 'a> {
    spec: &'s KeySpec,
    tag: &'s str,
    payload: &'a [u8],
    windows: Option<Windows<'s>>,
    groups: Vec<Open>,
    by_key: HashMap<ChunkKey, usize>,
    /// Groups by the bytes of their keys as senders write them: found without decoding. One group
    /// has several if senders write one value in several ways.
    by_raw_key: HashMap<Vec<u8>, usize>,
    run: Run,
}

/// A group that is still being filled.
struct Open {
    key: ChunkKey,
    payload: Vec<u8>,
    tally: Tally,
}

/// Consecutive entries of one group, which are copied together, or never if they are all.
#[derive(Default)]
struct Run {
    group: usize,
    start: usize,
    raw_key: Vec<u8>,
}

impl<'s, 'a> Grouper<'s, 'a> {
    fn new(spec: &'s KeySpec, tag: &'s str, payload: &'a [u8]) -> Self {
        Self {
            spec,
            tag,
            payload,
            windows: spec.time.as_ref().map(Windows::new),
            groups: Vec::new(),
            by_key: HashMap::new(),
            by_raw_key: HashMap::new(),
            run: Run::default(),
        }
    }

    fn all(mut self) -> Result<Vec<Group<'a>>, EntryFault> {
        let mut raw_key = Vec::new();
        let mut entries: Entries<'a> = entries(self.payload);
        let mut start = entries.position();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|bad| bad.why)?;
            self.raw_key(&entry, &mut raw_key);
            if self.groups.is_empty() || raw_key != self.run.raw_key {
                self.turn_to(&entry, start, &mut raw_key);
            }
            self.groups[self.run.group].tally.add(entry.time);
            start = entries.position();
        }
        Ok(self.finish())
    }

    /// What distinguishes the entry's key, undecoded: its window's start, and the bytes of each
    /// field's value. MessagePack values end by themselves, so no two keys run together.
    fn raw_key(&mut self, entry: &Entry<'_>, raw_key: &mut Vec<u8>) {
        raw_key.clear();
        if let Some(windows) = &mut self.windows {
            let window = windows.window(entry.time);
            raw_key.extend_from_slice(&window.start_s.to_be_bytes());
        }
        for field in &self.spec.fields {
            raw_key.extend_from_slice(field.find(entry.record).unwrap_or(&[0xc0]));
        }
    }

    /// Ends the run before `start` and begins one of the entry's group.
    fn turn_to(&mut self, entry: &Entry<'_>, start: usize, raw_key: &mut Vec<u8>) {
        let group = match self.by_raw_key.get(raw_key) {
            Some(known) => *known,
            None => {
                let group = self.group_of(entry);
                self.by_raw_key.insert(raw_key.clone(), group);
                group
            }
        };
        std::mem::swap(&mut self.run.raw_key, raw_key);
        if group != self.run.group {
            self.end_run(start);
            self.run.group = group;
        }
    }

    fn group_of(&mut self, entry: &Entry<'_>) -> usize {
        let key = self.key(entry);
        let next = self.groups.len();
        let group = *self.by_key.entry(key.clone()).or_insert(next);
        if group == next {
            self.groups.push(Open {
                key,
                payload: Vec::new(),
                tally: Tally::default(),
            });
        }
        group
    }

    fn key(&mut self, entry: &Entry<'_>) -> ChunkKey {
        let value_of = |field: &crate::event::FieldPath| KeyField {
            path: field.as_str().to_owned(),
            value: key_value(field.find(entry.record)),
        };
        ChunkKey {
            tag: self.spec.tag.then(|| self.tag.to_owned()),
            window: self
                .windows
                .as_mut()
                .map(|windows| windows.window(entry.time)),
            fields: self.spec.fields.iter().map(value_of).collect(),
        }
    }

    fn end_run(&mut self, end: usize) {
        let run = &self.payload[self.run.start..end];
        self.groups[self.run.group].payload.extend_from_slice(run);
        self.run.start = end;
    }

    fn finish(mut self) -> Vec<Group<'a>> {
        let is_one = self.groups.len() == 1;
        if !is_one && !self.groups.is_empty() {
            self.end_run(self.payload.len());
        }
        let whole = self.payload;
        let groups = self.groups.into_iter().map(|open| Group {
            key: open.key,
            payload: if is_one {
                Cow::Borrowed(whole)
            } else {
                Cow::Owned(open.payload)
            },
            checked: open.tally.checked(),
        });
        groups.collect()
    }
}

#[cfg(test)]
mod tests;
