//! Who comes in: `joingame`, the team it gets, and the invites it answers and
//! sends.

use super::{Effect, Member, Outcome, Room};
use crate::id::UserId;
use crate::key::SessionKey;
use crate::limit::Limit;
use crate::packet::{ErrorBody, JoinGame, MemberChange, RequestId, RoomJoined, ServerPacket};
use crate::reason::ErrorCode;

/// What a `joined` takes beside its room, its members and its state.
const JOINED_BYTES: usize = 128;

/// What a member takes in a `joined` beside its id and its team.
const MEMBER_BYTES: usize = 32;

impl Room {
    /// `joingame` of `user`'s session. A repeated join is answered again. A session
    /// without a connection (`is_connected`), whose client sent the command in a
    /// request, takes a seat: others see its member `away`, and `back` when it is
    /// resumed.
    ///
    /// # Errors
    /// `forbidden` (not oneself, a realm or a team that the game has not),
    /// `room_full`, `too_many` invites, `rate_limited` where the members would get more
    /// than `room.bytes`, `unavailable` once the room ended, or for a
    /// new member without a connection where the game keeps no seats.
    pub fn join(
        &mut self,
        session: SessionKey,
        user: &UserId,
        join: &JoinGame,
        is_connected: bool,
        id: Option<RequestId>,
        now_ms: u64,
    ) -> Outcome {
        let corrector = self.corrector_for(user);
        let new_member = self
            .admit(user, join)
            .map_err(|error| error.of("joingame"))?
            .map(|team| Member::new(team, corrector, now_ms));
        if new_member.is_some() && !is_connected && self.seat_ms() == 0 {
            return Err(ErrorBody::new(
                ErrorCode::Unavailable,
                "this game keeps no seats, and the session has no connection; resume it first",
            )
            .of("joingame"));
        }
        let bytes = match &new_member {
            Some(_) => self
                .take_join(user, now_ms)
                .map_err(|error| error.of("joingame"))?,
            None => 0,
        };
        let invited = self.invite(user, &join.invite, now_ms).map_err(|error| {
            self.bytes.give_back(bytes);
            error.of("joingame")
        })?;

        // The new member's `state` holds what came before; it must not get that
        // a second time as actions.
        let mut effects = self.flush();
        let first = new_member.is_some();
        if let Some(member) = new_member {
            self.empty_until_ms = None;
            if !self.members.is_empty() {
                effects.push(self.change([(user.clone(), MemberChange::Joined)]));
            }
            self.members.insert(user.clone(), member);
        }
        if is_connected {
            self.come_back(session, user, now_ms, &mut effects);
        } else {
            self.take_seat(session, user, now_ms, &mut effects);
        }
        // In front of the answer: what the client then does in other rooms, on other
        // workers, reaches the avatar behind it.
        if first {
            effects.push(Effect::EnteredGame(user.clone()));
        }
        effects.push(Effect::Send {
            session,
            id,
            packet: self.joined(user, now_ms),
        });
        effects.extend(self.answer_invites(user, true, now_ms));
        effects.extend(invited.into_iter().map(|invited| Effect::Invite {
            user: invited,
            from: user.clone(),
        }));
        Ok(effects)
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
            .with("max", members_max as u64)
            .by(Limit::RoomMembers));
        }
        self.members.team_for(join.team.as_deref(), game).map(Some)
    }

    fn allows_realm(&self, user: &UserId) -> bool {
        let realms = &self.game.settings().realms;
        realms.is_empty() || realms.iter().any(|realm| realm == user.realm())
    }

    /// Those of `users` that get an invite of `from`, none of them twice. Empty where
    /// [`Room::join`] refuses so many.
    #[must_use]
    pub fn invitees(&self, from: &UserId, users: &[UserId]) -> Vec<UserId> {
        let mut invited: Vec<UserId> = Vec::new();
        if users.len() > self.settings.invites_max {
            return invited;
        }
        for user in users {
            let is_in = user == from || self.members.get(user.as_str()).is_some();
            if !is_in && !invited.contains(user) {
                invited.push(user.clone());
            }
        }
        invited
    }

    /// Notes the invites of `from`; returns those of `users` that get one.
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
            .with("max", invites_max as u64)
            .by(Limit::RoomInvites));
        }
        let invited = self.invitees(from, users);
        if let Some(user) = invited.iter().find(|user| !self.allows_realm(user)) {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                format!("{user} may not play: the room does not allow the realm"),
            ));
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

    /// Length of a `joined`, about as it travels, in bytes.
    #[must_use]
    pub fn joined_bytes(&self) -> usize {
        let member_bytes = |(user, member): (&UserId, &Member)| {
            MEMBER_BYTES + user.as_str().len() + member.team().map_or(0, str::len)
        };
        let members = self.members.iter().map(member_bytes).sum::<usize>();
        let state = self.state.as_ref().map_or(0, |state| state.as_json().len());
        JOINED_BYTES + self.channel.as_str().len() + members + state
    }

    /// The `joined` of a member: the room as it is now.
    #[must_use]
    pub fn joined(&self, user: &UserId, now_ms: u64) -> ServerPacket {
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
}
