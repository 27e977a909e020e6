//! Direct connections: a client asks for the address of a service and a token for it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::states::directs_changed;
use super::target::callable;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::session::permission::may_call;
use crate::service::direct::issue;
use turntable_core::key::SessionSlot;
use turntable_core::model::permission::{Need, Who};
use turntable_core::model::service::{ServiceSettings, ServiceState, disabled_for_user};
use turntable_core::packet::{ErrorBody, ReplyData, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

#[derive(Deserialize)]
struct DirectArgs {
    service: Box<str>,
}

impl Gateway {
    /// The last known state of a service, with its address for direct connections.
    pub(super) fn state_of(&self, name: &str) -> ServiceState {
        self.services.of(name, &self.settings.services)
    }

    /// The addresses in the settings are others: clients are notified.
    pub(in crate::gateway) fn direct_changed(
        &mut self,
        before: &BTreeMap<String, ServiceSettings>,
    ) {
        let settings = self.settings.clone();
        for (name, service) in directs_changed(before, &settings.services) {
            self.send_service(name, service, self.state_of(name));
        }
    }

    /// `$av:direct`: a token for a direct connection.
    pub(super) fn direct(
        &mut self,
        session: SessionSlot,
        args: Option<&Payload>,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        match self.token_for(entry.session.who(), args) {
            Ok(answer) => self.reply(session, ReplyData::Value(answer), id),
            // The client may not know yet.
            Err(error) if error.code == ErrorCode::ServiceDown => {
                self.send_error(session, error.of("call"), id);
            }
            Err(error) => self.refuse(session, error.of("call"), id),
        }
    }

    fn token_for(&self, who: Who<'_>, args: Option<&Payload>) -> Result<Payload, ErrorBody> {
        let parsed: Option<DirectArgs> =
            args.and_then(|args| serde_json::from_str(args.as_json()).ok());
        let Some(DirectArgs { service: name }) = parsed else {
            let message = "args are {\"service\": NAME}";
            return Err(ErrorBody::new(ErrorCode::BadMessage, message));
        };
        let services = &self.settings.services;
        let service = match services.get(&*name) {
            Some(service) if may_call(service, &name, who) => service,
            _ => callable(services, (&name, ""), who)?,
        };
        let Some(direct) = service.direct() else {
            let message = format!("the service {name} has no direct connections");
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        };
        if self.shared.disabled.has(who.user(), &name) {
            return Err(disabled_for_user());
        }
        let state = self.state_of(&name);
        if !state.is_enabled {
            let message = "the service is down or disabled";
            return Err(ErrorBody::new(ErrorCode::ServiceDown, message));
        }
        let may = |function: &str| {
            let service = &name;
            who.may(Need::Call { service, function })
        };
        // A pattern that covers every function covers this one, too.
        let functions = (!may("*")).then(|| {
            let named = service.functions.iter().map(|name| name.as_str().into());
            let mut all: Vec<Box<str>> = state.functions.into_iter().chain(named).collect();
            all.sort_unstable();
            all.dedup();
            all.retain(|function| may(function));
            all
        });
        let token = issue(&name, service, who.user(), functions, clock::now_ms());
        let token = token.map_err(|_| {
            ErrorBody::new(
                ErrorCode::Unavailable,
                "no token can be issued now; try again",
            )
        })?;
        let answer = serde_json::json!({
            "url": direct.url,
            "protocol": direct.protocol,
            "token": token,
            "expires_in": service.direct_token_ms / 1_000,
        });
        Ok(answer.into())
    }
}
