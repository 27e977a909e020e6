//! What a hook of a transport may use beside its connection.

use std::sync::Arc;

use crate::gateway::admission::Incomplete;
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::SessionEntry;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::transport::TransportTimer;
use crate::gateway::turn::{Counters, TurnLists};
use crate::gateway::work::Effect;
use crate::metric::Metrics;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{RequestId, ServerPacket};
use turntable_core::reason::CloseReason;

/// The context of one call of a hook.
pub(crate) struct Cx<'a> {
    /// The connection's key.
    pub(crate) key: ConnKey,
    /// Unix ms.
    pub(crate) now_ms: u64,
    /// The settings in force.
    pub(crate) settings: &'a GatewaySettings,
    /// The encodings of the node.
    pub(crate) encodings: &'a Encodings,
    /// What is counted.
    pub(crate) metrics: &'a Metrics,
    /// What clients have sent that is not whole.
    pub(crate) incomplete: &'a Arc<Incomplete>,
    /// The session that the connection carries.
    pub(crate) session: Option<(SessionSlot, &'a mut SessionEntry)>,
    /// The connection that carries this one, with its key.
    pub(crate) carrier: Option<(ConnKey, &'a mut Connection)>,
    /// What is to be written or read this turn.
    pub(crate) lists: &'a mut TurnLists,
    /// What this turn counted.
    pub(crate) counters: &'a mut Counters,
    /// What has to happen next, in order.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    /// Unix ms with a fraction, for what measures time.
    pub(crate) fn now_exact_ms(&self) -> f64 {
        crate::clock::now_exact_ms()
    }

    /// Leaves an effect.
    pub(crate) fn push_effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Sets a timer of the connection for `at_ms`.
    pub(crate) fn arm(&mut self, timer: TransportTimer, at_ms: u64) {
        self.effects.push(Effect::Arm(self.key, timer, at_ms));
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.effects.push(Effect::Close(self.key, reason));
    }

    /// The connection has something to write.
    pub(crate) fn mark_dirty(&mut self) {
        self.lists.dirty.push(self.key);
    }

    /// The connection's reader takes bytes again: what waited is written, and
    /// presence of its session, too.
    pub(crate) fn unblock(&mut self) {
        self.mark_dirty();
        if let Some((session, entry)) = &mut self.session {
            entry.is_blocked = false;
            if entry.has_changes() {
                self.lists.changed.push(*session);
            }
        }
    }

    /// Whether what the connection's client sends has to wait, for an identification or
    /// behind commands of its session that take turns.
    pub(crate) fn is_paused(&self, connection: &Connection) -> bool {
        let session = self.session.as_ref();
        connection.is_paused() || session.is_some_and(|(_, entry)| entry.queue.is_some())
    }

    /// The connection is read next turn, too.
    pub(crate) fn mark_unread(&mut self, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.has_unread, true) {
            self.lists.unread.push(self.key);
        }
    }

    /// The carried session's entry.
    pub(crate) fn entry(&mut self) -> Option<&mut SessionEntry> {
        self.session.as_mut().map(|(_, entry)| &mut **entry)
    }

    /// Sends a packet that belongs to the connection, not to its session.
    pub(crate) fn send_direct(
        &mut self,
        connection: &mut Connection,
        packet: &ServerPacket,
        id: Option<&RequestId>,
    ) {
        self.push_direct(connection, Frame::message(packet, id));
        if let Some(id) = id {
            self.effects.push(Effect::Answered(self.key, id.clone()));
        }
    }

    /// Queues a frame of the connection itself; a reader that does not take them
    /// is closed.
    pub(crate) fn push_direct(&mut self, connection: &mut Connection, frame: Frame) {
        if connection.is_closing() {
            return;
        }
        let waiting = connection.queue.bytes();
        let begun = u64::from(connection.queue.has_begun());
        if let Some(message) = frame.as_message() {
            match &mut self.session {
                Some((_, entry)) => entry.note_unnumbered(message, begun),
                None => connection.transport.note_unnumbered(message),
            }
        }
        connection.queue.push(frame);
        if !connection.queue.is_blocked() {
            self.mark_dirty();
        }
        if waiting > self.settings.session.outbox_bytes_max {
            self.effects.push(match &self.session {
                Some((session, _)) => Effect::Overflowed(*session, Some(self.key)),
                None => Effect::Close(self.key, CloseReason::TooSlow),
            });
        }
    }
}
