//! The files of a package, laid out as they will be installed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that becomes a package; its own files are in `DEBIAN/`.
pub(super) struct Tree {
    root: PathBuf,
    size: u64,
}

impl Tree {
    /// An empty one in the place of whatever is there.
    pub(super) fn create(root: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&root)?,
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        Ok(Self { root, size: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Kibibytes of all files so far, as `Installed-Size` counts.
    pub(super) fn size_kib(&self) -> u64 {
        self.size
    }

    pub(super) fn file(&mut self, path: &str, text: &str) -> io::Result<()> {
        self.write(path, text.as_bytes(), 0o644)
    }

    pub(super) fn program(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, 0o755)
    }

    /// As `<path>.gz`, without a name or time inside.
    pub(super) fn packed(&mut self, path: &str, text: &str) -> io::Result<()> {
        self.file(path, text)?;
        super::output(
            Command::new("gzip")
                .args(["-9", "-n"])
                .arg(self.root.join(path)),
        )?;
        Ok(())
    }

    /// The files of the folder `from`, with its folders.
    pub(super) fn files(&mut self, path: &str, from: &Path) -> io::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let below = format!("{path}/{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => self.files(&below, &entry.path())?,
                false => self.file(&below, &fs::read_to_string(entry.path())?)?,
            }
        }
        Ok(())
    }

    /// The sum of each file, as `md5sum` prints them.
    pub(super) fn md5sums(&self) -> io::Result<String> {
        let mut command = Command::new("sh");
        command.args(["-c", "find * -type f | LC_ALL=C sort | xargs md5sum"]);
        Ok(super::output(command.current_dir(&self.root))? + "\n")
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.root)
    }

    fn write(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        self.size += u64::try_from(bytes.len())
            .unwrap_or(u64::MAX)
            .div_ceil(1024);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    }

    /// Makes a folder and those above it, with a mode that does not depend on who builds.
    fn folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        fs::create_dir(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
    }
}
