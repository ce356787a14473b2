//! Each fault does what it says.

use super::*;

const DIR: &str = "/d";
const SECTOR: usize = 512;

fn disk() -> SimFs {
    let fs = SimFs::new();
    fs.create_dir_all(Path::new(DIR)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn write(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(&mut [IoSlice::new(bytes)], offset)
}

/// A file of these bytes that is durable, entry and all.
fn durable_file(fs: &SimFs, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = fs.create_new(&path(name)).unwrap();
    write(&*file, bytes, 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new(DIR)).unwrap();
    file
}

/// What power cuts with this many seeds leave of a file, each outcome once.
fn outcomes(fs: &SimFs, name: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    let cut = |seed| fs.after_power_cut(seed).bytes(&path(name));
    (0..200).map(cut).collect()
}

fn left(fs: &SimFs, survivors: Survivors, name: &str) -> Option<Vec<u8>> {
    fs.after_power_cut_leaving(survivors).bytes(&path(name))
}

#[test]
fn any_subset_of_unsynced_sectors_survives_and_no_synced_one_is_lost() {
    let fs = disk();
    let file = durable_file(&fs, "f", &[1; 4 * SECTOR]);
    write(&*file, &[2; 3 * SECTOR], 0).unwrap();
    let outcomes = outcomes(&fs, "f");
    assert_eq!(outcomes.len(), 8);
    for bytes in outcomes.into_iter().flatten() {
        assert!(
            bytes
                .chunks(SECTOR)
                .all(|sector| sector == [1; SECTOR] || sector == [2; SECTOR])
        );
        assert_eq!(bytes[3 * SECTOR..], [1; SECTOR]);
    }
}

#[test]
fn a_sector_written_twice_may_survive_in_either_state() {
    let fs = disk();
    let file = durable_file(&fs, "f", &[1; SECTOR]);
    write(&*file, &[2; SECTOR], 0).unwrap();
    write(&*file, &[3; SECTOR], 0).unwrap();
    let firsts = outcomes(&fs, "f")
        .into_iter()
        .flatten()
        .map(|bytes| bytes[0]);
    assert_eq!(firsts.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn lengths_survive_independently_of_data_and_in_any_state() {
    let fs = disk();
    let file = durable_file(&fs, "f", &[1; SECTOR]);
    file.allocate(2 * SECTOR as u64).unwrap();
    file.allocate(3 * SECTOR as u64).unwrap();
    write(&*file, &[2; SECTOR], SECTOR as u64).unwrap();
    let found: std::collections::BTreeSet<_> = outcomes(&fs, "f")
        .into_iter()
        .flatten()
        .map(|bytes| (bytes.len() / SECTOR, bytes.get(SECTOR).copied()))
        .collect();
    let zeros_or_data = [(2, Some(0)), (2, Some(2)), (3, Some(0)), (3, Some(2))];
    assert_eq!(
        found,
        [(1, None)].into_iter().chain(zeros_or_data).collect()
    );
}

#[test]
fn entries_renames_and_removals_are_undone_unless_the_directory_was_synced() {
    let fs = disk();
    for name in ["moved", "removed"] {
        durable_file(&fs, name, b"x");
    }
    let new = fs.create_new(&path("new")).unwrap();
    write(&*new, b"y", 0).unwrap();
    new.sync_data().unwrap();
    fs.rename(&path("moved"), &path("target")).unwrap();
    fs.remove_file(&path("removed")).unwrap();
    let names = |fs: &SimFs| {
        fs.files()
            .iter()
            .map(|file| file.file_name().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let nothing = fs.after_power_cut_leaving(Survivors::Nothing);
    assert_eq!(names(&nothing), ["moved", "removed"]);
    let seen: std::collections::BTreeSet<_> = (0..100)
        .map(|seed| names(&fs.after_power_cut(seed)))
        .collect();
    assert_eq!(seen.len(), 8, "each of three changes on its own");
    fs.sync_dir(Path::new(DIR)).unwrap();
    let synced = fs.after_power_cut_leaving(Survivors::Nothing);
    assert_eq!(names(&synced), ["new", "target"]);
    assert_eq!(synced.bytes(&path("new")).unwrap(), b"y");
}

#[test]
fn each_kind_of_survivors_keeps_what_it_says() {
    let fs = disk();
    let old = durable_file(&fs, "old", b"1111");
    write(&*old, b"22", 0).unwrap();
    write(&*old, b"33", 4).unwrap();
    let new = fs.create_new(&path("new")).unwrap();
    write(&*new, b"44", 0).unwrap();
    let left = |survivors| {
        (
            left(&fs, survivors, "old").unwrap(),
            left(&fs, survivors, "new"),
        )
    };
    assert_eq!(left(Survivors::Nothing), (b"1111".to_vec(), None));
    assert_eq!(
        left(Survivors::Everything),
        (b"221133".to_vec(), Some(b"44".to_vec()))
    );
    assert_eq!(left(Survivors::Entries), (b"1111".to_vec(), Some(vec![])));
    assert_eq!(
        left(Survivors::Metadata),
        (b"1111\0\0".to_vec(), Some(vec![0, 0]))
    );
    assert_eq!(left(Survivors::Data), (b"2211".to_vec(), None));
}

#[test]
fn the_nth_allocation_finds_the_disk_full() {
    let fs = disk();
    fs.set_faults(Faults {
        failing_allocations: [1].into(),
        ..Faults::default()
    });
    let file = fs.create_new(&path("f")).unwrap();
    let full = file.allocate(4096).unwrap_err();
    assert!(super::super::is_disk_full(&full));
    assert_eq!(file.len().unwrap(), 0);
    file.allocate(4096).unwrap();
    write(&*file, b"no new block", 0).unwrap();
    fs.set_faults(Faults {
        failing_allocations: Calls::from_on(0),
        ..Faults::default()
    });
    assert!(super::super::is_disk_full(
        &write(&*file, b"new block", 4096).unwrap_err()
    ));
    assert!(super::super::is_disk_full(
        &fs.create_new(&path("g")).unwrap_err()
    ));
    fs.remove_file(&path("f")).unwrap();
}

#[test]
fn the_nth_read_write_or_move_fails_once_or_for_ever() {
    let fs = disk();
    let file = durable_file(&fs, "f", b"abcd");
    let read = || file.read_at(&mut [0; 4], 0);
    let is_eio =
        |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    fs.set_faults(Faults {
        failing_reads: [1].into(),
        ..Faults::default()
    });
    assert!(read().is_ok() && is_eio(&read().unwrap_err()) && read().is_ok());
    fs.set_faults(Faults {
        failing_reads: Calls::from_on(1),
        ..Faults::default()
    });
    assert!(file.map(4).unwrap().populate(0..4).is_ok());
    assert!(file.map(4).unwrap().populate(0..4).is_err() && read().is_err());
    fs.set_faults(Faults {
        failing_writes: [0].into(),
        ..Faults::default()
    });
    assert!(is_eio(&write(&*file, b"wxyz", 0).unwrap_err()));
    assert_eq!(fs.bytes(&path("f")).unwrap(), b"wxcd");
    write(&*file, b"wxyz", 0).unwrap();
    fs.set_faults(Faults {
        failing_moves: [0, 1].into(),
        ..Faults::default()
    });
    assert!(fs.remove_file(&path("f")).is_err() && fs.rename(&path("f"), &path("g")).is_err());
    fs.rename(&path("f"), &path("g")).unwrap();
}

#[test]
fn after_a_failed_sync_the_next_one_succeeds_with_the_pages_lost() {
    let fs = disk();
    let file = durable_file(&fs, "f", &[1; SECTOR]);
    write(&*file, &[2; SECTOR], 0).unwrap();
    fs.set_faults(Faults {
        failing_syncs: [0].into(),
        ..Faults::default()
    });
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(
        fs.bytes(&path("f")).unwrap(),
        [2; SECTOR],
        "programs still see it"
    );
    assert_eq!(left(&fs, Survivors::Everything, "f").unwrap(), [1; SECTOR]);
    assert_eq!(
        outcomes(&fs, "f").len(),
        2,
        "it may have been written all the same"
    );
    write(&*file, &[3; SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&fs, "f").len(), 1);
}

#[test]
fn a_failed_directory_sync_loses_the_entries() {
    let fs = disk();
    fs.set_faults(Faults {
        failing_dir_syncs: [0].into(),
        ..Faults::default()
    });
    fs.create_new(&path("f")).unwrap().sync_data().unwrap();
    assert!(fs.sync_dir(Path::new(DIR)).is_err());
    fs.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(left(&fs, Survivors::Everything, "f"), None);
}

#[test]
fn a_sync_of_everything_makes_all_data_durable_but_a_failed_one_is_told_to_a_file() {
    let fs = disk();
    let file = durable_file(&fs, "f", b"a");
    write(&*file, b"b", 0).unwrap();
    let volume = fs.open_volume(Path::new(DIR)).unwrap();
    volume.sync_all().unwrap();
    assert_eq!(left(&fs, Survivors::Nothing, "f").unwrap(), b"b");
    write(&*file, b"c", 0).unwrap();
    fs.set_faults(Faults {
        failing_sync_alls: [0].into(),
        ..Faults::default()
    });
    assert!(volume.sync_all().is_err() && file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(left(&fs, Survivors::Nothing, "f").unwrap(), b"b");
}

#[test]
fn a_bit_is_flipped_and_a_block_lands_elsewhere() {
    let fs = disk();
    durable_file(&fs, "f", &[1; 8192]);
    durable_file(&fs, "g", &[2; 4096]);
    assert!(fs.flip_bit(&path("f"), 8191, 3) && !fs.flip_bit(&path("f"), 8192, 3));
    assert_eq!(fs.bytes(&path("f")).unwrap()[8190..], [1, 9]);
    assert!(fs.misdirect((&path("f"), 0), (&path("g"), 0)));
    assert_eq!(left(&fs, Survivors::Nothing, "g").unwrap(), [1; 4096]);
    assert_eq!(
        left(&fs, Survivors::Nothing, "f").unwrap()[..4096],
        [0; 4096]
    );
    assert!(!fs.misdirect((&path("g"), 4096), (&path("f"), 0)));
}

#[test]
fn after_the_power_went_off_nothing_works() {
    let fs = disk();
    let file = durable_file(&fs, "f", b"a");
    let off = Some(fs.op_count() + 1);
    fs.set_faults(Faults {
        power_off_after: off,
        ..Faults::default()
    });
    write(&*file, b"b", 0).unwrap();
    assert!(write(&*file, b"c", 0).is_err() && file.sync_data().is_err());
    assert!(file.read_at(&mut [0], 0).is_err() && fs.create_new(&path("g")).is_err());
    assert_eq!(left(&fs, Survivors::Everything, "f").unwrap(), b"b");
}
