//! Instances that are behind with reading: a call does not reach them, and goes to another
//! one. They are given calls last for `behind_ms`: their few open calls would make them the
//! first.

use super::{Effect, Instance, Provider, Service, ServiceSettings};
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

impl Provider {
    pub(super) const fn is_behind(&self) -> bool {
        self.behind_until_ms.is_some()
    }
}

impl Service {
    /// An instance does not get a call that it was given: it is behind with reading. That is
    /// no answer of it. Another instance gets the call; where none offers the function it is
    /// answered `unavailable`.
    pub fn returned(
        &mut self,
        from: Instance,
        number: u64,
        settings: &ServiceSettings,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(open) = self.open.get_mut(&number) else {
            return effects;
        };
        let Some(provider) = self.providers.get_mut(&from) else {
            return effects;
        };
        if open.at != Some(from) {
            return effects;
        }
        let until_ms = now_ms.saturating_add(settings.behind_ms);
        let before = provider.behind_until_ms.replace(until_ms);
        self.forget_behind(from, before);
        self.behind.insert((until_ms, from));
        let open = self.open.get(&number);
        if open.is_some_and(|open| self.is_spared(&open.request.function)) {
            self.take_back(number);
            self.drop_drained(from);
        } else {
            let message = "the instance of the service is behind; try again later";
            let error = ErrorBody::new(ErrorCode::Unavailable, message).of("call");
            self.answer(number, Err(error), &mut effects);
        }
        self.settle(settings, now_ms, &mut effects);
        effects
    }

    /// A call waits again, before the others of its caller.
    fn take_back(&mut self, number: u64) {
        let Some(open) = self.open.get_mut(&number) else {
            return;
        };
        let from = open.at.take();
        if let Some(provider) = from.and_then(|from| self.providers.get_mut(&from)) {
            provider.finish(&open.request);
            provider.health.ended(number);
        }
        let (sender, bytes) = (open.request.sender(), open.request.bytes());
        self.waiting.push(&sender, number, bytes, true);
    }

    /// Whether instances that are behind are given no call of a function: another one
    /// offers it.
    pub(super) fn is_spared(&self, function: &str) -> bool {
        let mut providers = self.providers.values();
        !self.behind.is_empty() && providers.any(|p| !p.is_behind() && p.offers(function))
    }

    /// Those whose time is over are given calls like others.
    pub(super) fn end_behind(&mut self, now_ms: u64) {
        while let Some(&(at_ms, instance)) = self.behind.first()
            && at_ms <= now_ms
        {
            self.behind.pop_first();
            if let Some(provider) = self.providers.get_mut(&instance) {
                provider.behind_until_ms = None;
            }
        }
    }

    /// An instance is behind no more, or anew.
    pub(super) fn forget_behind(&mut self, instance: Instance, until_ms: Option<u64>) {
        if let Some(at_ms) = until_ms {
            self.behind.remove(&(at_ms, instance));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::model::service::tests::{
        NOW, answered, done, given, instance, provide, request, settings,
    };

    fn call(service: &mut Service, number: u32, now_ms: u64) -> Vec<Effect> {
        service.call(request(number, "write"), &settings(), now_ms)
    }

    fn unavailable(number: u32) -> (u32, Option<ErrorCode>) {
        (number, Some(ErrorCode::Unavailable))
    }

    #[test]
    fn call_of_an_instance_that_is_behind_goes_to_another_and_so_do_those_after_it() {
        let mut service = Service::default();
        provide(&mut service, 1);
        provide(&mut service, 2);
        let (to, number) = given(&call(&mut service, 1, NOW))[0];
        let other = if to == instance(1) {
            instance(2)
        } else {
            instance(1)
        };
        let effects = service.returned(to, number, &settings(), NOW);
        assert_eq!(
            (given(&effects), answered(&effects)),
            (vec![(other, number)], vec![])
        );
        // It has none, and is passed over all the same.
        for number in 2..=3 {
            assert_eq!(given(&call(&mut service, number, NOW))[0].0, other);
        }
        // The other is full.
        assert_eq!(call(&mut service, 4, NOW), []);
        assert_eq!(service.next_deadline(), Some(NOW + 400));
        let settings = ServiceSettings {
            timeout_ms: 10_000,
            ..settings()
        };
        // Not a moment before.
        service.expire(&settings, NOW + 399);
        assert_eq!(service.behind.len(), 1);
        service.reply(other, number, done(), &settings, NOW);
        let effects = service.expire(&settings, NOW + 400);
        assert!(service.behind.is_empty(), "{effects:?}");
        let effects = service.call(request(5, "write"), &settings, NOW + 400);
        assert_eq!(given(&effects)[0].0, to);
    }

    #[test]
    fn call_is_unavailable_where_all_instances_are_behind() {
        let mut service = Service::default();
        provide(&mut service, 1);
        for number in 1..=3 {
            let (to, given) = given(&call(&mut service, number, NOW))[0];
            let effects = service.returned(to, given, &settings(), NOW);
            assert_eq!(answered(&effects), [unavailable(number)]);
        }
        assert!(service.state().is_enabled);
        provide(&mut service, 2);
        let (to, number) = given(&call(&mut service, 4, NOW))[0];
        assert_eq!(to, instance(2));
        let effects = service.returned(to, number, &settings(), NOW);
        assert_eq!(answered(&effects), [unavailable(4)]);
    }

    #[test]
    fn returned_call_is_no_answer_of_its_instance() {
        let mut service = Service::default();
        provide(&mut service, 1);
        call(&mut service, 1, NOW);
        service.expire(&settings(), NOW + 1_000);
        // The second deadline in a row is a pause, whatever was returned in between.
        let returned = given(&call(&mut service, 2, NOW + 1_000))[0].1;
        service.returned(instance(1), returned, &settings(), NOW + 1_000);
        call(&mut service, 3, NOW + 1_000);
        let effects = service.expire(&settings(), NOW + 2_000);
        assert!(effects.contains(&Effect::Paused), "{effects:?}");
        // Nor is it the answer to a trial: the next call is one.
        service.expire(&settings(), NOW + 2_300);
        let returned = given(&call(&mut service, 4, NOW + 2_300))[0].1;
        service.returned(instance(1), returned, &settings(), NOW + 2_300);
        assert_eq!(given(&call(&mut service, 5, NOW + 2_300)).len(), 1);
        assert_eq!(given(&call(&mut service, 6, NOW + 2_300)), []);
        assert_eq!(service.discarded(), 0);
    }
}
