//! The rule `actions_per_second`: a token bucket per sender.
//!
//! A bucket holds one second's worth. Buckets of members that left stay until
//! they are full again, so that leaving and coming back gains nothing.

use std::collections::BTreeMap;

use super::{Inspection, RateState, Refusal, RoomView, Rule, RuleState};
use crate::id::UserId;
use crate::model::remaining;
use crate::reason::ErrorCode;

/// At most so many actions of one sender in a second, and at once.
#[derive(Debug)]
pub struct ActionRate {
    per_second: u32,
    /// A sender without a bucket has a full one.
    buckets: BTreeMap<UserId, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: u64,
}

impl ActionRate {
    /// `per_second` actions a second.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        Self {
            per_second,
            buckets: BTreeMap::new(),
        }
    }

    fn tokens(&self, sender: &UserId, now_ms: u64) -> f64 {
        let full = f64::from(self.per_second);
        self.buckets.get(sender).map_or(full, |bucket| {
            let refilled = full * now_ms.saturating_sub(bucket.at_ms) as f64 / 1_000.0;
            (bucket.tokens + refilled).min(full)
        })
    }

    /// In how many ms a message of `count` actions, at most those of a second, passes.
    fn retry_ms(&self, sender: &UserId, count: usize, now_ms: u64) -> u64 {
        let missing = count as f64 - self.tokens(sender, now_ms);
        let mut retry_ms = (missing * 1_000.0 / f64::from(self.per_second))
            .ceil()
            .max(1.0) as u64;
        // A sum of fractions may be a little less.
        if self.tokens(sender, now_ms.saturating_add(retry_ms)) < count as f64 {
            retry_ms += 1;
        }
        retry_ms
    }
}

impl Rule for ActionRate {
    fn check(
        &mut self,
        _room: &RoomView<'_>,
        action: &Inspection<'_>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (sender, per_second) = (&action.action().from, self.per_second);
        if action.count() > per_second as usize {
            let message = format!(
                "a member of this game sends at most {per_second} actions a second, and in one message"
            );
            return Err(Refusal::new(ErrorCode::TooMany, message).with("max", per_second.into()));
        }
        if self.tokens(sender, now_ms) >= (action.index() + 1) as f64 {
            return Ok(());
        }
        let message = format!("a member of this game sends at most {per_second} actions a second");
        let retry_ms = self.retry_ms(sender, action.count(), now_ms);
        Err(Refusal::new(ErrorCode::RateLimited, message).with("retry_ms", retry_ms))
    }

    fn accepted(&mut self, from: &UserId, actions: usize, now_ms: u64) {
        let tokens = self.tokens(from, now_ms) - actions as f64;
        self.buckets.insert(
            from.clone(),
            Bucket {
                tokens,
                at_ms: now_ms,
            },
        );
    }

    fn save(&self, now_ms: u64) -> Option<RuleState> {
        let save = |(user, bucket): (&UserId, &Bucket)| RateState {
            user: user.clone(),
            tokens: bucket.tokens,
            age_ms: remaining::since(bucket.at_ms, now_ms),
        };
        Some(RuleState::Rates(self.buckets.iter().map(save).collect()))
    }

    fn restore(&mut self, state: &RuleState, now_ms: u64) {
        let RuleState::Rates(rates) = state;
        let full = f64::from(self.per_second);
        let restore = |rate: &RateState| {
            let bucket = Bucket {
                tokens: rate.tokens.min(full),
                at_ms: remaining::ago(rate.age_ms, now_ms),
            };
            (rate.user.clone(), bucket)
        };
        self.buckets = rates.iter().map(restore).collect();
    }

    fn left(&mut self, _user: &UserId, now_ms: u64) {
        // A bucket is full again after a second at the latest.
        self.buckets
            .retain(|_, bucket| now_ms.saturating_sub(bucket.at_ms) < 1_000);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{action, members};
    use super::*;
    use crate::packet::Action;

    /// A message of `actions` actions at `now_ms`.
    fn try_send(rule: &mut ActionRate, actions: usize, now_ms: u64) -> Result<(), Refusal> {
        let members = members();
        let message: Vec<Action> = (0..actions).map(|_| action("1")).collect();
        for (index, action) in message.iter().enumerate() {
            let inspection = Inspection::new(action, index).of(actions);
            rule.check(&RoomView::new(&members), &inspection, now_ms)?;
        }
        rule.accepted(&user(), actions, now_ms);
        Ok(())
    }

    fn send(rule: &mut ActionRate, actions: usize, now_ms: u64) -> bool {
        try_send(rule, actions, now_ms).is_ok()
    }

    fn user() -> UserId {
        UserId::parse("1:1").unwrap()
    }

    #[test]
    fn a_second_holds_so_many_actions() {
        let mut rule = ActionRate::new(10);
        assert!(!send(&mut rule, 11, 0));
        // A refused message costs nothing.
        assert!(send(&mut rule, 6, 0));
        assert!(send(&mut rule, 4, 0));
        assert!(!send(&mut rule, 1, 99));
        assert!(send(&mut rule, 1, 100));
        assert!(!send(&mut rule, 11, 60_000));
        assert!(send(&mut rule, 10, 60_000));
    }

    #[test]
    fn message_that_never_passes_is_refused_otherwise_than_an_early_one() {
        for per_second in [1, 3, 7, 30, 49, 1_000] {
            let mut rule = ActionRate::new(per_second);
            let count = per_second as usize;
            let many = try_send(&mut rule, count + 1, 0).unwrap_err();
            assert_eq!(many.code, ErrorCode::TooMany);
            assert_eq!(many.detail, Some(("max", per_second.into())));
            assert!(send(&mut rule, count, 0));
            for actions in 1..=count {
                let early = try_send(&mut rule, actions, 0).unwrap_err();
                assert_eq!(early.code, ErrorCode::RateLimited);
                let Some(("retry_ms", retry_ms)) = early.detail else {
                    unreachable!("{early:?}");
                };
                let mut later = ActionRate::new(per_second);
                later.restore(&rule.save(0).unwrap(), 0);
                assert!(
                    !send(&mut later, actions, retry_ms - 1),
                    "{per_second} {actions}"
                );
                assert!(
                    send(&mut later, actions, retry_ms),
                    "{per_second} {actions}"
                );
            }
        }
    }

    #[test]
    fn leaving_does_not_fill_the_bucket() {
        let mut rule = ActionRate::new(10);
        assert!(send(&mut rule, 10, 0));
        rule.left(&user(), 50);
        assert!(!send(&mut rule, 1, 50));
        rule.left(&user(), 1_000);
        assert!(rule.buckets.is_empty());
    }
}
