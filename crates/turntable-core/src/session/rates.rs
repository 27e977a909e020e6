//! The rates of one session, which it has while something of them is spent.

use crate::rate::{Bucket, BucketExport, BucketSettings};
use crate::session::class::{CLASSES, Class};
use crate::session::flood::{Flood, FloodExport};
use crate::session::settings::{LimitSettings, SessionSettings};

/// The buckets. Most sessions are silent at most times, and 100 bytes for each of
/// them would be half as much again as the rest.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Commands by class.
    pub(super) classes: [Bucket; CLASSES],
    /// Bytes of everything that the client sends.
    pub(super) bytes: Bucket,
    /// Commands over their rate.
    pub(super) flood: Flood,
    /// Errors.
    pub(super) errors: Bucket,
}

/// The rates as values.
pub(super) struct RatesExport {
    pub(super) classes: Vec<BucketExport>,
    pub(super) bytes: BucketExport,
    pub(super) flood: FloodExport,
    pub(super) errors: BucketExport,
}

impl Rates {
    /// Whether all of it is refilled: it is as if nothing was ever taken.
    pub(super) fn are_full(
        &self,
        settings: &SessionSettings,
        limits: &LimitSettings,
        now_ms: u64,
    ) -> bool {
        let is_full = |bucket: &Bucket, of: BucketSettings| bucket.is_full(of, now_ms);
        Class::ALL.iter().all(|class| {
            let bucket = self.classes.get(*class as usize);
            bucket.is_none_or(|bucket| is_full(bucket, class.settings(limits)))
        }) && is_full(&self.bytes, limits.bytes)
            && is_full(&self.errors, settings.error_budget())
            && self.flood.is_full(limits.flood, now_ms)
    }

    /// The rates as values, at `now_ms`.
    pub(super) fn export(&self, now_ms: u64) -> RatesExport {
        RatesExport {
            classes: self.classes.map(|bucket| bucket.export(now_ms)).into(),
            bytes: self.bytes.export(now_ms),
            flood: self.flood.export(now_ms),
            errors: self.errors.export(now_ms),
        }
    }

    /// The rates of values.
    pub(super) fn import(export: RatesExport, now_ms: u64) -> Self {
        let mut rates = Self {
            classes: Default::default(),
            bytes: Bucket::import(export.bytes, now_ms),
            flood: Flood::import(export.flood, now_ms),
            errors: Bucket::import(export.errors, now_ms),
        };
        for (bucket, export) in rates.classes.iter_mut().zip(export.classes) {
            *bucket = Bucket::import(export, now_ms);
        }
        rates
    }
}
