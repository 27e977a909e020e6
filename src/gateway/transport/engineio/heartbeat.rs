//! The heartbeat of a session of Engine.IO: the server pings, the client answers.

use super::{Engine, PING, packet};
use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::Packet;

/// A sign of life came: sets when the next is due.
pub(super) fn expect_life(connection: &mut Connection, cx: &mut Cx<'_>) {
    let settings = &cx.settings.transport.socketio;
    let (interval_ms, timeout_ms) = (settings.ping_interval_ms, settings.ping_timeout_ms);
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    engine.is_pinged = false;
    engine.ping_at_ms = cx.now_ms + interval_ms;
    engine.alive_until_ms = cx.now_ms + interval_ms + timeout_ms;
    let at_ms = engine.ping_at_ms;
    // The timer that is set looks at these, too, if it comes before.
    if engine.armed_ms <= cx.now_ms || engine.armed_ms > at_ms {
        arm(engine, at_ms, cx);
    }
}

/// Sets the timer of the heartbeat.
pub(super) fn arm(engine: &mut Engine, at_ms: u64, cx: &mut Cx<'_>) {
    engine.armed_ms = at_ms;
    cx.arm(PING, at_ms);
}

/// The timer came due: pings, or closes a session that did not answer.
pub(super) fn ping_is_due(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if cx.now_ms < engine.armed_ms {
        // Another timer was set since.
        return;
    }
    if cx.now_ms >= engine.alive_until_ms {
        return cx.close(CloseReason::HeartbeatMissed);
    }
    let is_due = !engine.is_pinged && cx.now_ms >= engine.ping_at_ms;
    engine.is_pinged |= is_due;
    let at_ms = match engine.is_pinged {
        true => engine.alive_until_ms,
        false => engine.ping_at_ms,
    };
    arm(engine, at_ms, cx);
    if is_due {
        cx.push_direct(connection, packet::frame(&Packet::Ping("")));
    }
}
