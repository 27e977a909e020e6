//! The end of calls: by an answer, by their deadline, or because the service or its caller
//! is switched off.

use super::admit::{crowded, down};
use super::{Effect, Origin, Outcome, Service, ServiceRequest, ServiceSettings, disabled_for_user};
use crate::id::UserId;
use crate::key::GatewayId;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

/// A call waited until its time was over.
pub(super) fn late() -> ErrorBody {
    crowded("the call waited too long for the service, and was not carried out; try again later")
}

impl Service {
    /// The deadlines and pauses of now are over, and instances are behind no more.
    pub fn expire(&mut self, settings: &ServiceSettings, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(&(at_ms, number)) = self.deadlines.first()
            && at_ms <= now_ms
        {
            self.cancel(number, &mut effects);
            let Some(open) = self.open.get(&number) else {
                self.deadlines.pop_first();
                continue;
            };
            let has = open.at.map(|instance| (instance, open.is_fair()));
            let timeout = ErrorBody::new(ErrorCode::Timeout, "the service did not answer in time");
            let error = match has {
                Some(_) => timeout.of("call"),
                None => open.unless_given(late()),
            };
            if let Some((instance, true)) = has {
                self.note_deadline((instance, number), settings, now_ms, &mut effects);
            }
            self.answer(number, Err(error), &mut effects);
        }
        self.end_pauses(now_ms);
        self.end_behind(now_ms);
        self.settle(settings, now_ms, &mut effects);
        effects
    }

    /// Switches the service on or off. What is open when it is switched off is
    /// answered `service_down`.
    pub fn switch(&mut self, is_on: bool, settings: &ServiceSettings, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.is_off = !is_on;
        self.is_stale = true;
        if self.is_off {
            let numbers: Vec<u64> = self.open.keys().copied().collect();
            for number in numbers {
                self.cancel(number, &mut effects);
                self.answer(number, Err(down("the service is disabled")), &mut effects);
            }
        }
        self.settle(settings, now_ms, &mut effects);
        effects
    }

    /// The service is disabled for a user: the calls of its sessions at this gateway, which
    /// sends no more, are answered `service_down`.
    pub fn end_calls(
        &mut self,
        gateway: GatewayId,
        user: &UserId,
        settings: &ServiceSettings,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_meant = |request: &ServiceRequest| match &request.origin {
            Origin::Session { caller, .. } => {
                caller.place.gateway == gateway && request.user.as_ref() == Some(user)
            }
            Origin::Server(_) => false,
        };
        let open = self.open.iter();
        let meant = open.filter(|(_, open)| is_meant(&open.request));
        let numbers: Vec<u64> = meant.map(|(number, _)| *number).collect();
        for number in numbers {
            self.cancel(number, &mut effects);
            self.answer(number, Err(disabled_for_user().of("call")), &mut effects);
        }
        self.settle(settings, now_ms, &mut effects);
        effects
    }

    fn cancel(&self, number: u64, effects: &mut Vec<Effect>) {
        if let Some(to) = self.open.get(&number).and_then(|open| open.at) {
            let place = self.providers.get(&to).and_then(|provider| provider.place);
            effects.push(Effect::Cancel { to, place, number });
        }
    }

    /// Ends a call with its answer.
    pub(super) fn answer(&mut self, number: u64, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Some(open) = self.open.remove(&number) else {
            return;
        };
        self.deadlines.remove(&(open.deadline_ms, number));
        match open.at {
            Some(instance) => {
                if let Some(provider) = self.providers.get_mut(&instance) {
                    provider.finish(&open.request);
                    provider.health.ended(number);
                }
                self.drop_drained(instance);
            }
            None => self.waiting.remove(&open.request.sender(), number),
        }
        effects.push(Effect::Answer {
            to: open.request.origin,
            outcome,
            began_ms: Some(open.deadline_ms.saturating_sub(open.timeout_ms)),
        });
    }
}
