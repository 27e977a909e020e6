//! The correction of the stamps that one sender puts on its actions.
//!
//! A client's stamp is moved by the estimated clock offset, held within
//! [now - max lag, now], and never runs backwards for one sender. So a client
//! that lies about its clock can only choose a time within the lag that
//! everybody is allowed.

/// Corrects the stamps of one sender.
///
/// ```
/// use turntable::model::timestamp::Corrector;
/// let mut corrector = Corrector::default();
/// let corrected = [900.0, 950.0, 5_000.0].map(|client_ms| {
///     corrector.correct(client_ms, Some(10_000.0), 11_000, 1_000)
/// });
/// assert_eq!(corrected, [10_900, 10_950, 11_000]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrector {
    last_ms: u64,
}

impl Corrector {
    /// A corrector whose first stamp is not before `last_ms`.
    #[must_use]
    pub const fn after(last_ms: u64) -> Self {
        Self { last_ms }
    }

    /// The last stamp given, Unix ms; 0 before the first.
    #[must_use]
    pub const fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// The corrected stamp, in whole Unix ms of the server: `client_ms` moved
    /// by `offset_ms` (server less client), within [`now_ms` - `max_lag_ms`,
    /// `now_ms`] and not before the sender's last one. Where no offset is
    /// known it is `now_ms`. (When the server's clock is set back the range
    /// stands and the order gives way.)
    pub fn correct(
        &mut self,
        client_ms: f64,
        offset_ms: Option<f64>,
        now_ms: u64,
        max_lag_ms: u64,
    ) -> u64 {
        let moved_ms = offset_ms.map_or(f64::NAN, |offset_ms| (client_ms + offset_ms).round());
        // A cast saturates, so a huge stamp is in the future, not elsewhere.
        let moved_ms = if moved_ms.is_nan() {
            now_ms
        } else {
            moved_ms as u64
        };
        let corrected_ms = moved_ms
            .max(now_ms.saturating_sub(max_lag_ms))
            .max(self.last_ms)
            .min(now_ms);
        self.last_ms = corrected_ms;
        corrected_ms
    }
}
