//! What a tunnel's socket gets: header, datagrams, keepalives and footer, each
//! in its turn.

use super::{GAP, KEEPALIVE, Stage, Tunnel};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::socket;
use crate::gateway::work::Effect;
use turntable_core::reason::CloseReason;
use turntable_wire::tunnel_format::Opening;

/// A tunnel that took nothing for so many keepalives is dead.
const BLOCKED_MAX: u8 = 2;

/// Sets the timer of the next look at a tunnel.
pub(super) fn arm(connection: &Connection, cx: &mut Cx<'_>) {
    let settings = &cx.settings.transport.tunnel;
    let wait_ms = match Tunnel::is_once(connection, cx) {
        true => settings.longpoll_ms,
        false => settings.keepalive_ms,
    };
    cx.arm(KEEPALIVE, cx.now_ms + wait_ms);
}

/// Queues the header, where it was not yet: before everything that waits.
pub(super) fn push_opening(connection: &mut Connection) {
    if let Some(tunnel) = Tunnel::of(connection)
        && tunnel.stage == Stage::Ready
    {
        tunnel.stage = Stage::Open;
        let opening = std::mem::take(&mut tunnel.opening);
        connection.queue.push_front(Frame::raw(&opening));
    }
}

/// Writes what is between the last datagram and the end: the header, where it
/// was not queued, and the footer or a keepalive.
pub(super) fn edge(
    connection: &mut Connection,
    out: &mut Vec<u8>,
    end: Option<CloseReason>,
    cx: &Cx<'_>,
) {
    let Some(format) = Tunnel::format(connection, cx) else {
        return;
    };
    let Some(tunnel) = Tunnel::of(connection) else {
        return;
    };
    if tunnel.stage == Stage::Ready {
        out.extend_from_slice(&std::mem::take(&mut tunnel.opening));
        tunnel.stage = Stage::Open;
    }
    if tunnel.stage != Stage::Open {
        return;
    }
    let name = tunnel.name.map(|name| name.secret()).unwrap_or_default();
    let values = Opening {
        tunnel: &name,
        now_ms: cx.now_ms,
        callback: tunnel.callback.as_deref(),
        code: end.map_or(0, CloseReason::code),
    };
    if let Some(reason) = end {
        tunnel.stage = Stage::Ending;
        if format.is_once() && reason != CloseReason::Bye {
            format.closing(&values, out);
        }
        format.footer(&values, out);
    } else {
        format.keepalive(&values, out);
    }
}

/// Looks at a tunnel that was quiet for a while, or has waited long enough for a
/// batch.
pub(super) fn look(connection: &mut Connection, cx: &mut Cx<'_>) {
    if connection.is_closing() || connection.io.is_none() {
        return;
    }
    let is_blocked = connection.queue.is_blocked();
    let is_once = Tunnel::is_once(connection, cx);
    let Some(tunnel) = Tunnel::of(connection) else {
        return;
    };
    tunnel.blocked = if is_blocked { tunnel.blocked + 1 } else { 0 };
    if tunnel.blocked >= BLOCKED_MAX {
        log::debug!("a tunnel is lost: it takes nothing any more");
        cx.metrics.close(CloseReason::HeartbeatMissed);
        return cx.push_effect(Effect::Lose(cx.key));
    }
    let is_quiet = std::mem::replace(&mut tunnel.is_quiet, true);
    if tunnel.stage == Stage::Open {
        let end = is_once.then_some(CloseReason::Bye);
        if is_once || (is_quiet && !is_blocked) {
            let mut bytes = Vec::new();
            edge(connection, &mut bytes, end, cx);
            cx.push_direct(connection, Frame::raw(&bytes));
        }
    }
    arm(connection, cx);
}

/// Writes to a tunnel: the header before the first datagram, and the footer
/// behind the first batch, where the format ends with it.
pub(super) fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
    let is_once = Tunnel::is_once(connection, cx);
    let is_closing = connection.is_closing();
    if connection.io.is_none() {
        // Changes of presence merge until the client comes back.
        if let Some(entry) = cx.entry() {
            entry.is_blocked = true;
            entry.is_dirty = false;
        }
        return;
    }
    let has_messages = cx
        .entry()
        .is_some_and(|entry| !entry.session.outbox.is_drained());
    let has_output = connection.queue.has_direct() || has_messages;
    let Some(tunnel) = Tunnel::of(connection) else {
        return;
    };
    if tunnel.stage == Stage::Waiting {
        return;
    }
    tunnel.is_quiet = false;
    // The header is written at once, so that the client knows it is in.
    push_opening(connection);
    let mut is_drained = socket::write(connection, cx);
    if !is_once || is_closing || !is_drained {
        return;
    }
    let is_open =
        |connection: &mut Connection| Tunnel::of(connection).map(|t| t.stage) == Some(Stage::Open);
    if is_open(connection) {
        if !has_output {
            return;
        }
        let mut last = Vec::new();
        edge(connection, &mut last, Some(CloseReason::Bye), cx);
        cx.push_direct(connection, Frame::raw(&last));
        is_drained = socket::write(connection, cx);
    }
    if is_drained {
        // The answer is whole; the connection waits for the next request.
        cx.push_effect(Effect::EndSocket(cx.key));
        cx.arm(GAP, cx.now_ms + cx.settings.transport.tunnel.gap_ms);
    }
}
