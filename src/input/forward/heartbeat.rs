//! UDP heartbeats: senders ask with one datagram whether we are there, and are told so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

/// The answer: one byte, not more than was sent, so that nobody is flooded through us.
const ANSWER: [u8; 1] = [0];

/// The wait after an error, so that one that stays does not take a core.
const ERROR_WAIT: Duration = Duration::from_millis(100);

/// Binds the UDP socket that goes with a listener.
///
/// # Errors
/// The system's.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Answers for ever. A heartbeat that cannot be answered at once is dropped: more will come.
pub(super) async fn answer_all(socket: &UdpSocket) {
    let mut datagram = [0; 16];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((0, _)) => {}
            Ok((_, sender)) => {
                let _ = socket.try_send_to(&ANSWER, sender);
            }
            Err(_) => tokio::time::sleep(ERROR_WAIT).await,
        }
    }
}
