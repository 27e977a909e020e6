//! A game room as a state machine: members, teams, seats, invites, actions.
//!
//! Inputs come with `now_ms` (Unix ms of the server), effects go out in the
//! order in which they must be carried out; an error changes nothing. Everybody
//! on the room's topic gets the same broadcasts in the same order: a session is
//! put on the topic behind whatever happened before it joined, and taken off
//! it behind the news that its member left. docs/rooms.md tells the life of a
//! room.

mod admission;
mod bytes;
mod invitation;
mod member;
mod play;
mod report;
mod result;
mod seat;
mod settings;
mod snapshot;
mod stored_state;
mod tick;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use member::{Member, Members};
pub use report::{MemberReport, RoomReport};
pub use result::{Claim, ResultReport};
pub use settings::RoomSettings;
pub use snapshot::RoomSnapshot;

use crate::id::{ChannelId, UserId};
use crate::key::SessionKey;
use crate::model::game::Game;
use crate::model::rule::Rule;
use crate::packet::{ErrorBody, MemberChange, RequestId, ServerPacket};
use crate::payload::Payload;
use crate::rate::Bucket;
use crate::reason::ErrorCode;
use invitation::Invitations;
use result::ResultRate;
use tick::Tick;

/// What a room wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Put the session on the room's topic.
    Attach(SessionKey),
    /// Take the session off the room's topic.
    Detach(SessionKey),
    /// Send to every session on the room's topic.
    Broadcast(ServerPacket),
    /// Send to one session.
    Send {
        /// The receiver.
        session: SessionKey,
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
    /// Report what a member claims to the backend, with the members of the room.
    Report(ResultReport),
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
    /// What it sent to each member.
    bytes: Bucket,
    /// What it reported of results.
    result_rate: ResultRate,
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
            bytes: Bucket::default(),
            result_rate: ResultRate::default(),
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

    /// The section `[room]`, as it was when the room began.
    #[must_use]
    pub fn settings(&self) -> &RoomSettings {
        &self.settings
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

    /// When the tick ends, Unix ms; `None` while no action waits for it.
    #[must_use]
    pub const fn tick_ends_ms(&self) -> Option<u64> {
        self.tick.ends_ms()
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

    fn change(&self, members: impl IntoIterator<Item = (UserId, MemberChange)>) -> Effect {
        Effect::Broadcast(ServerPacket::MemberChange {
            channel: self.channel.clone(),
            members: members.into_iter().collect(),
            reason: None,
        })
    }
}

fn not_member(command: &'static str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotMember,
        "this session is not in the room; send joingame first",
    )
    .of(command)
}
