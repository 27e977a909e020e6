//! What other settings take away from sessions that exist: the right to provide a
//! service, and the token that gave it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gateway::Gateway;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::ending::Ending;
use crate::service::credential;
use turntable_core::key::SessionSlot;
use turntable_core::model::service::ServiceSettings;

/// The settings of services, by name.
type Services = BTreeMap<String, ServiceSettings>;

impl Gateway {
    /// Reads the settings in force, at the start of a turn.
    pub(super) fn take_settings(&mut self) {
        let settings = self.shared.settings.get();
        if Arc::ptr_eq(&settings, &self.settings) {
            return;
        }
        let before = std::mem::replace(&mut self.settings, settings);
        if before.services != self.settings.services {
            self.withdraw(&before.services);
        }
    }

    /// The services are others than `before`: sessions whose token is gone end, and
    /// those that may provide a service no more do not.
    fn withdraw(&mut self, before: &Services) {
        let settings = self.settings.clone();
        let now = &settings.services;
        let lost = |entry: &SessionEntry| {
            credential::is_withdrawn(before, now, &entry.session.user).then_some(Vec::new())
        };
        let less = |entry: &SessionEntry| {
            let names = entry.providing.as_ref()?.names();
            let may_not = |name: &&str| {
                let service = now.get(*name);
                service.is_none_or(|service| !service.may_provide(&entry.session.user))
            };
            let names: Vec<Box<str>> = names.filter(may_not).map(Box::from).collect();
            (!names.is_empty()).then_some(names)
        };
        let sessions = self.sessions.iter();
        let found: Vec<(SessionSlot, Vec<Box<str>>)> = sessions
            .filter_map(|(slot, entry)| Some((slot, lost(entry).or_else(|| less(entry))?)))
            .collect();
        for (session, names) in found {
            if names.is_empty() {
                self.end_session(session, &Ending::Revoked);
            } else {
                self.withdraw_providing(session, &names);
            }
            self.run();
        }
    }
}
