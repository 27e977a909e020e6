//! The members of a room: their sessions, teams, seats and stamps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::id::UserId;
use crate::key::SessionKey;
use crate::limit::Limit;
use crate::model::game::{GameSettings, TEAM_BYTES_MAX, is_team};
use crate::model::remaining;
use crate::model::timestamp::{Corrector, Lag};
use crate::packet::{ErrorBody, MemberState, RoomMember};
use crate::reason::ErrorCode;

/// One member.
#[derive(Debug)]
pub struct Member {
    /// Unix ms when it joined.
    pub(super) since_ms: u64,
    pub(super) team: Option<Box<str>>,
    /// Unix ms when the seat is lost; `None` while the member is there.
    pub(super) seat_until_ms: Option<u64>,
    pub(super) corrector: Corrector,
    /// The lag of the session that acted last; `None` before the first action.
    pub(super) lag: Option<Lag>,
    /// As many as `session.sessions_per_user_max` allows.
    sessions: SmallVec<[Seat; 1]>,
}

/// A session of a member.
#[derive(Debug, Clone, Copy)]
struct Seat {
    session: SessionKey,
    /// Whether it has a connection. One without may still be resumed, so it
    /// stays on the room's topic.
    connected: bool,
}

/// A member in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberSnapshot {
    user: UserId,
    team: Option<Box<str>>,
    /// How long the seat is retained; `None` while the member is there.
    seat_ms: Option<u64>,
    /// How long ago its last stamp was; `None` before the first.
    stamp_age_ms: Option<u64>,
    /// How long ago it joined.
    age_ms: u64,
    /// Its sessions, and whether each has a connection.
    sessions: Vec<(SessionKey, bool)>,
}

impl Member {
    pub(in crate::model) fn new(
        team: Option<Box<str>>,
        corrector: Corrector,
        since_ms: u64,
    ) -> Self {
        Self {
            since_ms,
            team,
            seat_until_ms: None,
            corrector,
            lag: None,
            sessions: SmallVec::new(),
        }
    }

    /// Its team, where it has one.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// Whether it is there, or keeps a seat.
    #[must_use]
    pub const fn state(&self) -> MemberState {
        match self.seat_until_ms {
            None => MemberState::Joined,
            Some(_) => MemberState::Away,
        }
    }

    /// How late its messages are, and how far back its timestamps may lie; `None`
    /// before its first action.
    #[must_use]
    pub const fn lag(&self) -> Option<Lag> {
        self.lag
    }

    /// Its sessions, those without a connection too.
    pub fn sessions(&self) -> impl Iterator<Item = SessionKey> {
        self.sessions.iter().map(|seat| seat.session)
    }

    /// Its sessions, and whether each has a connection.
    pub(super) fn seats(&self) -> impl Iterator<Item = (SessionKey, bool)> {
        (self.sessions.iter()).map(|seat| (seat.session, seat.connected))
    }

    /// Whether any of its sessions has a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.sessions.iter().any(|seat| seat.connected)
    }

    /// Whether a session is one of its sessions, with a connection or without: a
    /// client may send commands in requests while its session has none.
    pub(super) fn has(&self, session: SessionKey) -> bool {
        self.sessions().any(|known| known == session)
    }

    /// Notes a session, and that it is connected if it is; `true` where it is a new
    /// one.
    pub(super) fn attach(&mut self, session: SessionKey, connected: bool) -> bool {
        if let Some(seat) = self.seat(session) {
            seat.connected |= connected;
            return false;
        }
        self.sessions.push(Seat { session, connected });
        true
    }

    /// Notes that a session lost its connection; `true` where it had one.
    pub(super) fn drop_connection(&mut self, session: SessionKey) -> bool {
        self.seat(session)
            .is_some_and(|seat| std::mem::replace(&mut seat.connected, false))
    }

    /// Forgets a session; `true` where it had a connection.
    pub(super) fn forget(&mut self, session: SessionKey) -> bool {
        let connected = self.drop_connection(session);
        self.sessions.retain(|seat| seat.session != session);
        connected
    }

    fn seat(&mut self, session: SessionKey) -> Option<&mut Seat> {
        self.sessions
            .iter_mut()
            .find(|seat| seat.session == session)
    }
}

/// All members of a room, those that are away too.
#[derive(Debug, Default)]
pub struct Members(BTreeMap<UserId, Member>);

impl Members {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of that id.
    #[must_use]
    pub fn get(&self, user: &str) -> Option<&Member> {
        self.0.get(user)
    }

    /// Each member.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, &Member)> {
        self.0.iter()
    }

    /// The members as values.
    pub(super) fn save(&self, now_ms: u64) -> Vec<MemberSnapshot> {
        let save = |(user, member): (&UserId, &Member)| MemberSnapshot {
            user: user.clone(),
            team: member.team.clone(),
            seat_ms: member
                .seat_until_ms
                .map(|until_ms| remaining::until(until_ms, now_ms)),
            stamp_age_ms: member.corrector.age_ms(now_ms),
            age_ms: remaining::since(member.since_ms, now_ms),
            sessions: member
                .sessions
                .iter()
                .map(|seat| (seat.session, seat.connected))
                .collect(),
        };
        self.0.iter().map(save).collect()
    }

    /// The members of values.
    pub(super) fn restore(snapshot: Vec<MemberSnapshot>, now_ms: u64) -> Self {
        let restore = |saved: MemberSnapshot| {
            let seat = |(session, connected)| Seat { session, connected };
            let member = Member {
                since_ms: remaining::ago(saved.age_ms, now_ms),
                team: saved.team,
                seat_until_ms: saved.seat_ms.map(|ms| remaining::from_now(ms, now_ms)),
                corrector: Corrector::of_age(saved.stamp_age_ms, now_ms),
                // Known again with the next action.
                lag: None,
                sessions: saved.sessions.into_iter().map(seat).collect(),
            };
            (saved.user, member)
        };
        Self(snapshot.into_iter().map(restore).collect())
    }

    pub(super) fn get_mut(&mut self, user: &UserId) -> Option<&mut Member> {
        self.0.get_mut(user)
    }

    pub(in crate::model) fn insert(&mut self, user: UserId, member: Member) -> &mut Member {
        self.0.entry(user).insert_entry(member).into_mut()
    }

    pub(super) fn remove(&mut self, user: &UserId) -> Option<Member> {
        self.0.remove(user)
    }

    pub(super) fn next_seat_ms(&self) -> Option<u64> {
        self.0
            .values()
            .filter_map(|member| member.seat_until_ms)
            .min()
    }

    pub(super) fn seats_lost(&self, now_ms: u64) -> Vec<UserId> {
        self.0
            .iter()
            .filter(|(_, member)| member.seat_until_ms.is_some_and(|ms| ms <= now_ms))
            .map(|(user, _)| user.clone())
            .collect()
    }

    /// The members as `joined` tells them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<RoomMember> {
        self.0
            .iter()
            .map(|(user, member)| RoomMember {
                user: user.clone(),
                team: member.team.clone(),
                state: member.state(),
            })
            .collect()
    }

    /// The team for a new member that wants the team `wanted`: that one, or else the
    /// one with the fewest members.
    pub(super) fn team_for(
        &self,
        wanted: Option<&str>,
        game: &GameSettings,
    ) -> Result<Option<Box<str>>, ErrorBody> {
        let has_room = |team: &str| match game.team_members_max {
            0 => true,
            max => self.team_len(team) < max,
        };
        let full = |message: String| {
            Err(ErrorBody::new(ErrorCode::RoomFull, message)
                .with("max", game.team_members_max as u64)
                .by(Limit::TeamMembers))
        };
        let Some(wanted) = wanted else {
            if game.teams.is_empty() {
                return Ok(None);
            }
            let smallest = game
                .teams
                .iter()
                .filter(|team| has_room(team))
                .min_by_key(|team| self.team_len(team));
            return match smallest {
                Some(team) => Ok(Some(team.as_str().into())),
                None => full("every team of this room is full".to_owned()),
            };
        };
        if game.teams.is_empty() {
            if !is_team(wanted) {
                return Err(ErrorBody::new(
                    ErrorCode::Forbidden,
                    format!("a team is 1 to {TEAM_BYTES_MAX} bytes without control characters"),
                ));
            }
        } else if !game.teams.iter().any(|team| team == wanted) {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                format!(
                    "there is no such team; the teams are {}",
                    game.teams.join(", ")
                ),
            ));
        }
        if has_room(wanted) {
            Ok(Some(wanted.into()))
        } else {
            full(format!("the team {wanted} is full"))
        }
    }

    fn team_len(&self, team: &str) -> usize {
        self.0
            .values()
            .filter(|member| member.team() == Some(team))
            .count()
    }
}
