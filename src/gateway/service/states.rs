//! The states of the services as a gateway knows them, and as a session sees them. Pure.
//!
//! A service is unknown until its owner has reported it; until then clients see it as
//! disabled. A session sees the services that it may call, of each the functions that it
//! may call, and one that is disabled for its user as disabled.

use std::collections::BTreeMap;

use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::permission::{may_call, seen_service};
use crate::service::disabled::Disabled;
use turntable_core::model::permission::Who;
use turntable_core::model::service::{ServiceSettings, ServiceState};
use turntable_core::packet::ServerPacket;

/// The services of the configuration.
type Services = BTreeMap<String, ServiceSettings>;

/// The last known states.
#[derive(Debug, Default)]
pub(crate) struct States {
    known: BTreeMap<Box<str>, ServiceState>,
}

impl States {
    /// The services whose state is unknown.
    pub(super) fn unknown<'a>(&self, services: &'a Services) -> impl Iterator<Item = &'a str> {
        let names = services.keys().map(String::as_str);
        names.filter(|name| !self.known.contains_key(*name))
    }

    /// A service has this state now. Returns whether its clients see another one.
    pub(super) fn changed(&mut self, name: Box<str>, state: ServiceState) -> bool {
        let before = self.known.insert(name, state.clone());
        before.unwrap_or_default() != state
    }

    /// The configuration has a service no more. Returns whether clients saw it enabled.
    pub(super) fn removed(&mut self, name: &str) -> bool {
        self.known.remove(name).unwrap_or_default().is_enabled
    }

    /// The state of a service, with its address for direct connections.
    pub(super) fn of(&self, name: &str, services: &Services) -> ServiceState {
        let mut state = self.known.get(name).cloned().unwrap_or_default();
        state.direct = services.get(name).and_then(ServiceSettings::direct);
        state
    }

    /// The services that a session may call, as it sees them.
    pub(super) fn manifest(&self, view: &View<'_>, who: Who<'_>) -> Vec<(Box<str>, ServiceState)> {
        let services = view.services.iter();
        let callable = services.filter(|(name, settings)| may_call(settings, name, who));
        let seen = |name: &str| view.seen(name, self.of(name, view.services), who);
        callable
            .map(|(name, _)| (name.as_str().into(), seen(name)))
            .collect()
    }

    /// Whether no state is known.
    #[cfg(test)]
    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The services whose address for direct connections is another than `before`.
pub(super) fn directs_changed<'a>(
    before: &'a Services,
    now: &'a Services,
) -> impl Iterator<Item = (&'a str, &'a ServiceSettings)> {
    let is_other = |name: &str, service: &ServiceSettings| {
        let before = before.get(name);
        before.is_some_and(|before| before.direct() != service.direct())
    };
    let changed = now
        .iter()
        .filter(move |(name, service)| is_other(name, service));
    changed.map(|(name, service)| (name.as_str(), service))
}

/// What decides which states a session sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// The services of the configuration.
    pub(super) services: &'a Services,
    /// The services that users are without.
    pub(super) disabled: &'a Disabled,
}

impl View<'_> {
    /// A state as a session sees it.
    pub(super) fn seen(&self, name: &str, state: ServiceState, who: Who<'_>) -> ServiceState {
        let mut state = seen_service(name, state, who);
        state.is_enabled &= !self.disabled.has(who.user(), name);
        state
    }
}

/// A service has another state: the message for its clients.
#[derive(Debug)]
pub(super) struct Change<'a> {
    name: &'a str,
    settings: &'a ServiceSettings,
    state: ServiceState,
    /// One for all but those that see a part of the functions.
    of_all: Frame,
}

impl<'a> Change<'a> {
    /// The change of a service with these settings to this state.
    pub(super) fn new(name: &'a str, settings: &'a ServiceSettings, state: ServiceState) -> Self {
        Self {
            name,
            settings,
            of_all: message(name, state.clone()),
            state,
        }
    }

    /// The message for a session; `None` where it may not call the service, or the service
    /// is disabled for its user.
    pub(super) fn seen_by(&self, who: Who<'_>, disabled: &Disabled) -> Option<Frame> {
        let Self { name, state, .. } = self;
        let may_know = may_call(self.settings, name, who) && !disabled.has(who.user(), name);
        may_know.then(|| match who.is_free() {
            true => self.of_all.clone(),
            false => message(name, seen_service(name, state.clone(), who)),
        })
    }
}

fn message(name: &str, state: ServiceState) -> Frame {
    Frame::message(&ServerPacket::Service(vec![(name.into(), state)]), None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
