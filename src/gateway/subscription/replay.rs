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
        if !entry.has_room(bytes) {
            return;
        }
        let now_ms = crate::clock::now_ms();
        entry
            .session
            .pay_bytes(bytes, now_ms, &self.settings.limits);
        for frame in messages {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }

    /// Sends a session its `joined` and the past messages behind it, if all of them
    /// have room; otherwise a `joined` that promises none.
    pub(crate) fn channel_joined(
        &mut self,
        session: SessionSlot,
        joined: &SharedFrame,
        replay: Option<Replay>,
        id: Option<&RequestId>,
    ) {
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
        if !entry.has_room(bytes) {
            return self.send_frame(session, Frame::sent(&otherwise), id);
        }
        if bytes > FREE_BYTES {
            let now_ms = crate::clock::now_ms();
            entry
                .session
                .pay_bytes(bytes, now_ms, &self.settings.limits);
        }
        self.send_frame(session, Frame::sent(joined), id);
        for frame in &messages {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }
}
