//! What a backend hears of a room: that it was created, the results that its members claim,
//! and that it ended.

use crate::actor::room::Room;
use crate::webhook::settings::Kind;
use turntable_core::id::UserId;
use turntable_core::model::room::ResultReport;

impl Room {
    /// Reports the room to the backend, with its first member.
    pub(super) fn report_created(&mut self, user: &UserId, now_ms: u64) {
        if self.reported_ms.is_some() || self.is_replacement {
            return;
        }
        self.reported_ms = Some(now_ms);
        self.report(Kind::RoomCreated, "by", user.as_str().into());
    }

    /// Reports the results that a member claims to the backend.
    pub(super) fn report_results(&self, report: &ResultReport) {
        if let Some(model) = &self.model {
            let (channel, game) = (self.channel.as_str(), model.game().name());
            let members = || model.members().snapshot();
            (self.shared.webhooks).emit_results(channel, game, members, report);
        }
    }

    /// Reports the end of the room to the backend.
    pub(super) fn report_ended(&mut self, now_ms: u64) {
        let lasted_ms = self
            .reported_ms
            .take()
            .map(|reported_ms| now_ms.saturating_sub(reported_ms));
        if lasted_ms.is_some() || self.is_replacement {
            self.report(Kind::RoomEnded, "lasted_ms", lasted_ms.into());
        }
        self.is_replacement = false;
    }

    fn report(&self, kind: Kind, name: &str, value: serde_json::Value) {
        let Some(model) = &self.model else {
            return;
        };
        let (channel, game) = (self.channel.as_str(), model.game().name());
        let data = || serde_json::json!({"channel": channel, "game": game, name: value});
        // A room that replaces a lost one does not know who created it.
        let by = self.created.as_ref().map(|created| created.by().as_str());
        let cause = by.unwrap_or(channel);
        self.shared.webhooks.emit(kind, channel, cause, data);
    }
}
