//! The output to files, with placeholders in their path.
//!
//! A chunk is either added to the file that its path names (`append`), or becomes a file of its
//! own with the chunk's id before the extension. Either way it is synced, with the file's entry in
//! its directory, before it counts as delivered; missing directories are made.
//!
//! One file a chunk is exact: a reader sees whole files only, and a chunk that is delivered twice
//! is there once. Adding is not: a chunk that was added and then could not be committed is added
//! again, and a crash in between leaves half of it. In formats of lines that is a broken line and
//! repeated ones. In MessagePack, gzip or Zstandard, what a reader makes of the file behind such a
//! place is the reader's affair: where it matters, write one file a chunk.
//!
//! Paths are taken as they are configured; packing adds no extension.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::encode::{ChunkEncoder, EncodeError, Format};
use super::{BoxFuture, Buffered, Chunk, Failure, FailureScope, Lifecycle, Outcome};
use crate::config::plan::{Compression, FileOutputPlan};
use crate::event::FieldPathError;
use crate::placeholder::Template;

mod append;
mod directories;
mod failure;
mod open;
mod turns;
mod whole;

#[cfg(test)]
mod tests;

use directories::Directories;
use turns::Turns;

/// Writes each chunk to a file.
pub struct FileOutput {
    path: Template,
    turns: Turns,
    writer: Arc<Writer>,
}

/// What the thread that writes needs.
struct Writer {
    append: bool,
    encoder: ChunkEncoder,
    directories: Directories,
}

impl FileOutput {
    /// An output as planned. Makes no file yet.
    ///
    /// # Errors
    /// If a CSV field is not a field's path.
    pub fn open(plan: &FileOutputPlan) -> Result<Self, FieldPathError> {
        Ok(Self {
            path: plan.path.clone(),
            turns: Turns::default(),
            writer: Arc::new(Writer {
                append: plan.append,
                encoder: ChunkEncoder {
                    format: Format::of_file(&plan.format)?,
                    compression: plan.compress,
                },
                directories: Directories::default(),
            }),
        })
    }

    async fn store(&self, chunk: &Chunk) -> Outcome {
        let path = match self.path_for(chunk) {
            Ok(path) => path,
            Err(reason) => return Outcome::Reject { reason },
        };
        let turn = self.turns.wait(&path).await;
        let (writer, chunk) = (Arc::clone(&self.writer), chunk.clone());
        let stored = tokio::task::spawn_blocking(move || {
            let outcome = writer.store(&path, &chunk);
            drop(turn);
            outcome
        });
        stored.await.unwrap_or_else(|panic| {
            Outcome::Retry(Failure::new(FailureScope::Chunk, panic.to_string()))
        })
    }

    fn path_for(&self, chunk: &Chunk) -> Result<PathBuf, String> {
        let text = self
            .path
            .render_path(chunk.key(), chunk.id(), chunk.zone())
            .map_err(|error| error.to_string())?;
        if !names_a_file(&text) {
            return Err(format!("the path {text:?} names no file"));
        }
        let path = PathBuf::from(text);
        Ok(if self.writer.append {
            path
        } else {
            whole::with_id(&path, &chunk.send_id().to_string())
        })
    }
}

impl Lifecycle for FileOutput {}

impl Buffered for FileOutput {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(self.store(chunk))
    }
}

impl Writer {
    fn store(&self, path: &Path, chunk: &Chunk) -> Outcome {
        match self.write(path, chunk) {
            Ok(()) => Outcome::Delivered,
            Err(error) => error.outcome(|error| {
                // Perhaps a directory is gone that was there before.
                self.directories.forget();
                failure::outcome(path, error)
            }),
        }
    }

    fn write(&self, path: &Path, chunk: &Chunk) -> Result<(), EncodeError> {
        self.directories.create(directory_of(path))?;
        let encode = |file: &std::fs::File| self.encoder.encode(chunk, file).map(drop);
        if self.append {
            append::append(path, self.is_lines(), encode)
        } else {
            whole::write_whole(path, encode)
        }
    }

    /// Whether what is in the file already must end with a line's end.
    fn is_lines(&self) -> bool {
        self.encoder.format.is_lines() && self.encoder.compression == Compression::None
    }
}

/// Whether the last part of a path is a name, which it is not where a value left nothing of it.
/// `Path` cannot say: to it, `a/` and `a/.` are `a`.
fn names_a_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !matches!(name, "" | "." | "..")
}

/// The directory that `path` is in; empty for the working directory.
fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
