//! The least of a kernel's fast round trips within the last seconds, in quarters of a ms.
//!
//! The kernel's own least one is of minutes, and of another path once the path has become
//! slower.

/// How long one half of the window is, in ms.
const HALF_MS: u32 = 8_000;

/// A half that nothing came in for so long does not count.
const GAP_MS: u32 = 3 * HALF_MS;

/// How long it takes at most until nothing from before counts, in ms.
#[cfg(test)]
pub(super) const WINDOW_MS: u32 = 2 * HALF_MS;

/// A minimum over the current half of a window and the one before. Times are the low bits
/// of the server's Unix ms.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    current: u16,
    previous: u16,
    since_ms: u32,
}

impl Floor {
    /// Adds a round trip than which few are faster.
    pub(super) fn add(&mut self, quarters: u16, at_ms: u32) {
        let age_ms = at_ms.wrapping_sub(self.since_ms);
        if age_ms < HALF_MS {
            self.current = self.current.min(quarters);
            return;
        }
        self.previous = if age_ms < GAP_MS { self.current } else { 0 };
        self.current = quarters;
        self.since_ms = at_ms;
    }

    /// The least one; zero until a whole half has passed.
    pub(super) fn least(&self) -> u16 {
        self.current.min(self.previous)
    }

    /// The floor as a value: the least of each half, and the age of the current one.
    pub(super) fn export(&self, now_ms: u32) -> (u16, u16, u32) {
        let age_ms = now_ms.wrapping_sub(self.since_ms);
        (self.current, self.previous, age_ms)
    }

    /// The floor of a value.
    pub(super) fn import((current, previous, age_ms): (u16, u16, u32), now_ms: u32) -> Self {
        Self {
            current,
            previous,
            since_ms: now_ms.wrapping_sub(age_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u32 = u32::MAX - 5_000;

    #[test]
    fn fast_round_trip_counts_for_the_window_and_no_longer() {
        let mut floor = Floor::default();
        let at = |ms: u32| START_MS.wrapping_add(ms);
        floor.add(40, at(0));
        assert_eq!(floor.least(), 0, "too little is known");
        floor.add(100, at(500));
        floor.add(100, at(HALF_MS));
        assert_eq!(floor.least(), 40);
        floor.add(100, at(2 * HALF_MS));
        assert_eq!(floor.least(), 100);
        floor.add(90, at(2 * HALF_MS + 1));
        assert_eq!(floor.least(), 90);
        floor.add(90, at(6 * HALF_MS));
        assert_eq!(floor.least(), 0, "nothing came for a long time");
    }
}
