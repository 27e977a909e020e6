//! Clients that identify: a session begins, and its avatar is asked to admit it.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::connection::Phase;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::life::Attributes;
use crate::gateway::session::pending::Awaited;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::Effect;
use turntable_core::call::AvatarCall;
use turntable_core::id::{SessionId, UserId};
use turntable_core::key::{ConnKey, SessionKey, SessionSlot};
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::CloseReason;
use turntable_core::session::Session;

impl Gateway {
    /// Whether a connection's client may identify, or resume a session.
    pub(super) fn may_identify(&self, connection: ConnKey) -> bool {
        self.connections
            .get(connection)
            .is_some_and(|connection| connection.is_greeting() && !connection.is_closing())
    }

    /// Begins a session for a client that may be this user; its avatar has to
    /// admit it.
    pub(crate) fn identify(
        &mut self,
        connection: ConnKey,
        user: UserId,
        attributes: Attributes,
        id: Option<RequestId>,
    ) {
        if !self.may_identify(connection) {
            return;
        }
        if let Err(error) = self.charge_session(connection) {
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
        let begun = Session::new(key, name, user, connection, clock::now_ms());
        let outbox_bytes_max = self.settings.session.outbox_bytes_max;
        let session = self
            .sessions
            .insert(SessionEntry::new(begun, outbox_bytes_max));
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
        self.attach(session, attributes, id);
    }

    /// Charges a connection's address for one more session.
    fn charge_session(&self, key: ConnKey) -> Result<(), ErrorBody> {
        let Some(permit) = self.permit_of(key) else {
            return Ok(());
        };
        let (newcomers, limits) = (&self.shared.newcomers, self.settings.newcomers());
        newcomers.begin_session(permit.address(), permit.socket(), &limits, clock::now_ms())
    }

    /// Charges a connection's address for one more resume.
    pub(super) fn charge_resume(&self, key: ConnKey) -> Result<(), ErrorBody> {
        let Some(permit) = self.permit_of(key) else {
            return Ok(());
        };
        let (newcomers, limits) = (&self.shared.newcomers, self.settings.newcomers());
        newcomers.resume_session(permit.address(), &limits, clock::now_ms())
    }

    /// What counts a connection; a namespace of Socket.IO has its carrier's.
    fn permit_of(&self, key: ConnKey) -> Option<&Permit> {
        let connection = self.connections.get(key)?;
        let carrier = connection.transport.carrier();
        let carrier = carrier.and_then(|carrier| self.connections.get(carrier));
        carrier.unwrap_or(connection).permit.as_ref()
    }

    /// Asks the avatar to admit a session, for the first time or again.
    pub(crate) fn attach(
        &mut self,
        session: SessionSlot,
        attributes: Attributes,
        id: Option<RequestId>,
    ) {
        if let (Some(caller), Some(entry)) = (self.caller(session), self.sessions.get(session)) {
            let attach = AvatarCall::Attach {
                caller,
                attributes,
                id,
            };
            self.shared.owners.avatar(&entry.session.user, attach);
        }
    }
}
