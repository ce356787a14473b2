//! Reading a chunk from end to end.

use std::io;
use std::path::Path;

use forebay_storage::{Damage, Frame, Fs, ReadError, Reader};

/// What was met on the way.
#[derive(Debug, Default)]
pub(in crate::cli) struct Walk {
    pub(super) frame_count: u64,
    pub(super) event_count: u64,
    pub(super) damage: Vec<Damage>,
    last_frame_offset: u64,
}

impl Walk {
    /// Damage that may have been events: everything in a sealed chunk; in a staged one all that
    /// has a frame behind it. The rest is an append that was never finished, and so was never
    /// acknowledged.
    pub(in crate::cli) fn lost(&self, is_sealed: bool) -> impl Iterator<Item = &Damage> {
        let last_frame_offset = self.last_frame_offset;
        self.damage
            .iter()
            .filter(move |damage| is_sealed || damage.offset < last_frame_offset)
    }

    fn count(&mut self, frame: &Frame<'_>) {
        self.frame_count += 1;
        self.event_count += u64::from(frame.event_count);
        self.last_frame_offset = frame.offset;
    }
}

/// Reads all frames of the chunk at `path` and hands them to `each`. `None` if the chunk is gone.
///
/// # Errors
/// If the chunk cannot be read, or `each` fails.
pub(in crate::cli) fn walk<E: From<ReadError>>(
    fs: &dyn Fs,
    path: &Path,
    mut each: impl FnMut(&Frame<'_>) -> Result<(), E>,
) -> Result<Option<Walk>, E> {
    let mut reader = match Reader::open(fs, path) {
        Ok(reader) => reader,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut walk = Walk::default();
    while let Some(window) = reader.next_window()? {
        for frame in window.frames() {
            walk.count(&frame);
            each(&frame)?;
        }
        walk.damage.extend(window.damage());
    }
    Ok(Some(walk))
}

fn is_gone(error: &ReadError) -> bool {
    matches!(error, ReadError::Io(error) if error.source.kind() == io::ErrorKind::NotFound)
}
