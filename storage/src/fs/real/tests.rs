use super::*;

#[test]
fn a_file_cut_short_is_an_error_not_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let file = RealFs.create_new(&path).unwrap();
    file.allocate(3 * 4096).unwrap();
    let mapping = file.map(3 * 4096).unwrap();
    if mapping
        .populate(0..4096)
        .is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
    {
        return;
    }
    file.truncate(4096).unwrap();
    assert!(mapping.populate(0..4096).is_ok());
    assert!(mapping.populate(0..3 * 4096).is_err());
    assert!(file.map(3 * 4096).is_err());
}

#[test]
fn all_parts_are_written_in_order_at_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealFs.create_new(&dir.path().join("file")).unwrap();
    file.allocate(64).unwrap();
    let mut parts = [b"".as_slice(), b"one", b"", b"two"].map(IoSlice::new);
    file.write_all_at(&mut parts, 8).unwrap();
    let mut bytes = [0; 64];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 64);
    assert_eq!(&bytes[..16], b"\0\0\0\0\0\0\0\0onetwo\0\0");
    assert!(RealFs.create_new(&dir.path().join("file")).is_err());
}

#[test]
fn a_lock_tells_who_holds_it_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let LockOutcome::Taken(guard) = RealFs.try_lock(&path, b"12").unwrap() else {
        panic!()
    };
    let LockOutcome::HeldBy(owner) = RealFs.try_lock(&path, b"3").unwrap() else {
        panic!()
    };
    assert_eq!(owner, b"12");
    drop(guard);
    assert!(matches!(
        RealFs.try_lock(&path, b"3").unwrap(),
        LockOutcome::Taken(_)
    ));
}
