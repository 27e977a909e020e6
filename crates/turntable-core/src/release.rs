//! When the memory that the allocator has free is given back to the system.
//!
//! The allocator gives it back on its own only where it lies at the end, so without
//! this a peak would hold its memory for good. Giving it back takes about 10 to 90 ms
//! for 400 MB, in which allocations of the workers may wait, and how much is free is
//! not known before. So it is tried, seldom where the last time brought nothing.

use crate::budget::Pressure;

/// A process that uses less has memory to give back only after a burst, such as many handshakes
/// at one time. Its pages are few: it gives them back as soon as the burst is over.
const SMALL_BYTES: u64 = 64 << 20;

/// Looks from one release to the next: at the least, and after several that brought
/// nothing.
type Looks = (u32, u32);

const UNDER_PRESSURE: Looks = (1, 3);
const ABOVE_HALF: Looks = (10, 30);
const ELSE: Looks = (10, 60);
const SMALL: Looks = (2, 60);

/// The releases of a process over time. Looks come once a second or so.
///
/// ```
/// use turntable_core::budget::Pressure;
/// use turntable_core::release::Release;
/// let mut release = Release::default();
/// let due = (1..100).find(|_| release.is_due(200 << 20, Some(8 << 30), Pressure::None));
/// assert_eq!(due, Some(10));
/// release.done(200 << 20, 30 << 20);
/// ```
#[derive(Debug, Default)]
pub struct Release {
    /// Looks since the last one.
    looks: u32,
    /// Looks that the next one waits for, within the bounds of how things are then.
    wait: u32,
    /// What was used after the last one.
    used_bytes: u64,
    /// What was used at the last look.
    seen_bytes: u64,
}

impl Release {
    /// The process uses so many bytes, and may use `max_bytes`. Returns whether free
    /// memory is to be given back now.
    pub fn is_due(&mut self, used_bytes: u64, max_bytes: Option<u64>, pressure: Pressure) -> bool {
        self.looks = self.looks.saturating_add(1);
        let seen_bytes = std::mem::replace(&mut self.seen_bytes, used_bytes);
        let grows = used_bytes > seen_bytes.saturating_add(seen_bytes / 64);
        let has_grown = used_bytes > self.used_bytes.saturating_add(self.used_bytes / 8);
        let is_above_half = max_bytes.is_some_and(|max| used_bytes > max / 2);
        let (least, greatest) = match pressure {
            Pressure::Evicting | Pressure::Refusing => UNDER_PRESSURE,
            Pressure::None if is_above_half => ABOVE_HALF,
            Pressure::None if used_bytes >= SMALL_BYTES => ELSE,
            Pressure::None if has_grown && !grows => SMALL,
            Pressure::None => return false,
        };
        let wait = if has_grown { least } else { self.wait };
        self.looks >= wait.clamp(least, greatest)
    }

    /// Something was freed on purpose: it is given back at the next look.
    pub const fn hurry(&mut self) {
        self.wait = 0;
        self.looks = ELSE.1;
    }

    /// Free memory was given back: the process used `before_bytes`, and uses
    /// `after_bytes` now.
    pub fn done(&mut self, before_bytes: u64, after_bytes: u64) {
        let brought = before_bytes.saturating_sub(after_bytes);
        self.wait = if brought > before_bytes / 16 {
            0
        } else {
            self.looks.saturating_mul(2)
        };
        self.looks = 0;
        self.used_bytes = after_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MAX: Option<u64> = Some(1_000 * MIB);

    /// Looks from one release to the next, with what is used before and after each.
    fn looks(release: &mut Release, pressure: Pressure, uses: &[(u64, u64)]) -> Vec<usize> {
        let next = |(before, after): &(u64, u64)| {
            let is_due = |_: &usize| release.is_due(before * MIB, MAX, pressure);
            let due = (1..1_000).find(is_due).unwrap_or_default();
            release.done(before * MIB, after * MIB);
            due
        };
        uses.iter().map(next).collect()
    }

    #[test]
    fn peak_is_given_back_within_ten_looks() {
        let mut release = Release::default();
        assert_eq!(looks(&mut release, Pressure::None, &[(384, 30)]), [10]);
        // It grows again.
        assert_eq!(looks(&mut release, Pressure::None, &[(384, 30)]), [10]);
    }

    #[test]
    fn small_process_gives_back_what_a_burst_left_once_it_is_over() {
        let mut release = Release::default();
        let mut is_due = |used| release.is_due(used * MIB, MAX, Pressure::None);
        assert!([8, 12, 18, 24].into_iter().all(|used| !is_due(used)));
        assert!(is_due(24));
        release.done(24 * MIB, 20 * MIB);
        // Nothing comes: it is left alone.
        assert!((0..1_000).all(|_| !release.is_due(20 * MIB, MAX, Pressure::None)));
        let mut is_due = |used| release.is_due(used * MIB, MAX, Pressure::None);
        assert!(!is_due(30));
        assert!(is_due(30));
    }

    #[test]
    fn release_that_brings_nothing_becomes_rare() {
        let mut release = Release::default();
        let same = [(300, 300); 6];
        let waits = looks(&mut release, Pressure::None, &same);
        assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
        // What was freed meanwhile is found, and more is looked for soon.
        let waits = looks(&mut release, Pressure::None, &[(310, 200), (200, 199)]);
        assert_eq!(waits, [60, 10]);
        let waits = looks(&mut release, Pressure::None, &[(300, 299)]);
        assert_eq!(waits, [10], "it has grown");
    }

    #[test]
    fn what_was_freed_on_purpose_is_given_back_at_once() {
        let mut release = Release::default();
        let same = [(990, 990); 3];
        let waits = looks(&mut release, Pressure::Refusing, &same);
        assert_eq!(waits, [1, 2, 3]);
        release.hurry();
        let waits = looks(&mut release, Pressure::Refusing, &same[..2]);
        assert_eq!(waits, [1, 3]);
    }

    #[test]
    fn release_is_more_frequent_near_the_limit() {
        let mut release = Release::default();
        let same = [(600, 600); 4];
        assert_eq!(looks(&mut release, Pressure::None, &same), [10, 20, 30, 30]);
        let waits = looks(
            &mut release,
            Pressure::Refusing,
            &[(1_100, 1_000), (1_000, 990)],
        );
        assert_eq!(waits, [1, 1]);
        let same = [(990, 990); 5];
        let waits = looks(&mut release, Pressure::Refusing, &same);
        assert_eq!(waits, [2, 3, 3, 3, 3]);
    }
}
