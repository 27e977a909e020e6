//! The sessions of a gateway: which there are, and by which names owners, other
//! workers and the operator mean one of them.

use std::ops::{Deref, DerefMut};

use crate::gateway::Gateway;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::memory::Answered;
use crate::gateway::table::Table;
use turntable_core::id::{SessionId, UserId};
use turntable_core::key::{Caller, GatewayId, Place, SessionSlot, SlotKey as _, WorkerId};

/// The sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    gateway: GatewayId,
    entries: Table<SessionSlot, SessionEntry>,
}

impl Deref for Sessions {
    type Target = Table<SessionSlot, SessionEntry>;

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl DerefMut for Sessions {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.entries
    }
}

impl Sessions {
    /// No sessions of a gateway.
    pub(crate) fn new(gateway: GatewayId) -> Self {
        Self {
            gateway,
            entries: Table::default(),
        }
    }

    /// Where a session of this gateway is.
    pub(crate) const fn place(&self, session: SessionSlot) -> Place {
        Place {
            gateway: self.gateway,
            slot: session,
        }
    }

    /// The session of a place, if it is here and not over.
    pub(crate) fn at_place(&self, place: Place) -> Option<SessionSlot> {
        if place.gateway != self.gateway {
            return None;
        }
        if self.holds(place.slot) {
            return Some(place.slot);
        }
        // It has become another user more than once since.
        let session = self.key(place.slot.into())?;
        let former = &self.get(session)?.extras.as_ref()?.former;
        former.contains(&place.slot.generation()).then_some(session)
    }

    /// A session as the caller of its owners.
    pub(crate) fn caller(&self, session: SessionSlot) -> Option<Caller> {
        let entry = self.get(session)?;
        let slot = match entry.address {
            0 => session,
            address => SessionSlot::new(session.index(), address),
        };
        Some(Caller {
            key: entry.session.key,
            place: self.place(slot),
        })
    }

    /// The session that an owner sends something to, if it is here, not over, and still
    /// the user that it was when it called.
    pub(crate) fn addressee(&self, to: Place) -> Option<SessionSlot> {
        let session = self.key(to.slot.into())?;
        let is_meant = self.caller(session)?.place == to;
        is_meant.then_some(session)
    }

    /// A session has the id of its user from the avatar, whose text all sessions of the
    /// user have.
    pub(crate) fn share_user(&mut self, session: SessionSlot, user: UserId) {
        if let Some(entry) = self.get_mut(session)
            && entry.session.user == user
        {
            entry.session.user = user;
        }
    }

    /// All sessions.
    pub(crate) fn slots(&self) -> Vec<SessionSlot> {
        self.iter().map(|(session, _)| session).collect()
    }

    /// The sessions of a user. One that was not admitted receives all that concerns it
    /// when it is.
    pub(crate) fn admitted_of(&self, user: &UserId) -> Vec<SessionSlot> {
        let of_user = self
            .iter()
            .filter(|(_, entry)| entry.session.user == *user && entry.session.life().is_admitted());
        of_user.map(|(session, _)| session).collect()
    }

    /// Drops what is retained for a resume, or for a request that comes again. Returns how
    /// many bytes that were.
    pub(crate) fn forget_retained(&mut self) -> usize {
        let mut bytes = self.answer_bytes();
        for session in self.slots() {
            if let Some(entry) = self.get_mut(session) {
                bytes += entry.session.outbox.retained_bytes();
                entry.session.outbox.forget_retained();
                entry.forget_answer();
            }
        }
        bytes
    }

    /// Nothing is known of clients' clocks any more.
    pub(crate) fn restart_clocks(&mut self) {
        for session in self.slots() {
            if let Some(entry) = self.get_mut(session) {
                entry.session.restart_clock();
            }
        }
    }

    /// Bytes that wait for readers.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let waiting = |(_, entry): (_, &SessionEntry)| entry.session.outbox.waiting_bytes();
        self.iter().map(waiting).sum()
    }

    /// Bytes of the answers that are retained with sessions.
    pub(crate) fn answer_bytes(&self) -> usize {
        let answered = self.iter().filter_map(|(_, entry)| entry.answered());
        answered.map(Answered::bytes).sum()
    }
}

impl Gateway {
    /// The worker that has the session of this name, where that is another one.
    pub(super) fn worker_elsewhere(&self, name: SessionId) -> Option<WorkerId> {
        let gateway = self.shared.peers.find(name)?.gateway;
        (gateway.worker != self.id.worker).then_some(gateway.worker)
    }

    /// The session of this name, where it is here.
    pub(crate) fn session_here(&self, name: SessionId) -> Option<SessionSlot> {
        self.sessions.at_place(self.shared.peers.find(name)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::id::SessionId;
    use turntable_core::key::{ConnKey, NodeId, SessionKey, WorkerId};
    use turntable_core::session::Session;
    use turntable_core::session::life::Input;
    use turntable_core::session::settings::SessionSettings;

    fn gateway(worker: u16) -> GatewayId {
        GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        }
    }

    /// A session of a user; the time when it lost its connection, or 0.
    fn add(sessions: &mut Sessions, user: &str, lost_ms: u64) -> SessionSlot {
        let number = u64::from(sessions.next_key().index()) + 1;
        let id = SessionId::from_bits([number as u8; 16]);
        let key = SessionKey::from_number(number);
        let connection = ConnKey::new(number as u32, 0);
        let user = UserId::parse(user).unwrap();
        let mut session = Session::new(key, id, user, connection, 0);
        let settings = SessionSettings::default();
        session.step(Input::Admitted, 0, &settings);
        if lost_ms > 0 {
            session.step(Input::Lost(connection), lost_ms, &settings);
        }
        sessions.insert(SessionEntry::new(session, 1_000))
    }

    #[test]
    fn owner_reaches_a_session_by_its_last_address_only() {
        let mut sessions = Sessions::new(gateway(0));
        let session = add(&mut sessions, "1:1", 0);
        let before = sessions.caller(session).unwrap().place;
        assert_eq!(sessions.addressee(before), Some(session));
        // It becomes another user.
        let address = sessions.unused_generation();
        sessions.get_mut(session).unwrap().address = address;
        assert_eq!(sessions.addressee(before), None);
        let now = sessions.caller(session).unwrap().place;
        assert_eq!(sessions.addressee(now), Some(session));
        sessions.remove(session);
        add(&mut sessions, "1:2", 0);
        assert_eq!(sessions.addressee(now), None);
    }

    #[test]
    fn place_of_another_gateway_is_not_here() {
        let mut sessions = Sessions::new(gateway(0));
        let session = add(&mut sessions, "1:1", 0);
        let place = sessions.place(session);
        assert_eq!(sessions.at_place(place), Some(session));
        let gateway = gateway(1);
        assert_eq!(sessions.at_place(Place { gateway, ..place }), None);
        sessions.remove(session);
        assert_eq!(sessions.at_place(place), None);
    }

    #[test]
    fn sessions_of_a_user_are_those_that_were_admitted() {
        let mut sessions = Sessions::new(gateway(0));
        let one = add(&mut sessions, "1:1", 0);
        add(&mut sessions, "1:2", 0);
        let detached = add(&mut sessions, "1:1", 5);
        let user = UserId::parse("1:1").unwrap();
        assert_eq!(sessions.admitted_of(&user), [one, detached]);
    }
}
