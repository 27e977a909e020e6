//! Past messages of a channel for a session that joins it.

use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use turntable_core::delivery::Replay;
use turntable_core::frame::SharedFrame;
use turntable_core::key::SessionSlot;
use turntable_core::packet::RequestId;

/// A session pays for past messages of more bytes; fewer are paid by the command.
const FREE_BYTES: usize = 1_024;

impl Gateway {
    /// Sends a session past messages of a path below one that it joined, if all of them
    /// have room.
    pub(super) fn send_past(&mut self, session: SessionSlot, messages: &[SharedFrame]) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let bytes: usize = messages.iter().map(|frame| frame.v1().len()).sum();
        if !entry.has_room(bytes) || !self.take_past(session, bytes, true) {
            return;
        }
        for frame in messages {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }

    /// Sends a session its `joined` and the past messages behind it, if all of them
    /// have room, in its outbox and in what its address may get; otherwise a `joined` that
    /// promises none.
    pub(crate) fn channel_joined(
        &mut self,
        session: SessionSlot,
        joined: &SharedFrame,
        replay: Option<Replay>,
        id: Option<&RequestId>,
    ) {
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.asks_again();
        }
        let Some(Replay {
            messages,
            otherwise,
        }) = replay
        else {
            return self.send_frame(session, Frame::sent(joined), id);
        };
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let bytes: usize = messages.iter().map(|frame| frame.v1().len()).sum();
        // An address pays for all of them: it may have thousands of sessions.
        if !entry.has_room(bytes) || !self.take_past(session, bytes, bytes > FREE_BYTES) {
            return self.send_frame(session, Frame::sent(&otherwise), id);
        }
        self.send_frame(session, Frame::sent(joined), id);
        for frame in &messages {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }
}
