//! The offset between a client's clock and the server's.
//!
//! One-way samples (`time`, or actions of a client that never sends `time`) say
//! offset + uplink delay; the least of them over a sliding window is the offset
//! plus the fastest uplink. Half the least round trip of pings is taken off it.
//! The estimate is wrong by at most half that round trip and the drift of the
//! window; docs/time.md has the proof and its condition. All times are ms; a
//! client's clock may have any epoch.

/// Length of one half of the window, in ms. The minimum is taken over the
/// current half and the one before it, so it never looks back further than
/// three of these while samples come in.
pub const HALF_WINDOW_MS: f64 = 20_000.0;

/// The fastest that two clocks are taken to drift apart: 200 ms in 1,000 s.
pub const DRIFT_MAX: f64 = 200e-6;

/// The round trip that counts at most, in ms, where nobody chooses another.
pub const ROUND_TRIP_MAX_MS: f64 = 2_000.0;

/// Beyond this a clock reading has no whole milliseconds any more.
const READING_MAX_MS: f64 = 9_007_199_254_740_992.0;

/// A round trip longer than this is no measurement.
const ROUND_TRIP_USABLE_MAX_MS: f64 = 600_000.0;

/// What is known of a client's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Server's clock less the client's, in ms.
    pub offset_ms: f64,
    /// How far `offset_ms` may be off either way, in ms.
    pub error_ms: f64,
}

/// The clock estimate of one session.
///
/// ```
/// use turntable::session::clock::Clock;
/// let mut clock = Clock::new();
/// // The client read 1,000 and it arrived at 501,020; a ping took 40 ms.
/// clock.time_exchange(1_000.0, 501_020.0);
/// clock.round_trip(40.0, 501_030.0);
/// let estimate = clock.offset(501_030.0, 2_000.0).unwrap();
/// assert_eq!(estimate.offset_ms, 500_000.0);
/// assert!((20.0..20.1).contains(&estimate.error_ms));
/// ```
#[derive(Debug, Clone)]
pub struct Clock {
    one_way: Window<f64>,
    /// When the half before the current one began. Round trips need none: they
    /// are differences of one clock and do not drift.
    one_way_previous_since_ms: f64,
    round_trip: Window<f32>,
    /// Whether `time` exchanges feed `one_way`; actions do until then.
    exchanged: bool,
}

/// The least sample of the current half of a window, and of the half before.
/// Infinite where there is none.
#[derive(Debug, Clone)]
struct Window<T> {
    current: T,
    previous: T,
    since_ms: f64,
}

/// What became of the halves when a sample came in.
enum Turn {
    /// The sample belongs to the current half.
    Stayed,
    /// The current half became the previous one; it began at this time.
    Turned(f64),
    /// Nothing of the past counts any more.
    Restarted,
}

impl<T: Copy + PartialOrd> Window<T> {
    const fn new(none: T) -> Self {
        Self {
            current: none,
            previous: none,
            since_ms: f64::NEG_INFINITY,
        }
    }

    fn add(&mut self, sample: T, none: T, at_ms: f64) -> Turn {
        let age_ms = at_ms - self.since_ms;
        if (0.0..HALF_WINDOW_MS).contains(&age_ms) {
            if sample < self.current {
                self.current = sample;
            }
            return Turn::Stayed;
        }
        let before_ms = self.since_ms;
        // Too old, or the server's clock was set back.
        let restarted = !(0.0..2.0 * HALF_WINDOW_MS).contains(&age_ms);
        self.previous = if restarted { none } else { self.current };
        self.current = sample;
        self.since_ms = at_ms;
        if restarted {
            Turn::Restarted
        } else {
            Turn::Turned(before_ms)
        }
    }

    fn least(&self) -> T {
        if self.previous < self.current {
            self.previous
        } else {
            self.current
        }
    }
}

impl Clock {
    /// A clock of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            one_way: Window::new(f64::INFINITY),
            one_way_previous_since_ms: f64::NEG_INFINITY,
            round_trip: Window::new(f32::INFINITY),
            exchanged: false,
        }
    }

    /// A `time` command: the client's clock read `t0_client_ms` when it was
    /// sent, the server's `received_at_ms` when it came in. Readings that are
    /// not finite, or too large for whole milliseconds, are ignored.
    pub fn time_exchange(&mut self, t0_client_ms: f64, received_at_ms: f64) {
        if !is_reading(t0_client_ms) || !is_reading(received_at_ms) {
            return;
        }
        if !self.exchanged {
            // Actions may be stamped with another clock than `time` reads.
            self.exchanged = true;
            self.one_way = Window::new(f64::INFINITY);
        }
        self.one_way_sample(received_at_ms - t0_client_ms, received_at_ms);
    }

    /// The newest timestamp of a `game` message that came in at
    /// `received_at_ms`. It was read before the message left, so it bounds the
    /// offset as a `time` does; it counts until the first `time` comes.
    pub fn action_sample(&mut self, newest_client_ms: f64, received_at_ms: f64) {
        if self.exchanged || !is_reading(newest_client_ms) || !is_reading(received_at_ms) {
            return;
        }
        self.one_way_sample(received_at_ms - newest_client_ms, received_at_ms);
    }

    /// A ping of the server was answered at `received_at_ms`, after `rtt_ms`.
    /// What is negative, not finite or longer than ten minutes is ignored.
    pub fn round_trip(&mut self, rtt_ms: f64, received_at_ms: f64) {
        if (0.0..=ROUND_TRIP_USABLE_MAX_MS).contains(&rtt_ms) && is_reading(received_at_ms) {
            self.round_trip
                .add(rtt_ms as f32, f32::INFINITY, received_at_ms);
        }
    }

    /// The estimate at `now_ms` of the server, `None` before any one-way
    /// sample. A round trip counts as at most `rtt_max_ms`, so that a client
    /// that delays its pongs moves its offset by no more than half of that.
    #[must_use]
    pub fn offset(&self, now_ms: f64, rtt_max_ms: f64) -> Option<Estimate> {
        let one_way_ms = self.one_way.least();
        if !one_way_ms.is_finite() {
            return None;
        }
        let since_ms = if self.one_way.previous.is_finite() {
            self.one_way_previous_since_ms
        } else {
            self.one_way.since_ms
        };
        let drift_ms = DRIFT_MAX * (now_ms - since_ms).max(0.0);
        let least_ms = f64::from(self.round_trip.least());
        // Before the first pong nothing is taken off, and the whole uplink,
        // taken to be within the bound, is the error.
        let (taken_off_ms, path_error_ms) = if least_ms.is_finite() {
            let half_ms = least_ms.min(rtt_max_ms) / 2.0;
            (half_ms, least_ms - half_ms)
        } else {
            (0.0, rtt_max_ms)
        };
        Some(Estimate {
            offset_ms: one_way_ms - taken_off_ms,
            error_ms: path_error_ms + drift_ms,
        })
    }

    fn one_way_sample(&mut self, sample_ms: f64, at_ms: f64) {
        if let Turn::Turned(since_ms) = self.one_way.add(sample_ms, f64::INFINITY, at_ms) {
            self.one_way_previous_since_ms = since_ms;
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn is_reading(ms: f64) -> bool {
    ms.abs() <= READING_MAX_MS
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::timestamp::Corrector;

    const RTT_MAX_MS: f64 = ROUND_TRIP_MAX_MS;
    const MAX_LAG_MS: u64 = 1_000;

    #[test]
    fn it_is_small_for_every_session_has_one() {
        assert!(size_of::<Clock>() <= 64, "{} bytes", size_of::<Clock>());
    }

    #[test]
    fn nothing_is_known_before_a_sample() {
        let mut clock = Clock::new();
        assert_eq!(clock.offset(0.0, RTT_MAX_MS), None);
        clock.round_trip(10.0, 0.0);
        assert_eq!(clock.offset(0.0, RTT_MAX_MS), None);
    }

    #[test]
    fn without_a_pong_the_uplink_is_the_error() {
        let mut clock = Clock::new();
        clock.time_exchange(0.0, 1_030.0);
        let estimate = clock.offset(1_030.0, RTT_MAX_MS).unwrap();
        assert_eq!(estimate.offset_ms, 1_030.0);
        assert_eq!(estimate.error_ms, RTT_MAX_MS);
    }

    #[test]
    fn readings_that_are_none_are_ignored() {
        let mut clock = Clock::new();
        clock.time_exchange(0.0, 1_000.0);
        clock.round_trip(100.0, 1_000.0);
        let before = clock.offset(1_000.0, RTT_MAX_MS);
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
            clock.time_exchange(wrong, 1_000.0);
            clock.time_exchange(0.0, wrong);
            clock.round_trip(wrong, 1_000.0);
            clock.round_trip(10.0, wrong);
            clock.action_sample(wrong, 1_000.0);
        }
        clock.round_trip(-1.0, 1_000.0);
        assert_eq!(clock.offset(1_000.0, RTT_MAX_MS), before);
    }

    #[test]
    fn actions_count_until_a_time_exchange() {
        let mut clock = Clock::new();
        clock.action_sample(10_223_232.0, 50_000.0);
        let offset_ms = |clock: &Clock| clock.offset(50_000.0, RTT_MAX_MS).unwrap().offset_ms;
        assert_eq!(offset_ms(&clock), 50_000.0 - 10_223_232.0);
        // `time` may read another clock than the actions do.
        clock.time_exchange(7.0, 50_000.0);
        assert_eq!(offset_ms(&clock), 49_993.0);
        clock.action_sample(10_223_232.0, 50_000.0);
        assert_eq!(offset_ms(&clock), 49_993.0);
    }

    #[test]
    fn a_clock_that_jumped_is_followed_within_the_window() {
        let mut clock = Clock::new();
        let mut now_ms = 1e6;
        for _ in 0..20 {
            now_ms += 5_000.0;
            clock.time_exchange(now_ms, now_ms);
        }
        // The client's clock stood still for an hour, as in a laptop's sleep.
        let slept_ms = 3_600_000.0;
        let mut waited_ms = 0.0;
        while clock.offset(now_ms, RTT_MAX_MS).unwrap().offset_ms != slept_ms {
            now_ms += 5_000.0;
            waited_ms += 5_000.0;
            clock.time_exchange(now_ms - slept_ms, now_ms);
        }
        assert!(waited_ms <= 3.0 * HALF_WINDOW_MS, "{waited_ms} ms");
    }

    #[test]
    fn a_delayed_pong_moves_the_offset_by_half_the_bound_at_most() {
        let mut clock = Clock::new();
        clock.time_exchange(0.0, 0.0);
        clock.round_trip(60_000.0, 0.0);
        let estimate = clock.offset(0.0, RTT_MAX_MS).unwrap();
        assert_eq!(estimate.offset_ms, -RTT_MAX_MS / 2.0);
        assert_eq!(estimate.error_ms, 59_000.0);
    }

    #[test]
    fn a_server_clock_set_back_starts_the_windows_anew() {
        let mut clock = Clock::new();
        clock.time_exchange(0.0, 1_000_000.0);
        clock.time_exchange(1_000.0, 5_000.0);
        let estimate = clock.offset(5_000.0, RTT_MAX_MS).unwrap();
        assert_eq!(estimate.offset_ms, 4_000.0);
    }

    #[test]
    fn a_sample_older_than_the_window_is_forgotten() {
        let mut clock = Clock::new();
        clock.time_exchange(0.0, 100.0);
        clock.time_exchange(0.0, 200.0);
        let offset_ms = |clock: &Clock| clock.offset(60_000.0, RTT_MAX_MS).unwrap().offset_ms;
        assert_eq!(offset_ms(&clock), 100.0);
        let later_ms = 2.0 * HALF_WINDOW_MS + 100.0;
        clock.time_exchange(later_ms - 300.0, later_ms);
        assert_eq!(offset_ms(&clock), 300.0);
    }

    /// A path with its own delay each way, and jitter on top.
    #[derive(Debug, Clone)]
    struct Path {
        up_ms: f64,
        down_ms: f64,
        jitter_ms: f64,
        /// Server less client at time 0.
        offset_ms: f64,
        drift: f64,
    }

    fn path() -> impl Strategy<Value = Path> {
        (
            0.0..300.0f64,
            0.0..300.0f64,
            0.0..400.0f64,
            -2e12..2e12f64,
            -DRIFT_MAX..DRIFT_MAX,
        )
            .prop_map(|(up_ms, down_ms, jitter_ms, offset_ms, drift)| Path {
                up_ms,
                down_ms,
                jitter_ms,
                offset_ms,
                drift,
            })
    }

    /// Something measured: after so long, with these parts of the jitter, by a
    /// `time` or by a ping.
    fn samples() -> impl Strategy<Value = Vec<(f64, f64, f64, bool)>> {
        prop::collection::vec(
            (10.0..30_000.0f64, 0.0..1.0f64, 0.0..1.0f64, any::<bool>()),
            2..80,
        )
    }

    const START_MS: f64 = 1.7e12;
    /// Doubles of this size are 0.0005 ms apart, and round trips are singles.
    const ROUNDING_MS: f64 = 0.01;

    impl Path {
        fn offset_at(&self, server_ms: f64) -> f64 {
            self.offset_ms + self.drift * (server_ms - START_MS)
        }
    }

    /// The least uplink delay and round trip that a window can still hold.
    fn least(seen: &[(f64, f64)], now_ms: f64) -> f64 {
        seen.iter()
            .filter(|(at_ms, _)| now_ms - at_ms < HALF_WINDOW_MS)
            .map(|(_, ms)| *ms)
            .fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn an_honest_client_is_known_within_the_bound(path in path(), samples in samples()) {
            let mut clock = Clock::new();
            let mut now_ms = START_MS;
            let mut uplinks = Vec::new();
            let mut checked = false;
            for (passed_ms, up, down, is_time) in samples {
                now_ms += passed_ms;
                let up_ms = path.up_ms + up * path.jitter_ms;
                let down_ms = path.down_ms + down * path.jitter_ms;
                if is_time {
                    let sent_ms = now_ms - up_ms;
                    clock.time_exchange(sent_ms - path.offset_at(sent_ms), now_ms);
                    uplinks.push((now_ms, up_ms));
                } else {
                    clock.round_trip(up_ms + down_ms, now_ms);
                }
                let Some(estimate) = clock.offset(now_ms, RTT_MAX_MS) else {
                    continue;
                };
                let error_ms = estimate.offset_ms - path.offset_at(now_ms);
                let drift_room_ms = DRIFT_MAX * path.up_ms.max(700.0);
                // Never too low by more than the bound, whatever the uplink.
                prop_assert!(
                    -error_ms <= estimate.error_ms + drift_room_ms + ROUNDING_MS,
                    "{error_ms} off, {estimate:?}"
                );
                // Nor too high where one recent `time` was no slower than the
                // fastest round trip.
                let rtt_ms = f64::from(clock.round_trip.least());
                if least(&uplinks, now_ms) <= rtt_ms.min(RTT_MAX_MS) {
                    checked = true;
                    prop_assert!(
                        error_ms <= estimate.error_ms + drift_room_ms + ROUNDING_MS,
                        "{error_ms} off, {estimate:?}"
                    );
                }
            }
            prop_assume!(checked);
        }

        #[test]
        fn jitter_is_filtered_out(path in path(), seed in 0.0..1.0f64) {
            // Jitter is the larger part of each delay, but one message in ten
            // has none: the error is that of the asymmetry alone.
            let mut clock = Clock::new();
            let mut now_ms = START_MS;
            for step in 0..60 {
                now_ms += 500.0;
                let jitter_ms = match step % 10 {
                    0 => 0.0,
                    other => path.jitter_ms * (f64::from(other) * 0.377 + seed).fract(),
                };
                let sent_ms = now_ms - path.up_ms - jitter_ms;
                clock.time_exchange(sent_ms - path.offset_at(sent_ms), now_ms);
                clock.round_trip(path.up_ms + path.down_ms + jitter_ms, now_ms);
            }
            let estimate = clock.offset(now_ms, RTT_MAX_MS).unwrap();
            let asymmetry_ms = (path.up_ms - path.down_ms) / 2.0;
            let error_ms = estimate.offset_ms - path.offset_at(now_ms);
            let drift_ms = DRIFT_MAX * 31_000.0;
            prop_assert!((error_ms - asymmetry_ms).abs() <= drift_ms + ROUNDING_MS);
        }

        #[test]
        fn a_liar_stays_within_the_lag(
            inputs in prop::collection::vec(
                (0..3u8, any::<f64>(), -1e13..1e13f64, 0.0..5_000.0f64),
                1..60,
            ),
        ) {
            let mut clock = Clock::new();
            let mut corrector = Corrector::default();
            let mut now_ms = START_MS;
            let mut last_ms = 0;
            for (kind, wild, shifted_ms, passed_ms) in inputs {
                now_ms += passed_ms.round();
                match kind {
                    0 => clock.time_exchange(shifted_ms, now_ms),
                    1 => clock.round_trip(passed_ms * 20.0, now_ms),
                    _ => clock.time_exchange(wild, now_ms),
                }
                clock.action_sample(wild, now_ms);
                let estimate = clock.offset(now_ms, RTT_MAX_MS);
                prop_assert!(estimate.is_none_or(|estimate| estimate.offset_ms.is_finite()));
                let offset_ms = estimate.map(|estimate| estimate.offset_ms);
                let now = now_ms as u64;
                for stamp_ms in [wild, shifted_ms, now_ms] {
                    let corrected_ms = corrector.correct(stamp_ms, offset_ms, now, MAX_LAG_MS);
                    prop_assert!((now - MAX_LAG_MS..=now).contains(&corrected_ms));
                    prop_assert!(corrected_ms >= last_ms);
                    last_ms = corrected_ms;
                }
            }
        }

        #[test]
        fn a_client_that_never_sends_time_keeps_its_distances(
            offset_ms in -1_000_000..1_000_000i32,
            gaps_ms in prop::collection::vec(1..900u32, 2..30),
        ) {
            let mut clock = Clock::new();
            let mut corrector = Corrector::default();
            let mut now_ms = START_MS;
            let mut last: Option<(f64, u64)> = None;
            for gap_ms in gaps_ms {
                now_ms += f64::from(gap_ms);
                let stamp_ms = now_ms - 25.0 - f64::from(offset_ms);
                clock.action_sample(stamp_ms, now_ms);
                let offset_ms = clock.offset(now_ms, RTT_MAX_MS).map(|found| found.offset_ms);
                let corrected_ms =
                    corrector.correct(stamp_ms, offset_ms, now_ms as u64, MAX_LAG_MS);
                if let Some((stamp_before_ms, corrected_before_ms)) = last {
                    prop_assert_eq!(
                        stamp_ms - stamp_before_ms,
                        (corrected_ms - corrected_before_ms) as f64
                    );
                }
                last = Some((stamp_ms, corrected_ms));
            }
        }
    }
}
