//! Which instance gets a call.

use std::ops::ControlFlow;

use super::admit::down;
use super::end::late;
use super::queue::Load;
use super::{Effect, Instance, Outcome, Provider, Service, ServiceRequest, ServiceSettings};
use crate::address::Address;

/// What becomes of a call that waits.
enum Next {
    Give(u64, Instance),
    End(u64, Outcome),
}

/// How much of what an instance may have comes from one address: a quarter is left to the
/// others.
const fn share(max: usize) -> usize {
    max - max / 4
}

impl Service {
    pub(super) fn is_offered(&self, function: &str) -> bool {
        self.providers.values().any(|p| p.offers(function))
    }

    /// The instance with the fewest calls that offers the function and has room; among
    /// equals, the one that was given a call the longest time ago. One that is behind gets
    /// no call that another one offers to take.
    pub(super) fn choose(
        &self,
        request: &ServiceRequest,
        settings: &ServiceSettings,
    ) -> Option<Instance> {
        let is_spared = self.is_spared(&request.function);
        let can = |(instance, p): &(&Instance, &Provider)| {
            p.has_room_for(**instance, request.address, settings)
                && p.offers(&request.function)
                && !(is_spared && p.is_behind())
        };
        let able = self.providers.iter().filter(can);
        let least = able.min_by_key(|(_, p)| (p.in_flight.calls, p.given));
        least.map(|(instance, _)| *instance)
    }

    /// Gives waiting calls to instances, and reports a change of the state.
    pub(super) fn settle(
        &mut self,
        settings: &ServiceSettings,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        while let Some(next) = self.next(settings, now_ms) {
            match next {
                Next::Give(number, instance) => self.give(number, instance, now_ms, effects),
                Next::End(number, outcome) => self.answer(number, outcome, effects),
            }
        }
        let is_direct_only = settings.is_direct_only();
        self.is_stale |= is_direct_only != self.is_direct_only;
        self.is_direct_only = is_direct_only;
        if !std::mem::take(&mut self.is_stale) {
            // Calls do not change it.
            return;
        }
        let state = self.state();
        if state != self.reported {
            self.reported = state;
            effects.push(Effect::Changed);
        }
    }

    /// The first call, in turn, that does not have to wait any more.
    fn next(&self, settings: &ServiceSettings, now_ms: u64) -> Option<Next> {
        for (address, calls) in self.waiting.in_turn() {
            let has_room = self.has_room_for(*address, settings);
            for number in calls {
                match self.verdict(number, settings, now_ms) {
                    ControlFlow::Break(next) => return Some(next),
                    // An instance with another function may have room for the next call.
                    ControlFlow::Continue(()) if has_room => {}
                    ControlFlow::Continue(()) => break,
                }
            }
            if !has_room && self.is_busy(settings) {
                return None;
            }
        }
        None
    }

    fn verdict(&self, number: u64, settings: &ServiceSettings, now_ms: u64) -> ControlFlow<Next> {
        let Some(open) = self.open.get(&number) else {
            return ControlFlow::Continue(());
        };
        if !self.is_offered(&open.request.function) {
            let error = down("the service is down");
            return ControlFlow::Break(Next::End(number, Err(error)));
        }
        if open.is_late(now_ms) {
            let error = open.unless_given(late());
            return ControlFlow::Break(Next::End(number, Err(error)));
        }
        match self.choose(&open.request, settings) {
            Some(instance) => ControlFlow::Break(Next::Give(number, instance)),
            None => ControlFlow::Continue(()),
        }
    }

    /// Whether any instance takes calls of an address. Those that are behind count where
    /// there are no others.
    fn has_room_for(&self, address: Option<Address>, settings: &ServiceSettings) -> bool {
        let are_all_behind = self.behind.len() == self.providers.len();
        let mut providers = self.providers.iter();
        providers.any(|(instance, p)| {
            (are_all_behind || !p.is_behind()) && p.has_room_for(*instance, address, settings)
        })
    }

    /// Whether no instance has room.
    fn is_busy(&self, settings: &ServiceSettings) -> bool {
        !self.has_room_for(None, settings)
    }

    fn give(&mut self, number: u64, to: Instance, now_ms: u64, effects: &mut Vec<Effect>) {
        let (Some(open), Some(provider)) =
            (self.open.get_mut(&number), self.providers.get_mut(&to))
        else {
            return;
        };
        open.at = Some(to);
        open.allowed_ms = open.deadline_ms.saturating_sub(now_ms);
        let from = open.request.sender();
        self.waiting.served(&from);
        self.waiting.remove(&from, number);
        provider.take(&open.request);
        provider.given = self.last;
        provider.health.given(number);
        effects.push(Effect::HandOut {
            to,
            place: provider.place,
            number,
            request: open.request.clone(),
        });
    }
}

impl Provider {
    /// Whether it may have one more call of an address.
    fn has_room_for(
        &self,
        instance: Instance,
        address: Option<Address>,
        settings: &ServiceSettings,
    ) -> bool {
        let calls_max = self.health.in_flight_max(settings);
        let bytes_max = match instance {
            Instance::Session(_) => settings.in_flight_bytes_max,
            // It has no connection that could be too slow.
            Instance::Local => usize::MAX,
        };
        let has_room = |has: Load, calls_max, bytes_max| {
            // The last one may be large: it is sent all the same.
            has.calls < calls_max && has.bytes < bytes_max
        };
        let of_address = address.map(|address| self.by_address.get(&address));
        let of_address = of_address.map(|has| has.copied().unwrap_or_default());
        has_room(self.in_flight, calls_max, bytes_max)
            && of_address.is_none_or(|has| has_room(has, share(calls_max), share(bytes_max)))
    }

    /// It has one more call.
    pub(super) fn take(&mut self, request: &ServiceRequest) {
        let bytes = request.bytes();
        self.in_flight.add(bytes);
        if let Some(address) = request.address {
            self.by_address.entry(address).or_default().add(bytes);
        }
    }

    /// One of its calls is over.
    pub(super) fn finish(&mut self, request: &ServiceRequest) {
        let bytes = request.bytes();
        self.in_flight.remove(bytes);
        if let Some(address) = request.address
            && let Some(has) = self.by_address.get_mut(&address)
        {
            has.remove(bytes);
            if has.calls == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Whether it gets no calls for a while, as it has not answered.
    pub(super) const fn is_paused(&self) -> bool {
        self.health.paused_until_ms.is_some()
    }

    pub(super) fn offers(&self, function: &str) -> bool {
        !self.is_paused() && self.has(function)
    }

    /// Whether it has the function, be it paused or not.
    pub(super) fn has(&self, function: &str) -> bool {
        // They are in order.
        let found = self
            .functions
            .binary_search_by(|known| (**known).cmp(function));
        found.is_ok()
    }
}
