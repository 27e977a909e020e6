//! How long the machine has slept.

/// How long the machine was suspended since it started, in ms: its boot-time clock
/// less its monotonic one, which stands still meanwhile. 0 where the system has no
/// such clocks.
#[cfg(target_os = "linux")]
#[must_use]
pub fn suspended_ms() -> u64 {
    let (boot, monotonic) = (
        linux::clock_ms(libc::CLOCK_BOOTTIME),
        linux::clock_ms(libc::CLOCK_MONOTONIC),
    );
    boot.zip(monotonic).map_or(0, |(boot_ms, monotonic_ms)| {
        boot_ms.saturating_sub(monotonic_ms)
    })
}

/// How long the machine was suspended: not known on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn suspended_ms() -> u64 {
    0
}

#[cfg(target_os = "linux")]
mod linux {
    use std::mem::MaybeUninit;

    /// The reading of a clock, in ms; `None` where the kernel has no such clock.
    pub(super) fn clock_ms(clock: libc::clockid_t) -> Option<u64> {
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: `time` is writable for the length of the call, and the kernel does
        // not keep the pointer. An unknown clock is an error, not undefined.
        let result = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
        if result != 0 {
            return None;
        }
        // SAFETY: the struct has only integers, for which all bytes are valid, and
        // every byte was set to zero before the kernel wrote.
        let time = unsafe { time.assume_init() };
        let (seconds, nanoseconds) = (
            u64::try_from(time.tv_sec).ok()?,
            u64::try_from(time.tv_nsec).ok()?,
        );
        Some(seconds * 1_000 + nanoseconds / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspended_time_stands_still_while_the_machine_runs() {
        let before_ms = suspended_ms();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(suspended_ms().abs_diff(before_ms) <= 2);
    }
}
