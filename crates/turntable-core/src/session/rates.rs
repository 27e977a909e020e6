//! The rates of one session, which it has while something of them is spent.

use crate::rate::{Bucket, BucketExport, BucketSettings};
use crate::session::class::Class;
use crate::session::flood::{Flood, FloodExport};
use crate::session::settings::{LimitSettings, SessionSettings};

/// The buckets. Most sessions are silent at most times, and watch users at others: what
/// they do not use is apart, as 100 bytes for each of them would be a third of the rest.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Bytes of everything that the client sends.
    pub(super) bytes: Bucket,
    presence: Bucket,
    users: Bucket,
    time: Bucket,
    rest: Option<Box<Rest>>,
}

/// The buckets of clients that do more than to watch users, or too much.
#[derive(Debug, Default)]
struct Rest {
    room: Bucket,
    game: Bucket,
    channel: Bucket,
    publish: Bucket,
    call: Bucket,
    flood: Flood,
    errors: Bucket,
}

/// The rates as values.
pub(super) struct RatesExport {
    pub(super) classes: Vec<BucketExport>,
    pub(super) bytes: BucketExport,
    pub(super) flood: FloodExport,
    pub(super) errors: BucketExport,
}

impl Rates {
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// Commands of a class.
    pub(super) fn class(&mut self, class: Class) -> &mut Bucket {
        match class {
            Class::Presence => &mut self.presence,
            Class::Users => &mut self.users,
            Class::Time => &mut self.time,
            Class::Room => &mut self.rest().room,
            Class::Game => &mut self.rest().game,
            Class::Channel => &mut self.rest().channel,
            Class::Publish => &mut self.rest().publish,
            Class::Call => &mut self.rest().call,
        }
    }

    /// Commands over their rate.
    pub(super) fn flood(&mut self) -> &mut Flood {
        &mut self.rest().flood
    }

    /// Errors.
    pub(super) fn errors(&mut self) -> &mut Bucket {
        &mut self.rest().errors
    }

    fn of_class(&self, class: Class) -> Bucket {
        let of_rest = |of: fn(&Rest) -> Bucket| self.rest.as_deref().map(of).unwrap_or_default();
        match class {
            Class::Presence => self.presence,
            Class::Users => self.users,
            Class::Time => self.time,
            Class::Room => of_rest(|rest| rest.room),
            Class::Game => of_rest(|rest| rest.game),
            Class::Channel => of_rest(|rest| rest.channel),
            Class::Publish => of_rest(|rest| rest.publish),
            Class::Call => of_rest(|rest| rest.call),
        }
    }

    /// Whether all of it is refilled: it is as if nothing was ever taken.
    pub(super) fn are_full(
        &self,
        settings: &SessionSettings,
        limits: &LimitSettings,
        now_ms: u64,
    ) -> bool {
        let is_full = |bucket: Bucket, of: BucketSettings| bucket.is_full(of, now_ms);
        let classes = &mut Class::ALL.iter();
        classes.all(|class| is_full(self.of_class(*class), class.settings(limits)))
            && is_full(self.bytes, limits.bytes)
            && self.rest.as_ref().is_none_or(|rest| {
                is_full(rest.errors, settings.error_budget())
                    && rest.flood.is_full(limits.flood, now_ms)
            })
    }

    /// The rates as values, at `now_ms`.
    pub(super) fn export(&self, now_ms: u64) -> RatesExport {
        let rest = self.rest.as_deref();
        let (flood, errors) = rest.map_or_else(Default::default, |rest| (rest.flood, rest.errors));
        RatesExport {
            classes: Class::ALL
                .map(|class| self.of_class(class).export(now_ms))
                .into(),
            bytes: self.bytes.export(now_ms),
            flood: flood.export(now_ms),
            errors: errors.export(now_ms),
        }
    }

    /// The rates of values.
    pub(super) fn import(export: RatesExport, now_ms: u64) -> Self {
        let mut rates = Self {
            bytes: Bucket::import(export.bytes, now_ms),
            ..Self::default()
        };
        for (class, export) in Class::ALL.into_iter().zip(export.classes) {
            if export != BucketExport::default() {
                *rates.class(class) = Bucket::import(export, now_ms);
            }
        }
        if export.flood != FloodExport::default() {
            *rates.flood() = Flood::import(export.flood, now_ms);
        }
        if export.errors != BucketExport::default() {
            *rates.errors() = Bucket::import(export.errors, now_ms);
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_that_watches_users_alone_takes_little() {
        let bytes = size_of::<Rates>();
        assert!(bytes <= 40, "{bytes}");
    }

    #[test]
    fn each_class_has_its_own_bucket_and_they_survive_a_move() {
        let now_ms = 1_732_000_000_000;
        let settings = BucketSettings::new(1, 100);
        let mut rates = Rates::default();
        for (count, class) in (1..).zip(Class::ALL) {
            let taken = rates.class(class).take_many(count, settings, now_ms);
            assert_eq!(taken, Ok(()));
        }
        let export = rates.export(now_ms);
        let spent: Vec<f32> = export.classes.iter().map(|bucket| bucket.spent).collect();
        assert_eq!(spent, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let again = Rates::import(export, now_ms).export(now_ms);
        let spent_again: Vec<f32> = again.classes.iter().map(|bucket| bucket.spent).collect();
        assert_eq!(spent_again, spent);
    }
}
