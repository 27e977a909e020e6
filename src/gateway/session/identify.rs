//! Clients that identify: a session begins, and its avatar is asked to admit it.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::session::SessionEntry;
use crate::gateway::session::ending::Ending;
use crate::gateway::session::life::Attributes;
use crate::gateway::session::pending::Awaited;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::turn::Timer;
use crate::gateway::work::Effect;
use crate::portal::checker::Identity;
use turntable_core::call::AvatarCall;
use turntable_core::id::{SessionId, UserId};
use turntable_core::key::{ConnKey, SessionKey, SessionSlot};
use turntable_core::packet::{ErrorBody, OwnStatus, RequestId};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::deadline::Due;
use turntable_core::session::standing::Standing;
use turntable_core::session::{Session, address_error};

impl Gateway {
    /// Whether a connection's client may identify, or resume a session.
    pub(super) fn may_identify(&self, connection: ConnKey) -> bool {
        self.connections
            .get(connection)
            .is_some_and(|connection| connection.is_greeting() && !connection.is_closing())
    }

    /// A connection's client has to have identified by now.
    pub(crate) fn identification_is_due(&mut self, key: ConnKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let is_claimed = connection.is_claimed();
        if !is_claimed && !connection.is_greeting() {
            return;
        }
        match connection.deadline.due(is_claimed) {
            Due::Close => self.push_effects([Effect::Close(key, CloseReason::NotIdentified)]),
            Due::SetAgain => self.await_identification(key),
            Due::Wait => {}
        }
    }

    /// A connection's client has a whole deadline to identify.
    pub(crate) fn await_identification(&mut self, key: ConnKey) {
        let at_ms = clock::now_ms() + self.settings.session.identify_timeout_ms;
        self.wheel.set(at_ms, Timer::Identify(key));
    }

    /// The claim of a connection's client had to wait, and is refused with this code if it
    /// is. One that was not decided is not the client's fault.
    pub(super) fn claim_has_waited(&mut self, key: ConnKey, refused: Option<ErrorCode>) {
        let is_undecided = refused == Some(ErrorCode::Unavailable);
        let refused = |connection: &mut Connection| connection.deadline.refused(is_undecided);
        if self.connections.get_mut(key).is_some_and(refused) {
            self.await_identification(key);
        }
    }

    /// Begins a session for a client that is this user; its avatar has to admit it. Each watcher
    /// gets so many bytes of the attributes that the client claims.
    pub(crate) fn identify(
        &mut self,
        connection: ConnKey,
        identity: Identity,
        claimed_bytes: usize,
        status: Option<OwnStatus>,
        id: Option<RequestId>,
    ) {
        if !self.may_identify(connection) {
            return;
        }
        let charged = self.charge_user(connection, &identity.user, claimed_bytes);
        if let Err(error) = charged {
            return self.refuse_again(connection, &error.of("idme"), id);
        }
        // A connection's name was promised to its session.
        let name = self.connections.get(connection).and_then(|connection| {
            let name = connection.transport.name()?;
            self.shared.peers.find(name).is_none().then_some(name)
        });
        let name = name.or_else(SessionId::random);
        let (Some(name), Some(key)) = (name, SessionKey::random()) else {
            return self.push_effects([Effect::Close(connection, CloseReason::Internal)]);
        };
        let user = identity.user.clone();
        let begun = Session::new(key, name, user, connection, clock::now_ms());
        let outbox_bytes_max = self.settings.session.outbox_bytes_max;
        let entry = SessionEntry::new(begun, outbox_bytes_max);
        let session = self.sessions.insert(entry);
        let attributes = self.establish(session, identity);
        self.shared.metrics.sessions.inc();
        self.with(connection, |connection, cx| {
            connection.phase = Phase::Identifying(session);
            Dispatch::on_paused(connection, cx);
        });
        let awaited_id = id.clone();
        self.await_answer(Awaited::Admission {
            session,
            id: awaited_id,
        });
        self.attach(session, attributes, status, id);
    }

    /// What the portal said of a session's user is in force from now on. Returns the
    /// attributes that it gave.
    pub(super) fn establish(&mut self, session: SessionSlot, identity: Identity) -> Attributes {
        let Identity {
            user,
            attributes,
            expires_ms,
            token,
            is_provisional,
            roles,
        } = identity;
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.session.standing = Standing::of(expires_ms, token);
            entry.session.is_provisional = is_provisional;
        }
        if self.shared.portal.is_unconfirmed(&user, is_provisional) {
            // Its address is known when it ends, whether it has a connection then or not.
            self.share(session);
        }
        self.shared.renew_blocked(&user, is_provisional);
        self.grant(session, &roles);
        if let Some(expires_ms) = expires_ms {
            self.await_expiry(session, expires_ms);
        }
        attributes
    }

    /// Awaits the end of a session's credentials, and of the time to renew them. A timer
    /// that fires earlier is enough: a session that renews them often has one.
    pub(super) fn await_expiry(&mut self, session: SessionSlot, expires_ms: u64) {
        let at_ms = expires_ms.saturating_add(self.renewal_grace_ms());
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let timer_ms = &mut entry.extras.get_or_insert_default().expiry_timer_ms;
        if *timer_ms == 0 || at_ms < *timer_ms {
            *timer_ms = at_ms;
            self.wheel.set(at_ms, Timer::Credentials(session));
        }
    }

    fn renewal_grace_ms(&self) -> u64 {
        self.shared.portal.settings().renewal_grace_ms
    }

    /// The credentials of a session may have expired, and not have been renewed.
    pub(crate) fn credentials_are_due(&mut self, session: SessionSlot) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        // Another timer may be later: the credentials expired sooner before.
        if let Some(extras) = &mut entry.extras {
            if extras.expiry_timer_ms > clock::now_ms() {
                return;
            }
            extras.expiry_timer_ms = 0;
        }
        let standing = entry.session.standing.as_ref();
        let Some(expires_ms) = standing.and_then(|standing| standing.expires_ms) else {
            return;
        };
        if expires_ms.saturating_add(self.renewal_grace_ms()) <= clock::now_ms() {
            self.end_session(session, &Ending::Expired, None);
        } else {
            // They were renewed.
            self.await_expiry(session, expires_ms);
        }
    }

    /// Charges a connection's address for one more session of a user, and for what its watchers
    /// get of that, with so many bytes of attributes each.
    pub(super) fn charge_user(
        &self,
        key: ConnKey,
        user: &UserId,
        claimed_bytes: usize,
    ) -> Result<(), ErrorBody> {
        let deliveries = self.visitors(user);
        // What watchers get can be given back.
        let taken = self.take_claimed(key, claimed_bytes, deliveries, clock::now_ms())?;
        let charged = self.charge_session(key);
        charged.inspect_err(|_| self.give_claimed_back(key, taken))
    }

    /// Charges a connection's address for one more session.
    fn charge_session(&self, key: ConnKey) -> Result<(), ErrorBody> {
        let Some(permit) = self.connections.permit(key) else {
            return Ok(());
        };
        let (unidentified, limits) = (&self.shared.unidentified, self.settings.unidentified());
        unidentified.begin_session(permit.address(), permit.socket(), &limits, clock::now_ms())
    }

    /// Charges a connection's address for one more resume. What its clients got again has to
    /// be paid for.
    pub(super) fn charge_resume(&self, key: ConnKey) -> Result<(), ErrorBody> {
        let Some(permit) = self.connections.permit(key) else {
            return Ok(());
        };
        let owes_ms = permit.owes_bytes_ms(self.settings.limits.address_bytes, clock::now_ms());
        if owes_ms > 0 {
            return Err(address_error(owes_ms));
        }
        let (unidentified, limits) = (&self.shared.unidentified, self.settings.unidentified());
        unidentified.resume_session(permit.address(), &limits, clock::now_ms())
    }

    /// Asks the avatar to admit a session, for the first time or again.
    pub(crate) fn attach(
        &mut self,
        session: SessionSlot,
        attributes: Attributes,
        status: Option<OwnStatus>,
        id: Option<RequestId>,
    ) {
        if let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        {
            let permissions = entry.session.permissions.as_deref();
            let (user, is_provisional) = (&entry.session.user, entry.session.is_provisional);
            let attach = AvatarCall::Attach {
                caller,
                roles: permissions.map_or_else(Vec::new, |all| all.roles().to_vec()),
                is_known: !self.shared.portal.is_unconfirmed(user, is_provisional),
                attributes,
                status,
                id,
            };
            self.shared.owners.avatar(user, attach);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, gateway};

    #[test]
    fn session_that_renews_often_has_one_timer() {
        let owners = Arc::new(Noted::default());
        let mut gateway = gateway(0, &owners);
        let session = begin(&mut gateway);
        let now_ms = clock::now_ms();
        let mut due = Vec::new();
        for renewal in 0..100 {
            gateway.await_expiry(session, now_ms + 1_000 + renewal);
        }
        let end_ms = now_ms + 10_000 + gateway.renewal_grace_ms();
        gateway.wheel.turn(end_ms, &mut due);
        due.retain(|timer| matches!(timer, Timer::Credentials(_)));
        assert_eq!(due.len(), 1);
    }
}
