//! What every TCP connection is set to.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// After so long without a byte, the other machine is asked whether it is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// How often it is asked then.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// After so many questions without an answer the connection is over.
const KEEPALIVE_COUNT: u32 = 4;

/// How long bytes that were sent may stay unconfirmed by the other machine, in milliseconds.
#[cfg(target_os = "linux")]
const USER_TIMEOUT_MS: u32 = 120_000;

/// Sends small answers at once, and ends the connection when the other machine has been gone for
/// two minutes: such a one says nothing, and would hold its place for ever.
///
/// # Errors
/// The system's.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, USER_TIMEOUT_MS)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_to_a_machine_that_is_gone_ends_within_minutes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        tune(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let idle = sockopt::tcp_keepidle(&stream).unwrap();
        let asking = sockopt::tcp_keepintvl(&stream).unwrap() * KEEPALIVE_COUNT;
        assert_eq!(idle + asking, Duration::from_secs(120));
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 120_000);
    }
}
