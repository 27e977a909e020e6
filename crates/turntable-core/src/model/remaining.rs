//! Times in a snapshot: how long until something, or how long ago it was.
//!
//! A snapshot is restored at another time, perhaps by another clock, so it has no
//! absolute times.

/// How long until `at_ms`, in ms; 0 where it is over.
#[must_use]
pub(crate) const fn until(at_ms: u64, now_ms: u64) -> u64 {
    at_ms.saturating_sub(now_ms)
}

/// How long ago `at_ms` was, in ms.
#[must_use]
pub(crate) const fn since(at_ms: u64, now_ms: u64) -> u64 {
    now_ms.saturating_sub(at_ms)
}

/// The time in `ms` from now.
#[must_use]
pub(crate) const fn from_now(ms: u64, now_ms: u64) -> u64 {
    now_ms.saturating_add(ms)
}

/// The time `ms` ago.
#[must_use]
pub(crate) const fn ago(ms: u64, now_ms: u64) -> u64 {
    now_ms.saturating_sub(ms)
}
