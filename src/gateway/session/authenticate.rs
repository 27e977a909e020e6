//! `authenticate`: a session renews its credentials, or a guest gains an identity.
//!
//! A renewal keeps the user, and what the portal says of it is in force anew. A session
//! whose client has shown nothing that says who it is may become another user: it leaves
//! its rooms, its channels and the services that it provides, which belong to the user
//! before, and goes on with the same session.

use crate::gateway::Gateway;
use crate::gateway::session::ending::Ending;
use crate::gateway::session::life::Attributes;
use crate::gateway::session::pending::Awaited;
use crate::gateway::work::Effect;
use crate::portal::checker::Identity;
use crate::portal::{Decision, Refused};
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

impl Gateway {
    /// `authenticate`.
    pub(crate) fn authenticate(
        &mut self,
        session: SessionSlot,
        user: Option<UserId>,
        credentials: &Payload,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        // The address of the client decides about its attempts.
        let Some(connection) = entry.session.connection() else {
            let error = ErrorBody::new(
                ErrorCode::Unavailable,
                "the session has no connection now; send this when it has one",
            );
            return self.refuse(session, error.of("authenticate"), id);
        };
        if entry.is_changing || self.pending.is_renewing(session) {
            let message = "the credentials before are still being checked";
            let error = ErrorBody::new(ErrorCode::Conflict, message);
            return self.refuse(session, error.of("authenticate"), id);
        }
        let own = &entry.session.user;
        let claimed = match (user, entry.session.is_provisional) {
            (user, true) => user,
            (None, false) => Some(own.clone()),
            (Some(user), false) if user == *own => Some(user),
            // Nothing is checked: a checker may make or change what it is asked about.
            (Some(_), false) => {
                return self.refuse(session, of_another().of("authenticate"), id);
            }
        };
        let key = entry.session.key;
        let claim = self.claim(connection, claimed, Some(credentials));
        let claim = claim.of_session(Some(key));
        let undecided = match self.begin_check(claim, Some(credentials)) {
            Ok(decision) => return self.renewed(session, decision, id),
            Err(undecided) => undecided,
        };
        let checking_ms = self.shared.portal.checking_ms();
        let awaited = Awaited::Renewal {
            session,
            id: id.clone(),
        };
        let ticket = self.await_after(awaited, checking_ms);
        if let Err(error) = self.decide(ticket, undecided) {
            self.pending.remove(ticket);
            self.refuse(session, error.of("authenticate"), id);
        }
    }

    /// The portal decided about the credentials of a session.
    pub(in crate::gateway) fn renewed(
        &mut self,
        session: SessionSlot,
        decision: Decision,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let (user, is_provisional) = (entry.session.user.clone(), entry.session.is_provisional);
        match self.not_banned(decision) {
            Ok(identity) if identity.user == user => {
                let attributes = self.establish(session, identity);
                self.attach_again(session, attributes, id);
            }
            Ok(identity) if is_provisional => match self.charge_change(session, &identity.user) {
                Ok(()) => self.change_user(session, identity, id),
                Err(error) => self.refuse(session, error.of("authenticate"), id),
            },
            Ok(_) => self.refuse(session, of_another().of("authenticate"), id),
            Err(refused) => self.refuse_renewal(session, refused, id),
        }
    }

    fn refuse_renewal(&mut self, session: SessionSlot, refused: Refused, id: Option<RequestId>) {
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        let close = connection.and_then(|key| self.count_refusal(key, &refused));
        self.refuse(session, refused.error.of("authenticate"), id);
        if let (Some(connection), Some(reason)) = (connection, close) {
            self.flush_connection(connection);
            self.push_effects([Effect::Close(connection, reason)]);
        }
    }

    fn attach_again(
        &mut self,
        session: SessionSlot,
        attributes: Attributes,
        id: Option<RequestId>,
    ) {
        if let Some(id) = id.clone() {
            self.await_answer(Awaited::answer(session, "authenticate", id));
        }
        self.attach(session, attributes, None, id);
    }

    /// Charges an address as for a session of this user that begins: one session could make as
    /// many users as many sessions.
    fn charge_change(&self, session: SessionSlot, user: &UserId) -> Result<(), ErrorBody> {
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        connection.map_or(Ok(()), |key| self.charge_user(key, user, 0))
    }

    fn change_user(&mut self, session: SessionSlot, identity: Identity, id: Option<RequestId>) {
        self.leave_as_user(session);
        // What owners sent to the user before, and still send, misses it from here on.
        let address = self.sessions.unused_generation();
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.change_address(address);
            entry.session.user = identity.user.clone();
            // What was added to them was for the user before.
            entry.session.permissions = None;
            entry.backups = None;
            let extras = entry.extras.as_mut();
            if let Some(providing) = extras.and_then(|extras| extras.providing.as_mut()) {
                providing.forget_services();
            }
            entry.is_changing = true;
        }
        let attributes = self.establish(session, identity);
        self.attach_again(session, attributes, id);
        let watched = self.watched_users(session);
        self.look_anew(session, watched);
    }

    /// A session leaves what belongs to its user. What it watches goes on.
    fn leave_as_user(&mut self, session: SessionSlot) {
        self.report_providing(session, false);
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        let user = entry.session.user.clone();
        let rooms: Vec<ChannelId> = entry.session.rooms().cloned().collect();
        let channels = entry.session.channels().iter();
        let channels: Vec<ChannelId> = channels.map(|known| known.channel.clone()).collect();
        let behind = self.subscriptions.behind.forget(session);
        self.call_owners(behind);
        for channel in channels {
            self.leave_channel(session, &channel);
        }
        for room in rooms {
            let call = RoomCall::Remove {
                caller,
                user: user.clone(),
                is_bye: true,
            };
            self.shared.owners.room(&room, call);
            self.exited(session, &Topic::Room(room));
        }
        // The answers of owners to that find it gone.
        self.subscriptions.topics.exit_all(session.into());
        self.end_by_operator(&user, caller.key);
        self.leaves_avatar(session);
        let remove = AvatarCall::Remove { caller };
        self.shared.owners.avatar(&user, remove);
    }

    /// An avatar has admitted a session. Returns whether it is that of a user that the
    /// session became.
    pub(crate) fn changed(&mut self, session: SessionSlot) -> bool {
        let entry = self.sessions.get_mut(session);
        entry.is_some_and(|entry| std::mem::take(&mut entry.is_changing))
    }

    /// An avatar did not admit a session again. One that became another user cannot go
    /// on without: its client identifies anew.
    pub(crate) fn not_changed(&mut self, session: SessionSlot) {
        let entry = self.sessions.get(session);
        if entry.is_some_and(|entry| entry.is_changing) {
            self.end_session(session, &Ending::Removed, None);
        }
    }
}

fn of_another() -> ErrorBody {
    let message = "these are the credentials of another user; connect anew for it";
    ErrorBody::new(ErrorCode::Forbidden, message)
}
