//! What an operator asks of a room: what it is, its last actions, that a member leaves, that it
//! ends.

use super::Room;
use super::recent::Limits;
use crate::actor::no_room_of_id;
use turntable_core::call::{Requester, RoomCall};
use turntable_core::delivery::Answer;
use turntable_core::frame::SharedFrame;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

impl Room {
    /// Carries out what an operator asks.
    pub(super) fn operate(&mut self, call: RoomCall, now_ms: u64) {
        let Some(requester) = call.requester() else {
            return;
        };
        let answer = match call {
            RoomCall::Inspect { .. } => self.inspect(now_ms),
            RoomCall::Recent { behind, .. } => self.recent_actions(behind),
            RoomCall::Kick { user, reason, .. } => self.kick(&user, reason.as_deref(), now_ms),
            RoomCall::End { reason, .. } => self.end(reason.as_deref(), now_ms),
            _ => return,
        };
        self.answer(requester, answer);
    }

    fn answer(&self, requester: Requester, answer: Result<Answer, ErrorBody>) {
        self.shared.answer(requester, answer);
    }

    fn inspect(&self, now_ms: u64) -> Result<Answer, ErrorBody> {
        let model = self.model.as_ref().ok_or_else(no_room_of_id)?;
        Ok(Answer::Room {
            report: Box::new(model.inspect(now_ms)),
            since_ms: self.since_ms,
            actions: self.recent.total(),
            last_action_ms: self.recent.last_ms(),
        })
    }

    fn recent_actions(&self, behind: Option<u64>) -> Result<Answer, ErrorBody> {
        let model = self.model.as_ref();
        model.ok_or_else(no_room_of_id).map(|_| Answer::Actions {
            total: self.recent.total(),
            messages: self.recent.behind(behind),
        })
    }

    fn kick(
        &mut self,
        user: &UserId,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Answer, ErrorBody> {
        let model = self.model.as_mut().ok_or_else(no_room_of_id)?;
        let kicked = model.kick(user, reason, now_ms);
        let effects = kicked.map_err(|error| ErrorBody::new(ErrorCode::NotFound, error.message))?;
        self.apply(effects, None);
        Ok(Answer::Done)
    }

    fn end(&mut self, reason: Option<&str>, now_ms: u64) -> Result<Answer, ErrorBody> {
        let model = self.model.as_mut().ok_or_else(no_room_of_id)?;
        let effects = model.end(reason, now_ms);
        self.apply(effects, None);
        Ok(Answer::Done)
    }

    /// Actions were sent, in one message.
    pub(super) fn retain(&mut self, actions: usize, frame: SharedFrame, now_ms: u64) {
        let Some(model) = &self.model else {
            return;
        };
        let settings = model.settings();
        let limits = Limits {
            room: settings.recent_bytes_max,
            worker: settings.recent_total_bytes_max / self.shared.owners.shards().max(1),
        };
        self.recent.push(actions, frame, limits, now_ms);
    }
}
