//! Attachments that have not come: their packet waits for them no longer than an unfinished
//! WebSocket message for its rest.

use super::{ATTACHMENTS, Engine};
use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use turntable_core::reason::CloseReason;

/// Sets the timer where a packet waits, and none is set.
pub(super) fn expect(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if engine.assembler.is_waiting() && !engine.is_attachment_timed {
        engine.is_attachment_timed = true;
        let at_ms = engine.packet_at_ms + cx.settings.session.heartbeat_ms;
        cx.arm(ATTACHMENTS, at_ms);
    }
}

/// The timer came due: closes a session whose packet has waited too long. Another one
/// may have begun since.
pub(super) fn are_due(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    engine.is_attachment_timed = false;
    let at_ms = engine.packet_at_ms + cx.settings.session.heartbeat_ms;
    if engine.assembler.is_waiting() && cx.now_ms >= at_ms {
        return cx.close(CloseReason::HeartbeatMissed);
    }
    expect(connection, cx);
}
