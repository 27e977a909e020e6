//! Claims of clients on their way through the portal.
//!
//! Most are decided at once. Where a checker takes time, the connection is in the phase
//! `Checking` until the portal answers or a deadline passes: what its client sends
//! behind its claim waits unread, and a lasting HTTP answer has not begun.

use actix::{Context, Handler, Message};

use crate::actor::validator;
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
use crate::portal::{Begun, Decision, Refused, Undecided};
use crate::service::credential;
use turntable_core::address::Address;
use turntable_core::id::UserId;
use turntable_core::key::ConnKey;
use turntable_core::model::permission::Who;
use turntable_core::packet::{Beginning, ErrorBody, Reason, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::attributes_bytes;

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
        let awaited = self.pending.remove(decided.ticket);
        let session = match &awaited {
            Some(Awaited::Renewal { session, .. }) => self.sessions.get(*session),
            _ => None,
        };
        let session = session.map(|entry| entry.session.key);
        let portal = &self.shared.portal;
        let decision = portal.confirm(decided.decision, decided.begun, session);
        let decision = self.of_no_service(decision);
        match awaited {
            Some(Awaited::Check {
                connection,
                beginning,
                id,
            }) => self.decided(connection, decision, beginning, id),
            Some(Awaited::Renewal { session, id }) => self.renewed(session, decision, id),
            _ => {}
        }
        self.run();
    }
}

impl Gateway {
    /// A client claims to be this user, or whom its credentials say.
    pub(crate) fn check(
        &mut self,
        key: ConnKey,
        user: Option<UserId>,
        credentials: Option<&Payload>,
        beginning: Beginning,
        id: Option<RequestId>,
    ) {
        if !self.may_identify(key) {
            return;
        }
        let permit = self.connections.permit(key);
        let address = permit.map(|permit| Address::of(permit.address()));
        let may_begin = self.shared.may_begin_session(address, clock::now_ms());
        if let Err(error) = may_begin {
            return self.refuse_again(key, &error.of("idme"), id);
        }
        let login = self
            .connections
            .permit(key)
            .and_then(|permit| permit.login());
        let cookie = login.map(Into::into);
        let claim = self.claim(key, user, credentials).with_cookie(cookie);
        let undecided = match self.begin_check(claim, credentials) {
            Ok(decision) => return self.decided(key, decision, beginning, id),
            Err(undecided) => undecided,
        };
        let ticket = self.await_after(
            Awaited::Check {
                connection: key,
                beginning,
                id,
            },
            self.shared.portal.checking_ms(),
        );
        self.claim_is_checked(key);
        self.with(key, |connection, cx| {
            if let Phase::Greeting(greeting) = &mut connection.phase {
                connection.phase = Phase::Checking(Box::new(std::mem::take(greeting)));
                Dispatch::on_paused(connection, cx);
            }
        });
        if let Err(error) = self.decide(ticket, undecided) {
            self.checked_too_late(ticket, error);
        }
    }

    /// A claim that came over a connection.
    pub(super) fn claim(
        &self,
        key: ConnKey,
        user: Option<UserId>,
        credentials: Option<&Payload>,
    ) -> Claim {
        let address = self.connections.permit(key).map(|permit| permit.address());
        Claim::new(user, credentials, address)
    }

    /// Begins to decide about a claim with these credentials.
    pub(super) fn begin_check(
        &self,
        claim: Claim,
        credentials: Option<&Payload>,
    ) -> Result<Decision, Undecided> {
        let service = claim.user().and_then(|user| {
            credential::check(&self.settings.services, user, credentials)
                .map(|verdict| (user.clone(), verdict))
        });
        let portal = &self.shared.portal;
        if let Some((user, verdict)) = service {
            return Ok(portal.decide_of_service(&claim, user, verdict));
        }
        let decision = portal.check(claim)?;
        Ok(self.of_no_service(decision))
    }

    /// Has a claim decided off this worker. The decision comes as `Decided`.
    ///
    /// # Errors
    /// Why that is not possible.
    pub(super) fn decide(&self, ticket: Ticket, undecided: Undecided) -> Result<(), ErrorBody> {
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
        self.shared.portal.decide(undecided, then)
    }

    /// Refuses users that are banned, whatever decided about them.
    pub(super) fn not_banned(&self, decision: Decision) -> Decision {
        let identity = decision?;
        match self.shared.bans.admit(&identity.user, clock::now_ms()) {
            Ok(()) => Ok(identity),
            Err(error) => Err(Refused {
                error,
                is_final: true,
            }),
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
            self.decided(connection, Err(refused), Beginning::default(), id);
        }
    }

    /// The portal decided about a client.
    fn decided(
        &mut self,
        key: ConnKey,
        decision: Decision,
        beginning: Beginning,
        id: Option<RequestId>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let has_waited = connection.is_claimed();
        if let Phase::Checking(greeting) = &mut connection.phase {
            connection.phase = Phase::Greeting(std::mem::take(greeting));
        }
        if connection.is_closing() || !connection.is_greeting() {
            return;
        }
        if has_waited {
            let refused = decision.as_ref().err().map(|refused| refused.error.code);
            self.claim_has_waited(key, refused);
        }
        match self.not_banned(decision) {
            Ok(identity) => {
                let Beginning { attributes, status } = beginning;
                let server_only = &self.settings.server_only;
                let mut names = attributes.iter().map(|(name, _)| name);
                if let Some(name) = names.find(|name| server_only.contains(name)) {
                    let error = validator::server_only(name).of("idme");
                    return self.refuse_again(key, &error, id);
                }
                let permissions = self.settings.permissions.of(&identity.roles, &[]);
                let names = attributes.iter().map(|(name, _)| &**name);
                if let Err(error) = may_set(Who::new(&identity.user, &permissions), names) {
                    return self.refuse_again(key, &error.of("idme"), id);
                }
                let claimed = attributes.iter().map(|(name, value)| (name, Some(value)));
                let claimed_bytes = match attributes.is_empty() {
                    true => 0,
                    false => attributes_bytes(&identity.user, claimed),
                };
                let identity = with_attributes(identity, attributes);
                self.identify(key, identity, claimed_bytes, status, id);
            }
            Err(refused) => {
                self.refuse_claim(key, refused, id);
                self.claim_is_refused(key);
            }
        }
    }

    fn refuse_claim(&mut self, key: ConnKey, refused: Refused, id: Option<RequestId>) {
        self.push_effects([Effect::Continue(key)]);
        let close = self.count_refusal(key, &refused);
        let error = refused.error.of("idme");
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Phase::Greeting(greeting) = &mut connection.phase else {
            return;
        };
        let (now_ms, settings) = (clock::now_ms(), &self.settings.session);
        let refusal = greeting.refuse_credentials(error, close, now_ms, settings);
        self.answer_greeting(key, refusal, id);
    }

    /// Counts refused credentials of a connection. Returns why it has to be closed, if it
    /// does: after `portal.attempts_max` of them, and at once where there is no use in
    /// trying again.
    pub(super) fn count_refusal(&mut self, key: ConnKey, refused: &Refused) -> Option<CloseReason> {
        if refused.error.reason == Some(Reason::Banned) {
            return Some(CloseReason::Kicked);
        }
        if refused.error.code != ErrorCode::Unauthorized {
            return None;
        }
        let attempts_max = self.shared.portal.settings().attempts_max;
        let connection = self.connections.get_mut(key)?;
        connection.attempts = connection.attempts.saturating_add(1);
        let is_last = refused.is_final || u32::from(connection.attempts) >= attempts_max;
        is_last.then_some(CloseReason::Unauthorized)
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
