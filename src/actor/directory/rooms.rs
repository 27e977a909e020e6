//! The rooms of a directory, for the operator.

use super::Directory;
use turntable_core::call::Requester;
use turntable_core::delivery::Answer;
use turntable_core::id::ChannelId;

impl Directory {
    /// Answers with the first rooms behind one.
    pub(super) fn list_rooms(&self, requester: Requester, after: Option<&str>, max: usize) {
        let is_behind = |room: &&ChannelId| after.is_none_or(|after| room.as_str() > after);
        let mut rooms: Vec<&ChannelId> = self.rooms.ids().filter(is_behind).collect();
        let by_id = |one: &&ChannelId, other: &&ChannelId| one.as_str().cmp(other.as_str());
        if max < rooms.len() {
            rooms.select_nth_unstable_by(max, by_id);
            rooms.truncate(max);
        }
        let rooms = rooms.into_iter().cloned().collect();
        self.shared.answer(requester, Ok(Answer::Channels(rooms)));
    }
}
