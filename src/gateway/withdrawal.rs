//! What other settings take away from sessions that exist: a service, the right to provide
//! it, and the token that gave that right.

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
            for (name, service) in before.services.iter() {
                if !self.settings.services.contains_key(name) {
                    self.service_removed(name, service);
                }
            }
            self.direct_changed(&before.services);
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
            let providing = entry.providing()?;
            let names = providing.without_right(&entry.session.user, now);
            (!names.is_empty()).then_some(names)
        };
        let sessions = self.sessions.iter();
        let found: Vec<(SessionSlot, Vec<Box<str>>)> = sessions
            .filter_map(|(slot, entry)| Some((slot, lost(entry).or_else(|| less(entry))?)))
            .collect();
        for (session, names) in found {
            if names.is_empty() {
                self.end_session(session, &Ending::Revoked, None);
            } else {
                self.withdraw_providing(session, &names);
            }
            self.run();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::testing::{Noted, begin, entry, gateway};
    use turntable_core::model::service::ServiceState;

    #[test]
    fn service_that_is_removed_is_down_for_its_callers() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = begin(&mut gateway);
        let mut settings = (*gateway.settings).clone();
        let own = ServiceSettings {
            callers: vec!["9:9".to_owned()],
            ..ServiceSettings::default()
        };
        let services: Services = [
            ("up".to_owned(), ServiceSettings::default()),
            ("down".to_owned(), ServiceSettings::default()),
            ("of_others".to_owned(), own),
        ]
        .into();
        settings.services = Arc::new(services);
        gateway.shared.settings.set(settings.clone());
        gateway.take_settings();
        let state = |is_enabled| ServiceState {
            is_enabled,
            functions: vec!["f".into()],
            direct: None,
        };
        for (name, is_enabled) in [("up", true), ("down", false), ("of_others", true)] {
            gateway.service_changed(name.into(), state(is_enabled));
        }
        let connection = entry(&mut gateway, session).session.connection();
        gateway.lose(connection.unwrap());
        gateway.run();
        settings.services = Arc::default();
        gateway.shared.settings.set(settings);
        gateway.take_settings();
        assert!(gateway.services.is_empty());
        let waiting = entry(&mut gateway, session).session.outbox.waiting();
        let texts = waiting.map(|frame| frame.as_message().unwrap().text().to_owned());
        let last = texts.last().unwrap();
        assert!(
            last.contains(r#""up""#) && last.contains("disabled"),
            "{last}"
        );
    }
}
