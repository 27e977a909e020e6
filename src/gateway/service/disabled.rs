//! Services that are disabled for single users: the sessions of the user learn it, and
//! their open calls end.

use actix::{Context, Handler, Message};

use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::permission::may_call;
use crate::gateway::{Gateway, Shared};
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::model::service::disabled_for_user;
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;

/// A service was disabled for a user, or enabled again; which of them is in the book.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
struct DisabledChanged {
    user: UserId,
    service: Box<str>,
}

impl Shared {
    /// Disables a service for one user: its open calls are answered `service_down`, and its
    /// sessions get `service`, those that begin later with their `welcome`. Returns whether
    /// it was enabled.
    ///
    /// # Errors
    /// `not_found` where the configuration has no such service; `too_many` over
    /// `avatar.disabled_users_max`.
    pub fn disable_service_of(&self, user: &UserId, service: &str) -> Result<bool, ErrorBody> {
        let settings = self.settings.get();
        if !settings.services.contains_key(service) {
            let message = format!("there is no service {service:?} in the configuration");
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        let max = settings.disabled_users_max;
        let is_changed = self.disabled.disable(user, service, max)?;
        if is_changed {
            self.tell_disabled(user, service);
        }
        Ok(is_changed)
    }

    /// Enables a service for a user again. Returns whether it was disabled.
    pub fn enable_service_of(&self, user: &UserId, service: &str) -> bool {
        let is_changed = self.disabled.enable(user, service);
        if is_changed {
            self.tell_disabled(user, service);
        }
        is_changed
    }

    fn tell_disabled(&self, user: &UserId, service: &str) {
        let changed = DisabledChanged {
            user: user.clone(),
            service: service.into(),
        };
        for gateway in self.peers.gateways() {
            gateway.do_send(changed.clone());
        }
    }
}

impl Handler<DisabledChanged> for Gateway {
    type Result = ();

    fn handle(&mut self, changed: DisabledChanged, _: &mut Context<Self>) {
        self.disabled_changed(&changed.user, changed.service);
        self.run();
    }
}

impl Gateway {
    /// The sessions of a user get the state that a service has for them now. Where it is
    /// disabled, their calls end: the gateway sends none behind this.
    fn disabled_changed(&mut self, user: &UserId, name: Box<str>) {
        let sessions = self.sessions.admitted_of(user);
        let settings = self.settings.clone();
        let Some(service) = settings.services.get(&*name) else {
            return;
        };
        for session in &sessions {
            let Some(entry) = self.sessions.get(*session) else {
                continue;
            };
            let who = entry.session.who();
            if may_call(service, &name, who) {
                let state = self.view().seen(&name, self.state_of(&name), who);
                let packet = ServerPacket::Service(vec![(name.clone(), state)]);
                self.send_frame(*session, Frame::message(&packet, None), None);
            }
        }
        if !sessions.is_empty() && self.shared.disabled.has(user, &name) {
            let call = ServiceCall::EndCalls {
                gateway: self.id,
                user: user.clone(),
            };
            self.shared.owners.service(&name, call);
        }
    }

    /// Answers a call of a service that is disabled for the user. It is no error of the
    /// client, which may not know yet.
    pub(super) fn answer_disabled(&mut self, session: SessionSlot, id: Option<RequestId>) {
        if id.is_some() {
            self.send_error(session, disabled_for_user().of("call"), id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, entry, gateway, user};
    use turntable_core::call::Call;
    use turntable_core::model::service::{ServiceSettings, ServiceState};

    #[test]
    fn only_sessions_of_the_user_are_notified_and_only_its_calls_end() {
        let owners = Arc::new(Noted::default());
        let mut gateway = gateway(0, &owners);
        let session = begin(&mut gateway);
        let mut settings = (*gateway.settings).clone();
        settings.services = Arc::new([("chat".to_owned(), ServiceSettings::default())].into());
        gateway.shared.settings.set(settings);
        gateway.take_settings();
        let state = ServiceState {
            is_enabled: true,
            functions: vec!["send".into()],
            direct: None,
        };
        gateway.service_changed("chat".into(), state.clone());
        let shared = gateway.shared.clone();
        let received = |gateway: &mut Gateway| {
            let waiting = entry(gateway, session).session.outbox.waiting();
            let texts = waiting.map(|frame| frame.as_message().map(|m| m.text().to_owned()));
            texts
                .flatten()
                .filter(|text| text.contains("\"service\""))
                .collect::<Vec<_>>()
        };
        let before = received(&mut gateway).len();
        assert_eq!(shared.disable_service_of(&user("1:9"), "chat"), Ok(true));
        gateway.disabled_changed(&user("1:9"), "chat".into());
        assert_eq!(
            received(&mut gateway).len(),
            before,
            "it is of another user"
        );
        assert!(shared.disable_service_of(&user("1:1"), "nosuch").is_err());
        owners.0.lock().clear();
        assert_eq!(shared.disable_service_of(&user("1:1"), "chat"), Ok(true));
        gateway.disabled_changed(&user("1:1"), "chat".into());
        let texts = received(&mut gateway);
        assert!(
            texts.last().is_some_and(|text| text.contains("disabled")),
            "{texts:?}"
        );
        let calls = std::mem::take(&mut *owners.0.lock());
        let ends = |call: &Call| {
            matches!(call, Call::Service(name, ServiceCall::EndCalls { user: of, .. })
                if **name == *"chat" && *of == user("1:1"))
        };
        assert!(calls.len() == 1 && calls.iter().all(ends), "{calls:?}");
        // A change of the service is not shown while it is disabled for the user.
        let before = received(&mut gateway).len();
        gateway.service_changed("chat".into(), ServiceState::default());
        gateway.service_changed("chat".into(), state);
        assert_eq!(received(&mut gateway).len(), before);
        assert!(shared.enable_service_of(&user("1:1"), "chat"));
        gateway.disabled_changed(&user("1:1"), "chat".into());
        let texts = received(&mut gateway);
        assert!(
            texts.last().is_some_and(|text| text.contains("enabled")),
            "{texts:?}"
        );
        assert!(owners.0.lock().is_empty(), "nothing ends");
    }
}
