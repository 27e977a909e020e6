//! Estimates the offset between a client's clock and the server's.
//!
//! One-way samples (`time`, and actions by the same clock) measure offset + uplink
//! delay; their minimum over a sliding window is the offset plus the fastest uplink.
//! Half the minimum round trip of pings is subtracted. The error is at most half that
//! round trip plus the drift within the window; docs/time.md contains the proof and
//! its condition. All times are ms; a client's clock may have any epoch.
//!
//! Beside the offset it says how late the client's messages may be ([`Lag`]), from
//! the round trips of the last seconds (`path`), which a client cannot shorten.

pub mod export;
mod floor;
mod path;
pub mod settings;

use crate::model::timestamp::Lag;
use path::{Path, Verdict};

/// The length of one half of the window of one-way samples, in ms. The minimum
/// covers the current half and the previous one, and therefore at most the last
/// three halves while samples arrive.
pub const HALF_WINDOW_MS: f64 = 20_000.0;

/// The same of round trips. It is longer: they are differences of one clock and do
/// not drift, and the fastest of many is closer to the path's floor.
pub const ROUND_TRIP_HALF_WINDOW_MS: f64 = 120_000.0;

/// The assumed maximum drift between two clocks: 200 ms in 1,000 s.
pub const DRIFT_MAX: f64 = 200e-6;

/// The default upper limit of a round trip in the estimate, in ms.
pub const ROUND_TRIP_MAX_MS: f64 = 2_000.0;

/// Larger clock readings have no whole milliseconds.
const READING_MAX_MS: f64 = 9_007_199_254_740_992.0;

/// An action further from the least sample than the path's jitter and this, in ms,
/// is no sample: it is old, from another clock, or its time is to come.
const SAME_CLOCK_MS: f64 = 2.0;

/// A longer round trip is ignored.
const ROUND_TRIP_USABLE_MAX_MS: f64 = 600_000.0;

/// An estimate of a client's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Server's clock minus the client's, in ms.
    pub offset_ms: f64,
    /// The maximum error of `offset_ms` in either direction, in ms.
    pub error_ms: f64,
}

/// What a kernel has measured of a TCP connection, in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelTrip {
    /// The least round trip, of minutes.
    pub least_ms: f64,
    /// One that few exceed now.
    pub usual_ms: f64,
    /// One than which few are faster now.
    pub floor_ms: f64,
}

impl KernelTrip {
    /// The figures of a kernel that smooths round trips: the smoothed one, which the mean
    /// deviation is from. Of evenly spread delays one in twenty is two of them slower, and
    /// none is three of them faster.
    #[must_use]
    pub fn smoothed(least_ms: f64, smoothed_ms: f64, deviation_ms: f64) -> Self {
        Self {
            least_ms,
            usual_ms: smoothed_ms + 2.0 * deviation_ms,
            floor_ms: (smoothed_ms - 3.0 * deviation_ms).max(0.0),
        }
    }
}

/// The clock estimate of one session.
///
/// ```
/// use turntable_core::session::clock::Clock;
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
    /// When the previous half began. Round trips need none: they are differences of
    /// one clock and do not drift.
    one_way_previous_since_ms: f64,
    round_trip: Window<f32>,
    /// Whether `time` exchanges feed `one_way`; before, all actions do.
    exchanged: bool,
    /// The path of a client that plays; most never do.
    path: Option<Box<Path>>,
}

/// The minimum sample of the current half of a window, and of the previous half.
/// Infinite if there is none.
#[derive(Debug, Clone)]
struct Window<T> {
    current: T,
    previous: T,
    since_ms: f64,
}

/// The effect of a sample on the halves.
enum Turn {
    /// The sample belongs to the current half.
    Stayed,
    /// The current half became the previous one; it began at this time.
    Turned(f64),
    /// All earlier samples were dropped.
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

    fn add(&mut self, sample: T, none: T, at_ms: f64, half_ms: f64) -> Turn {
        let age_ms = at_ms - self.since_ms;
        if (0.0..half_ms).contains(&age_ms) {
            if sample < self.current {
                self.current = sample;
            }
            return Turn::Stayed;
        }
        let before_ms = self.since_ms;
        // Too old, or the server's clock was set back.
        let restarted = !(0.0..2.0 * half_ms).contains(&age_ms);
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
    /// A clock without samples.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            one_way: Window::new(f64::INFINITY),
            one_way_previous_since_ms: f64::NEG_INFINITY,
            round_trip: Window::new(f32::INFINITY),
            exchanged: false,
            path: None,
        }
    }

    /// A `time` command: the client's clock read `t0_client_ms` when it was sent,
    /// the server's `received_at_ms` when it arrived. Readings that are not finite,
    /// or too large for whole milliseconds, are ignored.
    pub fn time_exchange(&mut self, t0_client_ms: f64, received_at_ms: f64) {
        if !is_reading(t0_client_ms) || !is_reading(received_at_ms) {
            return;
        }
        if !self.exchanged {
            // Actions may use another clock than `time`.
            self.exchanged = true;
            self.forget_one_way();
        }
        self.one_way_sample(received_at_ms - t0_client_ms, received_at_ms);
    }

    /// The newest timestamp of a `game` message received at `received_at_ms`. The
    /// client read it before sending, so it bounds the offset as a `time` does. From
    /// the first `time` on it is used only where it fits the samples that exist: it
    /// may be of another clock. The client counts as acting from now on.
    pub fn action_sample(&mut self, newest_client_ms: f64, received_at_ms: f64) {
        if !is_reading(received_at_ms) {
            return;
        }
        self.path_mut().acts(received_at_ms);
        if !is_reading(newest_client_ms) {
            return;
        }
        let sample_ms = received_at_ms - newest_client_ms;
        let off_ms = (sample_ms - self.one_way.least()).abs();
        if self.exchanged && off_ms > self.jitter_ms() + SAME_CLOCK_MS {
            return;
        }
        self.one_way_sample(sample_ms, received_at_ms);
    }

    /// A ping of the server was answered at `received_at_ms`, after `rtt_ms`.
    /// Negative, non-finite and values above ten minutes are ignored.
    pub fn round_trip(&mut self, rtt_ms: f64, received_at_ms: f64) {
        self.round_trips(rtt_ms, rtt_ms, received_at_ms);
    }

    /// The kernel measured the path: the least round trip, and one that few exceed.
    /// Values are ignored as those of [`Clock::round_trip`].
    pub fn round_trips(&mut self, least_ms: f64, usual_ms: f64, at_ms: f64) {
        if is_usable(least_ms) && is_usable(usual_ms) && is_reading(at_ms) {
            self.measured(least_ms, usual_ms, None, at_ms);
        }
    }

    /// A ping was answered after `ping_ms`, and the kernel measured the path: the ping
    /// counts as no slower than the kernel's least round trip and what this ping took
    /// longer than others, nor than one that few exceed. Values are ignored as those of
    /// [`Clock::round_trip`].
    pub fn bounded_round_trip(&mut self, ping_ms: f64, kernel: KernelTrip, at_ms: f64) {
        let KernelTrip {
            least_ms, usual_ms, ..
        } = kernel;
        if [ping_ms, least_ms, usual_ms].into_iter().all(is_usable) && is_reading(at_ms) {
            self.measured(ping_ms.min(usual_ms), ping_ms, Some(kernel), at_ms);
        }
    }

    /// `least_ms` is of the offset, `usual_ms` of the lag.
    fn measured(&mut self, least_ms: f64, usual_ms: f64, kernel: Option<KernelTrip>, at_ms: f64) {
        let known_ms = f64::from(self.round_trip.least());
        match self.path_mut().add(usual_ms, known_ms, kernel, at_ms) {
            Verdict::Same => {
                self.round_trip.add(
                    least_ms as f32,
                    f32::INFINITY,
                    at_ms,
                    ROUND_TRIP_HALF_WINDOW_MS,
                );
            }
            Verdict::Other => self.follow(least_ms, at_ms),
            Verdict::Slower(slower_ms) => {
                // Late pongs are not a slower path.
                let slower_ms = kernel.map_or(slower_ms, |_| slower_ms.min(least_ms));
                self.follow(slower_ms, at_ms);
            }
        }
    }

    /// Another connection carries the client from now on. The offset is of the clocks and
    /// stays; the round trips of the connection before give no credit on this one.
    pub fn moved(&mut self) {
        if let Some(path) = &mut self.path {
            path.moved();
        }
    }

    /// The server slept: nothing that was measured before counts.
    pub fn restart(&mut self) {
        *self = Self {
            exchanged: self.exchanged,
            ..Self::new()
        };
    }

    /// The least round trip of the last minutes, in ms; `None` before the first.
    #[must_use]
    pub fn least_round_trip_ms(&self) -> Option<f64> {
        let least_ms = f64::from(self.round_trip.least());
        least_ms.is_finite().then_some(least_ms)
    }

    /// Whether the client sent an action within the last ten seconds.
    #[must_use]
    pub fn is_acting(&self, now_ms: f64) -> bool {
        self.path
            .as_ref()
            .is_some_and(|path| path.is_acting(now_ms))
    }

    /// Whether the path of the connection at hand was measured within the last
    /// `interval_ms`.
    #[must_use]
    pub fn is_measured_within(&self, interval_ms: u64, now_ms: f64) -> bool {
        self.path
            .as_ref()
            .and_then(|path| path.measured_age_ms(now_ms))
            .is_some_and(|age_ms| u64::from(age_ms) < interval_ms)
    }

    /// How late the client's messages are, and how far back its timestamps may lie:
    /// half the round trip that one in twenty of the last ten seconds exceeded, and
    /// `allowance_ms`. Only the latter where nothing was measured on this connection.
    #[must_use]
    pub fn lag(&self, now_ms: f64, allowance_ms: u64) -> Lag {
        let path = self.path.as_ref();
        let worst_ms = path.and_then(|path| path.worst_ms(now_ms));
        let half_ms = worst_ms.map(|ms| ms / 2.0);
        let allowance_ms = u32::try_from(allowance_ms).unwrap_or(u32::MAX);
        Lag {
            measured_ms: half_ms.map(|ms| ms.round() as u32),
            credit_ms: (half_ms.unwrap_or(0.0).ceil() as u32).saturating_add(allowance_ms),
        }
    }

    /// The estimate at `now_ms` of the server, `None` before any one-way sample.
    /// A round trip counts as at most `rtt_max_ms`, so that a client that delays
    /// its pongs moves its offset by at most half of that.
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
        // Before the first pong nothing is subtracted, and the error is the whole
        // uplink, assumed to be within the limit.
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
        let least_ms = self.one_way.least();
        if let Some(path) = &mut self.path
            && least_ms.is_finite()
        {
            if path.awaits_round_trip(at_ms) {
                // It is of a path whose round trip is not known.
                return;
            }
            if path.is_jump(sample_ms, least_ms, at_ms) {
                // The client's clock stood still for a while: it slept.
                self.forget_one_way();
            }
        }
        let turn = (self.one_way).add(sample_ms, f64::INFINITY, at_ms, HALF_WINDOW_MS);
        if let Turn::Turned(since_ms) = turn {
            self.one_way_previous_since_ms = since_ms;
        }
    }

    /// The path is another one, whose least round trip is `least_ms`. The offset
    /// stays: it is of the clocks. Samples of both paths together would move it by
    /// half of their difference.
    fn follow(&mut self, least_ms: f64, at_ms: f64) {
        let is_known = self.round_trip.least().is_finite();
        let before = self.offset(at_ms, ROUND_TRIP_MAX_MS).filter(|_| is_known);
        self.round_trip = Window::new(f32::INFINITY);
        let (least, half_ms) = (least_ms as f32, ROUND_TRIP_HALF_WINDOW_MS);
        self.round_trip.add(least, f32::INFINITY, at_ms, half_ms);
        if let Some(estimate) = before {
            let sample_ms = estimate.offset_ms + least_ms.min(ROUND_TRIP_MAX_MS) / 2.0;
            self.forget_one_way();
            (self.one_way).add(sample_ms, f64::INFINITY, at_ms, HALF_WINDOW_MS);
        }
    }

    fn forget_one_way(&mut self) {
        self.one_way = Window::new(f64::INFINITY);
        self.one_way_previous_since_ms = f64::NEG_INFINITY;
    }

    /// By how much the round trips of the last seconds differ, in ms.
    fn jitter_ms(&self) -> f64 {
        self.path.as_ref().map_or(0.0, |path| path.jitter_ms())
    }

    fn path_mut(&mut self) -> &mut Path {
        self.path.get_or_insert_with(Box::default)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn is_usable(rtt_ms: f64) -> bool {
    (0.0..=ROUND_TRIP_USABLE_MAX_MS).contains(&rtt_ms)
}

fn is_reading(ms: f64) -> bool {
    ms.abs() <= READING_MAX_MS
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod simulation;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
