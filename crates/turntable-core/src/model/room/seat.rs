//! Who goes, for good or for a while: `leavegame`, connections that drop and
//! return, sessions that end, seats that run out, and what an operator decides.

use std::slice;

use super::{Effect, EndReason, Member, Outcome, Room, not_member};
use crate::id::UserId;
use crate::key::SessionKey;
use crate::model::timestamp::Corrector;
use crate::packet::{ErrorBody, MemberChange, ReplyData, RequestId, ServerPacket};
use crate::reason::ErrorCode;

/// Members that left whose last stamps are remembered; the oldest go first.
const LEFT_MAX: usize = 1_024;

/// The reason of an operator that gave none, for a member that was sent away.
const KICKED: &str = "kicked";
/// The same for all members of a room that was ended.
const ENDED: &str = "ended";

/// Those who left get to know why.
fn give_reason(effects: &mut [Effect], why: &str) {
    for effect in effects {
        if let Effect::Broadcast(ServerPacket::MemberChange { reason, .. }) = effect {
            *reason = Some(why.into());
        }
    }
}

impl Room {
    /// `leavegame`: the user leaves, with all its sessions.
    ///
    /// # Errors
    /// `not_member`.
    pub fn leave(
        &mut self,
        session: SessionKey,
        user: &UserId,
        id: Option<RequestId>,
        now_ms: u64,
    ) -> Outcome {
        if self.members.get(user.as_str()).is_none() {
            return Err(not_member("leavegame"));
        }
        let mut effects = self.remove(slice::from_ref(user), Some(session), now_ms);
        if id.is_some() {
            effects.push(Effect::Send {
                session,
                id,
                packet: ServerPacket::Reply(ReplyData::Done),
            });
        }
        Ok(effects)
    }

    /// A session lost its connection and may be resumed. With the last one its
    /// member is away, and its seat is retained for a while.
    pub fn session_detached(
        &mut self,
        session: SessionKey,
        user: &UserId,
        now_ms: u64,
    ) -> Vec<Effect> {
        let seat_ms = self.seat_ms();
        let Some(member) = self.members.get_mut(user) else {
            return Vec::new();
        };
        if !member.drop_connection(session) || member.is_connected() {
            return Vec::new();
        }
        if seat_ms == 0 {
            return self.remove(slice::from_ref(user), None, now_ms);
        }
        member.seat_until_ms = Some(now_ms.saturating_add(seat_ms));
        self.pay_change(user, now_ms);
        let mut effects = self.flush();
        effects.push(self.change([(user.clone(), MemberChange::Away)]));
        effects
    }

    /// A session was resumed. Its member is back; nothing happens where it was
    /// taken out meanwhile, be the user in again or not: the session was notified
    /// so, and nobody would take it out a second time.
    pub fn session_attached(
        &mut self,
        session: SessionKey,
        user: &UserId,
        now_ms: u64,
    ) -> Vec<Effect> {
        let member = self.members.get(user.as_str());
        if !member.is_some_and(|member| member.has(session)) {
            return Vec::new();
        }
        let mut effects = self.flush();
        self.come_back(session, user, now_ms, &mut effects);
        effects
    }

    /// A session is over: it was sent away, its client said `bye`, or, without a
    /// connection, it was not resumed in time. A member whose last connected
    /// session ends so leaves at once, and so does one that is away if its client
    /// said `bye` (`is_bye`), in a request; else one that is away keeps its seat.
    pub fn session_ended(
        &mut self,
        session: SessionKey,
        user: &UserId,
        is_bye: bool,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(user) else {
            return Vec::new();
        };
        if !member.has(session) {
            return Vec::new();
        }
        let was_connected = member.forget(session);
        let is_gone = (was_connected || is_bye) && !member.is_connected();
        let mut effects = vec![Effect::Detach(session)];
        if is_gone {
            effects.extend(self.remove(slice::from_ref(user), None, now_ms));
        }
        effects
    }

    /// A session of a member of the room before this one, which was lost. It is
    /// on the topic already; nothing is sent to anybody. Repeating it changes
    /// nothing.
    pub fn announced(
        &mut self,
        session: SessionKey,
        user: &UserId,
        team: Option<Box<str>>,
        dropped_ms: Option<u64>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let seat_ms = self.seat_ms();
        let is_new = self.members.get(user.as_str()).is_none();
        if is_new {
            // No stamp that the lost room gave is later than now.
            let member = Member::new(team, Corrector::after(now_ms), now_ms);
            self.members.insert(user.clone(), member);
            self.empty_until_ms = None;
        }
        if let Some(member) = self.members.get_mut(user)
            && !member.has(session)
        {
            member.attach(session, dropped_ms.is_none());
            if let Some(ago_ms) = dropped_ms {
                let until_ms = now_ms.saturating_add(seat_ms.saturating_sub(ago_ms));
                member.seat_until_ms = member.seat_until_ms.max(Some(until_ms));
            }
            if member.is_connected() {
                member.seat_until_ms = None;
            }
        }
        if is_new {
            vec![Effect::EnteredGame(user.clone())]
        } else {
            Vec::new()
        }
    }

    /// An operator sends a user away.
    ///
    /// # Errors
    /// `not_member`.
    pub fn kick(&mut self, user: &UserId, reason: Option<&str>, now_ms: u64) -> Outcome {
        if self.members.get(user.as_str()).is_none() {
            return Err(ErrorBody::new(
                ErrorCode::NotMember,
                "the user is not a member of this room",
            ));
        }
        let mut effects = self.remove(slice::from_ref(user), None, now_ms);
        give_reason(&mut effects, reason.unwrap_or(KICKED));
        Ok(effects)
    }

    /// An operator ends the room: every member gets `left` for all.
    pub fn end(&mut self, reason: Option<&str>, now_ms: u64) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        let users: Vec<UserId> = self.members.iter().map(|(user, _)| user.clone()).collect();
        let mut effects = self.remove(&users, None, now_ms);
        give_reason(&mut effects, reason.unwrap_or(ENDED));
        self.ended = true;
        effects.push(Effect::Ended(EndReason::Closed));
        effects
    }

    /// Attaches a connected session to its member, which ends its being away.
    pub(super) fn come_back(
        &mut self,
        session: SessionKey,
        user: &UserId,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let is_new = member.attach(session, true);
        if member.seat_until_ms.take().is_some() {
            self.pay_change(user, now_ms);
            effects.push(self.change([(user.clone(), MemberChange::Back)]));
        }
        if is_new {
            effects.push(Effect::Attach(session));
        }
    }

    /// Attaches a session without a connection to its member. It brings nobody back,
    /// and prolongs no seat. A member that has no other session is away from the
    /// start, with a seat as after a drop.
    pub(super) fn take_seat(
        &mut self,
        session: SessionKey,
        user: &UserId,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let until_ms = now_ms.saturating_add(self.seat_ms());
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let is_new = member.attach(session, false);
        if !member.is_connected() && member.seat_until_ms.is_none() {
            member.seat_until_ms = Some(until_ms);
            self.pay_change(user, now_ms);
            effects.push(self.change([(user.clone(), MemberChange::Away)]));
        }
        if is_new {
            effects.push(Effect::Attach(session));
        }
    }

    /// The stamps of a new member, behind those it made before it left.
    pub(super) fn corrector_for(&self, user: &UserId) -> Corrector {
        self.left
            .iter()
            .find(|(left, _)| left == user)
            .map_or_else(Corrector::default, |(_, last_ms)| {
                Corrector::after(*last_ms)
            })
    }

    /// Lets `users` leave. The session that requested it is off the topic before
    /// the others get `left`; the user's other sessions get it.
    pub(super) fn remove(
        &mut self,
        users: &[UserId],
        leaver: Option<SessionKey>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut effects = self.flush();
        let oldest_ms = now_ms.saturating_sub(self.settings.max_lag_ms);
        self.left.retain(|(_, last_ms)| *last_ms > oldest_ms);
        let mut detached = Vec::new();
        for user in users {
            let Some(member) = self.members.remove(user) else {
                continue;
            };
            if member.corrector.last_ms() > oldest_ms {
                self.left.retain(|(left, _)| left != user);
                self.left.push((user.clone(), member.corrector.last_ms()));
            }
            self.left.drain(..self.left.len().saturating_sub(LEFT_MAX));
            for rule in &mut self.rules {
                rule.left(user, now_ms);
            }
            detached.extend(member.sessions());
        }
        if let Some(leaver) = leaver.filter(|leaver| detached.contains(leaver)) {
            detached.retain(|session| *session != leaver);
            effects.push(Effect::Detach(leaver));
        }
        let is_heard = !self.members.is_empty() || !detached.is_empty();
        if is_heard && !users.is_empty() {
            let left = users.iter().map(|user| (user.clone(), MemberChange::Left));
            effects.push(self.change(left));
        }
        effects.extend(detached.into_iter().map(Effect::Detach));
        effects.extend(users.iter().cloned().map(Effect::LeftGame));
        if self.members.is_empty() && self.empty_until_ms.is_none() {
            self.empty_until_ms = Some(now_ms.saturating_add(self.settings.empty_ms));
        }
        effects
    }

    pub(super) fn seat_ms(&self) -> u64 {
        let game = self.game.settings();
        game.seat_ms.unwrap_or(self.settings.seat_ms)
    }
}
