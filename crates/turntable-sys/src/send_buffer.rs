//! What a socket's peer has not received: the bytes of the data (`SIOCOUTQ`), and the memory
//! that the kernel uses for them, with its overhead, as `SO_SNDBUF` limits it
//! (`SO_MEMINFO`). rustix 1.1, socket2 0.6 and nix 0.31 have no call for either.

use std::io;
use std::os::fd::BorrowedFd;

/// Bytes of memory that wait in a socket to be sent, or to be acknowledged: one system
/// call, which waits for nothing.
///
/// # Errors
/// The kernel's where the descriptor is no socket; `Unsupported` where the kernel (Linux
/// before 4.12) does not report it.
#[cfg(target_os = "linux")]
pub fn unsent_bytes(socket: BorrowedFd<'_>) -> io::Result<u32> {
    linux::unsent_bytes(socket)
}

/// Bytes of memory that wait in a socket to be sent: only on Linux.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn unsent_bytes(_: BorrowedFd<'_>) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Bytes of the data that a TCP socket has taken and its peer has not acknowledged: one
/// system call, which waits for nothing. A FIN that is not acknowledged counts as a byte.
///
/// # Errors
/// The kernel's where the descriptor is no socket.
#[cfg(target_os = "linux")]
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    linux::unacknowledged_bytes(socket)
}

/// Bytes of the data that the peer has not acknowledged: only on Linux.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn unacknowledged_bytes(_: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd};

    pub(super) fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: `socket` is an open descriptor for the length of the call. The kernel
        // writes one `int` to `bytes`, which is writable, and does not store its address.
        // `SIOCOUTQ` has the value of `TIOCOUTQ`, which libc knows.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(usize::try_from(bytes).unwrap_or_default())
    }

    /// How many numbers the kernel reports, and which one is that of the queue to be sent
    /// (`SK_MEMINFO_WMEM_QUEUED` of `linux/sock_diag.h`).
    const NUMBERS: usize = 9;
    const QUEUED: usize = 5;

    pub(super) fn unsent_bytes(socket: BorrowedFd<'_>) -> io::Result<u32> {
        let mut numbers = [0u32; NUMBERS];
        let mut length = size_of_val(&numbers) as libc::socklen_t;
        // SAFETY: `socket` is an open descriptor for the length of the call. `numbers` is
        // writable for `length` bytes, and the kernel writes no more than that; `length`
        // is a valid `socklen_t`. Neither is stored.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                numbers.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let known = length as usize / size_of::<u32>();
        let queued = numbers.get(QUEUED).filter(|_| known > QUEUED);
        queued
            .copied()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bytes_that_the_peer_does_not_read_are_counted_until_it_does() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut socket = listener.accept().unwrap().0;
        assert_eq!(unsent_bytes(socket.as_fd()).unwrap(), 0);
        socket.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(count) = socket.write(&[7; 65_536]) {
            written += count;
        }
        let waiting = unsent_bytes(socket.as_fd()).unwrap();
        assert!(waiting > 65_536, "{waiting}");
        let unacknowledged = unacknowledged_bytes(socket.as_fd()).unwrap();
        assert!((1..=written).contains(&unacknowledged), "{unacknowledged}");
        peer.read_exact(&mut vec![0; written]).unwrap();
        // The acknowledgement of the last byte may come a little later.
        while unsent_bytes(socket.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(unacknowledged_bytes(socket.as_fd()).unwrap(), 0);
    }

    #[test]
    fn other_descriptors_are_errors() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(unsent_bytes(file.as_fd()).is_err());
        assert!(unacknowledged_bytes(file.as_fd()).is_err());
    }
}
