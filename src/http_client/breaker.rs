//! A circuit breaker: a server that failed several times in a row gets no request for a
//! while, then by one request alone.
//!
//! ```
//! use turntable::http_client::breaker::{Breaker, BreakerSettings};
//!
//! let settings = BreakerSettings { failures: 2, pause_ms: 1_000 };
//! let breaker = Breaker::default();
//! // One that is dropped is a failure.
//! drop(breaker.admit(settings, 0));
//! drop(breaker.admit(settings, 0));
//! assert!(breaker.admit(settings, 999).is_none());
//! let admitted = breaker.admit(settings, 1_000).expect("a trial");
//! assert!(breaker.admit(settings, 1_000).is_none());
//! admitted.succeed();
//! assert!(breaker.admit(settings, 1_001).is_some());
//! ```

use std::sync::Arc;

use parking_lot::Mutex;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row.
    pub failures: u32,
    /// How long no request is admitted then, in ms.
    pub pause_ms: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// Since when no request is admitted, or the time of the last failed trial.
    opened_ms: Option<u64>,
    is_trial_under_way: bool,
}

/// The breaker of one server. A clone is the same breaker.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<State>>);

/// A request that is under way. Dropping it without [`Admitted::succeed`] is a failure.
#[derive(Debug)]
pub struct Admitted {
    breaker: Breaker,
    settings: BreakerSettings,
    begun_ms: u64,
    is_trial: bool,
    has_succeeded: bool,
}

impl Breaker {
    /// Admits a request that begins now, unless the server has a pause.
    #[must_use]
    pub fn admit(&self, settings: BreakerSettings, now_ms: u64) -> Option<Admitted> {
        let state = &mut *self.0.lock();
        let is_trial = state.opened_ms.is_some();
        if let Some(opened_ms) = state.opened_ms {
            let is_over = now_ms >= opened_ms.saturating_add(settings.pause_ms);
            if !is_over || state.is_trial_under_way {
                return None;
            }
            state.is_trial_under_way = true;
        }
        Some(Admitted {
            breaker: self.clone(),
            settings,
            begun_ms: now_ms,
            is_trial,
            has_succeeded: false,
        })
    }

    /// Whether requests are refused now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().opened_ms.is_some()
    }
}

impl Admitted {
    /// The server answered.
    pub fn succeed(mut self) {
        self.has_succeeded = true;
        *self.breaker.0.lock() = State::default();
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.has_succeeded {
            return;
        }
        let state = &mut *self.breaker.0.lock();
        state.failures = state.failures.saturating_add(1);
        if self.is_trial {
            state.is_trial_under_way = false;
            state.opened_ms = Some(self.begun_ms);
        } else if state.failures >= self.settings.failures && state.opened_ms.is_none() {
            state.opened_ms = Some(self.begun_ms);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 3,
        pause_ms: 100,
    };

    fn fail(breaker: &Breaker, now_ms: u64) {
        drop(breaker.admit(SETTINGS, now_ms).unwrap());
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let breaker = Breaker::default();
        fail(&breaker, 0);
        fail(&breaker, 0);
        breaker.admit(SETTINGS, 0).unwrap().succeed();
        fail(&breaker, 1);
        fail(&breaker, 1);
        assert!(!breaker.is_open());
        fail(&breaker, 1);
        assert!(breaker.is_open());
        assert!(breaker.admit(SETTINGS, 100).is_none());
    }

    #[test]
    fn one_trial_decides_whether_it_closes() {
        let breaker = Breaker::default();
        (0..3).for_each(|_| fail(&breaker, 0));
        let trial = breaker.admit(SETTINGS, 100).unwrap();
        assert!(breaker.admit(SETTINGS, 100).is_none());
        drop(trial);
        assert!(breaker.admit(SETTINGS, 199).is_none());
        breaker.admit(SETTINGS, 200).unwrap().succeed();
        assert!(!breaker.is_open());
        assert!(breaker.admit(SETTINGS, 200).is_some());
    }
}
