//! The sockets that an input listens on, held beside it: when its settings change, its successor
//! listens on the same ones, so that no connection is refused in between.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

/// Sockets that listen. Whoever holds them keeps the address taken: connections that nobody accepts
/// wait in the kernel's queue.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For connections.
    pub tcp: Option<TcpListener>,
    /// For datagrams.
    pub udp: Option<UdpSocket>,
}

impl Sockets {
    /// Another hold of a listener's socket.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn tcp(listener: &impl AsFd) -> io::Result<Self> {
        Ok(Self {
            tcp: Some(again(listener)?.into()),
            udp: None,
        })
    }

    /// The same, and another hold of a socket for datagrams.
    ///
    /// # Errors
    /// As [`tcp`](Self::tcp).
    pub fn and_udp(self, socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self {
            udp: Some(again(socket)?.into()),
            ..self
        })
    }

    /// The listener, once more; `None` if there is none.
    pub(super) fn listener(&self) -> Option<io::Result<tokio::net::TcpListener>> {
        let listener = self.tcp.as_ref()?;
        let again = again(listener).map(TcpListener::from);
        Some(again.and_then(tokio::net::TcpListener::from_std))
    }

    /// The socket for datagrams, once more; `None` if there is none.
    pub(super) fn datagrams(&self) -> Option<io::Result<tokio::net::UdpSocket>> {
        let socket = self.udp.as_ref()?;
        let again = again(socket).map(UdpSocket::from);
        Some(again.and_then(tokio::net::UdpSocket::from_std))
    }
}

/// The copy shares what the socket is set to, so that it does not block either.
fn again(socket: &impl AsFd) -> io::Result<OwnedFd> {
    socket.as_fd().try_clone_to_owned()
}
