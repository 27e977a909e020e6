//! What a room does, input by input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod admission;
mod play;
mod property;
mod result;
mod seat;
mod snapshot;

use super::*;
use crate::model::game::GameSettings;
use crate::model::timestamp::SenderClock;
use crate::packet::{
    Action, JoinGame, MemberState, ReplyData, RoomJoined, RoomMember, ServerPacket as Packet,
};
use MemberChange::{Away, Back, Joined, Left};

const NOW: u64 = 1_700_000_000_000;

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn session(slot: u32) -> SessionKey {
    SessionKey::from_number(slot.into())
}

fn channel() -> ChannelId {
    ChannelId::parse("CStrike").unwrap()
}

fn request(id: &str) -> Option<RequestId> {
    Some(RequestId(id.into()))
}

fn room_of(game: GameSettings, settings: RoomSettings) -> Room {
    let game = Game::new("strike", game, None).unwrap();
    Room::new(channel(), Arc::new(game), Arc::new(settings), NOW)
}

fn room(game: GameSettings) -> Room {
    room_of(game, RoomSettings::default())
}

fn generic() -> Room {
    room(GameSettings::default())
}

fn joining(id: &str) -> JoinGame {
    JoinGame {
        channel: channel(),
        member: user(id),
        invite: Vec::new(),
        team: None,
        game: None,
    }
}

fn inviting(id: &str, invite: &[&str]) -> JoinGame {
    JoinGame {
        invite: invite.iter().map(|id| user(id)).collect(),
        ..joining(id)
    }
}

fn on_team(id: &str, team: &str) -> JoinGame {
    JoinGame {
        team: Some(team.into()),
        ..joining(id)
    }
}

impl Room {
    /// Lets the user of `join` join by the session of that slot.
    fn joins(&mut self, slot: u32, join: &JoinGame) -> Outcome {
        self.join(session(slot), &join.member, join, true, None, NOW)
    }

    /// Lets a user join by the session of that slot, which has no connection.
    fn joins_detached(&mut self, slot: u32, id: &str, now_ms: u64) -> Outcome {
        self.join(session(slot), &user(id), &joining(id), false, None, now_ms)
    }

    fn must_join(&mut self, slot: u32, id: &str) -> Vec<Effect> {
        self.joins(slot, &joining(id)).unwrap()
    }

    fn acts(&mut self, slot: u32, id: &str, actions: Vec<Action>) -> Outcome {
        self.act(
            session(slot),
            &user(id),
            actions,
            &SenderClock::trusted(None),
            NOW,
        )
    }
}

fn action(from: &str, data: &str) -> Action {
    Action {
        timestamp_ms: 1.0,
        from: user(from),
        team: None,
        data: Payload::from_json(data),
    }
}

fn changed(changes: &[(&str, MemberChange)]) -> Effect {
    changed_because(changes, None)
}

fn changed_because(changes: &[(&str, MemberChange)], reason: Option<&str>) -> Effect {
    Effect::Broadcast(Packet::MemberChange {
        channel: channel(),
        members: changes
            .iter()
            .map(|(id, change)| (user(id), *change))
            .collect(),
        reason: reason.map(Into::into),
    })
}

fn played(actions: Vec<Action>) -> Effect {
    Effect::Broadcast(Packet::Game {
        channel: channel(),
        actions,
    })
}

fn at(mut action: Action, timestamp_ms: u64) -> Action {
    action.timestamp_ms = timestamp_ms as f64;
    action
}

fn replied(inviter: &str, invited: &str, accepted: bool) -> Effect {
    Effect::SendUser {
        user: user(inviter),
        packet: Packet::InviteReply {
            channel: channel(),
            user: user(invited),
            accepted,
        },
    }
}

fn member(id: &str, team: Option<&str>, state: MemberState) -> RoomMember {
    RoomMember {
        user: user(id),
        team: team.map(Into::into),
        state,
    }
}

/// The `joined` among `effects`.
fn joined(effects: &[Effect]) -> &RoomJoined {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Send {
                packet: Packet::RoomJoined(joined),
                ..
            } => Some(&**joined),
            _ => None,
        })
        .expect("a joined")
}

fn refused(outcome: Outcome) -> (ErrorCode, String, Option<u64>) {
    let error = outcome.expect_err("a refusal");
    let index = error.details.iter().find(|(name, _)| *name == "index");
    (
        error.code,
        error.message.to_string(),
        index.map(|(_, index)| *index),
    )
}
