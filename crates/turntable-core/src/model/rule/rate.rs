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
}

impl Rule for ActionRate {
    fn check(
        &mut self,
        _room: &RoomView<'_>,
        action: &Inspection<'_>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if self.tokens(&action.action().from, now_ms) >= (action.index() + 1) as f64 {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::RateLimited,
            format!(
                "a member of this game sends at most {} actions a second",
                self.per_second
            ),
        ))
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

    /// A message of `actions` actions at `now_ms`; whether it passed.
    fn send(rule: &mut ActionRate, actions: usize, now_ms: u64) -> bool {
        let members = members();
        let message: Vec<Action> = (0..actions).map(|_| action("1")).collect();
        let passed = message.iter().enumerate().all(|(index, action)| {
            let inspection = Inspection::new(action, index);
            rule.check(&RoomView::new(&members), &inspection, now_ms)
                .is_ok()
        });
        if passed {
            rule.accepted(&user(), actions, now_ms);
        }
        passed
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
    fn leaving_does_not_fill_the_bucket() {
        let mut rule = ActionRate::new(10);
        assert!(send(&mut rule, 10, 0));
        rule.left(&user(), 50);
        assert!(!send(&mut rule, 1, 50));
        rule.left(&user(), 1_000);
        assert!(rule.buckets.is_empty());
    }
}
