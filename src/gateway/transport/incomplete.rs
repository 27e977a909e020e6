//! What a connection has brought of a message that is not whole, and of messages that wait
//! for their turn: counted for its address.
//!
//! A message that comes as a whole and is taken at once is never counted. Where there is no
//! room, the input is dropped and the connection closed; nobody else is affected.

use crate::gateway::connection::Connection;
use crate::gateway::transport::Transport;
use crate::gateway::transport::context::Cx;

/// Counts what is not whole or waits, behind input that was taken. Closes the connection where
/// there is too much of it.
pub(crate) fn count(connection: &mut Connection, cx: &mut Cx<'_>) {
    let bytes = connection.transport.incomplete_bytes();
    let Some(frames) = connection.transport.frames_mut() else {
        return;
    };
    let Some(permit) = connection.permit.as_ref().filter(|_| bytes > 0) else {
        return frames.forget_incomplete();
    };
    let share = frames.incomplete_mut(|| cx.incomplete.share(permit.address()));
    if let Err(full) = share.set(bytes, cx.settings.incomplete) {
        cx.metrics.reach(full.key());
        connection.transport.drop_incomplete();
        cx.close(full.close_reason());
    }
}

impl Transport {
    /// What came of a message, or of a packet with attachments, that is not whole, and what
    /// waits, in bytes.
    fn incomplete_bytes(&self) -> usize {
        match self {
            Self::WebSocket(websocket) => websocket.incomplete_bytes(),
            Self::Engine(engine) => engine.incomplete_bytes(),
            Self::Probe(probe) => probe.incomplete_bytes(),
            Self::Tunnel(_) | Self::Poll(_) | Self::Namespace(_) => 0,
        }
    }

    /// Drops that, and takes nothing more.
    fn drop_incomplete(&mut self) {
        if let Some(frames) = self.frames_mut() {
            frames.end();
            frames.forget_incomplete();
        }
        if let Self::Engine(engine) = self {
            engine.drop_packet();
        }
    }
}
