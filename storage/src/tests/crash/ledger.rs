//! What the store was asked to keep, what it promised, and whether it kept its promises.

use std::collections::{BTreeMap, BTreeSet};

use crate::Reader;

/// One append and all that was promised about it.
#[derive(Clone, Debug)]
struct Entry {
    /// The route's kind and the chunk key: what the order holds within.
    place: String,
    payload: Vec<u8>,
    /// Its receipt resolved.
    is_stored: bool,
    /// Somebody had it dropped.
    is_dropped: bool,
    /// Destinations whose commit was tried: it may be on disk even if it answered with an error.
    tried: BTreeSet<String>,
    /// Destinations whose commit succeeded.
    settled: BTreeSet<String>,
    /// Those of them whose commit has been synced since.
    synced: BTreeSet<String>,
}

/// Every append of a run, by its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Vec<Entry>);

/// What one destination was given, in order: the place and number of each append.
pub(crate) type Delivered = Vec<(String, usize)>;

impl Ledger {
    /// Notes a new append; returns its number and its payload of `len` bytes (at least 4), unlike
    /// any other.
    pub(crate) fn begin(&mut self, place: &str, len: usize) -> (usize, Vec<u8>) {
        let number = self.0.len();
        let payload = payload(number, len);
        self.0.push(Entry {
            place: place.to_owned(),
            payload: payload.clone(),
            is_stored: false,
            is_dropped: false,
            tried: BTreeSet::new(),
            settled: BTreeSet::new(),
            synced: BTreeSet::new(),
        });
        (number, payload)
    }

    pub(crate) fn stored(&mut self, number: usize) {
        self.0[number].is_stored = true;
    }

    pub(crate) fn dropped(&mut self, number: usize) {
        self.0[number].is_dropped = true;
    }

    pub(crate) fn tried(&mut self, numbers: &[usize], destination: &str) {
        for number in numbers {
            self.0[*number].tried.insert(destination.to_owned());
        }
    }

    pub(crate) fn settled(&mut self, numbers: &[usize], destination: &str) {
        for number in numbers {
            self.0[*number].settled.insert(destination.to_owned());
        }
    }

    /// Everything that has been committed is durable now.
    pub(crate) fn synced(&mut self) {
        for entry in &mut self.0 {
            entry.synced.clone_from(&entry.settled);
        }
    }

    /// The power went: commits that were not synced may be undone.
    pub(crate) fn power_cut(&mut self) {
        for entry in &mut self.0 {
            entry.settled.clone_from(&entry.synced);
        }
    }

    pub(crate) fn stored_count(&self) -> usize {
        self.0.iter().filter(|entry| entry.is_stored).count()
    }

    /// The appends a reader gives, which must be ones of ours, byte for byte.
    pub(crate) fn read(&self, mut reader: Reader, place: &str) -> Result<Vec<usize>, String> {
        let mut numbers = Vec::new();
        while let Some(window) = reader.next_window().map_err(|error| error.to_string())? {
            for frame in window.frames() {
                let number = self.identify(frame.payload, place);
                numbers.push(number.ok_or_else(|| format!("foreign bytes in {place}"))?);
            }
        }
        Ok(numbers)
    }

    fn identify(&self, payload: &[u8], place: &str) -> Option<usize> {
        let number = u32::from_le_bytes(*payload.first_chunk()?);
        let number = usize::try_from(number).ok()?;
        let entry = self.0.get(number)?;
        (entry.payload == payload && entry.place == place).then_some(number)
    }

    /// Checks what a destination was given by a store that was reopened: everything stored and
    /// not committed by it, once, in order within its key. With `is_exact` (nothing was lost
    /// with the power) nothing that it committed comes again.
    pub(crate) fn check(
        &self,
        destination: &str,
        given: &Delivered,
        is_exact: bool,
    ) -> Result<(), String> {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, number) in given {
            if let Some(before) = last.insert(place, *number)
                && before >= *number
            {
                return Err(format!("{place}: append {number} follows {before}"));
            }
            let entry = &self.0[*number];
            if entry.synced.contains(destination) || is_exact && entry.settled.contains(destination)
            {
                return Err(format!("append {number} comes again to {destination}"));
            }
        }
        let numbers: BTreeSet<_> = given.iter().map(|(_, number)| *number).collect();
        let missing = self.0.iter().enumerate().find(|(number, entry)| {
            let is_owed =
                entry.is_stored && !entry.is_dropped && !entry.tried.contains(destination);
            is_owed && entry.is_for(destination) && !numbers.contains(number)
        });
        match missing {
            Some((number, entry)) => Err(format!(
                "append {number} to {} is lost for {destination}",
                entry.place
            )),
            None => Ok(()),
        }
    }

    /// Fails if a destination that never committed these appends is no longer owed them.
    pub(crate) fn check_settled(&self, numbers: &[usize], destination: &str) -> Result<(), String> {
        match numbers
            .iter()
            .find(|number| !self.0[**number].tried.contains(destination))
        {
            Some(number) => Err(format!("{destination} never committed append {number}")),
            None => Ok(()),
        }
    }
}

impl Entry {
    fn is_for(&self, destination: &str) -> bool {
        self.place.starts_with("dead/") == (destination == super::DEAD)
    }
}

fn payload(number: usize, len: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap();
    let mut payload = number.to_le_bytes().to_vec();
    let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
    while payload.len() < len {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        payload.extend(state.to_le_bytes());
    }
    payload.truncate(len.max(4));
    payload
}
