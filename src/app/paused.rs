//! Listeners that are paused: a process accepts on until none of its polls has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// So many looks at listeners that are about to be paused.
const LOOKS_MAX: u32 = 500;

/// Waits until no poll of this process has the listeners: then it accepts nothing more. Returns
/// whether it came to that.
pub(super) fn accepting_ends(listeners: &[i32]) -> bool {
    // The others are connections, of which there may be many.
    let polls: Vec<PathBuf> = polls().filter(|poll| watches(poll, listeners)).collect();
    for _ in 0..LOOKS_MAX {
        if !polls.iter().any(|poll| watches(poll, listeners)) {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

/// What the kernel shows of each epoll of this process.
fn polls() -> impl Iterator<Item = PathBuf> {
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten();
    descriptors.flatten().filter_map(|descriptor| {
        let kind = fs::read_link(descriptor.path()).ok()?;
        let is_poll = kind == Path::new("anon_inode:[eventpoll]");
        is_poll.then(|| Path::new("/proc/self/fdinfo").join(descriptor.file_name()))
    })
}

/// Whether an epoll watches any of these descriptors.
fn watches(poll: &Path, descriptors: &[i32]) -> bool {
    // One that is closed watches nothing.
    let shown = fs::read_to_string(poll).unwrap_or_default();
    let mut descriptors = descriptors.iter();
    descriptors.any(|descriptor| shown.contains(&format!("tfd: {descriptor:>8} ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::app::listeners;

    #[test]
    fn listener_is_accepted_from_while_a_poll_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = listeners::number_of(&listener);
        assert!(accepting_ends(&[number]), "no poll has it");
        listener.set_nonblocking(true).unwrap();
        let mut listener = mio::net::TcpListener::from_std(listener);
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry();
        registry
            .register(&mut listener, mio::Token(0), mio::Interest::READABLE)
            .unwrap();
        let looking = std::thread::spawn(move || accepting_ends(&[number]));
        std::thread::sleep(5 * LOOK);
        assert!(!looking.is_finished());
        registry.deregister(&mut listener).unwrap();
        assert!(looking.join().unwrap());
    }
}
