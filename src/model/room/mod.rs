//! A game room as a state machine: members, teams, seats, invites, actions.
//!
//! Inputs come with `now_ms` (Unix ms of the server), effects go out in the
//! order in which they must be carried out; an error changes nothing. Everybody
//! on the room's topic gets the same broadcasts in the same order: a session is
//! put on the topic behind whatever happened before it joined, and taken off
//! it behind the news that its member left. docs/rooms.md tells the life of a
//! room.

mod invitation;
mod kept_state;
mod member;
mod settings;
mod tick;

use std::sync::Arc;

pub use member::{Member, Members};
pub use settings::RoomSettings;

use crate::id::{ChannelId, UserId};
use crate::model::game::Game;
use crate::model::rule::{Inspection, Refusal, RoomView, Rule};
use crate::model::session_ref::SessionRef;
use crate::model::timestamp::Corrector;
use crate::reason::ErrorCode;
use crate::wire::packet::{
    Action, ErrorBody, JoinGame, MemberChange, ReplyData, RequestId, RoomJoined, ServerPacket,
};
use crate::wire::payload::Payload;
use invitation::Invitations;
use tick::Tick;

/// What a room wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Put the session on the room's topic.
    Attach(SessionRef),
    /// Take the session off the room's topic.
    Detach(SessionRef),
    /// Send to every session on the room's topic.
    Broadcast(ServerPacket),
    /// Send to one session.
    Send {
        /// The receiver.
        session: SessionRef,
        /// What its command carried, where this is the answer to it.
        id: Option<RequestId>,
        /// The message.
        packet: ServerPacket,
    },
    /// Send to every session of a user, in the room or not.
    SendUser {
        /// The receiver.
        user: UserId,
        /// The message.
        packet: ServerPacket,
    },
    /// Bring an invite to a user; keep it where the user is offline.
    Invite {
        /// Who is invited.
        user: UserId,
        /// By whom.
        from: UserId,
    },
    /// The user is a member now, so it may read busy.
    EnteredGame(UserId),
    /// The user is no member any more.
    LeftGame(UserId),
    /// The room is over; it takes no more inputs.
    Ended(EndReason),
}

/// Why a room is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It was without members for `room.empty_ms`.
    Empty,
    /// An operator ended it.
    Closed,
}

/// What is done, or why nothing is.
pub type Outcome = Result<Vec<Effect>, ErrorBody>;

/// A room.
pub struct Room {
    channel: ChannelId,
    game: Arc<Game>,
    settings: Arc<RoomSettings>,
    members: Members,
    rules: Vec<Box<dyn Rule>>,
    invitations: Invitations,
    tick: Tick,
    state: Option<Payload>,
    /// The last stamps of members that left within `room.max_lag_ms`, so that
    /// they do not run backwards when one comes back.
    left: Vec<(UserId, u64)>,
    /// Unix ms when the room ends, while nobody is in it.
    empty_until_ms: Option<u64>,
    ended: bool,
}

impl Room {
    /// A room without members. It ends after `room.empty_ms` unless somebody
    /// joins.
    #[must_use]
    pub fn new(
        channel: ChannelId,
        game: Arc<Game>,
        settings: Arc<RoomSettings>,
        now_ms: u64,
    ) -> Self {
        Self {
            rules: game.rules(),
            empty_until_ms: Some(now_ms.saturating_add(settings.empty_ms)),
            channel,
            game,
            settings,
            members: Members::default(),
            invitations: Invitations::default(),
            tick: Tick::default(),
            state: None,
            left: Vec::new(),
            ended: false,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// What is played in it.
    #[must_use]
    pub fn game(&self) -> &Game {
        &self.game
    }

    /// Who is in it.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// What a late joiner gets, where the game keeps a state.
    #[must_use]
    pub const fn state(&self) -> Option<&Payload> {
        self.state.as_ref()
    }

    /// Whether it is over. A join must then go to a new room.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// `joingame` of `user`'s session. To join again is to be told again.
    ///
    /// # Errors
    /// `forbidden` (not oneself, a realm or a team that the game has not),
    /// `room_full`, `too_many` invites, `unavailable` once the room ended.
    pub fn join(
        &mut self,
        session: SessionRef,
        user: &UserId,
        join: &JoinGame,
        id: Option<RequestId>,
        now_ms: u64,
    ) -> Outcome {
        let corrector = self.corrector_for(user);
        let newcomer = self
            .admit(user, join)
            .map_err(|error| error.of("joingame"))?
            .map(|team| Member::new(team, corrector));
        let invited = self
            .invite(user, &join.invite, now_ms)
            .map_err(|error| error.of("joingame"))?;

        // The newcomer's `state` holds what came before; it must not get that
        // a second time as actions.
        let mut effects = self.flush();
        let first = newcomer.is_some();
        if let Some(member) = newcomer {
            self.empty_until_ms = None;
            if !self.members.is_empty() {
                effects.push(self.change([(user.clone(), MemberChange::Joined)]));
            }
            self.members.insert(user.clone(), member);
        }
        self.come_back(session, user, &mut effects);
        effects.push(Effect::Send {
            session,
            id,
            packet: self.joined(user, now_ms),
        });
        if first {
            effects.push(Effect::EnteredGame(user.clone()));
        }
        effects.extend(self.answer_invites(user, true, now_ms));
        effects.extend(invited.into_iter().map(|invited| Effect::Invite {
            user: invited,
            from: user.clone(),
        }));
        Ok(effects)
    }

    /// `leavegame`: the user leaves, with all its sessions.
    ///
    /// # Errors
    /// `not_member`.
    pub fn leave(
        &mut self,
        session: SessionRef,
        user: &UserId,
        id: Option<RequestId>,
        now_ms: u64,
    ) -> Outcome {
        if self.members.get(user.as_str()).is_none() {
            return Err(not_member("leavegame"));
        }
        let mut effects = self.remove(&[user.clone()], Some(session), now_ms);
        if id.is_some() {
            effects.push(Effect::Send {
                session,
                id,
                packet: ServerPacket::Reply(ReplyData::Done),
            });
        }
        Ok(effects)
    }

    /// `game`: all actions are passed on, or none.
    ///
    /// `offset_ms` is the estimate of the session's clock (server less client);
    /// the message itself should have fed it before.
    ///
    /// # Errors
    /// `not_member`, `too_many` actions, `forbidden` (another's `from`, another
    /// team), or what a rule of the game says; `details.index` is the action.
    pub fn act(
        &mut self,
        session: SessionRef,
        user: &UserId,
        mut actions: Vec<Action>,
        offset_ms: Option<f64>,
        now_ms: u64,
    ) -> Outcome {
        self.check(session, user, &actions, now_ms)?;
        if actions.is_empty() {
            return Ok(Vec::new());
        }
        for rule in &mut self.rules {
            rule.accepted(user, actions.len(), now_ms);
        }
        let max_lag_ms = self.settings.max_lag_ms;
        if let Some(member) = self.members.get_mut(user) {
            for action in &mut actions {
                let client_ms = action.timestamp_ms;
                let corrected_ms =
                    (member.corrector).correct(client_ms, offset_ms, now_ms, max_lag_ms);
                action.timestamp_ms = corrected_ms as f64;
            }
        }
        let tick_ms = self.game.settings().tick_ms;
        self.tick.push(actions, now_ms.saturating_add(tick_ms));
        if tick_ms == 0 || self.tick.bytes() >= self.settings.tick_bytes_max {
            return Ok(self.flush());
        }
        Ok(Vec::new())
    }

    /// `declineinvite`: those who invited the user hear of it.
    ///
    /// # Errors
    /// `not_found` where no invite waits.
    pub fn decline(&mut self, user: &UserId, now_ms: u64) -> Outcome {
        let effects = self.answer_invites(user, false, now_ms);
        if effects.is_empty() {
            return Err(ErrorBody::new(
                ErrorCode::NotFound,
                "no invite to this room waits for an answer",
            )
            .of("declineinvite"));
        }
        Ok(effects)
    }

    /// A session lost its connection and may be resumed. With the last one its
    /// member is away, and its seat is kept for a while.
    pub fn session_detached(
        &mut self,
        session: SessionRef,
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
            return self.remove(&[user.clone()], None, now_ms);
        }
        member.seat_until_ms = Some(now_ms.saturating_add(seat_ms));
        let mut effects = self.flush();
        effects.push(self.change([(user.clone(), MemberChange::Away)]));
        effects
    }

    /// A session was resumed. Its member is back; nothing happens where the
    /// seat was lost meanwhile, for the session was told so.
    pub fn session_attached(&mut self, session: SessionRef, user: &UserId) -> Vec<Effect> {
        if self.members.get(user.as_str()).is_none() {
            return Vec::new();
        }
        let mut effects = self.flush();
        self.come_back(session, user, &mut effects);
        effects
    }

    /// A session is over: it said `bye` or was sent away, or, without a
    /// connection, was not resumed in time. A member whose last connected
    /// session ends so leaves at once; one that is away keeps its seat.
    pub fn session_ended(
        &mut self,
        session: SessionRef,
        user: &UserId,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(user) else {
            return Vec::new();
        };
        if member.forget(session) && !member.is_connected() {
            return self.remove(&[user.clone()], None, now_ms);
        }
        Vec::new()
    }

    /// An operator sends a user away.
    ///
    /// # Errors
    /// `not_member`.
    pub fn kick(&mut self, user: &UserId, now_ms: u64) -> Outcome {
        if self.members.get(user.as_str()).is_none() {
            return Err(ErrorBody::new(
                ErrorCode::NotMember,
                "the user is not a member of this room",
            ));
        }
        Ok(self.remove(&[user.clone()], None, now_ms))
    }

    /// An operator ends the room: every member is told that all left.
    pub fn end(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        let users: Vec<UserId> = self.members.iter().map(|(user, _)| user.clone()).collect();
        let mut effects = self.remove(&users, None, now_ms);
        self.ended = true;
        effects.push(Effect::Ended(EndReason::Closed));
        effects
    }

    /// Unix ms when [`Room::advance`] has something to do; `None` while only
    /// an input can change anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.ended {
            return None;
        }
        let seat_ms = self.members.next_seat_ms();
        [self.tick.ends_ms(), seat_ms, self.empty_until_ms]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due: ends the tick, takes seats, ends an empty room.
    pub fn advance(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        let is_due = |deadline_ms: Option<u64>| deadline_ms.is_some_and(|ms| ms <= now_ms);
        let mut effects = Vec::new();
        if is_due(self.tick.ends_ms()) {
            effects.extend(self.flush());
        }
        if is_due(self.members.next_seat_ms()) {
            let lost = self.members.seats_lost(now_ms);
            effects.extend(self.remove(&lost, None, now_ms));
        }
        if is_due(self.empty_until_ms) {
            self.ended = true;
            effects.push(Effect::Ended(EndReason::Empty));
        }
        effects
    }

    /// Whether `user` may join; its team where it is new, `None` where it is a
    /// member already.
    fn admit(&self, user: &UserId, join: &JoinGame) -> Result<Option<Option<Box<str>>>, ErrorBody> {
        if self.ended {
            return Err(ErrorBody::new(
                ErrorCode::Unavailable,
                "the room has just ended; join again",
            ));
        }
        if join.member != *user {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "self must be the user id of the session",
            ));
        }
        if self.members.get(user.as_str()).is_some() {
            return Ok(None);
        }
        let game = self.game.settings();
        if !self.allows_realm(user) {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                format!(
                    "users of this realm may not play; the realms are {}",
                    game.realms.join(", ")
                ),
            ));
        }
        let members_max = game.members_max.unwrap_or(self.settings.members_max);
        if self.members.len() >= members_max {
            return Err(ErrorBody::new(
                ErrorCode::RoomFull,
                format!("the room has its {members_max} members"),
            )
            .with("max", members_max as u64));
        }
        self.members.team_for(join.team.as_deref(), game).map(Some)
    }

    fn allows_realm(&self, user: &UserId) -> bool {
        let realms = &self.game.settings().realms;
        realms.is_empty() || realms.iter().any(|realm| realm == user.realm())
    }

    /// Notes the invites of `from`; those of `users` who are to be told.
    fn invite(
        &mut self,
        from: &UserId,
        users: &[UserId],
        now_ms: u64,
    ) -> Result<Vec<UserId>, ErrorBody> {
        let invites_max = self.settings.invites_max;
        if users.len() > invites_max {
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!("one joingame invites at most {invites_max} users"),
            )
            .with("max", invites_max as u64));
        }
        let mut invited: Vec<UserId> = Vec::new();
        for user in users {
            let is_in = user == from || self.members.get(user.as_str()).is_some();
            if is_in || invited.contains(user) {
                continue;
            }
            if !self.allows_realm(user) {
                return Err(ErrorBody::new(
                    ErrorCode::Forbidden,
                    format!("{user} may not play: the room does not allow the realm"),
                ));
            }
            invited.push(user.clone());
        }
        if !invited.is_empty() {
            self.invitations
                .add(from, &invited, &self.settings, now_ms)?;
        }
        Ok(invited)
    }

    fn answer_invites(&mut self, user: &UserId, accepted: bool, now_ms: u64) -> Vec<Effect> {
        let inviters = self.invitations.answer(user, now_ms);
        inviters
            .into_iter()
            .map(|inviter| Effect::SendUser {
                user: inviter,
                packet: ServerPacket::InviteReply {
                    channel: self.channel.clone(),
                    user: user.clone(),
                    accepted,
                },
            })
            .collect()
    }

    /// Attaches a session to its member, which ends its being away.
    fn come_back(&mut self, session: SessionRef, user: &UserId, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let is_new = member.attach(session);
        if member.seat_until_ms.take().is_some() {
            effects.push(self.change([(user.clone(), MemberChange::Back)]));
        }
        if is_new {
            effects.push(Effect::Attach(session));
        }
    }

    fn joined(&self, user: &UserId, now_ms: u64) -> ServerPacket {
        let member = self.members.get(user.as_str());
        ServerPacket::RoomJoined(Box::new(RoomJoined {
            channel: self.channel.clone(),
            member: user.clone(),
            team: member.and_then(|member| member.team.clone()),
            members: self.members.snapshot(),
            state: self.state.clone(),
            time_ms: now_ms,
        }))
    }

    /// Checks a whole message.
    fn check(
        &mut self,
        session: SessionRef,
        user: &UserId,
        actions: &[Action],
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let member = self
            .members
            .get(user.as_str())
            .filter(|member| member.is_acting(session))
            .ok_or_else(|| not_member("game"))?;
        let actions_max = self.settings.actions_max;
        if actions.len() > actions_max {
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!("one game message has at most {actions_max} actions"),
            )
            .of("game")
            .with("max", actions_max as u64));
        }
        let room = RoomView::new(&self.members);
        for (index, action) in actions.iter().enumerate() {
            let inspection = Inspection::new(action, index);
            check_sender(user, member, action)
                .and_then(|()| {
                    self.rules
                        .iter_mut()
                        .try_for_each(|rule| rule.check(&room, &inspection, now_ms))
                })
                .map_err(|refusal| {
                    ErrorBody::new(refusal.code, refusal.message)
                        .of("game")
                        .with("index", index as u64)
                })?;
        }
        Ok(())
    }

    /// The stamps of a newcomer, behind those it made before it left.
    fn corrector_for(&self, user: &UserId) -> Corrector {
        self.left
            .iter()
            .find(|(left, _)| left == user)
            .map_or_else(Corrector::default, |(_, last_ms)| {
                Corrector::after(*last_ms)
            })
    }

    /// Lets `users` leave. The session that asked for it is off the topic
    /// before the others are told; the user's other sessions are told.
    fn remove(&mut self, users: &[UserId], leaver: Option<SessionRef>, now_ms: u64) -> Vec<Effect> {
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
            for rule in &mut self.rules {
                rule.left(user, now_ms);
            }
            detached.extend(member.sessions());
        }
        if let Some(leaver) = leaver.filter(|leaver| detached.contains(leaver)) {
            detached.retain(|session| *session != leaver);
            effects.push(Effect::Detach(leaver));
        }
        if !users.is_empty() && !(self.members.is_empty() && detached.is_empty()) {
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

    /// Sends what waits for the tick.
    fn flush(&mut self) -> Vec<Effect> {
        let actions = self.tick.take();
        if actions.is_empty() {
            return Vec::new();
        }
        if self.game.settings().keep_state {
            kept_state::apply(&actions, &mut self.state);
        }
        vec![Effect::Broadcast(ServerPacket::Game {
            channel: self.channel.clone(),
            actions,
        })]
    }

    fn change(&self, members: impl IntoIterator<Item = (UserId, MemberChange)>) -> Effect {
        Effect::Broadcast(ServerPacket::MemberChange {
            channel: self.channel.clone(),
            members: members.into_iter().collect(),
        })
    }

    fn seat_ms(&self) -> u64 {
        let game = self.game.settings();
        game.seat_ms.unwrap_or(self.settings.seat_ms)
    }
}

fn not_member(command: &'static str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotMember,
        "this session is not in the room; send joingame first",
    )
    .of(command)
}

/// Whether an action is the member's own, and of its team.
fn check_sender(user: &UserId, member: &Member, action: &Action) -> Result<(), Refusal> {
    if action.from != *user {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            format!("from must be the self that this session joined with, {user}"),
        ));
    }
    match (action.team.as_deref(), member.team()) {
        (Some(claimed), team) if Some(claimed) != team => Err(Refusal::new(
            ErrorCode::Forbidden,
            match team {
                Some(team) => format!("team must be the one you have, {team}"),
                None => "you have no team in this room; leave team out".to_owned(),
            },
        )),
        _ => Ok(()),
    }
}
