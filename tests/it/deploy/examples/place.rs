//! Where an example is tried: its addresses, folders and secrets become those of a test.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::daemon::{self, Daemon};
use crate::harness::{site::Site, wait};

/// What the examples' secrets are.
pub(in super::super) const ENVIRONMENT: [(&str, &str); 4] = [
    ("FOREBAY_SHARED_KEY", "river"),
    ("FOREBAY_ADMIN_TOKEN", "a-token-that-is-long-enough"),
    ("FOREBAY_SERVICE_TOKEN", "mill"),
    ("HOSTNAME", "edge"),
];

/// A site with what examples need beside it.
pub(in super::super) struct Place {
    pub(in super::super) site: Site,
    /// Other words than the examples have, for this trial.
    changes: Vec<(String, String)>,
}

impl Place {
    /// With certificates and secrets in place of `/etc/forebay`.
    pub(in super::super) fn new() -> Self {
        let site = Site::new();
        let etc = site.path("etc");
        fs::create_dir_all(etc.join("tls")).unwrap();
        fs::write(etc.join("service-token"), "mill\n").unwrap();
        let mut place = Self {
            site,
            changes: Vec::new(),
        };
        for (from, to) in [
            ("/var/lib/forebay", place.site.data_dir()),
            ("/var/log/forebay", place.site.path("log")),
            ("/etc/forebay", etc),
            ("./data", place.site.data_dir()),
            ("./archive", place.site.path("archive")),
        ] {
            place.put(from, &to.display().to_string());
        }
        let (forward, http, admin) = (place.site.forward(), place.site.http(), place.site.admin());
        for (port, address) in [("24224", forward), ("9880", http), ("2020", admin)] {
            for host in ["127.0.0.1", "0.0.0.0"] {
                place.put(&format!("{host}:{port}"), &address.to_string());
            }
        }
        place
    }

    /// Puts `to` where an example says `from`.
    pub(in super::super) fn put(&mut self, from: &str, to: &str) {
        self.changes.push((from.to_owned(), to.to_owned()));
    }

    /// The text of the example, with everything in its place.
    pub(in super::super) fn text(&self, example: &str) -> String {
        self.with(&fs::read_to_string(super::folder().join(example)).unwrap())
    }

    /// `text` with everything in its place.
    pub(in super::super) fn with(&self, text: &str) -> String {
        let changes = self.changes.iter();
        changes.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// The daemon with the example, ready.
    pub(in super::super) fn start(&self, example: &str) -> Daemon {
        Daemon::start_by(&self.site, &self.text(example), command())
    }

    /// Makes a certificate for `name` that is its own authority, as `server.pem`, `ca.pem`, `server.key`, and
    /// one for a client.
    pub(in super::super) fn make_certificates(&self, name: &str) {
        let folder = self.site.path("etc/tls");
        for (of, name) in [("server", name), ("client", "edge")] {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            fs::write(folder.join(format!("{of}.pem")), made.cert.pem()).unwrap();
            let key = made.signing_key.serialize_pem();
            fs::write(folder.join(format!("{of}.key")), key).unwrap();
        }
        fs::copy(folder.join("server.pem"), folder.join("ca.pem")).unwrap();
        fs::copy(folder.join("client.pem"), folder.join("clients.pem")).unwrap();
    }

    /// Takes over the certificates of `other`.
    pub(in super::super) fn share_certificates(&self, other: &Self) {
        for entry in fs::read_dir(other.site.path("etc/tls")).unwrap() {
            let entry = entry.unwrap();
            let to = self.site.path("etc/tls").join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
    }

    /// Waits until a file below `folder` of the site has `text` in it, and returns its path in the folder.
    pub(in super::super) fn wait_for_text(&self, folder: &str, text: &str) -> PathBuf {
        let folder = self.site.path(folder);
        wait::until(&format!("{text} below {}", folder.display()), || {
            let mut files = files_below(&folder).into_iter();
            let found = files.find(|path| unpacked(path).contains(text))?;
            Some(found.strip_prefix(&folder).unwrap().to_owned())
        })
    }
}

/// The program, knowing the secrets.
pub(in super::super) fn command() -> Command {
    let mut command = Command::new(daemon::binary());
    command.envs(ENVIRONMENT);
    command
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let each = paths.flat_map(|path| match path.is_dir() {
        true => files_below(&path),
        false => vec![path],
    });
    each.collect()
}

/// The text of a file; nothing while it is not whole.
fn unpacked(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let mut text = String::new();
    let kind = path.extension().and_then(|kind| kind.to_str());
    let whole = match kind {
        Some("gz") => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text),
        Some("zst") => zstd::stream::read::Decoder::new(&bytes[..])
            .and_then(|mut decoder| decoder.read_to_string(&mut text)),
        _ => (&bytes[..]).read_to_string(&mut text),
    };
    whole.map(|_| text).unwrap_or_default()
}
