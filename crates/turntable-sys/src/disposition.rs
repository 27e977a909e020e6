//! What signals do to a process that becomes another program.

/// Ignores the signals that a server reloads and restarts by, until they are handled again: they
/// would end a program before it handles them. The program that takes this one's place ignores
/// them from its beginning.
pub fn ignore_restart_signals() {
    set([libc::SIGHUP, libc::SIGUSR2], libc::SIG_IGN);
}

/// Lets the signals that stop a server end the process at once, in place of what handles them.
pub fn end_by_signals() {
    set([libc::SIGTERM, libc::SIGINT], libc::SIG_DFL);
}

fn set(signals: [i32; 2], disposition: libc::sighandler_t) {
    for signal in signals {
        // SAFETY: no handler is installed, so no code of this program runs in one.
        unsafe {
            libc::signal(signal, disposition);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    /// The signals of a mask of this process, one bit each.
    fn mask(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(mask.unwrap().trim_start_matches(':').trim(), 16).unwrap()
    }

    #[test]
    fn signals_that_stop_a_server_end_the_process_whatever_handled_them() {
        let bits = [libc::SIGTERM, libc::SIGINT].map(|signal| 1 << (signal - 1));
        let bits = bits[0] | bits[1];
        extern "C" fn handler(_: i32) {}
        let handler: extern "C" fn(i32) = handler;
        set([libc::SIGTERM, libc::SIGINT], handler as libc::sighandler_t);
        assert_eq!(mask("SigCgt") & bits, bits);
        end_by_signals();
        assert_eq!((mask("SigCgt") | mask("SigIgn")) & bits, 0);
    }
}
