//! Claims of clients on their way through the portal.
//!
//! Most are decided at once. Where a checker takes time, the connection is in the phase
//! `Checking` until the portal answers or a deadline passes: what its client sends
//! behind its claim waits unread, and a tunnel has not written a byte.

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::connection::Phase;
use crate::gateway::session::life::Attributes;
use crate::gateway::session::pending::{Awaited, Ticket};
use crate::gateway::session::permission::may_set;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::Effect;
use crate::portal::checker::Identity;
use crate::portal::claim::Claim;
use crate::portal::{Begun, Decision, Refused};
use crate::service::credential;
use turntable_core::id::UserId;
use turntable_core::key::ConnKey;
use turntable_core::model::permission::Who;
use turntable_core::packet::{ErrorBody, Reason, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The portal's answer, from one of its threads.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Decided {
    ticket: Ticket,
    decision: Decision,
    begun: Begun,
}

impl Handler<Decided> for Gateway {
    type Result = ();

    fn handle(&mut self, decided: Decided, _: &mut Context<Self>) {
        if let Some(Awaited::Check {
            connection,
            attributes,
            id,
        }) = self.pending.remove(decided.ticket)
        {
            let decision = self.shared.portal.confirm(decided.decision, decided.begun);
            let decision = self.of_no_service(decision);
            self.decided(connection, decision, attributes, id);
            self.run();
        }
    }
}

impl Gateway {
    /// A client claims to be this user, or whom its credentials say.
    pub(crate) fn check(
        &mut self,
        key: ConnKey,
        user: Option<UserId>,
        credentials: Option<&Payload>,
        attributes: Attributes,
        id: Option<RequestId>,
    ) {
        if !self.may_identify(key) {
            return;
        }
        if let Err(error) = self.shared.may_begin() {
            return self.refuse_again(key, &error.of("idme"), id);
        }
        let service = user.as_ref().and_then(|user| {
            credential::check(&self.settings.services, user, credentials)
                .map(|verdict| (user.clone(), verdict))
        });
        let permit = self.permit(key);
        let address = permit.map(|permit| permit.address());
        let cookie = permit.and_then(|permit| permit.login()).map(Into::into);
        let portal = self.shared.portal.clone();
        if let Some((user, verdict)) = service {
            let claim = Claim::new(Some(user.clone()), credentials, address);
            let decision = portal.decide_of_service(&claim, user, verdict);
            return self.decided(key, decision, attributes, id);
        }
        let claim = Claim::new(user, credentials, address).with_cookie(cookie);
        let undecided = match portal.check(claim) {
            Ok(decision) => {
                let decision = self.of_no_service(decision);
                return self.decided(key, decision, attributes, id);
            }
            Err(undecided) => undecided,
        };
        let ticket = self.await_check(
            Awaited::Check {
                connection: key,
                attributes,
                id,
            },
            portal.checking_ms(),
        );
        self.claim_is_checked(key);
        self.with(key, |connection, cx| {
            if let Phase::Greeting(greeting) = &mut connection.phase {
                connection.phase = Phase::Checking(Box::new(std::mem::take(greeting)));
                Dispatch::on_paused(connection, cx);
            }
        });
        let gateway = self.shared.peers.gateway(self.id.worker).cloned();
        let begun = undecided.begun();
        let then = move |decision| {
            if let Some(gateway) = gateway {
                gateway.do_send(Decided {
                    ticket,
                    decision,
                    begun,
                });
            }
        };
        if let Err(error) = portal.decide(undecided, then) {
            self.checked_too_late(ticket, error);
        }
    }

    /// What the portal decided, unless its user needs the token of a service: such a
    /// user is no checker's to give.
    fn of_no_service(&self, decision: Decision) -> Decision {
        let identity = decision?;
        match credential::check(&self.settings.services, &identity.user, None) {
            Some(_) => Err(Refused {
                error: ErrorBody::new(
                    ErrorCode::Unauthorized,
                    "this user provides a service and identifies with its token",
                )
                .because(Reason::Invalid),
                is_final: false,
            }),
            None => Ok(identity),
        }
    }

    /// A claim will not be decided.
    pub(super) fn checked_too_late(&mut self, ticket: Ticket, error: ErrorBody) {
        if let Some(Awaited::Check { connection, id, .. }) = self.pending.remove(ticket) {
            let refused = Refused {
                error,
                is_final: false,
            };
            self.decided(connection, Err(refused), Vec::new(), id);
        }
    }

    /// The portal decided about a client.
    fn decided(
        &mut self,
        key: ConnKey,
        decision: Decision,
        attributes: Attributes,
        id: Option<RequestId>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if let Phase::Checking(greeting) = &mut connection.phase {
            connection.phase = Phase::Greeting(std::mem::take(greeting));
        }
        if connection.is_closing() || !connection.is_greeting() {
            return;
        }
        match decision {
            Ok(identity) => {
                let permit = self.settings.permissions.permit(&identity.roles, &[]);
                let names = attributes.iter().map(|(name, _)| &**name);
                if let Err(error) = may_set(Who::new(&identity.user, &permit), names) {
                    return self.refuse_again(key, &error.of("idme"), id);
                }
                let identity = with_attributes(identity, attributes);
                self.identify(key, identity, id);
            }
            Err(refused) => {
                self.refuse_claim(key, refused, id);
                self.claim_is_refused(key);
            }
        }
    }

    fn refuse_claim(&mut self, key: ConnKey, refused: Refused, id: Option<RequestId>) {
        let error = refused.error.of("idme");
        self.push_effects([Effect::Continue(key)]);
        if error.code != ErrorCode::Unauthorized {
            return self.refuse_greeting(key, error, id);
        }
        let attempts_max = self.shared.portal.settings().attempts_max;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Phase::Greeting(greeting) = &mut connection.phase else {
            return;
        };
        connection.attempts = connection.attempts.saturating_add(1);
        let is_last = refused.is_final || u32::from(connection.attempts) >= attempts_max;
        let (now_ms, settings) = (clock::now_ms(), &self.settings.session);
        let refusal = greeting.refuse_credentials(error, is_last, now_ms, settings);
        self.answer_greeting(key, refusal, id);
    }
}

/// What the portal says about a user stands above what its client says.
fn with_attributes(mut identity: Identity, claimed: Attributes) -> Identity {
    for (name, value) in claimed {
        if !identity.attributes.iter().any(|(known, _)| *known == name) {
            identity.attributes.push((name, value));
        }
    }
    identity
}
