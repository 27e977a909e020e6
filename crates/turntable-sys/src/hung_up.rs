//! Whether a peer has closed its side of a connection, also while what it sent is not read.

use std::os::fd::BorrowedFd;

/// Whether the peer of a connected socket has closed its side, or the connection is broken: one
/// system call, which waits for nothing. Only Linux reports it; elsewhere it is `false`.
#[must_use]
pub fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;
        let mut polled = libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLRDHUP,
            revents: 0,
        };
        // SAFETY: `polled` is one valid entry for the length of the call, and its descriptor is
        // open.
        let count = unsafe { libc::poll(&raw mut polled, 1, 0) };
        count > 0 && polled.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        false
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn close_is_seen_behind_what_is_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"hello").unwrap();
        assert!(!has_hung_up(server.as_fd()));
        drop(client);
        // The kernel delivers on loopback before the call returns.
        assert!(has_hung_up(server.as_fd()));
    }
}
