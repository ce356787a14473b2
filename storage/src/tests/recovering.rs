//! What an observer is shown of the chunks that a start finds.

use super::*;
use crate::SealReason;
use crate::fs::sim::Faults;
use crate::reader::Reader;

/// The chunk, the payloads of its frames, and whether damage was met with them.
type Shown = (ChunkId, Vec<Vec<u8>>, bool);

/// Notes what it is shown.
#[derive(Debug, Default)]
struct Looker(Mutex<Vec<Shown>>);

impl Observer for Looker {
    fn recovering(&self, chunk: &ChunkInfo, mut reader: Reader) {
        let (mut payloads, mut met_damage) = (Vec::new(), false);
        while let Some(window) = reader.next_window().unwrap() {
            payloads.extend(window.frames().map(|frame| frame.payload.to_vec()));
            met_damage |= !window.damage().is_empty();
        }
        lock(&self.0).push((chunk.id, payloads, met_damage));
    }
}

/// What is shown when the route of a killed process is opened again.
fn shown(fs: &SimFs) -> Vec<Shown> {
    let looker = Arc::new(Looker::default());
    let observer = Arc::clone(&looker) as Arc<dyn Observer>;
    open_store(fs)
        .unwrap()
        .route("web", options(), observer)
        .unwrap();
    std::mem::take(&mut lock(&looker.0))
}

#[test]
fn small_sealed_chunks_are_shown_with_their_frames_the_newest_first() {
    let rig = rig();
    let first = rig.store("a", b"one").unwrap();
    rig.store("a", b"two").unwrap();
    let second = rig.store("b", b"three").unwrap();
    let large = rig.store("c", &[1; 8_000]).unwrap();
    for id in [first, second, large] {
        rig.route.seal(id, SealReason::Age, 200);
    }
    let staged = rig.store("d", b"four").unwrap();
    rig.store.sync();
    let fs = rig.fs.clone();
    drop(rig);
    let payloads = |texts: &[&[u8]]| texts.iter().map(|text| text.to_vec()).collect::<Vec<_>>();
    let expected = vec![
        (second, payloads(&[b"three"]), false),
        (first, payloads(&[b"one", b"two"]), false),
    ];
    let shown = shown(&fs);
    assert_eq!(shown, expected, "not {large} nor {staged}");
}

#[test]
fn a_small_chunk_is_shown_with_its_damage() {
    let rig = rig();
    let id = rig.store("a", b"one").unwrap();
    rig.store("a", b"other").unwrap();
    rig.route.seal(id, SealReason::Age, 200);
    rig.store.sync();
    let (fs, file) = (rig.fs.clone(), rig.chunk_files().remove(0));
    drop(rig);
    let bytes = fs.bytes(&file).unwrap();
    let place = bytes.windows(5).position(|part| part == b"other").unwrap();
    assert!(fs.flip_bit(&file, place as u64, 0));
    assert_eq!(shown(&fs), [(id, vec![b"one".to_vec()], true)]);
}

/// A file of one block is not measured, and of one more byte than it has is asked.
#[test]
fn files_of_any_length_are_recovered_as_they_were_also_if_only_their_first_block_can_be_read() {
    // Where frames end just before and just behind the first block's end, too.
    let payload_lens = (3_600..4_000).step_by(8).chain([1, 20_000]);
    let cases = payload_lens.flat_map(|len| [(len, true), (len, false)]);
    let mut one_block_count = 0;
    for (payload_len, is_sealed) in cases {
        let rig = rig();
        let id = rig.store("a", &vec![1; payload_len]).unwrap();
        if is_sealed {
            rig.route.seal(id, SealReason::Age, 200);
        }
        rig.store.sync();
        let before = rig.route.chunk(id).unwrap();
        one_block_count += u32::from(before.file_bytes == 4096);
        let fs = rig.fs.clone();
        drop(rig);
        if is_sealed {
            fs.set_faults(Faults {
                unreadable: Some(4096..1 << 20),
                ..Faults::default()
            });
        }
        let rig = rig_on(&fs, options());
        let after = rig.route.chunk(id).unwrap();
        assert_eq!(
            (after.file_bytes, after.data_bytes, after.phase),
            (before.file_bytes, before.data_bytes, before.phase)
        );
        assert_eq!(rig.route.file_bytes(), before.file_bytes);
    }
    assert!((4..100).contains(&one_block_count), "{one_block_count}");
}
