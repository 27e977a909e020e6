//! Descriptors that go to the program which takes this one's place.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

/// A flag for opening a file: a pipe without a writer is opened at once.
pub const OPEN_WITHOUT_WAITING: i32 = libc::O_NONBLOCK;

/// Copies descriptors to the numbers from `first` on, where the next program finds them: what
/// had those numbers is closed, and the copies stay open over `exec`.
///
/// # Errors
/// The system's error.
pub fn hand_over(descriptors: &[BorrowedFd<'_>], first: RawFd) -> io::Result<()> {
    // Copied out of the way first: one may have the number of another.
    let free = first + descriptors.len() as RawFd;
    let mut copies = Vec::with_capacity(descriptors.len());
    for descriptor in descriptors {
        // SAFETY: it is open as long as it is borrowed.
        let copy = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, free) };
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        copies.push(copy);
    }
    for (copy, at) in copies.into_iter().zip(first..) {
        // SAFETY: the copy is open. What has the number is lost to its owner, which is why this
        // is called right before the process becomes another program.
        if unsafe { libc::dup2(copy, at) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn copies_have_the_numbers_that_were_wanted() {
        let Ok((mut reader, writer)) = io::pipe() else {
            return;
        };
        let first = 200;
        assert!(hand_over(&[writer.as_fd(), writer.as_fd()], first).is_ok());
        for at in [first, first + 1] {
            // SAFETY: a descriptor that was made above; the flag alone is read.
            let flags = unsafe { libc::fcntl(at, libc::F_GETFD) };
            assert_eq!(flags, 0, "open over exec");
        }
        // SAFETY: both were made above and are used by nothing else.
        unsafe {
            libc::write(first, b"x".as_ptr().cast(), 1);
        }
        let mut byte = [0];
        assert!(reader.read_exact(&mut byte).is_ok());
        assert_eq!(&byte, b"x");
    }
}
