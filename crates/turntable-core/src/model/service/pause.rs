//! Instances that do not answer: after `failures_max` deadlines in a row a session gets no
//! calls for `pause_ms`. The first call after that is a trial: it has to be answered before
//! there are others, and if it is not, the next pause begins.
//!
//! A backend that the server calls has its own breaker, which knows more of its failures.

use super::{Effect, Instance, Service, ServiceSettings};

/// How an instance has answered lately.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Health {
    /// Deadlines in a row.
    pub(super) failures: u32,
    /// Until when it gets no calls, Unix ms.
    pub(super) paused_until_ms: Option<u64>,
    /// Whether it has to answer one call before it gets others.
    pub(super) is_on_trial: bool,
    /// That call, when it has been given. Others that are open are of before the pause.
    pub(super) trial: Option<u64>,
}

impl Health {
    /// How many calls it may have at one time.
    pub(super) const fn in_flight_max(&self, settings: &ServiceSettings) -> usize {
        let is_tried = self.is_on_trial && self.trial.is_some();
        match self.paused_until_ms.is_some() || is_tried {
            true => 0,
            false => settings.in_flight_max,
        }
    }

    /// It was given a call.
    pub(super) fn given(&mut self, number: u64) {
        if self.is_on_trial {
            self.trial.get_or_insert(number);
        }
    }

    /// A call has ended without an answer and without a deadline.
    pub(super) fn ended(&mut self, number: u64) {
        self.trial = self.trial.filter(|trial| *trial != number);
    }
}

impl Service {
    /// An instance has answered.
    pub(super) fn note_answer(&mut self, instance: Instance) {
        let Some(provider) = self.providers.get_mut(&instance) else {
            return;
        };
        let health = std::mem::take(&mut provider.health);
        if let Some(at_ms) = health.paused_until_ms {
            self.pauses.remove(&(at_ms, instance));
            self.is_stale = true;
        }
    }

    /// An instance has not answered a call in time.
    pub(super) fn note_deadline(
        &mut self,
        (instance, number): (Instance, u64),
        settings: &ServiceSettings,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(provider) = self.providers.get_mut(&instance) else {
            return;
        };
        let health = &mut provider.health;
        if instance == Instance::Local || health.paused_until_ms.is_some() {
            return;
        }
        // A call of before the pause says nothing about the instance behind it.
        if health.is_on_trial && health.trial != Some(number) {
            return;
        }
        health.failures = health.failures.saturating_add(1);
        if health.failures < settings.failures_max && !health.is_on_trial {
            return;
        }
        let until_ms = now_ms.saturating_add(settings.pause_ms);
        health.paused_until_ms = Some(until_ms);
        self.pauses.insert((until_ms, instance));
        self.is_stale = true;
        effects.push(Effect::Paused);
    }

    /// Ends the pauses that are over.
    pub(super) fn end_pauses(&mut self, now_ms: u64) {
        while let Some(&(at_ms, instance)) = self.pauses.first()
            && at_ms <= now_ms
        {
            self.pauses.pop_first();
            if let Some(provider) = self.providers.get_mut(&instance) {
                provider.health = Health {
                    is_on_trial: true,
                    ..Health::default()
                };
                self.is_stale = true;
            }
        }
    }

    /// An instance is gone, and its pause with it.
    pub(super) fn forget_pause(&mut self, instance: Instance, health: &Health) {
        if let Some(at_ms) = health.paused_until_ms {
            self.pauses.remove(&(at_ms, instance));
        }
    }
}
