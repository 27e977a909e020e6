//! What a room sends to each of its members, in bytes of `room.bytes`: actions, and
//! news of members.
//!
//! A member can always leave, so a join pays for both. `away` and `back` follow from
//! connections that drop and return and cannot be refused; they are charged, and what
//! follows waits.

use super::{Room, tick};
use crate::id::UserId;
use crate::limit::Limit;
use crate::packet::{Action, ErrorBody};
use crate::rate::tokens;
use crate::reason::ErrorCode;

/// What a `game` message takes beside its room and its actions.
const GAME_BYTES: usize = 64;

/// What a `memberchange` of one member takes beside its room and the user.
const CHANGE_BYTES: usize = 80;

impl Room {
    /// Takes what actions send to each member.
    pub(super) fn take_actions(
        &mut self,
        actions: &[Action],
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let actions = actions.iter().map(tick::weight).sum::<usize>();
        let bytes = GAME_BYTES + self.channel.as_str().len() + actions;
        self.take_bytes(tokens(bytes), now_ms)
    }

    /// Takes what the join of a new member sends to each member, and its leave later.
    /// Returns how much that is.
    pub(super) fn take_join(&mut self, user: &UserId, now_ms: u64) -> Result<u32, ErrorBody> {
        let bytes = self.change_bytes(user).saturating_mul(2);
        self.take_bytes(bytes, now_ms).map(|()| bytes)
    }

    /// Charges a change of a member that cannot be refused.
    pub(super) fn pay_change(&mut self, user: &UserId, now_ms: u64) {
        let bytes = self.change_bytes(user);
        self.bytes.pay(bytes, self.settings.bytes, now_ms);
    }

    fn change_bytes(&self, user: &UserId) -> u32 {
        tokens(CHANGE_BYTES + self.channel.as_str().len() + user.as_str().len())
    }

    fn take_bytes(&mut self, bytes: u32, now_ms: u64) -> Result<(), ErrorBody> {
        let taken = self.bytes.take_many(bytes, self.settings.bytes, now_ms);
        taken.map_err(|retry_ms| {
            ErrorBody::new(
                ErrorCode::RateLimited,
                "too much is sent in this room; wait retry_ms",
            )
            .with("retry_ms", retry_ms)
            .by(Limit::RoomBytes)
        })
    }
}
