//! One timer wheel per worker, for the deadlines of all its connections and
//! sessions.
//!
//! Setting a timer is a push; nothing is ever cancelled: a timer whose
//! connection is gone, or whose reason is, is dropped when its time comes.
//! Deadlines are met within one tick.

use turntable_core::spare::Spare;

/// How often the wheel turns, in ms.
pub(crate) const TICK_MS: u64 = 50;
const SPOKES: usize = 512;

#[derive(Debug)]
struct Timer<T> {
    /// Ticks since the wheel was made: enough for six years.
    tick: u32,
    what: T,
}

/// The wheel.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    spokes: Box<[Vec<Timer<T>>]>,
    /// When the wheel was made.
    made_ms: u64,
    /// The last tick that was turned to.
    now: u32,
}

impl<T> Wheel<T> {
    /// A wheel that stands at `now_ms`.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            spokes: (0..SPOKES).map(|_| Vec::new()).collect(),
            made_ms: now_ms - now_ms % TICK_MS,
            now: 0,
        }
    }

    /// Sets a timer for `at_ms`.
    pub(crate) fn set(&mut self, at_ms: u64, what: T) {
        // Rounded up, and never into a spoke that was turned past.
        let after_ms = at_ms.saturating_sub(self.made_ms);
        let tick = u32::try_from(after_ms.div_ceil(TICK_MS)).unwrap_or(u32::MAX);
        let tick = tick.max(self.now.saturating_add(1));
        if let Some(spoke) = self.spokes.get_mut(tick as usize % SPOKES) {
            spoke.push(Timer { tick, what });
        }
    }

    /// Turns to `now_ms` and moves what is due to `due`.
    pub(crate) fn turn(&mut self, now_ms: u64, due: &mut Vec<T>) {
        let after_ms = now_ms.saturating_sub(self.made_ms);
        let target = u32::try_from(after_ms / TICK_MS).unwrap_or(u32::MAX);
        // After a long sleep each spoke is looked at once.
        let first = (self.now.saturating_add(1)).max(target.saturating_sub(SPOKES as u32 - 1));
        for tick in first..=target {
            let Some(spoke) = self.spokes.get_mut(tick as usize % SPOKES) else {
                continue;
            };
            let mut at = 0;
            while let Some(timer) = spoke.get(at) {
                if timer.tick <= target {
                    due.push(spoke.swap_remove(at).what);
                } else {
                    at += 1;
                }
            }
            spoke.give_back();
        }
        self.now = self.now.max(target);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timers_that_came_due_take_no_memory() {
        let mut wheel = Wheel::new(0);
        // Beside them in the same spoke is one of a later turn of the wheel.
        wheel.set(TICK_MS * (1 + 3 * SPOKES as u64), 0);
        for number in 1..10_000 {
            wheel.set(TICK_MS, number);
        }
        let mut due = Vec::new();
        wheel.turn(TICK_MS, &mut due);
        assert_eq!(due.len(), 9_999);
        let room: usize = wheel.spokes.iter().map(Vec::capacity).sum();
        assert!(room < 100, "{room}");
    }

    proptest! {
        /// Every timer comes due once, never early, and at the first turn to a
        /// tick at or behind its time.
        #[test]
        fn timers_come_due_in_time(
            timers in proptest::collection::vec(0u64..100_000, 0..50),
            steps in proptest::collection::vec(1u64..40_000, 1..20),
        ) {
            let start = 1_732_000_000_000;
            let mut wheel = Wheel::new(start);
            for (index, after) in timers.iter().enumerate() {
                wheel.set(start + after, index);
            }
            let mut now = start;
            let mut due = Vec::new();
            let mut fired = vec![false; timers.len()];
            for step in steps {
                now += step;
                wheel.turn(now, &mut due);
                for index in due.drain(..) {
                    prop_assert!(!fired[index]);
                    prop_assert!(start + timers[index] <= now);
                    fired[index] = true;
                }
                for (index, after) in timers.iter().enumerate() {
                    let latest = (start + after).div_ceil(TICK_MS) * TICK_MS;
                    prop_assert!(fired[index] || now < latest.max(start + TICK_MS + 1));
                }
            }
        }
    }
}
