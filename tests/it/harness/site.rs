//! A place for one test: a folder and a loopback address of its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use tempfile::TempDir;

use super::destination::Destination;

/// A folder that goes away, and an address in 127.0.0.0/8 that no other test uses.
///
/// Ports are below the range that the kernel hands out to connections, so that a port stays free
/// while the daemon that listened on it is dead.
pub(crate) struct Site {
    folder: TempDir,
    host: Ipv4Addr,
    next_port: AtomicU16,
}

impl Site {
    /// A new one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self {
            folder,
            host: unique_host(),
            next_port: AtomicU16::new(21_000),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the daemon keeps its chunks.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// Where the forward input of [`config`](Self::config) listens.
    pub(crate) fn forward(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, 20_001)
    }

    /// Where the HTTP input of [`config`](Self::config) listens.
    pub(crate) fn http(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, 20_002)
    }

    /// Where the admin API of [`config`](Self::config) listens.
    pub(crate) fn admin(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, 20_003)
    }

    /// An address that nobody uses yet.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host, self.next_port.fetch_add(1, Ordering::Relaxed))
    }

    /// A configuration with both inputs, the admin API and what `routes_and_outputs` says.
    pub(crate) fn config(&self, routes_and_outputs: &str) -> String {
        format!(
            "data_dir: {data_dir}
inputs:
  app: {{ type: forward, listen: \"{forward}\" }}
  web: {{ type: http, listen: \"{http}\" }}
admin: {{ listen: \"{admin}\" }}
{routes_and_outputs}",
            data_dir = self.data_dir().display(),
            forward = self.forward(),
            http = self.http(),
            admin = self.admin(),
        )
    }

    /// As [`config`](Self::config) for one route that forwards everything to `destination`, with
    /// intervals for tests.
    pub(crate) fn config_to(&self, destination: &Destination) -> String {
        self.config(&format!(
            "routes:
  all: {{ match: \"**\", buffer: {{ flush_interval: 20ms, retry_wait: 50ms, retry_max_interval: 200ms }}, to: central }}
outputs:
  central: {{ type: forward, servers: [\"{}\"], ack_timeout: 1s }}
",
            destination.address()
        ))
    }
}

/// By process and by test, so that runners with one process a test need no common state.
fn unique_host() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let part = |value: u32| u8::try_from(value % 250 + 1).unwrap();
    Ipv4Addr::new(127, part(process / 250), part(process), part(number))
}
