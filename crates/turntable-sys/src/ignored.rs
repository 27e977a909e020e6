//! Signals that would end a program before it handles them.

/// Ignores the signals that a server reloads and restarts by, until they are handled again. The
/// program that takes this one's place ignores them from its beginning.
pub fn ignore_restart_signals() {
    for signal in [libc::SIGHUP, libc::SIGUSR2] {
        // SAFETY: no handler is installed, so no code of this program runs in one.
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_do_not_end_the_process() {
        ignore_restart_signals();
        for signal in [libc::SIGHUP, libc::SIGUSR2] {
            // SAFETY: it has no effect but the signal, which is ignored.
            assert_eq!(unsafe { libc::raise(signal) }, 0);
        }
    }
}
