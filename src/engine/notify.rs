//! Telling the service manager how we are: systemd's notification protocol (`sd_notify(3)`).
//!
//! A unit of `Type=notify` or `notify-reload` gives us a socket in `NOTIFY_SOCKET`; each message is
//! one datagram of lines `NAME=value`. Without the variable nothing is said. Nothing here is waited
//! for, and a manager that does not listen is none of our business.
//!
//! | when | what |
//! |---|---|
//! | inputs take events in | `READY=1` |
//! | a reload begins | `RELOADING=1` with `MONOTONIC_USEC`; `READY=1` when it is over, whatever came of it |
//! | a stop begins | `STOPPING=1` |
//! | every half of `WATCHDOG_USEC`, while we are live | `WATCHDOG=1` |

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use rustix::time::{ClockId, clock_gettime};
use tokio_util::task::AbortOnDropHandle;

use super::status::Inspect;

/// The service manager, if there is one that listens.
#[derive(Clone, Default)]
pub(super) struct Manager {
    socket: Option<Arc<UnixDatagram>>,
    /// How often it wants to hear that we are live.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that has started this process.
    pub(super) fn of_process() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let number = |name| env::var(name).ok()?.parse().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_ours);
        Self::at(&name, watchdog.map(Duration::from_micros)).unwrap_or_else(|error| {
            tracing::warn!(?name, %error, "cannot notify the service manager");
            Self::default()
        })
    }

    fn at(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
            _ => SocketAddr::from_pathname(OsString::from(name))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address)?;
        Ok(Self {
            socket: Some(Arc::new(socket)),
            watchdog: watchdog.filter(|every| !every.is_zero()),
        })
    }

    /// Events are taken in, by what the configuration says now.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// No more events are taken in.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says that we are live, twice as often as it is waited for, as long as we are and what is returned
    /// is kept.
    pub(super) fn watch(&self, inspect: Arc<dyn Inspect>) -> Option<AbortOnDropHandle<()>> {
        let every = self.watchdog? / 2;
        let manager = self.clone();
        let watching = tokio::spawn(async move {
            loop {
                if inspect.health().live {
                    manager.tell("WATCHDOG=1");
                }
                tokio::time::sleep(every).await;
            }
        });
        Some(AbortOnDropHandle::new(watching))
    }

    fn tell(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            tracing::debug!(%error, "cannot notify the service manager");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let len = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    #[test]
    fn the_manager_hears_of_every_stage_in_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str(), None).unwrap();
        manager.ready();
        assert_eq!(heard(&socket), "READY=1");
        manager.reloading();
        let reloading = heard(&socket);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
        manager.stopping();
        assert_eq!(heard(&socket), "STOPPING=1");
    }

    #[test]
    fn a_socket_in_the_abstract_namespace_is_found() {
        let name = format!("forebay-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(OsStr::new(&format!("@{name}")), None).unwrap();
        manager.ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn a_manager_that_does_not_listen_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        assert!(Manager::at(path.as_os_str(), None).is_err());
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str(), None).unwrap();
        for _ in 0..10_000 {
            manager.ready();
        }
        drop(socket);
        manager.stopping();
        Manager::default().ready();
    }
}
