//! The time since the machine was booted, in which it was suspended too.
//!
//! `std::time::Instant` stands still while a machine is suspended, and the wall
//! clock may be set back. rustix 1.1 has this clock, and would be a dependency of
//! the server for one call.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time since boot. It never decreases and has at least the resolution of a
/// microsecond. It is read without a system call where the kernel maps its clocks
/// into the process (x86-64, arm64).
///
/// On a system that does not have this clock it is the time since the first call,
/// which may not count while the machine is suspended.
#[must_use]
pub fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    if let Some(time) = linux::since_boot() {
        return time;
    }
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::mem::MaybeUninit;
    use std::time::Duration;

    /// `None` where the kernel refuses to read the clock, which it then always does.
    pub(super) fn since_boot() -> Option<Duration> {
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: `time` is writable for the length of the call, and the kernel
        // writes one `timespec` at most.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, time.as_mut_ptr()) };
        if result != 0 {
            return None;
        }
        // SAFETY: a `timespec` has only integers, for which all bytes are valid, and
        // every byte was set to zero before.
        let time = unsafe { time.assume_init() };
        let seconds = u64::try_from(time.tv_sec).ok()?;
        let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
        Some(Duration::new(seconds, nanoseconds.min(999_999_999)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_as_on_other_clocks() {
        let (start, before) = (Instant::now(), since_boot());
        std::thread::sleep(Duration::from_millis(20));
        let (passed, after) = (start.elapsed(), since_boot());
        let counted = after.saturating_sub(before);
        assert!(counted >= Duration::from_millis(20), "{counted:?}");
        // `passed` was read first.
        assert!(counted + Duration::from_millis(1) >= passed, "{counted:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn time_is_the_uptime() {
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime: Option<f64> = text.split(' ').next().and_then(|s| s.parse().ok());
        let counted = since_boot().as_secs_f64();
        assert!(
            uptime.is_none_or(|uptime| (counted - uptime).abs() < 1.0),
            "{counted} at {uptime:?}"
        );
    }
}
