//! Which instance gets a call, and the end of a call.

use super::{Effect, Instance, Outcome, Provider, Service, ServiceSettings, down};

impl Service {
    pub(super) fn is_offered(&self, function: &str) -> bool {
        self.providers.values().any(|p| p.offers(function))
    }

    /// Whether an instance can take a call of the function now.
    pub(super) fn has_room(&self, function: &str, settings: &ServiceSettings) -> bool {
        self.choose(function, settings).is_some()
    }

    /// The instance with the fewest calls that offers the function; among equals,
    /// the one that was given a call the longest time ago.
    fn choose(&self, function: &str, settings: &ServiceSettings) -> Option<Instance> {
        let has_room = |p: &Provider| p.in_flight < p.health.in_flight_max(settings);
        let can = |p: &Provider| has_room(p) && p.offers(function);
        let able = self.providers.iter().filter(|(_, p)| can(p));
        let least = able.min_by_key(|(_, p)| (p.in_flight, p.given));
        least.map(|(instance, _)| *instance)
    }

    /// Gives waiting calls to instances, and reports a change of the state.
    pub(super) fn settle(&mut self, settings: &ServiceSettings, effects: &mut Vec<Effect>) {
        let mut later = std::collections::VecDeque::new();
        while let Some(number) = self.waiting.pop_front() {
            let Some(open) = self.open.get(&number) else {
                continue;
            };
            let function = open.request.function.clone();
            if !self.is_offered(&function) {
                self.waiting.push_front(number);
                self.answer(number, Err(down("the service is down")), effects);
                continue;
            }
            let Some(instance) = self.choose(&function, settings) else {
                later.push_back(number);
                if self.is_busy(settings) {
                    break;
                }
                continue;
            };
            self.give(number, instance, effects);
        }
        later.append(&mut self.waiting);
        self.waiting = later;
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

    /// Whether no instance has room.
    fn is_busy(&self, settings: &ServiceSettings) -> bool {
        let is_full = |p: &Provider| p.in_flight >= p.health.in_flight_max(settings);
        self.providers.values().all(is_full)
    }

    fn give(&mut self, number: u64, to: Instance, effects: &mut Vec<Effect>) {
        let (Some(open), Some(provider)) =
            (self.open.get_mut(&number), self.providers.get_mut(&to))
        else {
            return;
        };
        open.at = Some(to);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(open.request.bytes());
        provider.in_flight += 1;
        provider.given = self.last;
        provider.health.given(number);
        effects.push(Effect::HandOut {
            to,
            place: provider.place,
            number,
            request: open.request.clone(),
        });
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
                    provider.in_flight = provider.in_flight.saturating_sub(1);
                    provider.health.ended(number);
                }
                self.drop_drained(instance);
            }
            None => {
                // Those that waited longest end first.
                if self.waiting.front() == Some(&number) {
                    self.waiting.pop_front();
                } else {
                    self.waiting.retain(|waiting| *waiting != number);
                }
                let bytes = open.request.bytes();
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
            }
        }
        effects.push(Effect::Answer {
            to: open.request.origin,
            outcome,
        });
    }
}

impl Provider {
    /// Whether it gets no calls for a while, as it has not answered.
    pub(super) const fn is_paused(&self) -> bool {
        self.health.paused_until_ms.is_some()
    }

    fn offers(&self, function: &str) -> bool {
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
