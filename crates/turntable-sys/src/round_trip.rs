//! The kernel's own measurement of a TCP connection's round trip.
//!
//! It comes from acknowledgements, which the peer's kernel sends: a program on
//! the other side can neither hurry nor fake them, other than by delaying all
//! of its traffic. Behind a TCP proxy it measures the way to the proxy.
//!
//! rustix 1.1, socket2 0.6 and nix 0.31 have no call for `TCP_INFO`; the one
//! crate that does generates its struct with libclang at build time.

use std::io;
use std::os::fd::BorrowedFd;

/// Round trips of one connection, in microseconds. 0 means that the kernel has
/// no measurement yet; a measured round trip is at least 1.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TcpRoundTrip {
    /// The shortest one of the last minutes (`net.ipv4.tcp_min_rtt_wlen`, 300
    /// seconds unless set otherwise).
    pub min_rtt_us: u32,
    /// The smoothed one (RFC 6298), which the peer's delayed acknowledgements
    /// may lengthen by up to 40 ms.
    pub rtt_us: u32,
    /// The mean deviation from the smoothed one.
    pub deviation_us: u32,
}

impl TcpRoundTrip {
    /// The least round trip, in ms.
    #[must_use]
    pub fn least_ms(&self) -> f64 {
        f64::from(self.min_rtt_us) / 1_000.0
    }

    /// The smoothed round trip, in ms.
    #[must_use]
    pub fn smoothed_ms(&self) -> f64 {
        f64::from(self.rtt_us) / 1_000.0
    }

    /// The mean deviation from it, in ms.
    #[must_use]
    pub fn deviation_ms(&self) -> f64 {
        f64::from(self.deviation_us) / 1_000.0
    }
}

/// Reads the round trips of a connected TCP socket: one system call, which
/// waits for nothing.
///
/// The handshake is measured too, so an accepted socket has values from the
/// start, except after a repeated SYN-ACK or a SYN cookie.
///
/// # Errors
/// The kernel's where the descriptor is no TCP socket; `Unsupported` where the
/// kernel (Linux before 4.6) does not report the shortest round trip.
#[cfg(target_os = "linux")]
pub fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpRoundTrip> {
    linux::tcp_info(socket)
}

/// Reads the round trips of a connected TCP socket: only on Linux.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn tcp_info(_: BorrowedFd<'_>) -> io::Result<TcpRoundTrip> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How many bytes the peer's kernel has acknowledged since the connection began: one system call,
/// which waits for nothing.
///
/// # Errors
/// As [`tcp_info`].
#[cfg(target_os = "linux")]
pub fn acknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    linux::acknowledged_bytes(socket)
}

/// How many bytes the peer's kernel has acknowledged: only on Linux.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn acknowledged_bytes(_: BorrowedFd<'_>) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem::{MaybeUninit, offset_of};
    use std::os::fd::{AsRawFd, BorrowedFd};

    use super::TcpRoundTrip;

    /// Where the last field that is read here ends.
    const BYTES_NEEDED: usize = offset_of!(libc::tcp_info, tcpi_min_rtt) + size_of::<u32>();

    fn info(socket: BorrowedFd<'_>) -> io::Result<libc::tcp_info> {
        let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: `socket` is an open descriptor for the length of the call.
        // `info` is writable for `length` bytes, and the kernel writes no more
        // than that; `length` is a valid `socklen_t`. Neither is stored.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        if (length as usize) < BYTES_NEEDED {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: the struct has only integers, for which all bytes are valid,
        // and every byte was set to zero before the kernel wrote some of them.
        Ok(unsafe { info.assume_init() })
    }

    pub(super) fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpRoundTrip> {
        let info = info(socket)?;
        Ok(round_trip(
            info.tcpi_min_rtt,
            info.tcpi_rtt,
            info.tcpi_rttvar,
        ))
    }

    pub(super) fn acknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
        info(socket).map(|info| info.tcpi_bytes_acked)
    }

    /// The kernel's filter for the minimum begins with the largest number.
    pub(super) fn round_trip(min_rtt_us: u32, rtt_us: u32, deviation_us: u32) -> TcpRoundTrip {
        TcpRoundTrip {
            min_rtt_us: if min_rtt_us == u32::MAX {
                0
            } else {
                min_rtt_us
            },
            rtt_us,
            deviation_us,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn both_ends_of_an_exchange_have_round_trips() {
        let (mut client, mut server) = pair();
        let mut buffer = [0; 4];
        client.write_all(b"ping").unwrap();
        server.read_exact(&mut buffer).unwrap();
        server.write_all(b"pong").unwrap();
        client.read_exact(&mut buffer).unwrap();
        for socket in [&client, &server] {
            let trip = tcp_info(socket.as_fd()).unwrap();
            assert!(trip.min_rtt_us > 0, "{trip:?}");
            assert!(trip.rtt_us > 0, "{trip:?}");
            // Loopback; the smoothed one may contain a delayed acknowledgement.
            assert!(trip.min_rtt_us < 1_000_000, "{trip:?}");
        }
    }

    #[test]
    fn no_measurement_is_zero() {
        let none = linux::round_trip(u32::MAX, 0, 0);
        assert_eq!(none, TcpRoundTrip::default());
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(tcp_info(socket.as_fd()).unwrap().min_rtt_us, 0);
    }

    #[test]
    fn round_trips_are_in_ms() {
        let trip = linux::round_trip(60_000, 100_000, 13_500);
        assert_eq!((trip.least_ms(), trip.smoothed_ms()), (60.0, 100.0));
        assert_eq!(trip.deviation_ms(), 13.5);
    }

    #[test]
    fn acknowledged_bytes_grow_with_what_the_peer_takes() {
        let (mut client, mut server) = pair();
        let before = acknowledged_bytes(server.as_fd()).unwrap();
        server.write_all(&[7; 1_000]).unwrap();
        client.read_exact(&mut [0; 1_000]).unwrap();
        while acknowledged_bytes(server.as_fd()).unwrap() < before + 1_000 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn other_descriptors_are_errors() {
        let (local, _peer) = UnixStream::pair().unwrap();
        assert!(tcp_info(local.as_fd()).is_err());
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(tcp_info(udp.as_fd()).is_err());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(tcp_info(file.as_fd()).is_err());
    }
}
