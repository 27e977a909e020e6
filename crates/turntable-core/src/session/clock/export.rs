//! A clock estimate as a value.
//!
//! Times are written as ages. Samples are differences between the server's Unix
//! time and the client's clock and stay as they are: nodes agree about Unix time,
//! and nobody can tell how long the value was on its way.

use serde::{Deserialize, Serialize};

use super::path::Path;
pub use super::path::PathExport;
use super::{Clock, READING_MAX_MS, ROUND_TRIP_USABLE_MAX_MS, Window, is_reading};

/// A [`Clock`] as a value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClockExport {
    /// Offset and uplink delay.
    pub one_way: WindowExport<f64>,
    /// How long ago the half before the current one of `one_way` began, in ms.
    pub one_way_previous_age_ms: Option<f64>,
    /// Round trips.
    pub round_trip: WindowExport<f32>,
    /// Whether `time` exchanges feed `one_way`.
    pub exchanged: bool,
    /// The path of a client that plays.
    pub path: Option<PathExport>,
}

/// The least samples of both halves of a window, in ms. `None` where there is
/// none; JSON has no infinity.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct WindowExport<T> {
    /// Of the current half.
    pub current: Option<T>,
    /// Of the half before.
    pub previous: Option<T>,
    /// How long ago the current half began, in ms.
    pub age_ms: Option<f64>,
}

impl Clock {
    /// The estimate as a value, at `now_ms`.
    #[must_use]
    pub fn export(&self, now_ms: f64) -> ClockExport {
        ClockExport {
            one_way: self.one_way.export(now_ms, f64::is_finite),
            one_way_previous_age_ms: age(self.one_way_previous_since_ms, now_ms),
            round_trip: self.round_trip.export(now_ms, f32::is_finite),
            exchanged: self.exchanged,
            path: self.path.as_ref().map(|path| path.export(now_ms)),
        }
    }

    /// The estimate of a value, at `now_ms`. Samples and ages that no clock can
    /// have are left out.
    #[must_use]
    pub fn import(export: &ClockExport, now_ms: f64) -> Self {
        let is_sample = |ms: &f64| ms.abs() <= 2.0 * READING_MAX_MS;
        let is_round_trip = |ms: &f32| (0.0..=ROUND_TRIP_USABLE_MAX_MS as f32).contains(ms);
        Self {
            one_way: Window::import(&export.one_way, f64::INFINITY, now_ms, is_sample),
            one_way_previous_since_ms: since(export.one_way_previous_age_ms, now_ms)
                .unwrap_or(f64::NEG_INFINITY),
            round_trip: Window::import(&export.round_trip, f32::INFINITY, now_ms, is_round_trip),
            exchanged: export.exchanged,
            path: (export.path.as_ref())
                .map(|path| Box::new(Path::import(path, now_ms, is_sample))),
        }
    }
}

impl<T: Copy + PartialOrd> Window<T> {
    fn export(&self, now_ms: f64, is_sample: impl Fn(T) -> bool) -> WindowExport<T> {
        WindowExport {
            current: Some(self.current).filter(|sample| is_sample(*sample)),
            previous: Some(self.previous).filter(|sample| is_sample(*sample)),
            age_ms: age(self.since_ms, now_ms),
        }
    }

    fn import(
        export: &WindowExport<T>,
        none: T,
        now_ms: f64,
        is_sample: impl Fn(&T) -> bool,
    ) -> Self {
        // A half without a beginning would never end.
        let Some(since_ms) = since(export.age_ms, now_ms) else {
            return Self::new(none);
        };
        Self {
            current: export.current.filter(&is_sample).unwrap_or(none),
            previous: export.previous.filter(&is_sample).unwrap_or(none),
            since_ms,
        }
    }
}

fn age(since_ms: f64, now_ms: f64) -> Option<f64> {
    Some(now_ms - since_ms).filter(|age_ms| is_reading(*age_ms))
}

fn since(age_ms: Option<f64>, now_ms: f64) -> Option<f64> {
    Some(now_ms - age_ms.filter(|age_ms| is_reading(*age_ms))?)
}
