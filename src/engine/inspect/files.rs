//! Files as they are on the disk: a chunk's, and what the quarantine holds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use forebay_storage::ChunkId;

use crate::engine::status::{Moment, QuarantinePage, QuarantineReport, QuarantineTotals};

/// Bytes of a file that are read at a time.
const PART_SIZE_MAX: usize = 1 << 20;

/// What the names of a dead letter's files in the quarantine begin with.
const DEAD_PREFIX: &str = "dead.";

/// Digits of a chunk's id.
const ID_LEN: usize = 32;

/// The next part of the file at `path`, from `offset` on; empty at its end.
pub(super) fn part(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; PART_SIZE_MAX];
    let mut len = 0;
    while len < bytes.len() {
        let at = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        match file.read_at(&mut bytes[len..], at) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// A page of the files in the quarantine at `dir`, by name; at most `limit` after `after`.
pub(super) fn quarantine(
    dir: &Path,
    after: Option<&str>,
    limit: usize,
) -> io::Result<QuarantinePage> {
    let mut names = names_in(dir)?;
    names.retain(|name| after.is_none_or(|after| **name > *after));
    names.sort_unstable();
    let has_more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| has_more).cloned();
    let files = names.into_iter().filter_map(|name| report(dir, name));
    Ok(QuarantinePage {
        files: files.collect(),
        next,
    })
}

/// How much of each route the quarantine at `dir` holds.
pub(super) fn quarantined(dir: &Path) -> io::Result<HashMap<String, QuarantineTotals>> {
    let mut routes: HashMap<_, QuarantineTotals> = HashMap::new();
    for name in names_in(dir)? {
        let Some(route) = route_in(&name).map(str::to_owned) else {
            continue;
        };
        if let Some(file) = report(dir, name) {
            let totals = routes.entry(route).or_default();
            totals.files += 1;
            totals.bytes += file.bytes;
        }
    }
    Ok(routes)
}

/// The route in the name of a file in the quarantine, which is what stands before the chunk's id.
fn route_in(name: &str) -> Option<&str> {
    let name = name.strip_prefix(DEAD_PREFIX).unwrap_or(name);
    let mut hyphens = name.rmatch_indices('-');
    hyphens.find_map(|(at, _)| {
        let id = name.get(at + 1..at + 1 + ID_LEN)?;
        id.parse::<ChunkId>().is_ok().then(|| &name[..at])
    })
}

/// None if there is no such directory, as before the first damage.
fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut names = Vec::new();
    for entry in listed {
        // Ours are all text.
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// `None` if it has just gone.
fn report(dir: &Path, name: String) -> Option<QuarantineReport> {
    let metadata = fs::metadata(dir.join(&name)).ok()?;
    let set_aside = metadata.modified().ok().and_then(|at| {
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_nanos()).ok().map(Moment)
    });
    Some(QuarantineReport {
        name,
        bytes: metadata.len(),
        set_aside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_in_parts_until_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..PART_SIZE_MAX + 3)
            .map(|at| at.to_le_bytes()[0])
            .collect();
        fs::write(&path, &bytes).unwrap();
        let first = part(&path, 0).unwrap();
        let second = part(&path, first.len() as u64).unwrap();
        assert_eq!((first.len(), second.len()), (PART_SIZE_MAX, 3));
        assert_eq!([first, second].concat(), bytes);
        assert_eq!(part(&path, bytes.len() as u64).unwrap(), b"");
        assert!(part(&dir.path().join("b"), 0).is_err());
    }

    #[test]
    fn the_quarantine_is_listed_by_the_page() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            quarantine(&dir.path().join("none"), None, 1)
                .unwrap()
                .files
                .len(),
            0
        );
        for name in ["c", "a", "b"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let first = quarantine(dir.path(), None, 2).unwrap();
        let names: Vec<_> = first.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!((names, first.next.as_deref()), (vec!["a", "b"], Some("b")));
        let second = quarantine(dir.path(), first.next.as_deref(), 2).unwrap();
        assert_eq!((second.files.len(), second.next), (1, None));
        assert_eq!((&*second.files[0].name, second.files[0].bytes), ("c", 1));
        assert!(second.files[0].set_aside.unwrap().0 > 0);
    }

    #[test]
    fn what_the_quarantine_holds_is_counted_for_the_route_in_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let id = "18eb6530c233b2b438a5b8c100000000";
        for (name, size) in [
            (format!("web-{id}-4096.bytes"), 3),
            (format!("dead.web-{id}.chunk"), 5),
            (format!("web-2-{id}-0.bytes"), 7),
            ("web-notes".to_owned(), 11),
        ] {
            fs::write(dir.path().join(name), vec![0; size]).unwrap();
        }
        let counted = quarantined(dir.path()).unwrap();
        let totals = |files, bytes| QuarantineTotals { files, bytes };
        assert_eq!(counted.get("web"), Some(&totals(2, 8)));
        assert_eq!(counted.get("web-2"), Some(&totals(1, 7)));
        assert_eq!(counted.len(), 2);
        assert!(quarantined(&dir.path().join("none")).unwrap().is_empty());
    }
}
